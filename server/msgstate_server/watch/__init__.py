"""The way out: every change of the log, in order, from any position, to any number of watchers."""

from msgstate_server.watch.tail import WINDOW
from msgstate_server.watch.watcher import WatchRequest
from msgstate_server.watch.watches import PAGE, Watches
from msgstate_server.watch.wire import Batch, Wire

__all__ = ["PAGE", "WINDOW", "Batch", "WatchRequest", "Watches", "Wire"]
