"""The way out: every change of the log, in order, from any position, to any number of watchers."""

from msgstate_server.watch.watches import Batch, Watches, WatchRequest

__all__ = ["Batch", "WatchRequest", "Watches"]
