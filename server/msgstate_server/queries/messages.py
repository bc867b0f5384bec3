"""Many messages at once, each answered as if it had been asked for alone."""

from collections.abc import Sequence

from msgstate_server.domain.errors import (
    BatchTooLarge,
    InvalidRequest,
    MessageAmbiguous,
    MessageNotFound,
    MsgstateError,
)
from msgstate_server.domain.limits import AMBIGUOUS_NAMED, BATCH_KEYS, BATCH_RECIPIENTS
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.domain.validation import Violation
from msgstate_server.queries.message import MessageView, view
from msgstate_server.queries.refs import get_message_by_ref
from msgstate_server.queries.resolution import not_found, read_key, read_ref_key, require_one_message, the_message
from msgstate_server.store.protocol import MessageKey, RefKey, Store

Answer = MessageView | MsgstateError
"""A message with its first recipients, or why there is none."""


async def get_messages(store: Store, keys: Sequence[MessageKey | RefKey]) -> list[Answer]:
    """The answer to each key, in their order; an id may be an alias, and an empty provider means any.

    Raises `BatchTooLarge`; what is wrong with one key is its own answer.
    """
    require_few(len(keys))
    asked = [_read(index, key) for index, key in enumerate(keys)]
    answers: dict[MessageKey | RefKey, Answer] = {}
    by_id = await _look_up(store, list(dict.fromkeys(key for key in asked if isinstance(key, MessageKey))))
    answers.update(by_id.items())
    for key in asked:
        if isinstance(key, RefKey) and key not in answers:
            answers[key] = await _look_up_ref(store, key)
    return [key if isinstance(key, InvalidRequest) else answers[key] for key in asked]


async def _look_up_ref(store: Store, key: RefKey) -> Answer:
    try:
        return await get_message_by_ref(store, key, "", BATCH_RECIPIENTS)
    except (MessageAmbiguous, MessageNotFound) as error:
        return error


def require_few(keys: int) -> None:
    """Refuse more keys than a batch may have; raises `BatchTooLarge`."""
    if keys > BATCH_KEYS:
        raise BatchTooLarge(f"keys: must be at most {BATCH_KEYS}; found {keys}; split the batch")


def _read(index: int, key: MessageKey | RefKey) -> MessageKey | RefKey | InvalidRequest:
    try:
        if isinstance(key, RefKey):
            return read_ref_key(key.message_ref, key.provider)[0]
        return read_key(key.message_id, key.provider)[0]
    except InvalidRequest as error:
        return InvalidRequest([Violation(f"keys[{index}].{field}", text) for field, text in error.violations])


async def _look_up(store: Store, asked: Sequence[MessageKey]) -> dict[MessageKey, Answer]:
    """The answers to well-formed keys, of which no two are equal."""
    found = dict(zip(asked, await store.read_messages(asked, BATCH_RECIPIENTS + 1), strict=True))
    answers: dict[MessageKey, Answer] = {}
    named: dict[MessageKey, MessageKey] = {}
    missing = [key for key in asked if not found[key]]
    for alias, messages in zip(missing, await store.find_by_aliases(missing, AMBIGUOUS_NAMED + 1), strict=True):
        try:
            named[alias] = the_message(alias, messages)
        except (MessageNotFound, MessageAmbiguous) as error:
            answers[alias] = error
    recipients = await store.read_messages(list(named.values()), BATCH_RECIPIENTS + 1)
    found |= zip(named, recipients, strict=True)
    for key in asked:
        if key not in answers:
            answers[key] = await _answer(store, named.get(key, key), found[key])
    return answers


async def _answer(store: Store, key: MessageKey, found: list[RecipientStatus]) -> Answer:
    if not found:
        return not_found(key)
    try:
        await require_one_message(store, key, found, BATCH_RECIPIENTS)
        return await view(store, found, BATCH_RECIPIENTS)
    except (MessageAmbiguous, MessageNotFound) as error:
        return error
