"""The contract over gRPC: thin handlers, conversion, and errors turned into status in one place."""
