"""What filters name is a set of texts that takes little memory, and an index of many finds those that have a text."""

import random
import sys
from collections.abc import Callable, Iterable

import pytest

from msgstate_server.domain.decision import candidate
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.states import Evidence
from msgstate_server.watch.filter import Filter
from msgstate_server.watch.group import Group
from msgstate_server.watch.index import Index
from msgstate_server.watch.names import Hashes, Names, hashes, names
from tests.builders import NOW, event
from tests.unit.watch.conftest import PLAIN

SMILE = "\U0001f600"


def entry(message_id: str, recipient: str, provider: str) -> LogEntry:
    """A row of the log about these."""
    given = event(message_id=message_id, recipient=recipient, provider=provider)
    return LogEntry(1, given, candidate(given).key, Evidence.NONE, Evidence.SENT, 1, NOW)


@pytest.mark.parametrize("hold", [names, Hashes, frozenset])
@pytest.mark.parametrize(
    "texts", [set[str](), {"a"}, {"é", SMILE * 200, "", "A", "a"}, {str(number) for number in range(1_000)}]
)
def test_names_are_a_set(hold: Callable[[Iterable[str]], Names], texts: set[str]) -> None:
    """They have the texts that were put in, each once, and no others."""
    held = hold([*texts, *texts])
    assert len(held) == len(texts)
    assert bool(held) is bool(texts)
    assert all(text in held for text in texts)
    assert not any(f"{text}x" in held for text in texts)
    assert sorted(hashes(held)) == sorted(map(hash, texts))


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ([], frozenset),
        (map(str, range(16)), frozenset),
        (map(str, range(17)), Hashes),
        (["a" * 1_000, "b" * 24], frozenset),
        (["a" * 1_000, "b" * 25], Hashes),
    ],
)
def test_few_short_texts_are_held_as_they_are(texts: Iterable[str], kind: type[Names]) -> None:
    """Up to 16 texts, of 1,024 characters in all, are; of others there are hashes."""
    assert type(names(texts)) is kind


def test_one_hash_alone_is_not_enough() -> None:
    """A text that has the first of its two hashes in common with one of those named is none of them."""
    held = Hashes(["a", "b"])
    held.first[:] = type(held.first)("q", sorted([hash("x"), hash("y")]))
    assert "x" not in held
    assert "y" not in held


def test_equal_names_are_equal() -> None:
    """In whichever order they come, and only they."""
    assert Hashes(["a", "b"]) == Hashes(["b", "a", "b"])
    assert hash(Hashes(["a", "b"])) == hash(Hashes(["b", "a"]))
    assert Hashes(["a", "b"]) != Hashes(["a", "c"])
    assert Hashes(["a"]) != frozenset({"a"})


def test_names_take_little_memory() -> None:
    """However long the texts are, each takes 12 bytes."""
    held = Hashes(str(number) + SMILE * 240 for number in range(1_000))
    assert sum(map(sys.getsizeof, (held, held.first, held._checks))) < 12_500  # noqa: SLF001


def _chosen(random_: random.Random, texts: list[str]) -> list[str]:
    return random_.sample(texts, random_.choice([0, 0, 3, 20]))


def test_an_index_finds_every_group_that_names_something() -> None:
    """Among many groups that come and go, those that ask for what an entry has are found, and no others."""
    chosen = random.Random(3)  # noqa: S311
    texts = [f"t{number}" for number in range(40)]
    index, groups = Index(), list[Group]()
    expected = set[Group]()
    for number in range(400):
        providers, message_ids, recipients = (_chosen(chosen, texts) for _ in range(3))
        wanted = Filter(names(providers), names(message_ids), names(recipients), since=number)
        group = Group(wanted, PLAIN, 0)
        groups.append(group)
        index.add(group)
        if all(
            not asked or text in asked for asked, text in ((message_ids, "t1"), (recipients, "t2"), (providers, "t3"))
        ):
            expected.add(group)
        if number % 3 == 0:
            gone = groups.pop(chosen.randrange(len(groups)))
            index.remove(gone)
            expected.discard(gone)
    row = entry("t1", "t2", "t3")
    matching = index.matching(row)
    assert len(expected) > 20
    assert (set(matching), len(matching)) == (expected, len(expected))
    assert set(index) == set(groups)
    for group in groups:
        assert index.find(group.wanted, PLAIN) is group
        index.remove(group)
    assert index.matching(row) == list(index) == []


def test_an_index_takes_little_memory() -> None:
    """A filter of a thousand names takes it ten bytes for each."""
    index = Index()
    empty = sum(map(sys.getsizeof, index._by_message._buckets))  # noqa: SLF001
    for number in range(20):
        index.add(Group(Filter(message_ids=names(f"{number}-{each}" for each in range(1_000))), PLAIN, 0))
    assert sum(map(sys.getsizeof, index._by_message._buckets)) - empty < 20 * 1_000 * 10  # noqa: SLF001
