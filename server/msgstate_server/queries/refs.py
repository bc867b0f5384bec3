"""Messages asked for by the sender's own id: recipients that share provider, ref and address are seen as one.

A sender may publish ACCEPTED under its own id while the provider reports under another. Both describe one message if
they name the same ref. The facts of a status fold in any order, so this is a view at read time: nothing is rewritten.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgstate_server.domain.decision import StoredStatus
from msgstate_server.domain.errors import MessageAmbiguous, MessageNotFound
from msgstate_server.domain.limits import AMBIGUOUS_NAMED, MESSAGE_ALIASES, REF_RECIPIENTS
from msgstate_server.domain.status import RecipientStatus, folded
from msgstate_server.domain.validation import shown
from msgstate_server.queries.message import MessageView, counted, view_of
from msgstate_server.store.protocol import RefKey, StatusFilter, StatusPage, Store


class _Found(NamedTuple):
    """The recipients with a ref, folded, by first appearance of their first part; `ids` are their messages' ids."""

    recipients: list[StoredStatus]
    ids: list[str]
    is_cut: bool


async def get_message_by_ref(store: Store, asked: RefKey, recipient: str, limit: int) -> MessageView:
    """The message with this ref, with up to `limit` recipients; an empty `recipient` means all of them.

    Raises `MessageNotFound`, `MessageAmbiguous`.
    """
    found = await _read(store, asked)
    statuses = [each.status for each in found.recipients if recipient in {"", each.status.recipient}]
    if not statuses:
        raise _not_found(asked, recipient)
    view = view_of(statuses[:limit], counted(statuses), truncated=found.is_cut or len(statuses) > limit)
    return view._replace(message_ref=asked.message_ref, message_ids=found.ids[:MESSAGE_ALIASES])


async def require_ref(store: Store, asked: RefKey, recipient: str) -> RefKey:
    """The ref with its provider; raises `MessageNotFound`, `MessageAmbiguous`."""
    view = await get_message_by_ref(store, asked, recipient, limit=1)
    return RefKey(view.provider, asked.message_ref)


async def list_by_ref(store: Store, wanted: StatusFilter, before: int | None, limit: int) -> StatusPage:
    """Up to `limit` recipients with `wanted.message_ref` that match, newest first, of those before a place.

    The filter is held against the folded recipients, whose place is that of their first part.
    """
    parts = await store.read_ref(RefKey("", wanted.message_ref), REF_RECIPIENTS)
    matching = [each for each in _fold(parts, wanted.message_ref) if _matches(each.status, wanted)]
    page = [each for each in reversed(matching) if before is None or each.id < before]
    return StatusPage(page[:limit], page[limit - 1].id if len(page) > limit else None)


async def _read(store: Store, asked: RefKey) -> _Found:
    parts = await store.read_ref(asked, REF_RECIPIENTS + 1)
    providers = sorted({part.status.provider for part in parts})
    if len(providers) > 1:
        raise _ambiguous(asked, providers)
    is_cut = len(parts) > REF_RECIPIENTS
    parts = parts[:REF_RECIPIENTS]
    ids = list(dict.fromkeys(part.status.message_id for part in parts))
    return _Found(_fold(parts, asked.message_ref), ids, is_cut)


def _fold(parts: Sequence[StoredStatus], message_ref: str) -> list[StoredStatus]:
    """One status for each provider and address, under the provider's id where one differs from the ref."""
    same: dict[tuple[str, str], list[StoredStatus]] = {}
    for part in parts:
        same.setdefault((part.status.provider, part.status.recipient), []).append(part)
    recipients = []
    for own in same.values():
        whole = folded([part.status for part in own])
        ids = [part.status.message_id for part in own]
        whole.message_id = next((each for each in ids if each != message_ref), message_ref)
        recipients.append(StoredStatus(own[0].id, whole))
    return recipients


def _matches(status: RecipientStatus, wanted: StatusFilter) -> bool:
    """Whether a folded recipient matches the other filters, as an engine matches a stored one."""
    return (
        (not wanted.states or status.state in wanted.states)
        and (not wanted.providers or status.provider in wanted.providers)
        and wanted.message_id in {"", status.message_id}
        and wanted.recipient in {"", status.recipient}
        and _within(status.update_time, wanted.updated_after, wanted.updated_before)
        and _within(status.create_time, wanted.created_after, wanted.created_before)
        and _within(status.state_change_time, None, wanted.state_changed_before)
        and wanted.metadata <= set(status.metadata.items())
    )


def _within(time: int, after: int | None, before: int | None) -> bool:
    return (after is None or time >= after) and (before is None or time < before)


def _not_found(asked: RefKey, recipient: str) -> MessageNotFound:
    where = f" of provider {shown(asked.provider)}" if asked.provider else ""
    whom = f" with a recipient {shown(recipient)}" if recipient else ""
    return MessageNotFound(f"no message{where} has the ref {shown(asked.message_ref)}{whom}")


def _ambiguous(asked: RefKey, providers: Sequence[str]) -> MessageAmbiguous:
    named = [f"{provider}/{asked.message_ref}" for provider in providers[:AMBIGUOUS_NAMED]]
    more = " and more" if len(providers) > AMBIGUOUS_NAMED else ""
    return MessageAmbiguous(
        f"the ref {shown(asked.message_ref)} names messages of several providers: "
        f"{', '.join(providers[:AMBIGUOUS_NAMED])}{more}; set the provider",
        **{f"message_{number}": name for number, name in enumerate(named, 1)},
    )
