"""Many messages asked for at once: each answer is the one that the message alone would get."""

import pytest

from msgstate_server.domain.errors import BatchTooLarge, InvalidRequest, MessageAmbiguous, MsgstateError
from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import State
from msgstate_server.domain.status import RecipientStatus
from msgstate_server.queries import Answer, MessageView, get_message, get_messages
from msgstate_server.store.protocol import MessageKey
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import append, event


class CountingStore:
    """A store that keeps what it was asked."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.asked: list[tuple[MessageKey, ...]] = []
        self.counted: list[MessageKey] = []

    async def read_messages(self, keys: list[MessageKey], limit: int) -> list[list[RecipientStatus]]:
        self.asked.append(tuple(keys))
        return await self._store.read_messages(keys, limit)

    async def count_recipients(self, message: MessageKey) -> object:
        self.counted.append(message)
        return await self._store.count_recipients(message)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


async def alone(store: SqliteStore, key: MessageKey) -> Answer:
    """The answer to a key that is asked for by itself."""
    try:
        return await get_message(store, key.message_id, key.provider)
    except MsgstateError as error:
        return error


def shown(answer: Answer) -> object:
    """An answer as it compares: an error by its type, text and metadata, without the key's place in the batch."""
    if isinstance(answer, MessageView):
        return answer
    text = str(answer)
    if text.startswith("keys["):
        text = "; ".join(part.split(".", 1)[1] for part in text.split("; keys"))
    return type(answer), text, answer.metadata


async def test_each_answer_is_the_one_of_the_message_alone(store: SqliteStore) -> None:
    """By id, alias, brackets and provider; not there, ambiguous and malformed: in the order of the keys."""
    await append(
        store,
        event(message_id="m1", aliases=["alias", "m2", "shared"]),
        event(message_id="m2", aliases=["shared"]),
        event(EventType.READ, message_id="m2", recipient="b"),
        event(message_id="two"),
        event(message_id="two", provider="other", aliases=["alias-of-two"]),
    )
    names = ["m1", "<m1>", "alias", "<alias>", "m2", "shared", "two", "alias-of-two", "none", "", "<>", "x" * 999, "\0"]
    keys = [MessageKey(provider, name) for name in names for provider in ("", "acme", "other", "no\0")]
    answers = await get_messages(store, keys)
    assert [shown(answer) for answer in answers] == [shown(await alone(store, key)) for key in keys]
    assert {type(answer).__name__ for answer in answers} == {
        "MessageView",
        "MessageNotFound",
        "MessageAmbiguous",
        "InvalidRequest",
    }


async def test_a_malformed_key_is_named_by_its_place(store: SqliteStore) -> None:
    """What is wrong with one key is its own error, and the others are answered."""
    await append(store, event())
    good, bad = await get_messages(store, [MessageKey("", "m"), MessageKey("p\0", "")])
    assert isinstance(good, MessageView)
    assert isinstance(bad, InvalidRequest)
    assert [violation.field for violation in bad.violations] == ["keys[1].provider", "keys[1].message_id"]


async def test_equal_keys_are_looked_up_once(store: SqliteStore) -> None:
    """Keys that mean the same, with brackets or without, share one look-up, and each has its answer."""
    await append(store, event())
    counting = CountingStore(store)
    keys = [MessageKey("", "m"), MessageKey("", "<m>"), MessageKey("", "none"), MessageKey("", "m")]
    answers = await get_messages(counting, keys)  # type: ignore[arg-type]
    assert counting.asked[0] == (MessageKey("", "m"), MessageKey("", "none"))
    assert answers[0] is answers[1] is answers[3]
    assert shown(answers[2]) == shown(await alone(store, keys[2]))


@pytest.mark.parametrize("asked", ["m", "alias"])
@pytest.mark.parametrize(("recipients", "truncated"), [(4, False), (5, False), (6, True), (300, True)])
async def test_five_recipients_and_counts_of_all(
    store: SqliteStore, asked: str, recipients: int, truncated: bool
) -> None:
    """Recipients are cut at five, state and counts cover all, and are counted only where it was cut."""
    kinds = [EventType.READ] * (recipients - 1) + [EventType.BOUNCED]
    await append(store, *(event(kind, recipient=str(number), aliases=["alias"]) for number, kind in enumerate(kinds)))
    counting = CountingStore(store)
    (view,) = await get_messages(counting, [MessageKey("", asked)])  # type: ignore[arg-type]
    assert isinstance(view, MessageView)
    assert [status.recipient for status in view.recipients] == [str(number) for number in range(min(recipients, 5))]
    assert (view.truncated, view.state) == (truncated, State.FAILED)
    assert view.counts == {State.FAILED: 1, State.ENGAGED: recipients - 1}
    assert len(counting.counted) == truncated


async def test_large_message_hides_no_ambiguity(store: SqliteStore) -> None:
    """Where the first recipients are of one message, a second with its id is seen all the same."""
    await append(store, *(event(recipient=str(number)) for number in range(20)), event(provider="zeta"))
    ambiguous, one = await get_messages(store, [MessageKey("", "m"), MessageKey("zeta", "m")])
    assert isinstance(ambiguous, MessageAmbiguous)
    assert ambiguous.metadata == {"message_1": "acme/m", "message_2": "zeta/m"}
    assert isinstance(one, MessageView)


async def test_too_many_keys_are_refused(store: SqliteStore) -> None:
    """500 are answered, none too, and 501 are refused whole."""
    key = MessageKey("", "m")
    assert len(await get_messages(store, [key] * 500)) == 500
    assert await get_messages(store, []) == []
    with pytest.raises(BatchTooLarge, match=r"^keys: must be at most 500; found 501; split the batch$"):
        await get_messages(store, [key] * 501)
