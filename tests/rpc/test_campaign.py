"""A campaign: 20,000 recipients under one message id, each way of asking for them."""

from typing import Any

import pytest
import pytest_asyncio

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import status_pb2
from tests.rpc.lists import history, history_page, listed, page
from tests.rpc.running import DEADLINE, Client
from tests.rpc.samples import BOUNCED, SENT, event

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("campaign")]

RECIPIENTS = 20_000
BOUNCES = range(0, RECIPIENTS, 400)


def address(number: int) -> str:
    """A recipient's address."""
    return f"{number:05}@example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def campaign(shared: Client) -> Client:
    """A client of a service that was told of the campaign, each fourth hundredth of which bounced."""
    await shared.publish(event("before"))
    for start in range(0, RECIPIENTS, 1_000):
        numbers = range(start, start + 1_000)
        await shared.publish(*(event("campaign", SENT, recipient=address(number)) for number in numbers))
    await shared.publish(*(event("campaign", BOUNCED, recipient=address(number)) for number in BOUNCES))
    await shared.publish(event("after"))
    return shared


def counts(status: status_pb2.MessageStatus) -> dict[int, int]:
    """How many recipients are in each state."""
    return {count.state: count.count for count in status.state_counts}


COUNTS = {int(status_pb2.STATE_SENT): RECIPIENTS - len(BOUNCES), int(status_pb2.STATE_FAILED): len(BOUNCES)}


async def test_the_status_is_cut_and_counts_all(campaign: Client) -> None:
    """A thousand recipients by first appearance, and counts of all 20,000."""
    status = (await campaign.status("campaign")).status

    assert [recipient.recipient for recipient in status.recipients] == [address(number) for number in range(1_000)]
    assert (status.recipients_truncated, status.state, counts(status)) == (True, status_pb2.STATE_FAILED, COUNTS)


async def test_the_batch_has_five_and_counts_all(campaign: Client) -> None:
    """Five recipients by first appearance, with and without the provider, and counts of all 20,000."""
    keys = [pb.MessageKey(message_id="campaign"), pb.MessageKey(message_id="campaign", provider="shop")]
    request = pb.BatchGetMessageStatusesRequest(keys=keys)
    response = await campaign.statuses.BatchGetMessageStatuses(request, timeout=DEADLINE)

    for result in response.results:
        status = result.status
        assert [recipient.recipient for recipient in status.recipients] == [address(number) for number in range(5)]
        assert (status.recipients_truncated, status.state, counts(status)) == (True, status_pb2.STATE_FAILED, COUNTS)


async def test_the_list_has_each_once(campaign: Client) -> None:
    """All 20,000, newest first, and of those that bounced exactly these."""
    found = await listed(campaign, 1_000, message_id="campaign")
    assert [status.recipient for status in found] == [address(number) for number in range(RECIPIENTS - 1, -1, -1)]

    failed = await listed(campaign, message_id="campaign", states=["STATE_FAILED"])
    assert [status.recipient for status in failed] == [address(number) for number in reversed(BOUNCES)]


async def test_one_of_them_is_listed(campaign: Client) -> None:
    """An address finds its recipient, with the message and without."""
    asked: list[dict[str, Any]] = [{"message_id": "campaign"}, {}]
    for wanted in asked:
        response = await page(campaign, recipient=address(7), **wanted)
        assert [status.recipient for status in response.recipient_statuses] == [address(7)]
        assert response.next_page_token == ""


async def test_the_history_has_every_event(campaign: Client) -> None:
    """All events of all recipients in log order, and of one recipient its own."""
    found = await history(campaign, "campaign", 1_000)
    assert [entry.position for entry in found] == list(range(2, 2 + RECIPIENTS + len(BOUNCES)))

    own = await history_page(campaign, "campaign", recipient=address(400))
    assert [entry.event.type for entry in own.entries] == [SENT, BOUNCED]
