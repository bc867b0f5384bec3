"""The client for programs without an event loop: generated from `_async`, all but `transport`."""
