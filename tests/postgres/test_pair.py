from collections.abc import Iterator

import pytest

from tests.postgres.pair import Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    try:
        pair.start()
        yield pair
    finally:
        pair.close()


def test_a_standby_takes_over_again_and_again(pair: Pair) -> None:
    """Each has what was committed, also where it had ended before its primary; the place of either is used again."""
    places = pair.addresses
    pair.primary.query("CREATE TABLE number (n int)")
    for number in range(3):
        pair.primary.query("INSERT INTO number VALUES ($1)", number)
        before = pair.standby
        if number == 1:
            before.kill()
        pair.primary.kill()

        pair.fail_over()
        pair.renew_standby()

        assert pair.primary is before
        assert [row["n"] for row in pair.primary.query("SELECT n FROM number ORDER BY n")] == [*range(number + 1)]
        assert pair.primary.query("SELECT sync_state FROM pg_stat_replication")[0][0] == "sync"
        assert [old == new for old, new in zip(places, pair.addresses, strict=True)].count(True) == 1
        places = pair.addresses
    assert pair.log().count("received promote request") == 3
