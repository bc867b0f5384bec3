"""The watcher of the demo: prints each transition as the stream brings it."""

import asyncio
from collections import Counter
from typing import Final

import click
import grpc

from msgstate.v1 import log_pb2, message_status_service_pb2_grpc, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.cli.text import ARROW, STATE_WIDTH, event_words, printable, state_name, styled_state

WAIT_SECONDS: Final = 10.0


class Timeline:
    """Follows the whole log over gRPC, as any other service would."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Prepare; `follow` opens the stream."""
        self._stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
        self._shown: Counter[str] = Counter()
        self._grown = asyncio.Event()
        self.held = asyncio.Lock()
        """Held while a webhook is posted, so that its own line comes before its transitions."""

    async def follow(self) -> None:
        """Print every transition from the first one on, until cancelled."""
        call = self._stub.WatchTransitions(pb.WatchTransitionsRequest(start_point=pb.START_POINT_EARLIEST))
        try:
            async for response in call:
                async with self.held:
                    for transition in response.transitions:
                        click.echo(f"    #{transition.position:<4}  {_move(transition)}")
                        self._shown[transition.message_id] += 1
                self._grown.set()
        finally:
            call.cancel()

    async def status(self, message_id: str, recipient: str = "") -> status_pb2.MessageStatus:
        """What the server answers about a message."""
        request = pb.GetMessageStatusRequest(message_id=message_id, recipient=recipient)
        return (await self._stub.GetMessageStatus(request)).status

    def count(self, message_id: str) -> int:
        """How many transitions of the message were printed."""
        return self._shown[message_id]

    async def caught_up(self, message_id: str) -> None:
        """Return when every transition of the message is printed."""
        # A recipient's version counts its transitions.
        expected = sum(recipient.version for recipient in (await self.status(message_id)).recipients)
        async with asyncio.timeout(WAIT_SECONDS):
            while self._shown[message_id] < expected:
                self._grown.clear()
                await self._grown.wait()


def _move(transition: log_pb2.Transition) -> str:
    """Who moved, from what to what, and why."""
    provisional = transition.HasField("failure") and not transition.failure.final
    cause = event_words(transition.event, own_word=False, detail_width=0) + (" (provisional)" if provisional else "")
    before, after = state_name(transition.from_state), styled_state(state_name(transition.to_state), STATE_WIDTH)
    return "  ".join(
        (
            f"{printable(transition.recipient):<20}",
            f"{before:>{STATE_WIDTH}} {ARROW} {after}",
            click.style(cause, dim=True),
        )
    )
