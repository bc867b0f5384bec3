"""The client, written once: `_sync` is generated from this, all but `transport`."""
