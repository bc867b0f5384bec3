"""Recipients' statuses as a list: newest first, in an order that never changes."""

from typing import Final

from msgstate_server.domain.decision import StoredStatus
from msgstate_server.queries.refs import list_by_ref
from msgstate_server.store.protocol import StatusFilter, StatusPage, Store

_READS: Final = 10
"""Reads that one page may take, each of a bounded number of recipients: a page may be short, and not be the last."""


async def list_statuses(store: Store, wanted: StatusFilter, before: int | None, limit: int) -> StatusPage:
    """Up to `limit` statuses that match, of those before a place; None is the beginning of the list."""
    if wanted.message_ref:
        return await list_by_ref(store, wanted, before, limit)
    statuses: list[StoredStatus] = []
    for _ in range(_READS):
        page = await store.list_recipients(wanted, before, limit - len(statuses))
        statuses += page.statuses
        before = page.next
        if before is None or len(statuses) == limit:
            break
    return StatusPage(statuses, before)
