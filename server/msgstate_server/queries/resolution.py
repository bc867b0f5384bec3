"""Which message an id or an alias names: the same answer whoever asks, for one message or for many."""

from collections.abc import Sequence

from msgstate_server.domain.errors import InvalidRequest, MessageAmbiguous, MessageNotFound
from msgstate_server.domain.identity import normalize_id, normalize_recipient
from msgstate_server.domain.limits import AMBIGUOUS_NAMED, ID_BYTES
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.domain.validation import Violation, shown, text_violations
from msgstate_server.store.protocol import MessageKey, RefKey, Store


async def resolve(store: Store, asked: MessageKey, recipient: str, limit: int) -> list[RecipientStatus]:
    """The first recipients of the message with this id or, where there is none, with this alias.

    One more than `limit` where there are more. An empty provider or `recipient` means any; what is asked is as
    `read_key` gives it. Raises `MessageNotFound`, `MessageAmbiguous`.
    """
    found = await store.read_recipients(asked.message_id, asked.provider, recipient, limit + 1)
    if found:
        await require_one_message(store, asked, found, limit)
        return found
    # An exact id wins over an alias, where it lacks the recipient too.
    if not (recipient and await store.find_messages(asked.message_id, asked.provider, 1)):
        (messages,) = await store.find_by_aliases([asked], AMBIGUOUS_NAMED + 1)
        key = the_message(asked, messages)
        found = await store.read_recipients(key.message_id, key.provider, recipient, limit + 1)
    if not found and recipient:
        name = shown(asked.message_id)
        raise MessageNotFound(f"the message with id or alias {name} has no recipient {shown(recipient)}")
    if not found:
        raise not_found(asked)
    return found


def read_key(message_id: str, provider: str, recipient: str = "") -> tuple[MessageKey, str]:
    """What is asked for, as the log has it: message and recipient; raises `InvalidRequest`."""
    message_id, asked = normalize_id(message_id), recipient
    recipient = normalize_recipient(asked)
    if asked and not recipient:
        raise InvalidRequest([Violation("recipient", f"must be an address, or empty for all; found {shown(asked)}")])
    violations = [
        violation
        for field, value in (("message_id", message_id), ("provider", provider), ("recipient", recipient))
        for violation in text_violations(field, value, ID_BYTES)
    ]
    if not message_id:
        violations.append(Violation("message_id", "must not be empty; give the message's id or an alias"))
    if violations:
        raise InvalidRequest(violations)
    return MessageKey(provider, message_id), recipient


def read_ref_key(message_ref: str, provider: str, recipient: str = "") -> tuple[RefKey, str]:
    """What is asked for by ref, as the log has it: ref and recipient; raises `InvalidRequest`."""
    try:
        asked, recipient = read_key(message_ref, provider, recipient)
    except InvalidRequest as error:
        violations = [
            violation._replace(field="message_ref") if violation.field == "message_id" else violation
            for violation in error.violations
        ]
        raise InvalidRequest(violations) from None
    return RefKey(asked.provider, asked.message_id), recipient


def require_id_or_ref(message_id: str, message_ref: str) -> None:
    """Refuse a request that names both; raises `InvalidRequest`."""
    if message_id and message_ref:
        raise InvalidRequest([Violation("message_ref", "must not be set beside message_id; set one of them")])


def the_message(alias: MessageKey, found: Sequence[MessageKey]) -> MessageKey:
    """The one message that an alias names; raises where it is none or several."""
    if not found:
        raise not_found(alias)
    if len(found) > 1:
        raise _ambiguous(alias.message_id, found)
    return found[0]


def not_found(asked: MessageKey) -> MessageNotFound:
    """No message has this id or alias: none ever had, or it was deleted, maybe a moment ago."""
    where = f" of provider {shown(asked.provider)}" if asked.provider else ""
    return MessageNotFound(f"no message{where} has the id or alias {shown(asked.message_id)}")


async def require_one_message(store: Store, asked: MessageKey, found: Sequence[RecipientStatus], limit: int) -> None:
    """Raise where the recipients are of several messages, even if the first `limit` are of one."""
    if asked.provider or (len(found) <= limit and all(status.provider == found[0].provider for status in found)):
        return
    keys = await store.find_messages(asked.message_id, "", AMBIGUOUS_NAMED + 1)
    if len(keys) > 1:
        raise _ambiguous(asked.message_id, keys)


def _ambiguous(message_id: str, keys: Sequence[MessageKey]) -> MessageAmbiguous:
    named = [f"{key.provider}/{key.message_id}" for key in keys[:AMBIGUOUS_NAMED]]
    more = " and more" if len(keys) > AMBIGUOUS_NAMED else ""
    return MessageAmbiguous(
        f"{shown(message_id)} names several messages: {', '.join(named)}{more}; set the provider, or use a message id",
        **{f"message_{number}": name for number, name in enumerate(named, 1)},
    )
