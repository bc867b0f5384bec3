"""Where the log and the statuses are kept: one protocol, one engine per module."""
