"""Questions about what is known, answered the same way to every caller."""

from msgstate_server.queries.history import HistoryPage, get_history, get_ref_history
from msgstate_server.queries.message import MessageView, get_message
from msgstate_server.queries.messages import Answer, get_messages, require_few
from msgstate_server.queries.page_token import Listing
from msgstate_server.queries.refs import get_message_by_ref
from msgstate_server.queries.resolution import read_key, read_ref_key, require_id_or_ref
from msgstate_server.queries.statuses import list_statuses

__all__ = [
    "Answer",
    "HistoryPage",
    "Listing",
    "MessageView",
    "get_history",
    "get_message",
    "get_message_by_ref",
    "get_messages",
    "get_ref_history",
    "list_statuses",
    "read_key",
    "read_ref_key",
    "require_few",
    "require_id_or_ref",
]
