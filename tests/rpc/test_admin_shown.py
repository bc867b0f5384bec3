"""What is in quarantine and what bodies are kept, over a real channel."""

from collections.abc import Awaitable
from typing import Any

import grpc
import pytest

from msgstate.v1 import admin_service_pb2 as pb
from msgstate_server.app import Service
from msgstate_server.domain.decision import Problem
from tests.rpc.quarantining import PROBLEMS, RECEIVED, body, discard, listed, payload, quarantine, replay, show
from tests.rpc.running import DEADLINE, Client
from tests.rpc.samples import Told, event, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

RESPONSE_BYTES = 1_048_576
CHUNK_BYTES = 262_144


async def refused(asked: Awaitable[object]) -> Told:
    """The error with which a call is answered."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await asked
    return told(raised.value)


async def all_pages(client: Client, **fields: Any) -> list[list[pb.QuarantinedPayload]]:
    """Every page of a list, each within the limit."""
    pages = []
    token = ""
    while True:
        request = pb.ListQuarantineRequest(page_token=token, **fields)
        response = await client.admin.ListQuarantine(request, timeout=DEADLINE)
        assert response.ByteSize() < RESPONSE_BYTES
        pages.append(list(response.payloads))
        token = response.next_page_token
        if not token:
            return pages


async def test_an_empty_quarantine_has_one_empty_page(client: Client) -> None:
    """Nothing is listed, and nothing follows."""
    assert await all_pages(client) == [[]]


async def test_list_tells_what_came_when_and_why(service: Service, client: Client) -> None:
    """Newest first, with the problems and the size of the body."""
    (first,) = await quarantine(service, b"not JSON", problems=PROBLEMS)
    (second,) = await quarantine(service, b"", provider="emailit", account="shop", received_time=RECEIVED + 1)

    ((newest, oldest),) = await all_pages(client)

    assert oldest.received_time.ToMicroseconds() == RECEIVED
    assert newest.received_time.ToMicroseconds() == RECEIVED + 1
    told_problems = [pb.QuarantineProblem(pointer=each.pointer, reason=each.reason) for each in PROBLEMS]
    assert [oldest, newest] == [
        pb.QuarantinedPayload(
            id=first,
            provider="cloudmailin",
            received_time=oldest.received_time,
            problems=told_problems,
            body_size=8,
        ),
        pb.QuarantinedPayload(
            id=second,
            provider="emailit",
            account="shop",
            received_time=newest.received_time,
            problems=told_problems,
        ),
    ]


@pytest.mark.parametrize(("page_size", "sizes"), [(0, [100, 50]), (-5, [1] * 150), (149, [149, 1]), (150, [150])])
async def test_list_goes_on_page_by_page(service: Service, client: Client, page_size: int, sizes: list[int]) -> None:
    """Every page is full but the last, and each webhook is on one page."""
    ids = await quarantine(service, *(b"%d" % number for number in range(150)))

    pages = await all_pages(client, page_size=page_size)

    assert [len(page) for page in pages] == sizes
    assert [each.id for page in pages for each in page] == ids[::-1]


async def test_page_size_is_clamped(service: Service, client: Client) -> None:
    """No page has more than 1,000."""
    await quarantine(service, *(b"%d" % number for number in range(1_001)))
    assert [len(page) for page in await all_pages(client, page_size=2**31 - 1)] == [1_000, 1]


async def test_list_of_one_provider(service: Service, client: Client) -> None:
    """Only what came from it is listed, page by page, while others come in."""
    ids = await quarantine(service, *(b"%d" % number for number in range(5)), provider="emailit")
    await quarantine(service, b"other")
    first = await client.admin.ListQuarantine(pb.ListQuarantineRequest(provider="emailit", page_size=3))
    await quarantine(service, b"later", provider="emailit")
    second = await client.admin.ListQuarantine(
        pb.ListQuarantineRequest(provider="emailit", page_size=10, page_token=first.next_page_token)
    )
    assert [each.id for each in (*first.payloads, *second.payloads)] == ids[::-1]
    assert second.next_page_token == ""
    assert await listed(client, provider="nobody") == []


async def test_pages_stay_under_the_limit(service: Service, client: Client) -> None:
    """Of a webhook with thousands of problems the first are told, and how many are left out; pages are cut by size."""
    long = [Problem(f"/events/{number}", "r" * 600) for number in range(1_000)]
    ids = await quarantine(service, *(b"%d" % number for number in range(60)), problems=long)

    pages = await all_pages(client, page_size=1_000)

    assert [each.id for page in pages for each in page] == ids[::-1]
    assert 4 <= len(pages) <= 5
    for each in (*pages[0], (await show(client, ids[0])).payload):
        *some, last = each.problems
        assert [problem.pointer for problem in some] == [f"/events/{number}" for number in range(len(some))]
        assert 100 < len(some) < 110
        assert last == pb.QuarantineProblem(reason=f"{1_000 - len(some)} more parts could not be parsed")


async def test_page_token_is_bound_to_its_list(service: Service, client: Client) -> None:
    """It goes on with the same provider and choice alone, whatever the page's size; another list's is refused."""
    ids = await quarantine(service, b"1", b"2", b"3")
    page = await client.admin.ListQuarantine(pb.ListQuarantineRequest(page_size=1))
    token = page.next_page_token
    assert await listed(client, page_token=token, page_size=7) == [ids[1], ids[0]]
    for other in (
        {"provider": "cloudmailin", "page_token": token},
        {"include_replayed": True, "page_token": token},
        {"page_token": token[:-1] + ("A" if token[-1] != "A" else "B")},
        {"page_token": "no token"},
    ):
        error = await refused(listed(client, **other))
        assert error == Told(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "msgstate", {}, ["page_token"], None)


@pytest.mark.parametrize("provider", ["\0", "p" * 999])
async def test_malformed_provider(shared: Client, provider: str) -> None:
    """No provider has such a name."""
    error = await refused(listed(shared, provider=provider))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["provider"])


async def test_get_shows_what_is_understood_now(service: Service, client: Client) -> None:
    """The webhook, then its events with their places in the log or none, then its body."""
    await client.publish(event("m0"))
    known = body("m1", "dispatch", "bad", "delivery")
    (partly,) = await quarantine(service, known, account="shop")
    (result,) = await replay(client, partly)
    (whole,) = await quarantine(service, body("m1", "dispatch", "open"), account="shop", received_time=RECEIVED + 1)

    first, second = await show(client, partly), await show(client, whole)

    assert [each.position for each in result.results] == [2, 3]
    assert [(each.pointer, each.position, each.event.provider_type) for each in first.events] == [
        ("/events/0", 2, "dispatch"),
        ("/events/2", 3, "delivery"),
    ]
    assert [(each.pointer, each.position, each.event.provider_type) for each in second.events] == [
        ("/events/0", 2, "dispatch"),
        ("/events/1", 0, "open"),
    ]
    opened = second.events[1].event
    assert (opened.provider, opened.message_id, opened.recipient) == ("cloudmailin", "m1", "to@example.com")
    assert opened.received_time.ToMicroseconds() == RECEIVED + 1
    assert dict(opened.metadata) == {"account": "shop"}
    assert (second.payload.id, second.payload.account, len(second.payload.problems)) == (whole, "shop", 2)
    assert [problem.pointer for problem in first.payload.problems] == ["/events/1"]
    assert b"".join(first.chunks) == known


@pytest.mark.parametrize(
    ("size", "chunks"),
    [(0, []), (1, [1]), (CHUNK_BYTES, [CHUNK_BYTES]), (2 * CHUNK_BYTES + 1, [CHUNK_BYTES, CHUNK_BYTES, 1])],
)
async def test_bodies_come_in_chunks(service: Service, client: Client, size: int, chunks: list[int]) -> None:
    """A body comes whole, in pieces of at most 256 KiB, whatever bytes it has; an empty one has none."""
    content = bytes(number % 256 for number in range(size))
    (kept,) = await quarantine(service, content)
    shown = await show(client, kept)
    assert [len(chunk) for chunk in shown.chunks] == chunks
    assert b"".join(shown.chunks) == content
    assert shown.payload.body_size == size
    assert shown.events == []


async def test_events_are_shown_within_the_limit(service: Service, client: Client) -> None:
    """A thousand large events come in several responses, in the body's order."""
    content = body("m", *["delivery"] * 1_000, details={"reason": "r" * 3_000})
    (kept,) = await quarantine(service, content)
    shown = await show(client, kept)
    assert [each.pointer for each in shown.events] == [f"/events/{number}" for number in range(1_000)]
    assert CHUNK_BYTES < shown.largest <= RESPONSE_BYTES


async def test_a_webhook_of_an_unknown_provider_is_shown(service: Service, client: Client) -> None:
    """What another version took in is shown as it is, without events."""
    (kept,) = await quarantine(service, body("m", "open"), provider="newer")
    shown = await show(client, kept)
    assert (shown.payload.provider, len(shown.payload.problems), shown.events) == ("newer", 2, [])
    assert shown.chunks == [body("m", "open")]


async def test_payload_of_an_event(service: Service, client: Client) -> None:
    """First whose it is and when it came, then the body in chunks; replayed events have the webhook's own."""
    content = body("m", "dispatch", details="d" * CHUNK_BYTES)
    (kept,) = await quarantine(service, content)
    await replay(client, kept)
    await discard(client, kept)

    first, *rest = await payload(client, 1)

    assert first == pb.GetPayloadResponse(provider="cloudmailin", received_time=first.received_time)
    assert first.received_time.ToMicroseconds() == RECEIVED
    assert [len(response.chunk) for response in rest] == [CHUNK_BYTES, len(content) - CHUNK_BYTES]
    assert b"".join(response.chunk for response in rest) == content
    assert not any(response.provider or response.HasField("received_time") for response in rest)


async def test_payload_that_is_not_kept(client: Client) -> None:
    """An event that came over gRPC has none, nor has a position without an event."""
    await client.publish(event("m"))
    for position in (1, 2, 2**63 - 1):
        error = await refused(payload(client, position))
        assert error == Told(grpc.StatusCode.NOT_FOUND, "PAYLOAD_NOT_FOUND", "msgstate", {}, [], None)


async def test_quarantined_that_is_not_there(client: Client) -> None:
    """An id that names nothing is not found."""
    error = await refused(show(client, 7))
    assert error == Told(grpc.StatusCode.NOT_FOUND, "QUARANTINED_NOT_FOUND", "msgstate", {}, [], None)


@pytest.mark.parametrize("number", [0, -1, -(2**63)])
async def test_numbers_that_name_nothing(shared: Client, number: int) -> None:
    """Ids and positions start at 1; the field that breaks this is named."""
    asked: dict[str, Awaitable[object]] = {
        "id": show(shared, number),
        "position": payload(shared, number),
        "ids[1]": replay(shared, 1, number),
        "ids[2]": discard(shared, 1, 2, number),
    }
    for field, call in asked.items():
        error = await refused(call)
        assert error == Told(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "msgstate", {}, [field], None)
