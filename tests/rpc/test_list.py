"""Listing recipients' statuses over a real channel."""

from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import status_pb2
from tests.rpc.lists import list_error, listed, page, pages
from tests.rpc.running import Client
from tests.rpc.samples import BOUNCED, DELIVERED, ERRORED, OPENED, SENT, SUPPRESSED, event, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

INVALID = grpc.StatusCode.INVALID_ARGUMENT
LATE = Timestamp(seconds=253_402_300_800)
STORY = [
    ("shop", "m0", "a@x", SENT),
    ("shop", "m1", "a@x", DELIVERED),
    ("shop", "m1", "b@x", BOUNCED),
    ("news", "m1", "a@x", ERRORED),
    ("news", "m2", "b@x", OPENED),
    ("tips", "m3", "c@x", SUPPRESSED),
]
Status = status_pb2.RecipientStatus


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def log(shared: Client) -> Client:
    """A client of a service that knows the story, each of it published by itself, and nothing else."""
    for provider, message_id, recipient, kind in STORY:
        await shared.publish(event(message_id, kind, provider=provider, recipient=recipient))
    return shared


def steps(found: list[Status]) -> list[int]:
    """Which of the story's steps are listed."""
    places = {row[:3]: number for number, row in enumerate(STORY)}
    return [places[status.provider, status.message_id, status.recipient] for status in found]


@pytest.mark.parametrize("size", [-5, 0, 1, 2, 6, 7, 1_000_000])
async def test_pages_of_any_size_give_all_newest_first(log: Client, size: int) -> None:
    """Sizes out of range are clamped; every status comes once, as the single call has it."""
    found = await listed(log, size)

    assert steps(found) == [5, 4, 3, 2, 1, 0]
    for status in found:
        single = await log.status(status.message_id, status.provider, status.recipient)
        assert list(single.status.recipients) == [status]


@pytest.mark.parametrize(
    ("asked", "most"), [(0, 100), (-1, 1), (7, 7), (1_000, 1_000), (1_001, 1_000), (2**31 - 1, 1_000)]
)
async def test_page_sizes_are_clamped(client: Client, asked: int, most: int) -> None:
    """A page has 1 to 1,000 statuses, and 100 if nothing is said."""
    for batch in range(2):
        await client.publish(*(event(f"{batch}-{number}") for number in range(600)))

    assert len((await page(client, size=asked)).recipient_statuses) == most


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"states": ["STATE_SENT"]}, [0]),
        ({"states": ["STATE_FAILED", "STATE_SENT", "STATE_FAILED"]}, [3, 2, 0]),
        ({"providers": ["news"]}, [4, 3]),
        ({"providers": ["tips", "shop", "tips", "none"]}, [5, 2, 1, 0]),
        ({"message_id": "m1"}, [3, 2, 1]),
        ({"message_id": "<m1>"}, [3, 2, 1]),
        ({"message_id": " <<m1>>\n"}, [3, 2, 1]),
        ({"recipient": "b@x"}, [4, 2]),
        ({"recipient": "Bea <B@X> "}, [4, 2]),
        ({"recipient": "b@y"}, []),
        ({"message_id": "m1", "recipient": "a@x"}, [3, 1]),
        ({"message_id": "m1", "recipient": "a@x", "providers": ["news"], "states": ["STATE_FAILED"]}, [3]),
        (
            {"updated_after": Timestamp(seconds=1), "updated_before": Timestamp(seconds=4_000_000_000)},
            [5, 4, 3, 2, 1, 0],
        ),
        ({"updated_after": Timestamp(seconds=4_000_000_000)}, []),
        ({"updated_before": Timestamp()}, []),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
async def test_filters(log: Client, wanted: dict[str, Any], expected: list[int], size: int) -> None:
    """What is set must all match, of a list any value may; ids and addresses are compared as the log has them."""
    assert steps(await listed(log, size, **wanted)) == expected


async def test_updated_after_counts_its_own_moment_and_updated_before_does_not(log: Client) -> None:
    """A time cuts the list in two parts that share nothing and lack nothing."""
    times = {number: status.update_time for number, status in zip(range(5, -1, -1), await listed(log), strict=True)}

    for number, time in times.items():
        assert steps(await listed(log, updated_after=time)) == list(range(5, number - 1, -1))
        assert steps(await listed(log, updated_before=time)) == list(range(number - 1, -1, -1))


async def test_the_size_may_change_between_pages(log: Client) -> None:
    """A token is good with any page size."""
    first = await page(log, size=1)
    second = await page(log, first.next_page_token, 3)
    third = await page(log, second.next_page_token)

    found = [status for response in (first, second, third) for status in response.recipient_statuses]
    assert steps(found) == [5, 4, 3, 2, 1, 0]
    assert third.next_page_token == ""


async def test_values_may_come_in_another_order(log: Client) -> None:
    """Neither order nor doubles of a filter's values make it another one."""
    first = await page(log, size=1, providers=["shop", "news"], states=["STATE_FAILED", "STATE_SENT"])
    again: dict[str, Any] = {"providers": ["news", "shop", "news"], "states": ["STATE_SENT", "STATE_FAILED"]}
    second = await page(log, first.next_page_token, **again)

    found = [*first.recipient_statuses, *second.recipient_statuses]
    assert steps(found) == [3, 2, 0]


async def test_the_largest_rows_are_cut_to_what_fits(client: Client) -> None:
    """Pages of a thousand stay under 1 MiB, and together they are the list."""
    detail, names = "d" * 2_048, [f"{number:04}".ljust(990, "r") + "@example" for number in range(1_000)]
    for start in range(0, 1_000, 200):
        events = [event("m" * 998, BOUNCED, recipient=name[:998], detail=detail) for name in names[start : start + 200]]
        await client.publish(*events)
    sizes: list[int] = []
    found: list[str] = []
    async for response in pages(client, 1_000):
        sizes.append(response.ByteSize())
        found += [status.recipient for status in response.recipient_statuses]

    assert found == [name[:998] for name in reversed(names)]
    assert len(sizes) > 3
    assert min(sizes[:-1]) > 1_000_000


async def test_a_list_while_events_arrive(client: Client) -> None:
    """Nothing comes twice, and nothing that was there at the start is left out, whatever arrives between two pages."""
    await client.publish(*(event(f"old-{number}") for number in range(200)))
    found: list[str] = []
    number = 0
    async for response in pages(client, 7):
        found += [status.message_id for status in response.recipient_statuses]
        await client.publish(*(event(f"new-{number + more}", SENT) for more in range(9)))
        await client.publish(*(event(f"old-{(number * 7 + more) % 200}", OPENED) for more in range(5)))
        number += 9

    assert number > 200
    assert found == [f"old-{number}" for number in range(199, -1, -1)]


async def test_a_state_that_changes_while_it_is_listed(client: Client) -> None:
    """Filters apply when a page is read: what matches throughout comes once, and nothing comes twice."""
    await client.publish(*(event(f"m{number}", SENT) for number in range(60)))
    found: list[str] = []
    moved: list[str] = []
    async for response in pages(client, 10, states=["STATE_SENT"]):
        found += [status.message_id for status in response.recipient_statuses]
        moved.append(f"m{len(moved)}")
        await client.publish(event(moved[-1], BOUNCED), event(f"m{59 - len(moved)}", BOUNCED))

    assert len(found) == len(set(found))
    gone = {*moved, *(f"m{59 - number}" for number in range(1, len(moved) + 1))}
    assert {f"m{number}" for number in range(60)} - gone <= set(found)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"states": [0]}, ["filter.states[0]"]),
        ({"states": [1, 7]}, ["filter.states[1]"]),
        ({"states": [1] * 1_001}, ["filter.states"]),
        ({"providers": ["p", ""]}, ["filter.providers[1]"]),
        ({"providers": ["p" * 999]}, ["filter.providers[0]"]),
        ({"providers": ["p"] * 1_001}, ["filter.providers"]),
        ({"message_id": "m" * 999}, ["filter.message_id"]),
        ({"message_id": "m\0"}, ["filter.message_id"]),
        ({"message_id": "<>"}, ["filter.message_id"]),
        ({"recipient": "r" * 999}, ["filter.recipient"]),
        ({"recipient": " "}, ["filter.recipient"]),
        ({"recipient": "Nobody <>"}, ["filter.recipient"]),
        ({"updated_after": LATE}, ["filter.updated_after"]),
        ({"updated_before": Timestamp(nanos=-1)}, ["filter.updated_before"]),
        ({"states": [9], "providers": [""], "message_id": "\0"}, [
            "filter.states[0]", "filter.providers[0]", "filter.message_id"
        ]),
    ],
)  # fmt: skip
async def test_a_malformed_filter_is_refused(shared: Client, wanted: dict[str, Any], expected: list[str]) -> None:
    """Each broken field is named, with its index where it is one of a list."""
    error = await list_error(shared, **wanted)

    assert told(error) == (INVALID, "INVALID_REQUEST", "msgstate", {}, expected, None)
