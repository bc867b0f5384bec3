"""Pages of lists, by each filter: `listing ADDRESS UPDATED_BEFORE UPDATED_AFTER PAGE_SIZE PAGE REPEATS`.

It prints, by filter, the seconds that the first page took and that page, so many times each. A page may take several
calls, since one may find less than was asked for and not be the last.
"""

import asyncio
import json
import sys
import time
from typing import Final

import grpc

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc, status_pb2
from tests.bench.workload import ADDRESS, CAMPAIGN, OTHER_PROVIDER

_LARGEST: Final = 1_000


def filters(updated_before: int, updated_after: int) -> dict[str, pb.MessageStatusFilter]:
    """One of each kind; all but the first two match one recipient in sixteen."""
    before, after = pb.MessageStatusFilter(), pb.MessageStatusFilter()
    before.updated_before.FromMicroseconds(updated_before)
    after.updated_after.FromMicroseconds(updated_after)
    return {
        "none": pb.MessageStatusFilter(),
        "state of most": pb.MessageStatusFilter(states=[status_pb2.STATE_DELIVERED]),
        "state": pb.MessageStatusFilter(states=[status_pb2.STATE_SUPPRESSED]),
        "provider": pb.MessageStatusFilter(providers=[OTHER_PROVIDER]),
        "message": pb.MessageStatusFilter(message_id=CAMPAIGN),
        "recipient": pb.MessageStatusFilter(recipient=ADDRESS),
        "updated before": before,
        "updated after": after,
    }


class Lists:
    """A list of one filter at a time."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)

    async def page(self, wanted: pb.MessageStatusFilter, token: str, size: int) -> str:
        """Read so many from a token on; gives the token of what follows."""
        while size:
            request = pb.ListMessageStatusesRequest(filter=wanted, page_token=token, page_size=min(size, _LARGEST))
            response = await self._stub.ListMessageStatuses(request)
            size -= len(response.recipient_statuses)
            token = response.next_page_token
            assert token or not size, f"the list has not so many: {wanted}"
        return token

    async def timed(self, wanted: pb.MessageStatusFilter, token: str, size: int, repeats: int) -> list[float]:
        """Read the same page again and again; gives the seconds of each time."""
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            await self.page(wanted, token, size)
            seconds.append(time.perf_counter() - began)
        return seconds


async def main() -> None:
    """Measure each filter."""
    address, (before, after, size, page, repeats) = sys.argv[1], map(int, sys.argv[2:])
    found: dict[str, list[float]] = {}
    async with grpc.aio.insecure_channel(address) as channel:
        lists = Lists(channel)
        for name, wanted in filters(before, after).items():
            await lists.page(wanted, "", size)
            found[f"{name}, first page"] = await lists.timed(wanted, "", size, repeats)
            token = await lists.page(wanted, "", size * (page - 1))
            found[f"{name}, page {page}"] = await lists.timed(wanted, token, size, repeats)
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
