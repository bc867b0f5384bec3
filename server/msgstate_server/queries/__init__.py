"""Questions about what is known, answered the same way to every caller."""

from msgstate_server.queries.message import MessageView, get_message

__all__ = ["MessageView", "get_message"]
