"""Delays and deadlines."""

import pytest

from msgstate._timing import Backoff, Deadline


def delays(count: int, servers: int = 1, longest: float = 5, wished: float | None = None) -> list[float]:
    """The delays after so many failures in a row."""
    backoff = Backoff(longest)
    return [backoff.delay(wished, servers) for _ in range(count)]


def test_delays_double_and_are_jittered() -> None:
    """Delays double from 0.1 s up to the longest, each shortened at random by up to a half."""
    longest = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]
    found = delays(len(longest))

    assert all(limit / 2 <= delay <= limit for limit, delay in zip(longest, found, strict=True))
    assert delays(8) != delays(8)
    assert 2.5 <= delays(5_000)[-1] <= 5


def test_other_servers_are_tried_at_once() -> None:
    """Only when there was a try for every server is there a delay, and only then does it double."""
    found = delays(6, servers=3)

    assert [True, True, False, True, True, False] == [delay == 0 for delay in found]
    assert found[2] <= 0.1 <= found[5] <= 0.2


def test_the_servers_wish_is_respected() -> None:
    """No delay is shorter than the server wished for, and not all are equal."""
    found = delays(4, wished=1)

    assert all(delay > 1 for delay in found)
    assert 4 == len(set(found))


@pytest.mark.parametrize(("seconds", "is_over"), [(0, True), (-1, True), (60, False)])
def test_a_deadline_never_falls_below_zero(seconds: float, is_over: bool) -> None:
    """What remains is 0 once a deadline has passed."""
    deadline = Deadline(seconds)

    assert is_over == (deadline.remaining == 0)
    deadline.restart()
    assert is_over == (deadline.remaining == 0)
