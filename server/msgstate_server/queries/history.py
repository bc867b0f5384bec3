"""What happened to one message, event by event, as far as the log is kept."""

from typing import NamedTuple

from msgstate_server.domain.log import LogEntry
from msgstate_server.queries.refs import require_ref
from msgstate_server.queries.resolution import resolve
from msgstate_server.store.protocol import MessageKey, RefKey, Store


class HistoryPage(NamedTuple):
    """Part of a history; `next` is the position to go on after, None at its end."""

    entries: list[LogEntry]
    next: int | None


async def get_ref_history(store: Store, asked: RefKey, recipient: str, after: int, limit: int) -> HistoryPage:
    """Up to `limit` events of all recipients with a ref after a position, in log order; an empty `recipient` means all.

    Raises `MessageNotFound`, `MessageAmbiguous`.
    """
    key = await require_ref(store, asked, recipient)
    return _page(await store.read_ref_history(key, recipient, after, limit + 1), limit)


async def get_history(store: Store, asked: MessageKey, recipient: str, after: int, limit: int) -> HistoryPage:
    """Up to `limit` events of a message after a position, in log order; an empty `recipient` means all.

    The message is found as by `get_message`; what is asked is as `read_key` gives it. Raises `MessageNotFound`,
    `MessageAmbiguous`.
    """
    first, *_ = await resolve(store, asked, recipient, limit=1)
    message = MessageKey(first.provider, first.message_id)
    # One more than asked for tells whether the page is the last.
    return _page(await store.read_history(message, recipient, after, limit + 1), limit)


def _page(entries: list[LogEntry], limit: int) -> HistoryPage:
    return HistoryPage(entries[:limit], entries[limit - 1].position if len(entries) > limit else None)
