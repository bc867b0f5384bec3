"""The gRPC API: thin handlers, conversion, and one place that maps errors to gRPC statuses."""
