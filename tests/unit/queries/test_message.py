"""One message as a reader is told of it: found by id or alias, in the state most in need of attention."""

from itertools import combinations

import pytest

from msgstate_server.domain.errors import InvalidRequest, MessageAmbiguous, MessageNotFound
from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import NEEDS_ATTENTION, State
from msgstate_server.domain.validation import Violation
from msgstate_server.queries import get_message
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import append, event

MAKES = {
    State.QUEUED: EventType.ACCEPTED,
    State.SENT: EventType.SENT,
    State.DELIVERED: EventType.DELIVERED,
    State.ENGAGED: EventType.READ,
    State.FAILED: EventType.BOUNCED,
    State.SUPPRESSED: EventType.SUPPRESSED,
}


async def test_message_with_one_recipient(store: SqliteStore) -> None:
    """The usual case: the recipient's state is the message's."""
    await append(store, event(EventType.BOUNCED, aliases=["x", "w"]))
    view = await get_message(store, "m")
    assert (view.provider, view.message_id, view.state, view.truncated) == ("acme", "m", State.FAILED, False)
    assert [status.recipient for status in view.recipients] == ["a@example.com"]
    assert (view.counts, view.aliases) == ({State.FAILED: 1}, ["w", "x"])


async def test_message_is_in_the_state_most_in_need_of_attention(store: SqliteStore) -> None:
    """Of any two recipients, the message has the state of the one more in need of attention, and counts both."""
    for one, other in combinations(NEEDS_ATTENTION, 2):
        name = f"{one.name}-{other.name}"
        await append(store, event(MAKES[other], message_id=name, recipient="a"))
        await append(store, event(MAKES[one], message_id=name, recipient="b"))
        view = await get_message(store, name)
        assert (view.state, view.counts) == (one, {one: 1, other: 1})


async def test_provisional_and_final_failures_count_as_one_state(store: SqliteStore) -> None:
    """An error that may be overturned shows as FAILED beside a bounce."""
    await append(store, event(EventType.ERRORED, recipient="a"), event(EventType.BOUNCED, recipient="b"))
    assert (await get_message(store, "m")).counts == {State.FAILED: 2}


@pytest.mark.parametrize("asked", ["m1", "<m1>", "alias", "<alias>"])
async def test_found_by_id_or_alias_with_or_without_brackets(store: SqliteStore, asked: str) -> None:
    """One pair of angle brackets makes no difference to an id or an alias."""
    await append(store, event(message_id="m1", aliases=["alias"]), event(message_id="m2"))
    assert (await get_message(store, asked)).message_id == "m1"


async def test_exact_id_wins_over_an_alias(store: SqliteStore) -> None:
    """A name that is one message's id and another's alias is the first's."""
    await append(store, event(message_id="m1"), event(message_id="m2", aliases=["m1"]))
    assert (await get_message(store, "m1")).message_id == "m1"


async def test_exact_id_wins_even_where_only_the_other_has_the_recipient(store: SqliteStore) -> None:
    """The message with the id is the one that was asked for: that it lacks the recipient is the answer."""
    await append(store, event(message_id="m1", recipient="a"), event(message_id="m2", recipient="b", aliases=["m1"]))
    with pytest.raises(MessageNotFound, match=r"^the message with id or alias 'm1' has no recipient 'b'$"):
        await get_message(store, "m1", recipient="b")


async def test_provider_narrows_the_alias(store: SqliteStore) -> None:
    """With a provider, ids and aliases of others do not count."""
    await append(store, event(message_id="m1", provider="other"), event(message_id="m2", aliases=["m1"]))
    assert (await get_message(store, "m1")).provider == "other"
    assert (await get_message(store, "m1", "acme")).message_id == "m2"


async def test_recipient_narrows_the_message(store: SqliteStore) -> None:
    """With a recipient, written in any of its ways, the answer is about that one alone."""
    await append(store, event(EventType.BOUNCED), event(EventType.READ, recipient="b@b.example"))
    view = await get_message(store, "m", recipient=" Bob <b@B.Example>")
    assert [status.recipient for status in view.recipients] == ["b@b.example"]
    assert (view.state, view.counts) == (State.ENGAGED, {State.ENGAGED: 1})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("x",), "no message has the id or alias 'x'"),
        (("x", "acme"), "no message of provider 'acme' has the id or alias 'x'"),
        (("m", "other"), "no message of provider 'other' has the id or alias 'm'"),
        (("m", "", "b"), "the message with id or alias 'm' has no recipient 'b'"),
        (("m", "acme", "b"), "the message with id or alias 'm' has no recipient 'b'"),
        (("alias", "", "b"), "the message with id or alias 'alias' has no recipient 'b'"),
    ],
)
async def test_not_found(store: SqliteStore, asked: tuple[str, ...], message: str) -> None:
    """What is not there is said as it was asked for."""
    await append(store, event(aliases=["alias"]))
    with pytest.raises(MessageNotFound) as caught:
        await get_message(store, *asked)
    assert str(caught.value) == message


async def test_id_of_two_providers_is_ambiguous(store: SqliteStore) -> None:
    """The same id at two providers names both, until the provider is given."""
    await append(store, event(provider="b"), event(provider="a"))
    with pytest.raises(MessageAmbiguous) as caught:
        await get_message(store, "m")
    assert str(caught.value) == "'m' names several messages: a/m, b/m; set the provider, or use a message id"
    assert caught.value.metadata == {"message_1": "a/m", "message_2": "b/m"}
    assert (await get_message(store, "m", "b")).provider == "b"


@pytest.mark.parametrize(("messages", "more"), [(2, False), (10, False), (11, True), (30, True)])
@pytest.mark.parametrize("by_alias", [False, True], ids=["id", "alias"])
async def test_ambiguous_id_names_up_to_ten(store: SqliteStore, messages: int, more: bool, by_alias: bool) -> None:
    """The first ten are named, for people and for programs, and that there are more."""
    for number in range(messages):
        ids = {"message_id": f"m{number:02}", "aliases": ["x"]} if by_alias else {"message_id": "x"}
        await append(store, event(provider=f"p{number:02}", **ids))
    named = [f"p{number:02}/{f'm{number:02}' if by_alias else 'x'}" for number in range(min(messages, 10))]
    with pytest.raises(MessageAmbiguous) as caught:
        await get_message(store, "x")
    assert list(caught.value.metadata.values()) == named
    listed = ", ".join(named) + (" and more" if more else "")
    assert str(caught.value) == f"'x' names several messages: {listed}; set the provider, or use a message id"


async def test_large_message_hides_no_ambiguity(store: SqliteStore) -> None:
    """Where the first thousand recipients are of one message, a second with its id is seen all the same."""
    await append(store, *(event(recipient=str(number)) for number in range(1_001)), event(provider="zeta"))
    with pytest.raises(MessageAmbiguous):
        await get_message(store, "m")


@pytest.mark.parametrize(("recipients", "truncated"), [(999, False), (1_000, False), (1_001, True), (1_500, True)])
async def test_recipients_are_cut_and_counts_are_not(store: SqliteStore, recipients: int, truncated: bool) -> None:
    """Of more than 1,000 recipients the first are told; state and counts are of all."""
    kinds = [EventType.READ if number < recipients - 1 else EventType.BOUNCED for number in range(recipients)]
    await append(store, *(event(kind, recipient=str(number)) for number, kind in enumerate(kinds)))
    view = await get_message(store, "m")
    assert [status.recipient for status in view.recipients] == [str(number) for number in range(min(recipients, 1_000))]
    assert view.truncated is truncated
    assert (view.state, view.counts) == (State.FAILED, {State.FAILED: 1, State.ENGAGED: recipients - 1})


async def test_aliases_are_those_of_all_recipients_within_a_limit(store: SqliteStore) -> None:
    """Aliases are told once each, sorted, at most 256."""
    names = [f"{number:03}" for number in range(300)]
    await append(store, *(event(recipient=name, aliases=[name, "000"]) for name in reversed(names)))
    assert (await get_message(store, "m")).aliases == names[:256]


@pytest.mark.parametrize(
    ("asked", "violations"),
    [
        (("",), [Violation("message_id", "must not be empty; give the message's id or an alias")]),
        (("<>",), [Violation("message_id", "must not be empty; give the message's id or an alias")]),
        (("x" * 999,), [Violation("message_id", "must be at most 998 bytes; found 999")]),
        (("a\0",), [Violation("message_id", "must not contain U+0000; found it in 'a\\x00'")]),
        (
            ("m", "p\0", "é" * 500),
            [
                Violation("provider", "must not contain U+0000; found it in 'p\\x00'"),
                Violation("recipient", "must be at most 998 bytes; found 1000"),
            ],
        ),
    ],
)
async def test_fields_that_break_rules(store: SqliteStore, asked: tuple[str, ...], violations: list[Violation]) -> None:
    """A request that cannot be asked is told every field that is wrong, and why."""
    with pytest.raises(InvalidRequest) as caught:
        await get_message(store, *asked)
    assert list(caught.value.violations) == violations


@pytest.mark.parametrize("recipient", ["  ", "<>", "Nobody <>"])
async def test_recipient_that_is_no_address_is_refused(store: SqliteStore, recipient: str) -> None:
    """What normalizes to nothing must not quietly mean everybody."""
    await append(store, event(EventType.ACCEPTED))
    with pytest.raises(InvalidRequest, match="recipient: must be an address"):
        await get_message(store, "m", recipient=recipient)
