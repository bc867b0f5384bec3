"""How events are cut into batches."""

import pytest

from msgstate import Event
from msgstate._cut import BATCH_BYTES, Cut, Cutter
from msgstate.v1.event_service_pb2 import StreamEventsResponse
from tests.client.samples import event


def cut(*events: Event, batch_size: int = 500) -> list[Cut]:
    """Every batch of these events."""
    cutter = Cutter(batch_size)
    batches = [full for each in events if (full := cutter.add(each)) is not None]
    rest = cutter.rest()
    return [*batches, rest] if rest is not None else batches


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (4, [3, 1]), (6, [3, 3])])
def test_batches_are_full_but_the_last(count: int, sizes: list[int]) -> None:
    """Each batch has as many events as it may; they are numbered, and know where they begin."""
    batches = cut(*(event(f"m{number}") for number in range(count)), batch_size=3)

    assert sizes == [len(batch) for batch in batches]
    assert [(number + 1, 3 * number) for number in range(len(sizes))] == [
        (batch.request.batch_id, batch.first_index) for batch in batches
    ]


@pytest.mark.parametrize("size", [1, 200, 20_000, 1_048_000])
def test_no_batch_is_larger_than_the_server_takes(size: int) -> None:
    """A batch is at most 1 MiB as it is sent, and nearly that where events are small enough to fill it."""
    batches = cut(*[event("m", detail="x" * size)] * (3_000_000 // size if size > 1 else 5_000), batch_size=1_000)

    assert all(batch.request.ByteSize() <= BATCH_BYTES for batch in batches)
    assert all(batch.size >= batch.request.ByteSize() for batch in batches)
    if size > 10_000:
        assert all(batch.size > BATCH_BYTES - size - 100 for batch in batches[:-1])


def test_what_no_batch_can_carry_keeps_its_place() -> None:
    """An event larger than a batch is told as refused at its own index, with its size; its neighbours keep theirs."""
    huge = event("huge", detail="x" * BATCH_BYTES)
    (batch,) = cut(event("before"), huge, event("after"))
    answer = StreamEventsResponse(accepted=2, duplicates=1)
    answer.refused.add(index=1).violations.add(field="events[1].provider", description="is empty")

    outcome = batch.outcome(answer)

    assert (0, 2, 1) == (outcome.first_index, outcome.accepted, outcome.duplicates)
    (refused,) = outcome.refused
    assert (1, huge) == (refused.index, refused.event)
    assert [("events[1]", f"takes {huge.ByteSize() + 4:,} bytes and no batch carries more than 1,048,576")] == (
        refused.violations
    )
