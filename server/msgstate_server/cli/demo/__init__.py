"""`msgstate demo`: a server on a fresh store, two providers that post to it, and a watcher that tells what it sees."""

from msgstate_server.cli.demo.command import command

__all__ = ["command"]
