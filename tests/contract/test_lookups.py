"""Finding messages and recipients: by exact id, by alias, by first appearance, within limits."""

import pytest

from msgstate_server.domain.events import EventType
from msgstate_server.domain.states import Evidence
from msgstate_server.store.protocol import MessageKey, Store
from tests.builders import append, event, find_by_alias, numbered, positions


async def test_nothing_is_found_in_an_empty_store(store: Store) -> None:
    """What nobody reported on is not there."""
    assert await store.read_recipients("m", "", "", 10) == []
    assert await store.find_messages("m", "", 10) == []
    assert await find_by_alias(store, "m") == []
    assert await store.count_recipients(MessageKey("acme", "m")) == {}


@pytest.mark.parametrize("batch", [1, 70, 1_500])
async def test_recipients_of_a_campaign_come_by_first_appearance(store: Store, batch: int) -> None:
    """1,500 recipients come in the order in which they were first seen, whatever happened to them since."""
    addresses = [f"{number * 7919 % 1_500}@example.com" for number in range(1_500)]
    if batch == 1:
        addresses = addresses[:60]
    for start in range(0, len(addresses), batch):
        await append(store, *(event(recipient=address) for address in addresses[start : start + batch]))
    await append(store, *(event(EventType.READ, recipient=address) for address in reversed(addresses[:200])))
    for limit in (1, 2, 59, 60, 1_001, 1_499, 1_500, 1_501):
        found = await store.read_recipients("m", "", "", limit)
        assert [status.recipient for status in found] == addresses[:limit], limit


@pytest.mark.parametrize(
    ("provider", "recipient", "expected"),
    [
        ("", "", ["acme a", "other a", "acme b"]),
        ("acme", "", ["acme a", "acme b"]),
        ("", "a", ["acme a", "other a"]),
        ("other", "a", ["other a"]),
        ("other", "b", []),
        ("nobody", "", []),
    ],
)
async def test_recipients_by_provider_and_address(
    store: Store, provider: str, recipient: str, expected: list[str]
) -> None:
    """An empty provider or recipient means any; one that is given must match exactly."""
    await append(store, event(recipient="a"), event(recipient="a", provider="other"), event(recipient="b"))
    await append(store, event(message_id="n", recipient="a"))
    found = await store.read_recipients("m", provider, recipient, 10)
    assert [f"{status.provider} {status.recipient}" for status in found] == expected


@pytest.mark.parametrize("message_id", ["M", "m ", "", "%", "m_", "<m>"])
async def test_ids_match_exactly(store: Store, message_id: str) -> None:
    """Neither case nor blanks nor wildcards are bent."""
    await append(store, event(message_id="m", aliases=["m"]))
    assert await store.read_recipients(message_id, "", "", 10) == []
    assert await store.find_messages(message_id, "", 10) == []
    assert await find_by_alias(store, message_id) == []


async def test_find_messages(store: Store) -> None:
    """One message per provider, however many recipients it has, by provider, within the limit."""
    providers = ["c", "a", "b"]
    for recipient in ("1", "2"):
        await append(store, *(event(provider=provider, recipient=recipient) for provider in providers))
    assert await store.find_messages("m", "", 10) == [MessageKey(provider, "m") for provider in "abc"]
    assert await store.find_messages("m", "", 2) == [MessageKey("a", "m"), MessageKey("b", "m")]
    assert await store.find_messages("m", "c", 10) == [MessageKey("c", "m")]


async def test_find_by_alias(store: Store) -> None:
    """An alias points at every message that has it, each once, by provider and id, within the limit."""
    for number in (3, 1, 2):
        await append(store, event(message_id=f"m{number}", recipient="a", aliases=["x", f"own{number}"]))
        await append(store, event(message_id=f"m{number}", recipient="b", aliases=["x"]))
    await append(store, event(message_id="m9", provider="aaaa", aliases=["x"]))
    expected = [MessageKey("aaaa", "m9"), *(MessageKey("acme", f"m{number}") for number in (1, 2, 3))]
    assert await find_by_alias(store, "x") == expected
    assert await find_by_alias(store, "x", "", 2) == expected[:2]
    assert await find_by_alias(store, "x", "acme", 10) == expected[1:]
    assert await find_by_alias(store, "own2") == [MessageKey("acme", "m2")]
    assert await find_by_alias(store, "X") == []


async def test_alias_that_is_another_messages_id(store: Store) -> None:
    """Ids and aliases are looked up apart: a name that is both is found as both."""
    await append(store, event(message_id="m1"), event(message_id="m2", aliases=["m1"]))
    assert await store.find_messages("m1", "", 10) == [MessageKey("acme", "m1")]
    assert await find_by_alias(store, "m1") == [MessageKey("acme", "m2")]
    assert await find_by_alias(store, "m2") == []


async def test_aliases_gather_over_events(store: Store) -> None:
    """A recipient is found by the aliases of all its events, and by those of a duplicate never."""
    await append(store, event(event_id="1", aliases=["b", "a"]))
    await append(store, event(EventType.OPENED, event_id="2", aliases=["c", "a"]))
    await append(store, event(event_id="1", aliases=["z"]))
    (status,) = await store.read_recipients("m", "", "", 10)
    assert status.aliases == ["a", "b", "c"]
    assert [len(await find_by_alias(store, alias)) for alias in "abcz"] == [1, 1, 1, 0]


async def test_count_recipients(store: Store) -> None:
    """Every recipient of one message counts under its evidence, those of other messages not."""
    types = [EventType.SENT, EventType.SENT, EventType.BOUNCED, EventType.ERRORED, EventType.READ]
    await append(store, *(event(kind, recipient=str(number)) for number, kind in enumerate(types)))
    await append(store, event(provider="other"), event(message_id="n"))
    assert await store.count_recipients(MessageKey("acme", "m")) == {
        Evidence.SENT: 2,
        Evidence.FAILED: 1,
        Evidence.ERRORED: 1,
        Evidence.ENGAGED: 1,
    }


async def test_read_messages(store: Store) -> None:
    """Each key has its own recipients by first appearance, within the limit, in the order of the keys."""
    await append(store, *(event(recipient=name) for name in "cab"), event(provider="other", recipient="z"))
    await append(store, event(message_id="n"), event(EventType.READ, recipient="b"))
    keys = [
        MessageKey("", "n"),
        MessageKey("", "m"),
        MessageKey("acme", "m"),
        MessageKey("other", "m"),
        MessageKey("nobody", "m"),
        MessageKey("", "M"),
        MessageKey("", "n"),
    ]
    found = await store.read_messages(keys, 3)
    assert [[status.recipient for status in recipients] for recipients in found] == [
        ["a@example.com"],
        ["c", "a", "b"],
        ["c", "a", "b"],
        ["z"],
        [],
        [],
        ["a@example.com"],
    ]
    assert found[2] == await store.read_recipients("m", "acme", "", 10)
    assert [len(recipients) for recipients in await store.read_messages(keys, 10)] == [1, 4, 3, 1, 0, 0, 1]
    assert await store.read_messages([], 10) == []


async def test_read_messages_in_any_script(store: Store) -> None:
    """A key may hold whatever an id may."""
    texts = ["Ünïcödé 日本語 \U0001f600", "' \" \\ \x01 \u2028 %_ [1]", "{}", "null", "1", " "]
    await append(store, *(event(message_id=text) for text in texts))
    found = await store.read_messages([MessageKey("acme", text) for text in texts], 2)
    assert [[status.message_id for status in recipients] for recipients in found] == [[text] for text in texts]


async def test_find_by_many_aliases(store: Store) -> None:
    """Each alias has its own messages, in the order of the aliases."""
    await append(store, event(message_id="m1", aliases=["x", "y"]), event(message_id="m2", aliases=["y"]))
    await append(store, event(message_id="m3", provider="other", aliases=["y"]))
    aliases = [MessageKey("", "y"), MessageKey("", "none"), MessageKey("other", "y"), MessageKey("", "x")]
    assert await store.find_by_aliases(aliases, 2) == [
        [MessageKey("acme", "m1"), MessageKey("acme", "m2")],
        [],
        [MessageKey("other", "m3")],
        [MessageKey("acme", "m1")],
    ]
    assert await store.find_by_aliases([], 2) == []


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_history_of_a_message(store: Store, limit: int) -> None:
    """All events of all its recipients come in log order, and nothing of another message."""
    kinds = [EventType.ACCEPTED, EventType.SENT, EventType.READ]
    for kind in kinds:
        await append(store, *(event(kind, recipient=name) for name in "ba"), event(kind, provider="other"))
        await append(store, event(kind, message_id="n", recipient="a"))

    async def history(recipient: str) -> list[int]:
        read: list[int] = []
        while page := await store.read_history(MessageKey("acme", "m"), recipient, read[-1] if read else 0, limit):
            assert len(page) <= limit
            assert page == [(await store.read_log(entry.position - 1, 1))[0] for entry in page]
            read += positions(page)
        return read

    assert await history("") == [1, 2, 5, 6, 9, 10]
    assert await history("a") == [2, 6, 10]
    assert await history("c") == []
    assert await store.read_history(MessageKey("nobody", "m"), "", 0, limit) == []


async def test_one_id_of_several_providers(store: Store) -> None:
    """Keys that differ in their provider alone have what each would have by itself, by id and by alias."""
    for number in range(4):
        for provider in ("b", "a", "c"):
            await append(store, event(provider=provider, recipient=f"{number}", aliases=["x"]))
            await append(store, event(provider=provider, message_id=f"n{number}", aliases=["x"]))
    keys = [MessageKey(provider, "m") for provider in ("c", "nobody", "", "a", "c", "d")]
    found = await store.read_messages(keys, 3)
    assert found == [await store.read_recipients("m", key.provider, "", 3) for key in keys]
    assert [len(recipients) for recipients in found] == [3, 0, 3, 3, 3, 0]
    aliases = [MessageKey(provider, "x") for provider in ("c", "nobody", "", "a", "c", "d")]
    assert await store.find_by_aliases(aliases, 3) == [
        await find_by_alias(store, "x", key.provider, 3) for key in aliases
    ]
    assert (await store.find_by_aliases(aliases, 2))[3] == [MessageKey("a", "m"), MessageKey("a", "n0")]


async def test_more_keys_than_one_read_takes(store: Store) -> None:
    """Many keys, some of them twice or under several providers, are answered in their order."""
    await append(store, *numbered(70), *(event(provider="other", message_id=f"m{number}") for number in range(9)))
    keys = [MessageKey(provider, f"m{number}") for number in range(90) for provider in ("", "acme", "other")][::-1]
    keys += keys[:50]
    expected = [await store.read_recipients(key.message_id, key.provider, "", 5) for key in keys]
    assert await store.read_messages(keys, 5) == expected
