"""Which entries a watcher wants, alone and combined, and how the log is shared out among several."""

from hashlib import blake2b
from itertools import product

import pytest

from msgstate_server.domain.decision import candidate
from msgstate_server.domain.events import EventType
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.states import Evidence, State
from msgstate_server.watch.filter import Filter, Predicate, shard
from tests.builders import NOW, event

NONE, QUEUED, SENT, FAILED = Evidence.NONE, Evidence.QUEUED, Evidence.SENT, Evidence.FAILED


def entry(after: Evidence = SENT, before: Evidence = NONE, **names: str) -> LogEntry:
    """A row of the log; a transition unless its evidence stays."""
    given = event(EventType.SENT, **names)  # type: ignore[arg-type]
    return LogEntry(1, given, candidate(given).key, before, after, 1, NOW)


def transitions(chosen: Filter) -> Predicate:
    """Which transitions it chooses."""
    return chosen._replace(moved_alone=True).predicate()


@pytest.mark.parametrize(
    ("chosen", "row", "wanted"),
    [
        (Filter(), entry(), True),
        (Filter(), entry(before=SENT), False),
        (Filter(providers=frozenset({"acme", "x"})), entry(), True),
        (Filter(providers=frozenset({"acm"})), entry(), False),
        (Filter(message_ids=frozenset({"m"})), entry(), True),
        (Filter(message_ids=frozenset({"M"})), entry(), False),
        (Filter(recipients=frozenset({"a@example.com"})), entry(), True),
        (Filter(recipients=frozenset({"b@example.com"})), entry(), False),
        (Filter(to_states=frozenset({State.SENT})), entry(), True),
        (Filter(to_states=frozenset({State.FAILED})), entry(), False),
        (Filter(to_states=frozenset({State.FAILED})), entry(Evidence.ERRORED), True),
        (Filter(to_states=frozenset({State.FAILED})), entry(FAILED, Evidence.ERRORED), True),
        (Filter(to_states=frozenset({State.FAILED})), entry(FAILED, FAILED), False),
        (Filter(providers=frozenset({"acme"})), entry(before=SENT), False),
    ],
)
def test_one_thing_asked_for(chosen: Filter, row: LogEntry, wanted: bool) -> None:
    """A transition is wanted where its provider, ids or new state are among those asked for; others never are."""
    assert transitions(chosen)(row) is wanted


@pytest.mark.parametrize(
    ("chosen", "row", "wanted"),
    [
        (Filter(), entry(), True),
        (Filter(), entry(before=SENT), True),
        (Filter(types=frozenset({EventType.SENT, EventType.READ})), entry(before=SENT), True),
        (Filter(types=frozenset({EventType.READ})), entry(before=SENT), False),
        (Filter(providers=frozenset({"acme"})), entry(before=SENT), True),
        (Filter(providers=frozenset({"acm"})), entry(), False),
        (Filter(to_states=frozenset({State.SENT})), entry(before=SENT), True),
        (Filter(to_states=frozenset({State.FAILED})), entry(before=SENT), False),
        (Filter(types=frozenset({EventType.SENT}), providers=frozenset({"acme"})), entry(), True),
        (Filter(types=frozenset({EventType.READ}), providers=frozenset({"acme"})), entry(), False),
        (Filter(types=frozenset({EventType.SENT}), providers=frozenset({"acm"})), entry(), False),
        (Filter(since=NOW + 1), entry(), False),
    ],
)
def test_events_are_wanted_whether_they_moved_anything(chosen: Filter, row: LogEntry, wanted: bool) -> None:
    """Of all events, by type too, what matches is wanted."""
    assert chosen.predicate()(row) is wanted


def test_types_narrow_transitions_too() -> None:
    """A type that is asked for must be a transition's where only these are wanted."""
    sent = Filter(types=frozenset({EventType.SENT}))
    assert transitions(sent)(entry())
    assert not transitions(sent)(entry(before=SENT))


def test_all_that_is_asked_for_must_match() -> None:
    """Of everything that is asked for together, a transition that lacks one thing is not wanted."""
    chosen = Filter(
        providers=frozenset({"acme"}),
        message_ids=frozenset({"m"}),
        recipients=frozenset({"a@example.com"}),
        to_states=frozenset({State.SENT}),
        shard_index=shard("acme", "m", 3),
        shard_count=3,
    )
    wanted = transitions(chosen)
    names = product(("acme", "other"), ("m", "n"), ("a@example.com", "b"), (SENT, QUEUED), (NONE, SENT))
    rows = [
        entry(after, before, provider=provider, message_id=message_id, recipient=recipient)
        for provider, message_id, recipient, after, before in names
    ]
    assert [row for row in rows if wanted(row)] == [entry()]
    for index in {0, 1, 2} - {chosen.shard_index}:
        assert not transitions(chosen._replace(shard_index=index))(entry())


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
def test_shards_are_disjoint_and_complete(count: int) -> None:
    """Every transition is in exactly one share, the same for all of a message, and no share is starved."""
    rows = [entry(provider=f"p{number % 3}", message_id=f"m{number}") for number in range(count * 60)]
    shares = [transitions(Filter(shard_index=index, shard_count=count)) for index in range(count)]
    taken = [[index for index, wanted in enumerate(shares) if wanted(row)] for row in rows]
    assert all(len(indexes) == 1 for indexes in taken)
    sizes = [taken.count([index]) for index in range(count)]
    assert min(sizes) > 20
    other = [entry(provider=row.event.provider, message_id=row.event.message_id, recipient="b") for row in rows]
    assert [[index for index, wanted in enumerate(shares) if wanted(row)] for row in other] == taken


@pytest.mark.parametrize(
    ("provider", "message_id"), [("acme", "m"), ("a", "cmem"), ("emailit", "é\U0001f600"), ("x", "")]
)
def test_shard_is_the_documented_function(provider: str, message_id: str) -> None:
    """The share is what the contract says, so that a client can work it out by itself."""
    digest = blake2b(provider.encode() + b"\0" + message_id.encode(), digest_size=8).digest()
    for count in (1, 2, 3, 1_000, 2**31 - 1):
        assert shard(provider, message_id, count) == int.from_bytes(digest, byteorder="big", signed=False) % count


def test_shard_does_not_change() -> None:
    """Shares that clients rely on today are the same tomorrow."""
    assert [shard("acme", f"m{number}", 8) for number in range(8)] == [7, 5, 3, 0, 6, 5, 4, 1]


def test_shares_of_one_entry_take_one_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that is held against many shares is digested once."""
    digested: list[bytes] = []

    def counting(data: bytes, *, digest_size: int) -> object:
        digested.append(data)
        return blake2b(data, digest_size=digest_size)

    monkeypatch.setattr("msgstate_server.watch.filter.blake2b", counting)
    shares = [Filter(shard_index=index, shard_count=100).predicate() for index in range(100)]
    for name in ("once", "twice"):
        row = entry(message_id=name)
        assert [wanted(row) for wanted in shares].count(True) == 1
    assert digested == [b"acme\0once", b"acme\0twice"]
