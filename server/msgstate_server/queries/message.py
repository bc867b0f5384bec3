"""One message and its recipients, found by its id or an alias."""

from collections import Counter
from typing import NamedTuple

from msgstate_server.domain.errors import InvalidRequest, MessageAmbiguous, MessageNotFound
from msgstate_server.domain.identity import normalize_id, normalize_recipient
from msgstate_server.domain.limits import AMBIGUOUS_NAMED, ID_BYTES, MESSAGE_ALIASES, MESSAGE_RECIPIENTS
from msgstate_server.domain.states import NEEDS_ATTENTION, State
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.domain.validation import Violation, shown, text_violations
from msgstate_server.store.protocol import MessageKey, Store


class MessageView(NamedTuple):
    """A message as its recipients make it: `counts` has all of them, `recipients` the first ones."""

    provider: str
    message_id: str
    state: State
    recipients: list[RecipientStatus]
    truncated: bool
    counts: dict[State, int]
    aliases: list[str]


async def get_message(store: Store, message_id: str, provider: str = "", recipient: str = "") -> MessageView:
    """The message with this id or, where there is none, with this alias; an empty `provider` or `recipient` means any.

    Raises `InvalidRequest`, `MessageNotFound`, `MessageAmbiguous`.
    """
    message_id, asked = normalize_id(message_id), recipient
    recipient = normalize_recipient(asked)
    if asked and not recipient:
        raise InvalidRequest([Violation("recipient", f"must be an address, or empty for all; found {shown(asked)}")])
    _check(message_id, provider, recipient)
    found = await store.read_recipients(message_id, provider, recipient, MESSAGE_RECIPIENTS + 1)
    if not found:
        # An exact id wins over an alias, where it lacks the recipient too.
        if not (recipient and await store.find_messages(message_id, provider, 1)):
            key = await _find_by_alias(store, message_id, provider)
            found = await store.read_recipients(key.message_id, key.provider, recipient, MESSAGE_RECIPIENTS + 1)
        if not found:
            raise MessageNotFound(
                f"the message with id or alias {shown(message_id)} has no recipient {shown(recipient)}"
            )
    elif not provider:
        await _require_one_provider(store, found)
    return await _view(store, found)


def _check(message_id: str, provider: str, recipient: str) -> None:
    violations = [
        violation
        for field, value in (("message_id", message_id), ("provider", provider), ("recipient", recipient))
        for violation in text_violations(field, value, ID_BYTES)
    ]
    if not message_id:
        violations.append(Violation("message_id", "must not be empty; give the message's id or an alias"))
    if violations:
        raise InvalidRequest(violations)


async def _find_by_alias(store: Store, alias: str, provider: str) -> MessageKey:
    keys = await store.find_by_alias(alias, provider, AMBIGUOUS_NAMED + 1)
    if not keys:
        where = f" of provider {shown(provider)}" if provider else ""
        raise MessageNotFound(f"no message{where} has the id or alias {shown(alias)}")
    if len(keys) > 1:
        raise _ambiguous(alias, keys)
    return keys[0]


async def _require_one_provider(store: Store, found: list[RecipientStatus]) -> None:
    """Raise where the recipients are of several messages, even if the first thousand are of one."""
    first = found[0]
    if len(found) <= MESSAGE_RECIPIENTS and all(status.provider == first.provider for status in found):
        return
    keys = await store.find_messages(first.message_id, "", AMBIGUOUS_NAMED + 1)
    if len(keys) > 1:
        raise _ambiguous(first.message_id, keys)


def _ambiguous(message_id: str, keys: list[MessageKey]) -> MessageAmbiguous:
    named = [f"{key.provider}/{key.message_id}" for key in keys[:AMBIGUOUS_NAMED]]
    more = " and more" if len(keys) > AMBIGUOUS_NAMED else ""
    return MessageAmbiguous(
        f"{shown(message_id)} names several messages: {', '.join(named)}{more}; set the provider, or use a message id",
        **{f"message_{number}": name for number, name in enumerate(named, 1)},
    )


async def _view(store: Store, found: list[RecipientStatus]) -> MessageView:
    first = found[0]
    truncated = len(found) > MESSAGE_RECIPIENTS
    counts: Counter[State] = Counter()
    if truncated:
        for evidence, count in (await store.count_recipients(MessageKey(first.provider, first.message_id))).items():
            counts[evidence.state] += count
    else:
        counts.update(status.state for status in found)
    return MessageView(
        provider=first.provider,
        message_id=first.message_id,
        state=next(state for state in NEEDS_ATTENTION if counts[state]),
        recipients=found[:MESSAGE_RECIPIENTS],
        truncated=truncated,
        counts=dict(counts),
        aliases=sorted({alias for status in found[:MESSAGE_RECIPIENTS] for alias in status.aliases})[:MESSAGE_ALIASES],
    )
