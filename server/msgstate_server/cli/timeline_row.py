"""What happened, as rows of a timeline: transitions and entries of the log read alike."""

from typing import Final, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from msgstate.v1 import event_pb2, log_pb2, status_pb2
from msgstate_server.cli.text import event_words, printable, state_name, time_text

_DETAIL_WIDTH: Final = 100
_WORTH_TELLING: Final = 60
"""Seconds between a provider's time and ours that a row tells of."""
_EFFECTS: Final = {log_pb2.EFFECT_CONFIRMED: "confirmed", log_pb2.EFFECT_WEAKER: "no change"}


class TimelineRow(NamedTuple):
    """One row: `effect` is empty where the state moved, else how the event compared with what was known."""

    time: Timestamp
    position: int
    message: str
    recipient: str
    before: int
    after: int
    effect: str
    cause: str


def of_transition(transition: log_pb2.Transition) -> TimelineRow:
    """The row of a transition."""
    provisional = transition.HasField("failure") and not transition.failure.final
    return TimelineRow(
        transition.commit_time,
        transition.position,
        printable(f"{transition.provider}/{transition.message_id}"),
        printable(transition.recipient),
        transition.from_state,
        transition.to_state,
        "",
        _cause(transition.event, transition.commit_time, provisional),
    )


def of_entry(entry: log_pb2.LogEntry) -> TimelineRow:
    """The row of an event, whether it moved the state or not."""
    event = entry.event
    weaker = entry.effect == log_pb2.EFFECT_WEAKER
    # After a final failure an error is weaker, so one that is not is still provisional.
    errored = event.type == event_pb2.EVENT_TYPE_ERRORED and entry.to_state == status_pb2.STATE_FAILED and not weaker
    cause = _cause(event, entry.commit_time, errored)
    return TimelineRow(
        entry.commit_time,
        entry.position,
        printable(f"{event.provider}/{event.message_id}"),
        printable(event.recipient),
        entry.from_state,
        entry.to_state,
        _EFFECTS.get(entry.effect, ""),
        f"{cause} (weaker: already {state_name(entry.to_state)})" if weaker else cause,
    )


def _cause(event: event_pb2.Event, commit_time: Timestamp, provisional: bool) -> str:
    """What happened and why, and when, by the provider's clock, where that was at quite another time."""
    cause = event_words(event, own_word=True, detail_width=_DETAIL_WIDTH) + (" (provisional)" if provisional else "")
    if event.HasField("occurred_time") and abs(event.occurred_time.seconds - commit_time.seconds) >= _WORTH_TELLING:
        cause += f", occurred {time_text(event.occurred_time)}"
    return cause
