"""What a watch gives of a log that is there: where it starts, what it leaves out, and that any token resumes it."""

import itertools
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import Client
from tests.rpc.samples import ACCEPTED, BOUNCED, CLICKED, DELIVERED, ERRORED, OPENED, SENT, SUPPRESSED, event
from tests.rpc.watching import Kind, Request, Response, items, names, told_in, watched

pytestmark = pytest.mark.asyncio(loop_scope="session")

EARLIEST = pb.START_POINT_EARLIEST
LIVE = pb.WATCH_PHASE_LIVE
CATCHING_UP = pb.WATCH_PHASE_CATCHING_UP
MESSAGES = 8

# Provider, recipient and what happened, in order; each to every message. None of it repeats, and some moves nothing.
STORY: list[tuple[str, str, event_pb2.EventType.ValueType]] = [
    ("shop", "a@x", ACCEPTED),
    ("shop", "a@x", SENT),
    ("shop", "b@x", SUPPRESSED),
    ("news", "a@x", ERRORED),
    ("shop", "a@x", DELIVERED),
    ("shop", "a@x", ACCEPTED),
    ("news", "a@x", BOUNCED),
    ("shop", "b@x", SENT),
    ("shop", "a@x", OPENED),
    ("shop", "a@x", CLICKED),
    ("news", "a@x", OPENED),
]
Row = tuple[int, str, str, str, int, int]
STATES = [(0, 1), (1, 2), (0, 6), (0, 5), (2, 3), (3, 3), (5, 5), (6, 6), (3, 4), (4, 4), (5, 5)]
"""The states before and after each step of the story."""
MOVES = (0, 1, 2, 3, 4, 6, 8)
"""The steps that are transitions."""


def expected(kind: Kind) -> list[Row]:
    """What there is to tell of the story, told to one message after the other: position, names and states."""
    return [
        (len(STORY) * number + step + 1, STORY[step][0], f"m{number}", STORY[step][1], *STATES[step])
        for number in range(MESSAGES)
        for step in (MOVES if kind.moved_alone else range(len(STORY)))
    ]


def shown(responses: list[Response]) -> list[Row]:
    """What a stream told of, as `expected` has it."""
    return [(item.position, *names(item), item.from_state, item.to_state) for item in items(responses)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def log(shared: Client) -> Client:
    """A client of a service whose log is the story of each message, each published by itself."""
    for number in range(MESSAGES):
        events = [event(f"m{number}", kind, provider=provider, recipient=to) for provider, to, kind in STORY]
        events[5].detail = "again"
        await shared.publish(*events)
    return shared


async def read(client: Client, request: Request) -> list[Response]:
    """The stream up to the first response that says it is live."""
    return await watched(client, request, lambda seen: seen[-1].phase == LIVE)


async def test_from_the_earliest_the_whole_log_comes_in_order(log: Client, kind: Kind) -> None:
    """Every transition comes once, and events that moved nothing are left out."""
    responses = await read(log, kind.request(start_point=EARLIEST))

    assert shown(responses) == expected(kind)
    assert {response.head_position for response in responses} == {len(STORY) * MESSAGES}


async def test_the_first_response_comes_at_once(log: Client, kind: Kind) -> None:
    """It is empty, has a token, and says whether there is anything to catch up with."""
    for request, phase in (
        (kind.request(), LIVE),
        (kind.request(start_point=pb.START_POINT_NOW), LIVE),
        (kind.request(start_point=EARLIEST), CATCHING_UP),
    ):
        (first,) = await watched(log, request, bool)
        assert (told_in(first), first.phase) == ([], phase)
        assert first.resume_token


async def test_now_begins_at_the_head(log: Client, kind: Kind) -> None:
    """NOW, and no start at all, have the same token as an answer of this moment."""
    token = (await log.publish()).resume_token

    for request in (kind.request(), kind.request(start_point=pb.START_POINT_NOW)):
        (first,) = await watched(log, request, bool)
        assert first.resume_token == token


async def test_the_phase_turns_live_with_the_last_transition(log: Client, kind: Kind) -> None:
    """It is CATCHING_UP on all responses before."""
    responses = await read(log, kind.request(start_point=EARLIEST, max_batch_size=10))

    assert [response.phase for response in responses] == [CATCHING_UP] * (len(responses) - 1) + [LIVE]
    assert told_in(responses[-1])
    count = len(expected(kind))
    sizes = [len(told_in(response)) for response in responses]
    assert sizes == [0, *[10] * (count // 10), count % 10]


async def test_a_start_time_takes_what_was_committed_then_or_later(log: Client, kind: Kind) -> None:
    """A time is one place in the log, since commit times never fall along it."""
    whole = items(await read(log, kind.request(start_point=EARLIEST)))
    times = sorted({each.commit_time.ToMicroseconds() for each in whole})
    assert [each.commit_time.ToMicroseconds() for each in whole] == sorted(
        each.commit_time.ToMicroseconds() for each in whole
    )

    for micros in [0, times[0], times[3] - 1, times[3], times[3] + 1, times[-1]]:
        start = Timestamp()
        start.FromMicroseconds(micros)
        responses = await read(log, kind.request(start_time=start))
        later = [each.position for each in whole if each.commit_time.ToMicroseconds() >= micros]
        assert [each.position for each in items(responses)] == later


async def test_a_start_time_to_come_is_now(log: Client, kind: Kind) -> None:
    """Nothing is later than the head, so the watch begins there."""
    token = (await log.publish()).resume_token
    for seconds in (4_000_000_000, 253_402_300_799):
        (first,) = await watched(log, kind.request(start_time=Timestamp(seconds=seconds)), bool)
        assert (first.resume_token, first.phase) == (token, LIVE)


async def test_a_start_time_before_every_event_is_the_earliest(log: Client, kind: Kind) -> None:
    """The year 1 is as good as any time before the first commit."""
    responses = await read(log, kind.request(start_time=Timestamp(seconds=-62_135_596_800)))

    assert shown(responses) == expected(kind)


async def test_every_token_of_a_stream_resumes_with_exactly_the_rest(log: Client, kind: Kind) -> None:
    """Nothing is missed and nothing repeated, from whichever response the token is."""
    stream = await read(log, kind.request(start_point=EARLIEST, max_batch_size=5))

    for number, response in enumerate(stream):
        resumed = await read(log, kind.request(resume_token=response.resume_token))
        assert shown(resumed) == shown(stream[number + 1 :])


async def test_a_token_is_good_with_any_filter(log: Client, kind: Kind) -> None:
    """It means all up to here, whatever the filter was of the stream that gave it."""
    request = kind.request(start_point=EARLIEST, max_batch_size=3)
    request.filter.to_states.append(status_pb2.STATE_FAILED)
    failed = await read(log, request)

    for response in failed[1:]:
        if told_in(response):
            resumed = await read(log, kind.request(resume_token=response.resume_token))
            after = [row for row in expected(kind) if row[0] > told_in(response)[-1].position]
            assert set(shown(resumed)) <= set(after)
            assert [row for row in shown(resumed) if row[5] == 5] == [row for row in after if row[5] == 5]


FILTERS = [
    ("provider", {"providers": ["news"]}, lambda row: row[1] == "news"),
    ("two providers", {"providers": ["news", "shop", "none"]}, lambda _: True),
    ("message id", {"message_ids": ["m3"]}, lambda row: row[2] == "m3"),
    ("message ids in brackets", {"message_ids": ["<m3>", "m5"]}, lambda row: row[2] in {"m3", "m5"}),
    ("recipient", {"recipients": ["b@x"]}, lambda row: row[3] == "b@x"),
    ("recipient spelled as mail", {"recipients": [" Bea <B@X> "]}, lambda row: row[3] == "b@x"),
    ("another domain", {"recipients": ["b@y"]}, lambda _: False),
    ("state", {"to_states": [status_pb2.STATE_FAILED]}, lambda row: row[5] == 5),
    ("two states", {"to_states": [3, 6]}, lambda row: row[5] in {3, 6}),
    ("all must match", {"providers": ["shop"], "recipients": ["a@x"], "to_states": [2, 5]}, lambda row: row[5] == 2),
    ("all of the filter", {"providers": ["news"], "message_ids": ["m1"], "recipients": ["a@x"], "to_states": [5]},
     lambda row: row[1:3] == ("news", "m1")),
    ("nothing", {"message_ids": ["nothing"]}, lambda _: False),
    ("an empty filter", {}, lambda _: True),
    ("a thousand values", {"message_ids": [f"m{number}" for number in range(7, 1_007)]}, lambda row: row[2] == "m7"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "matches"), [row[1:] for row in FILTERS], ids=[row[0] for row in FILTERS])
async def test_a_filter_gives_what_matches_and_nothing_else(
    log: Client, kind: Kind, wanted: dict[str, Any], matches: Callable[[Row], bool]
) -> None:
    """Fields must all match, of a list any value may; ids and addresses are compared as the log has them."""
    request = kind.request(start_point=EARLIEST, filter=wanted)
    responses = await read(log, request)

    assert shown(responses) == [row for row in expected(kind) if matches(row)]
    assert responses[-1].resume_token == (await log.publish()).resume_token


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1_000])
async def test_shards_share_the_log_by_message(log: Client, kind: Kind, count: int) -> None:
    """Each transition is in exactly one share: that of its message, by the documented function."""
    found: dict[int, list[Row]] = {}
    of_message = {
        (provider, message_id): int.from_bytes(
            blake2b(f"{provider}\0{message_id}".encode(), digest_size=8).digest(), "big"
        )
        % max(count, 1)
        for _, provider, message_id, *_ in expected(kind)
    }
    for index in sorted({*of_message.values(), 0}):
        request = kind.request(start_point=EARLIEST, shard_index=index, shard_count=count)
        found[index] = shown(await read(log, request))

    assert sorted(itertools.chain(*found.values())) == expected(kind)
    for index, rows in found.items():
        assert rows == [row for row in expected(kind) if of_message[row[1], row[2]] == index]


@pytest.mark.parametrize(("asked", "most"), [(1, 1), (-7, 1), (7, 7), (0, 1_000), (2**31 - 1, 1_000)])
async def test_no_response_has_more_than_the_batch_size(log: Client, kind: Kind, asked: int, most: int) -> None:
    """Batches are as large as they may be, one of them perhaps less, and together they are the log."""
    request = kind.request(start_point=EARLIEST, max_batch_size=asked)
    request.filter.message_ids.extend(f"m{number}" for number in range(MESSAGES))
    responses = await read(log, request)

    sizes = [len(told_in(response)) for response in responses if told_in(response)]
    assert max(sizes) == min(most, len(expected(kind)))
    assert shown(responses) == expected(kind)
