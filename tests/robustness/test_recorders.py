"""What campaigns with several servers count, and how their clients go from one to another."""

import random

import pytest

from tests.robustness.clients import Servers
from tests.robustness.history import Attempt, Fact, History
from tests.robustness.report import Report
from tests.robustness.rows import Name
from tests.robustness.server_log import database_faults_in


def acknowledged_at(*ends: float) -> History:
    history = History()
    fact = Fact(Name("shop", "m1", "r@example.com"), 1, "e1")
    history.attempts += [Attempt("caller", (fact,), end - 1.0, end) for end in ends]
    history.attempts.append(Attempt("caller", (fact,), 1.0, 5.0, "UNAVAILABLE"))
    return history


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [
        ((), 4.0),
        ((1.0, 2.0, 9.0), 7.0),
        ((1.0, 3.5, 4.0, 7.0, 30.0), 3.0),
        ((1.0, 3.0), 4.0),
        ((4.0, 5.0), 2.0),
    ],
)
def test_silence_is_the_longest_time_without_an_acknowledgement(ends: tuple[float, ...], seconds: float) -> None:
    """Of all times between two acknowledgements that a fault had a part in, the longest counts; failures are none."""
    assert seconds == acknowledged_at(*ends).silence(3.0, 7.0)


@pytest.mark.parametrize("fault", ["deadlock detected", 'duplicate key value violates unique constraint "event_pkey"'])
def test_faults_of_a_database_are_found(fault: str) -> None:
    """What only a bug makes a database log is told with what it was about, and an ordinary error is not."""
    log = f"ERROR:  canceling statement\nERROR:  {fault}\nDETAIL:  Process 1 waits for ShareLock\n"

    (found,) = database_faults_in(log)
    assert ("the_database_finds_no_fault", log.partition("\n")[2].rstrip()) == found


def test_one_who_knows_several_servers_moves_on() -> None:
    """Who is told to move goes to another server; with only one it stays, and nothing is left to chance."""
    chosen = random.Random(1)  # noqa: S311
    several, alone = Servers(["a", "b", "c"], chosen), Servers(["a"], chosen)
    for _ in range(20):
        before = several.address
        several.move()
        assert several.address != before
    state = chosen.getstate()
    alone.move()
    alone.wander(1.0)
    assert ("a", state) == (alone.address, chosen.getstate())


def test_reports_keep_the_longest() -> None:
    """Of two runs the larger number of seconds stands."""
    total = Report(longest={"frozen": 1.0})
    total.add(Report(longest={"frozen": 2.5, "cut": 0.5}))
    total.add(Report(longest={"frozen": 2.0}))

    assert {"frozen": 2.5, "cut": 0.5} == total.longest
    assert "2.5 s at most: frozen" in total.table()
