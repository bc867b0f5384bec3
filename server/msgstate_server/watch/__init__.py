"""The way out: every change of the log, in order, from any position, to any number of watchers."""

from msgstate_server.watch.tail import WINDOW
from msgstate_server.watch.watches import PAGE, Batch, Watches, WatchRequest

__all__ = ["PAGE", "WINDOW", "Batch", "WatchRequest", "Watches"]
