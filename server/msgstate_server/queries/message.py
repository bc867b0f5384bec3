"""One message and its recipients, found by its id or an alias."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgstate_server.domain.limits import MESSAGE_ALIASES, MESSAGE_RECIPIENTS
from msgstate_server.domain.states import NEEDS_ATTENTION, State
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.queries.resolution import not_found, read_key, resolve
from msgstate_server.store.protocol import MessageKey, Store


class MessageView(NamedTuple):
    """A message as its recipients make it: `counts` has all of them, `recipients` the first ones.

    `message_ref` and `message_ids` are set where it was asked for by ref.
    """

    provider: str
    message_id: str
    state: State
    recipients: list[RecipientStatus]
    truncated: bool
    counts: dict[State, int]
    aliases: list[str]
    message_ref: str = ""
    message_ids: Sequence[str] = ()


async def get_message(store: Store, message_id: str, provider: str = "", recipient: str = "") -> MessageView:
    """The message with this id or, where there is none, with this alias; an empty `provider` or `recipient` means any.

    Raises `InvalidRequest`, `MessageNotFound`, `MessageAmbiguous`.
    """
    asked, recipient = read_key(message_id, provider, recipient)
    return await view(store, await resolve(store, asked, recipient, MESSAGE_RECIPIENTS), MESSAGE_RECIPIENTS)


async def view(store: Store, found: list[RecipientStatus], limit: int) -> MessageView:
    """The message of these recipients, of which there are more than `limit` where it has more.

    Raises `MessageNotFound` where it was deleted meanwhile.
    """
    first = found[0]
    truncated = len(found) > limit
    recipients = found[:limit]
    counts: dict[State, int] = {}
    if truncated:
        key = MessageKey(first.provider, first.message_id)
        for evidence, count in (await store.count_recipients(key)).items():
            counts[evidence.state] = counts.get(evidence.state, 0) + count
        if not counts:
            raise not_found(key)
    else:
        counts = counted(found)
    return view_of(recipients, counts, truncated=truncated)


def view_of(recipients: list[RecipientStatus], counts: dict[State, int], *, truncated: bool) -> MessageView:
    """The view of a message with these recipients, at least one; `counts` has those too that were cut off."""
    first = recipients[0]
    return MessageView(
        provider=first.provider,
        message_id=first.message_id,
        state=next(state for state in NEEDS_ATTENTION if state in counts),
        recipients=recipients,
        truncated=truncated,
        counts=counts,
        aliases=sorted({alias for status in recipients for alias in status.aliases})[:MESSAGE_ALIASES],
    )


def counted(statuses: Iterable[RecipientStatus]) -> dict[State, int]:
    """How many recipients are in each state."""
    counts: dict[State, int] = {}
    for status in statuses:
        counts[status.state] = counts.get(status.state, 0) + 1
    return counts
