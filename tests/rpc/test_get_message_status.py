"""Asking for one message over a real channel."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, status_pb2
from msgstate.v1 import message_status_service_pb2 as pb
from tests.rpc.running import Client
from tests.rpc.samples import (
    ACCEPTED,
    BOUNCED,
    CLICKED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    ERRORED,
    EXPIRED,
    OPENED,
    SENT,
    SUPPRESSED,
    UNSUBSCRIBED,
    event,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


def at(seconds: int) -> Timestamp:
    """A time in seconds since 1970."""
    return Timestamp(seconds=seconds)


def explained(  # noqa: PLR0913, PLR0917  (a reason's own fields)
    message_id: str,
    event_type: event_pb2.EventType.ValueType,
    seconds: int,
    reason: event_pb2.Reason.ValueType,
    code: int,
    detail: str,
) -> event_pb2.Event:
    """An event that says why."""
    told_why = event(message_id, event_type, at=seconds, detail=detail)
    told_why.reason, told_why.smtp_code, told_why.enhanced_code = reason, code, f"{code // 100}.1.1"
    return told_why


async def only(client: Client, message_id: str) -> status_pb2.RecipientStatus:
    """The one recipient of a message."""
    (recipient,) = (await client.status(message_id)).status.recipients
    return recipient


async def test_every_fact_of_a_full_life_is_shown(shared: Client) -> None:
    """Times, counts, failure, version and position are those of the events, in whatever order they came."""
    why = (event_pb2.REASON_INVALID_ADDRESS, 550, "no such mailbox")
    events = [
        explained("life", BOUNCED, 1_700_000_090, *why),
        event("life", OPENED, at=1_700_000_040),
        event("life", OPENED, at=1_700_000_050),
        event("life", CLICKED, at=1_700_000_045),
        event("life", COMPLAINED, at=1_700_000_060),
        event("life", UNSUBSCRIBED, at=1_700_000_070),
        event("life", DELIVERED, at=1_700_000_030),
        explained("life", SUPPRESSED, 1_700_000_015, event_pb2.REASON_SUPPRESSION_LIST, 0, "listed"),
        explained("life", ERRORED, 1_700_000_080, event_pb2.REASON_PROVIDER_ERROR, 451, "broke"),
        event("life", SENT, at=1_700_000_020),
        event("life", ACCEPTED, at=1_700_000_010),
    ]
    published = await shared.publish(*events)
    response = await shared.status("life")

    shown = response.status.recipients[0]
    first = published.results[0].position
    expected = status_pb2.RecipientStatus(
        provider="shop",
        message_id="life",
        recipient="to@example.com",
        state=status_pb2.STATE_FAILED,
        queued_time=at(1_700_000_010),
        sent_time=at(1_700_000_020),
        delivered_time=at(1_700_000_030),
        engaged_time=at(1_700_000_040),
        failed_time=at(1_700_000_080),
        suppressed_time=at(1_700_000_015),
        complained_time=at(1_700_000_060),
        unsubscribed_time=at(1_700_000_070),
        open_count=2,
        click_count=1,
        last_event_time=at(1_700_000_090),
        failure=status_pb2.Failure(
            reason=why[0], final=True, smtp_code=550, enhanced_code="5.1.1", detail="no such mailbox"
        ),
        create_time=shown.create_time,
        update_time=shown.create_time,
        state_change_time=shown.create_time,
        version=1,
        position=first,
    )
    assert shown == expected
    assert shown.create_time.seconds > 1_700_000_100
    assert response.resume_token == published.resume_token


async def test_a_later_event_moves_version_position_and_update_time(shared: Client) -> None:
    """What the last transition and the last event change is told from what stays."""
    await shared.publish(event("later", ACCEPTED))
    first = await only(shared, "later")
    moved = await shared.publish(event("later", DELIVERED))
    await shared.publish(event("later", SENT))
    last = await only(shared, "later")

    assert (first.version, last.version) == (1, 2)
    assert last.position == moved.results[0].position > first.position
    assert first.create_time == last.create_time == first.update_time
    assert last.update_time.ToMicroseconds() > first.update_time.ToMicroseconds()
    assert not last.HasField("failure")
    assert not last.HasField("suppression")


@pytest.mark.parametrize(
    ("types", "state", "final"),
    [
        ([ACCEPTED], "QUEUED", None),
        ([SENT, DEFERRED], "SENT", None),
        ([DELIVERED, SENT], "DELIVERED", None),
        ([OPENED, DELIVERED], "ENGAGED", None),
        ([SUPPRESSED, ERRORED], "SUPPRESSED", None),
        ([SENT, ERRORED], "FAILED", False),
        ([ERRORED, DELIVERED], "DELIVERED", None),
        ([ERRORED, BOUNCED], "FAILED", True),
        ([OPENED, BOUNCED], "FAILED", True),
        ([EXPIRED, DELIVERED], "FAILED", True),
    ],
)
async def test_the_strongest_evidence_is_the_state(
    shared: Client, types: list[event_pb2.EventType.ValueType], state: str, final: bool | None
) -> None:
    """The public state follows the evidence; a failure says whether it is final, and nothing else has one."""
    message_id = f"evidence-{'-'.join(map(str, types))}"
    await shared.publish(*(event(message_id, event_type) for event_type in types))
    shown = await only(shared, message_id)

    assert status_pb2.State.Name(shown.state) == f"STATE_{state}"
    assert (shown.failure.final if shown.HasField("failure") else None) == final
    assert shown.HasField("suppression") == (state == "SUPPRESSED")


async def test_a_suppression_says_why(shared: Client) -> None:
    """Reason and detail of the suppressing event are on the status."""
    await shared.publish(explained("why", SUPPRESSED, 1_700_000_000, event_pb2.REASON_CANCELED, 0, "canceled"))

    shown = (await only(shared, "why")).suppression
    assert shown == status_pb2.Suppression(reason=event_pb2.REASON_CANCELED, detail="canceled")


async def test_a_message_shows_the_recipient_most_in_need(shared: Client) -> None:
    """Its own state is the worst one's, all recipients come by first appearance, and every state is counted."""
    await shared.publish(
        event("many", DELIVERED, recipient="a@x"),
        event("many", OPENED, recipient="b@x"),
        event("many", DELIVERED, recipient="c@x"),
        event("many", SENT, recipient="d@x"),
    )
    status = (await shared.status("many")).status

    assert status.state == status_pb2.STATE_SENT
    assert [recipient.recipient for recipient in status.recipients] == ["a@x", "b@x", "c@x", "d@x"]
    assert {count.state: count.count for count in status.state_counts} == {
        status_pb2.STATE_SENT: 1,
        status_pb2.STATE_DELIVERED: 2,
        status_pb2.STATE_ENGAGED: 1,
    }
    assert not status.recipients_truncated


async def test_a_message_of_many_recipients_is_cut_and_counted_whole(shared: Client) -> None:
    """A thousand recipients are listed, all are counted, and the answer says that it was cut."""
    for batch in range(2):
        events = [event("mass", DELIVERED, recipient=f"{batch}-{number}@x") for number in range(501)]
        await shared.publish(*events)
    status = (await shared.status("mass")).status

    assert (len(status.recipients), status.recipients_truncated) == (1_000, True)
    assert [(count.state, count.count) for count in status.state_counts] == [(status_pb2.STATE_DELIVERED, 1_002)]
    assert status.ByteSize() <= 1_048_576


async def test_an_answer_is_at_most_a_mebibyte(shared: Client) -> None:
    """Recipients with long failures are cut where the answer would become too large."""
    for batch in range(2):
        events = [
            event("heavy", BOUNCED, recipient=f"{batch}-{number}" + "r" * 500 + "@x", detail="d" * 1_000)
            for number in range(400)
        ]
        await shared.publish(*events)
    response = await shared.status("heavy")

    assert 900_000 < response.ByteSize() <= 1_048_576
    assert response.status.recipients_truncated
    assert response.status.state_counts[0].count == 800


async def test_read_then_watch_misses_nothing(shared: Client) -> None:
    """The token of an answer was taken before the read: a watch from it has all that came after."""
    await shared.publish(event("gap"))
    read = await shared.status("gap")
    await shared.publish(event("gap", SENT))

    responses = await shared.watched(
        pb.WatchTransitionsRequest(resume_token=read.resume_token),
        lambda seen: any(response.transitions for response in seen),
    )

    assert [transition.to_state for transition in responses[-1].transitions] == [status_pb2.STATE_SENT]
