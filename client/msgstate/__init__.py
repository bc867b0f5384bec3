"""The msgstate client: publish events, read message states and watch every transition over gRPC."""

__version__ = "0.1.0"
