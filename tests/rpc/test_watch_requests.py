"""What a watch is asked for is clamped where it is out of range."""

import pytest
from google.protobuf.duration_pb2 import Duration

from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.rpc.watch_requests import read_watch_request
from msgstate_server.watch.names import names
from tests.rpc.watching import Kind


@pytest.mark.parametrize(("asked", "most"), [(1, 1), (-7, 1), (7, 7), (0, 1_000), (5_000, 1_000), (2**31 - 1, 1_000)])
def test_the_batch_size_is_clamped(kind: Kind, asked: int, most: int) -> None:
    """It is 1 to 1,000, and unset means the most."""
    assert read_watch_request(kind.request(max_batch_size=asked)).max_batch == most


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (None, 10),
        (Duration(), 1),
        (Duration(seconds=-5), 1),
        (Duration(nanos=1), 1),
        (Duration(seconds=1, nanos=500_000_000), 1.5),
        (Duration(seconds=60), 60),
        (Duration(seconds=3_600), 60),
        (Duration(seconds=2**63 - 1, nanos=-(2**31)), 60),
    ],
)
def test_the_checkpoint_interval_is_clamped(kind: Kind, asked: Duration | None, seconds: float) -> None:
    """It is 1 to 60 seconds, and 10 if unset."""
    request = kind.request(checkpoint_interval=asked)
    assert read_watch_request(request).checkpoint_seconds == seconds


def test_filters_that_mean_the_same_are_equal(kind: Kind) -> None:
    """However ids, addresses and a single share are written, who wants the same shares it."""
    written, plain, other = kind.request(), kind.request(shard_count=1), kind.request()
    written.filter.message_ids.extend(["<m>", "m", "n"])
    written.filter.recipients.append("Ann <a@EXAMPLE.com>")
    plain.filter.message_ids.extend(["n", "m"])
    plain.filter.recipients.append("a@example.com")
    other.filter.message_ids.extend(["<m>", "m", "N"])
    other.filter.recipients.append("Ann <a@EXAMPLE.com>")
    wanted, same, another = (read_watch_request(request).wanted for request in (written, plain, other))
    assert wanted == same
    assert hash(wanted) == hash(same)
    assert wanted != another


def test_a_filter_is_bounded_in_all(kind: Kind) -> None:
    """A filter of 64 KiB is taken and one of a byte more refused, however few its values are."""
    ids = [f"{number:0990}" for number in range(65)]
    request = kind.request()
    request.filter.message_ids.extend(ids)
    request.filter.recipients.append("r" * (65_536 - request.filter.ByteSize() - 3))
    assert request.filter.ByteSize() == 65_536
    assert read_watch_request(request).wanted.message_ids == names(ids)

    request.filter.recipients[0] += "r"
    with pytest.raises(InvalidRequest) as raised:
        read_watch_request(request)
    assert [violation.field for violation in raised.value.violations] == ["filter"]
