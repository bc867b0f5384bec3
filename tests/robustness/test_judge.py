"""Every rule of the judge sees a history that breaks it, and one that does not."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.identity import event_key
from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.opaque_token import seal
from msgstate_server.domain.status import RecipientStatus
from tests.robustness.archive import Archive, Mark
from tests.robustness.history import EARLIEST, NOW, Attempt, Fact, History, Read, Response, Seen, Segment, Struck
from tests.robustness.judge import RULES, Case, judge
from tests.robustness.model import Model, Periods
from tests.robustness.rows import TOKEN, Name, Wanted, row_of
from tests.robustness.server_log import faults_in
from tests.robustness.tables import SqliteTables
from tests.robustness.watchers import COMPACTED

LOG_ID: Final = b"l" * 16
FIRST, SECOND = Name("shop", "m1", "to@example.com"), Name("shop", "m2", "to@example.com")
FACTS: Final = (
    Fact(FIRST, EventType.ACCEPTED, "e1"),
    Fact(SECOND, EventType.ACCEPTED, "e2"),
    Fact(FIRST, EventType.DELIVERED, "e3"),
    Fact(FIRST, EventType.SENT, "e4"),
    Fact(SECOND, EventType.BOUNCED, "e5"),
    Fact(FIRST, EventType.OPENED, "e6"),
)
DELIVERED, ENGAGED = 3, 4


class World:
    """A short log, and clients that saw it as it is; a test changes one thing."""

    def __init__(self, facts: tuple[Fact, ...] = FACTS) -> None:
        self.statuses: dict[Name, RecipientStatus] = {}
        self.archive = Archive(SqliteTables(Path("nowhere")))
        for position, fact in enumerate(facts, start=1):
            self._append(position, fact)
        self.retained = dict(self.archive.entries)
        self.archive.log_id = LOG_ID
        self.archive.marks.append(Mark(0.5, 0.5, 0, len(facts)))
        self.history = History()
        self.attempt = Attempt("caller", FACTS, 1.0, 2.0, "", (1, 2, 3, 4, 5, 6), (True,) * 6, 6, 0)
        self.history.attempts.append(self.attempt)
        self.segment = Segment("watcher", Wanted(), EARLIEST, 3.0)
        self.segment.responses += [self.response(0, 0), self.response(0, 4), self.response(4, 6)]
        self.history.segments.append(self.segment)
        self.read = Read("reader", 5.0, 6.0, self.token(6), (Seen(FIRST, 1_001, 3, ENGAGED, 6),))
        self.history.reads.append(self.read)

    def _append(self, position: int, fact: Fact) -> None:
        status = self.statuses.setdefault(fact.name, RecipientStatus(*fact.name))
        event = Event(*fact.name, EventType(fact.type), None, 1_000 + position, EventAttributes(event_id=fact.mark))
        before = status.evidence
        status.apply(event, event_key(event), position, 1_000 + position)
        entry = LogEntry(position, event, event_key(event), before, status.evidence, status.version, 1_000 + position)
        self.archive.entries[position] = entry
        self.archive.rows[position] = row_of(entry)

    def token(self, position: int) -> str:
        """As the server gives it out."""
        fingerprint = self.archive.fingerprint(position)
        return seal(TOKEN.pack(1, LOG_ID, position, fingerprint))

    def response(self, after: int, to: int) -> Response:
        """What a watch of everything sends of the rows between."""
        return Response(4.0, tuple(self.archive.between(after, to)), self.token(to), live=True, head_position=6)

    def change(self, position: int, **fields: Any) -> None:
        """Have the log say something else at a position."""
        self.archive.rows[position] = self.archive.rows[position]._replace(**fields)

    def broken(self, periods: Periods = Periods()) -> set[str]:  # noqa: B008
        """The rules that the judge says are broken."""
        statuses = list(self.statuses.values())
        case = Case(self.history, Model(self.archive, periods), self.retained, statuses)
        return {finding.rule for finding in judge(case)}


def lose_an_event(world: World) -> None:
    world.attempt.facts += (Fact(FIRST, EventType.CLICKED, "e7"),)
    world.attempt.positions += (7,)
    world.attempt.accepted += (True,)
    world.attempt.new += 1


def tell_two_senders_of_one_new_event(world: World) -> None:
    world.history.attempts.append(dataclasses.replace(world.attempt))


def write_what_nobody_sent(world: World) -> None:
    world.history.attempts[:] = [
        dataclasses.replace(world.attempt, facts=FACTS[:5], positions=(1, 2, 3, 4, 5), accepted=(True,) * 5, new=5)
    ]


def rewrite_a_row(world: World) -> None:
    world.retained[2] = msgspec.structs.replace(world.retained[2], commit_time=1)


def remove_a_row(world: World) -> None:
    del world.retained[6]


def remove_one_row_of_two(world: World) -> None:
    del world.retained[1]
    world.archive.marks.append(Mark(9.0, 9.0, 1, len(FACTS)))


def skip_a_version(world: World) -> None:
    world.change(6, version=4)
    world.segment.responses[-1] = world.response(4, 6)
    world.history.reads.clear()


def turn_back_the_clock(world: World) -> None:
    world.change(4, commit_time=1)
    world.segment.responses[1] = world.response(0, 4)


def miscount(world: World) -> None:
    world.statuses[FIRST].open_count = 7


def lose_a_status(world: World) -> None:
    del world.statuses[SECOND]


def begin_too_late(world: World) -> None:
    world.segment.start = world.token(3)
    world.segment.responses[:] = [world.response(4, 4), world.response(4, 6)]


def begin_at_an_old_now(world: World) -> None:
    world.segment.start = NOW


def skip_the_time_asked_for(world: World) -> None:
    world.segment.start = 1_002
    world.segment.wanted = Wanted(since=1_002)
    world.segment.responses[:] = [world.response(2, 2), world.response(2, 6)]


def tell_behind_a_checkpoint(world: World) -> None:
    checkpoint = world.response(0, 4)._replace(rows=())
    late = world.response(4, 6)._replace(rows=tuple(world.archive.between(0, 6)))
    world.segment.responses[1:] = [checkpoint, late]


def skip_a_row(world: World) -> None:
    response = world.segment.responses[1]
    world.segment.responses[1] = response._replace(rows=response.rows[:1] + response.rows[2:])


def invent_a_row(world: World) -> None:
    response = world.segment.responses[2]
    row = response.rows[-1]._replace(to_state=DELIVERED)
    world.segment.responses[2] = response._replace(rows=(*response.rows[:-1], row))


def tell_what_is_not_wanted(world: World) -> None:
    world.segment.wanted = Wanted(transitions=True)


def seal_another_fingerprint(world: World) -> None:
    token = seal(TOKEN.pack(1, LOG_ID, 6, b"another!"))
    world.segment.responses[2] = world.segment.responses[2]._replace(token=token)


def refuse_above_the_floor(world: World) -> None:
    world.history.segments.append(Segment("watcher", Wanted(), world.token(3), 5.0, closed=5.1, end=COMPACTED))


def diverge(world: World) -> None:
    end = "FAILED_PRECONDITION/HISTORY_DIVERGED"
    world.history.segments.append(Segment("watcher", Wanted(), world.token(3), 5.0, closed=5.1, end=end))


def cancel_a_watcher(world: World) -> None:
    world.segment.end = "CANCELLED"


def lose_the_server(world: World) -> None:
    world.history.faults.append(Struck("cut", 100.0, 101.0))
    world.segment.end = "UNAVAILABLE"


def lose_the_store_to_a_cut(world: World) -> None:
    world.history.faults.append(Struck("cut", 2.0, 20.0))
    world.segment.end = "UNAVAILABLE/STORE_UNAVAILABLE"


def cut_off_who_is_slow(world: World) -> None:
    world.history.faults.append(Struck("fail@write.after_head", 2.0, 20.0))
    world.segment.end = "RESOURCE_EXHAUSTED/TOO_SLOW"


def go_back(world: World) -> None:
    world.attempt.end = 20.0
    old = Seen(FIRST, 1_001, 2, DELIVERED, 3)
    world.history.reads.append(Read("other reader", 7.0, 8.0, world.token(3), (old,)))


def read_before_the_acknowledgement(world: World) -> None:
    world.read.seen = (Seen(FIRST, 1_001, 2, DELIVERED, 3),)
    world.read.token = world.token(3)


def read_nothing_of_what_was_acknowledged(world: World) -> None:
    world.read.seen = (Seen(FIRST, 0, 0, 0, 0),)
    world.read.token = ""


def read_less_than_the_token(world: World) -> None:
    world.attempt.end = 20.0
    world.read.seen = (Seen(FIRST, 1_001, 2, DELIVERED, 3),)


def read_another_state(world: World) -> None:
    world.read.seen = (Seen(FIRST, 1_001, 3, DELIVERED, 6),)


def fail_without_a_reason(world: World) -> None:
    world.history.errors.append(("reader", "INTERNAL/INTERNAL"))


def lie_about_the_count(world: World) -> None:
    world.attempt.positions, world.attempt.accepted, world.attempt.known = (), (), 1


BROKEN: Final[list[tuple[str, Callable[[World], None]]]] = [
    ("acknowledged_events_are_in_the_log", lose_an_event),
    ("acknowledged_events_are_in_the_log", tell_two_senders_of_one_new_event),
    ("acknowledged_events_are_in_the_log", lie_about_the_count),
    ("the_log_holds_only_what_was_sent", write_what_nobody_sent),
    ("the_log_never_changes", rewrite_a_row),
    ("the_log_never_changes", remove_a_row),
    ("retention_removes_all_or_none", remove_one_row_of_two),
    ("versions_are_dense", skip_a_version),
    ("commit_times_never_fall", turn_back_the_clock),
    ("statuses_are_the_fold_of_the_log", miscount),
    ("statuses_are_the_fold_of_the_log", lose_a_status),
    ("watches_begin_where_asked", begin_too_late),
    ("watches_begin_where_asked", begin_at_an_old_now),
    ("watches_begin_where_asked", skip_the_time_asked_for),
    ("watches_are_in_order", tell_behind_a_checkpoint),
    ("watches_miss_nothing", skip_a_row),
    ("watches_tell_only_the_log", invent_a_row),
    ("watches_tell_only_the_log", tell_what_is_not_wanted),
    ("tokens_name_their_row", seal_another_fingerprint),
    ("watches_are_refused_for_a_reason", refuse_above_the_floor),
    ("watches_are_refused_for_a_reason", diverge),
    ("watches_are_refused_for_a_reason", cancel_a_watcher),
    ("watches_are_refused_for_a_reason", lose_the_server),
    ("watches_are_refused_for_a_reason", lose_the_store_to_a_cut),
    ("watches_are_refused_for_a_reason", cut_off_who_is_slow),
    ("reads_never_go_back", go_back),
    ("reads_see_what_was_acknowledged", read_before_the_acknowledgement),
    ("reads_see_what_was_acknowledged", read_nothing_of_what_was_acknowledged),
    ("reads_see_what_their_token_covers", read_less_than_the_token),
    ("reads_agree_with_the_log", read_another_state),
    ("no_call_fails_for_unknown_reasons", fail_without_a_reason),
]
SHOWN_BY_TWO: Final = {
    "remove_a_row": "retention_removes_all_or_none",
    "tell_behind_a_checkpoint": "watches_miss_nothing",
    "diverge": "no_call_fails_for_unknown_reasons",
}


def test_history_as_it_must_be_breaks_no_rule() -> None:
    """A history in which everything is told once, in order and in time is found to be without fault."""
    assert set() == World().broken()


@pytest.mark.parametrize(("rule", "doctor"), BROKEN, ids=[doctor.__name__ for _, doctor in BROKEN])
def test_doctored_history_breaks_its_rule(rule: str, doctor: Callable[[World], None]) -> None:
    """A history in which one promise is broken is caught by the rule for that promise."""
    world = World()

    doctor(world)

    assert {rule, SHOWN_BY_TWO.get(doctor.__name__, rule)} == world.broken()


def test_event_is_in_the_log_once() -> None:
    """An event that is in the log twice is found, unless its recipient was silent for so long that it was gone."""
    world = World((*FACTS, FACTS[5]))

    assert {"each_event_is_in_the_log_once"} == world.broken()
    assert set() == world.broken(Periods(log=1))


def test_status_is_forgotten_after_its_time_alone() -> None:
    """A status that is missing though its recipient was not silent for long is found."""
    world = World()
    world.history.epoch = 0

    read_nothing_of_what_was_acknowledged(world)

    assert {"reads_see_what_was_acknowledged"} == world.broken(Periods(status=60_000_000))
    assert set() == world.broken(Periods(status=1_000_000))


def test_every_rule_has_its_doctored_history() -> None:
    """No rule is there of which it is not shown that it can be broken."""
    assert {*RULES} == {rule for rule, _ in BROKEN} | {"each_event_is_in_the_log_once"}


def test_unknown_outcome_asks_for_nothing() -> None:
    """A batch whose call failed may be in the log or not."""
    world = World()
    world.history.attempts.append(Attempt("caller", (Fact(FIRST, EventType.CLICKED, "e9"),), 1.0, 2.0, "UNAVAILABLE"))

    assert set() == world.broken()


def test_log_of_a_server_shows_its_faults() -> None:
    """What a server logs as an error is a finding, unless a failing disk or a lost client explains it."""
    log = """{"event": "the database cannot be written", "level": "error"}
{"event": "the store cannot be reached: not ready until it can", "level": "error"}
{"event": "a call failed", "level": "error"}
{"event": "stopped", "level": "info"}
ERROR:grpc._cython.cygrpc:ExecuteBatchError raised in core by servicer method [/msgstate.v1.MessageStatusService/...]
Traceback (most recent call last):
  File "src/python/grpcio/grpc/_cython/_cygrpc/aio/server.pyx.pxi", line 710, in grpc._cython.cygrpc._handle_exceptions
grpc._cython.cygrpc.ExecuteBatchError: Failed "execute_batch": (<grpc._cython.cygrpc.SendMessageOperation object>,)
Task exception was never retrieved"""

    found = faults_in(log)

    assert ["servers_log_no_fault"] * 2 == [finding.rule for finding in found]
    assert "Task exception was never retrieved" == found[1].what
