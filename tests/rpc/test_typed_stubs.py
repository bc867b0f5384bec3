"""What a type checker says of code that calls msgstate."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import msgstate

RIGHT = """
import grpc
from msgstate.v1 import event_pb2, event_service_pb2, event_service_pb2_grpc, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc


def ask(channel: grpc.Channel) -> str:
    stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
    for response in stub.WatchTransitions(pb.WatchTransitionsRequest(max_batch_size=5)):
        position: int = response.transitions[0].position
        print(position)
    return stub.GetMessageStatus(pb.GetMessageStatusRequest(message_id="m")).status.recipients[0].failure.detail


async def tell(channel: grpc.aio.Channel) -> status_pb2.State.ValueType:
    events = event_service_pb2_grpc.EventServiceStub(channel)
    event = event_pb2.Event(message_id="m", type=event_pb2.EVENT_TYPE_SENT)
    published = await events.PublishEvents(event_service_pb2.PublishEventsRequest(events=[event]))
    stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
    async for response in stub.WatchTransitions(pb.WatchTransitionsRequest(resume_token=published.resume_token)):
        return response.transitions[0].to_state
    return (await stub.GetMessageStatus(pb.GetMessageStatusRequest())).status.state
"""

WRONG = """
import grpc
from msgstate.v1 import event_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc


def ask(channel: grpc.Channel) -> None:
    stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
    event_pb2.Event(message="m")  # wrong
    event_pb2.Event(message_id=7)  # wrong
    event_pb2.Event(type="SENT")  # wrong
    stub.GetMessageStatus(pb.WatchTransitionsRequest())  # wrong
    stub.GetMessage(pb.GetMessageStatusRequest())  # wrong
    text: str = stub.GetMessageStatus(pb.GetMessageStatusRequest()).status.state  # wrong


async def tell(channel: grpc.aio.Channel) -> None:
    stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
    response = await stub.GetMessageStatus(pb.GetMessageStatusRequest())
    print(response.state)  # wrong
    async for each in stub.WatchTransitions(pb.GetMessageStatusRequest()):  # wrong
        print(each.transition)  # wrong
"""


@pytest.mark.slow
def test_stubs_are_typed(tmp_path: Path) -> None:
    """For the sync and the async stubs a right use passes, and each wrong field or type is an error at its line."""
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    client = Path(msgstate.__file__).parents[1]

    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}",
         "--follow-imports=silent", "right.py", "wrong.py"],
        cwd=tmp_path, env={"MYPYPATH": str(client)}, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip

    found = {(name, int(line)) for name, line in re.findall(r"^(\w+\.py):(\d+): error:", checked.stdout, re.MULTILINE)}
    wrong = {("wrong.py", number) for number, line in enumerate(WRONG.splitlines(), 1) if line.endswith("# wrong")}
    assert found == wrong, checked.stdout + checked.stderr
