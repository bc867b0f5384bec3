"""The facts beside the state, one rule at a time."""

from typing import Any

import pytest

from msgstate_server.domain.events import Event, EventAttributes, EventType, Reason
from msgstate_server.domain.limits import RECIPIENT_ALIASES
from msgstate_server.domain.states import Evidence, State
from msgstate_server.domain.status import RecipientStatus

NOW = 1_790_000_000_000_000
HOUR = 3_600_000_000
DAY = 24 * HOUR
YEAR_2000 = 946_684_800_000_000

MILESTONES = (
    "queued_time",
    "sent_time",
    "delivered_time",
    "engaged_time",
    "failed_time",
    "suppressed_time",
    "complained_time",
    "unsubscribed_time",
)


def event(event_type: EventType, occurred: int | None = NOW, received: int = NOW, **attributes: Any) -> Event:
    """An event about the one recipient of these tests."""
    return Event("acme", "m", "a@example.com", event_type, occurred, received, EventAttributes(**attributes))


def fold(*events: Event) -> RecipientStatus:
    """The status after these events, whose keys rise in the order given."""
    status = RecipientStatus("acme", "m", "a@example.com")
    for position, each in enumerate(events, 1):
        status.apply(each, f"{position:032x}", position, NOW + position)
    return status


def set_times(status: RecipientStatus) -> dict[str, int]:
    """The milestones that are set."""
    return {name: time for name in MILESTONES if (time := getattr(status, name)) is not None}


@pytest.mark.parametrize(
    ("event_type", "automated", "milestones"),
    [
        (EventType.ACCEPTED, False, {"queued_time"}),
        (EventType.DEFERRED, False, {"queued_time"}),
        (EventType.HELD, False, {"queued_time"}),
        (EventType.OTHER, False, set()),
        (EventType.SENT, False, {"sent_time"}),
        (EventType.ERRORED, False, {"failed_time"}),
        (EventType.SUPPRESSED, False, {"suppressed_time"}),
        (EventType.DELIVERED, False, {"delivered_time"}),
        (EventType.AUTO_REPLIED, False, {"delivered_time"}),
        (EventType.COMPLAINED, False, {"delivered_time", "complained_time"}),
        (EventType.UNSUBSCRIBED, False, {"delivered_time", "unsubscribed_time"}),
        (EventType.OPENED, False, {"engaged_time"}),
        (EventType.READ, False, {"engaged_time"}),
        (EventType.CLICKED, False, {"engaged_time"}),
        (EventType.REPLIED, False, {"engaged_time"}),
        (EventType.OPENED, True, {"delivered_time"}),
        (EventType.CLICKED, True, {"delivered_time"}),
        (EventType.BOUNCED, False, {"failed_time"}),
        (EventType.EXPIRED, False, {"failed_time"}),
    ],
)
def test_milestones_of_an_event(event_type: EventType, automated: bool, milestones: set[str]) -> None:
    """An event sets the time of the state it is evidence of, and the times of its own kind."""
    status = fold(event(event_type, NOW - HOUR, automated=automated))
    assert set_times(status) == dict.fromkeys(milestones, NOW - HOUR)


@pytest.mark.parametrize(
    ("event_type", "fact"),
    [
        (EventType.SENT, "sent_time"),
        (EventType.COMPLAINED, "complained_time"),
        (EventType.UNSUBSCRIBED, "unsubscribed_time"),
    ],
)
def test_milestone_is_the_earliest_time(event_type: EventType, fact: str) -> None:
    """Of several events, the earliest counts and not the first to arrive."""
    times = [NOW - HOUR, NOW - 3 * HOUR, NOW - 2 * HOUR]
    status = fold(*(event(event_type, time) for time in times))
    assert getattr(status, fact) == NOW - 3 * HOUR


def test_weaker_event_still_sets_its_milestone() -> None:
    """A late event that does not move the state adds its time all the same."""
    status = fold(event(EventType.DELIVERED), event(EventType.SENT, NOW - HOUR))
    assert (status.state, status.version, status.sent_time) == (State.DELIVERED, 1, NOW - HOUR)


@pytest.mark.parametrize(
    ("occurred", "effective"),
    [
        (None, NOW),
        (0, NOW),
        (YEAR_2000 - 1, NOW),
        (YEAR_2000, YEAR_2000),
        (NOW + DAY, NOW + DAY),
        (NOW + DAY + 1, NOW),
    ],
)
def test_implausible_provider_time_gives_way_to_the_receipt(occurred: int | None, effective: int) -> None:
    """A time before 2000, or more than a day ahead of the receipt, is not believed."""
    status = fold(event(EventType.SENT, occurred))
    assert (status.sent_time, status.last_event_time) == (effective, effective)


def test_last_event_time_is_the_latest_of_any_event() -> None:
    """The latest time counts, whatever the type and whenever it arrives."""
    status = fold(
        event(EventType.SENT, NOW - 3 * HOUR),
        event(EventType.OTHER, NOW - HOUR),
        event(EventType.BOUNCED, NOW - 2 * HOUR),
    )
    assert status.last_event_time == NOW - HOUR


def test_opens_and_clicks_are_counted_without_automated_ones() -> None:
    """Opens and clicks count where a person caused them; reads and replies are neither."""
    status = fold(
        event(EventType.OPENED),
        event(EventType.OPENED),
        event(EventType.OPENED, automated=True),
        event(EventType.CLICKED),
        event(EventType.CLICKED, automated=True),
        event(EventType.READ),
        event(EventType.REPLIED),
    )
    assert (status.open_count, status.click_count) == (2, 1)


@pytest.mark.parametrize(
    ("details", "chosen"),
    [
        ([(EventType.ERRORED, 1), (EventType.EXPIRED, 2), (EventType.BOUNCED, 3)], 2),
        ([(EventType.ERRORED, 1), (EventType.EXPIRED, 2)], 1),
        ([(EventType.BOUNCED, None), (EventType.EXPIRED, 1)], 0),
        ([(EventType.BOUNCED, 3), (EventType.BOUNCED, 1), (EventType.BOUNCED, 2)], 1),
        ([(EventType.BOUNCED, None), (EventType.BOUNCED, 1)], 1),
        ([(EventType.BOUNCED, None), (EventType.BOUNCED, None)], 0),
        ([(EventType.BOUNCED, 1), (EventType.BOUNCED, 1)], 0),
    ],
    ids=["bounced-first", "then-expired", "type-before-time", "earliest", "without-time-last", "key", "key-of-equals"],
)
def test_failure_is_that_of_the_strongest_event(details: list[tuple[EventType, int | None]], chosen: int) -> None:
    """BOUNCED before EXPIRED before ERRORED, then the provider's earliest time, then the key: in either order."""
    events = [
        (event(event_type, hours and NOW - DAY + hours * HOUR, NOW - index, detail=str(index)), f"{index:032x}")
        for index, (event_type, hours) in enumerate(details)
    ]
    for order in (events, events[::-1]):
        status = RecipientStatus("acme", "m", "a@example.com")
        for position, (each, key) in enumerate(order, 1):
            status.apply(each, key, position, NOW)
        assert status.failure is not None
        assert status.failure.detail == str(chosen)


def test_implausible_time_does_not_win_a_tie() -> None:
    """A failure that its provider dates before 2000 counts as undated: the one with a plausible time is chosen."""
    status = fold(event(EventType.BOUNCED, 1, detail="undated"), event(EventType.BOUNCED, NOW, detail="dated"))
    assert status.failure is not None
    assert status.failure.detail == "dated"


def test_failure_keeps_the_words_of_its_event() -> None:
    """A failure has its event's reason, codes and detail, and is final where the event is."""
    status = fold(
        event(
            EventType.BOUNCED,
            reason=Reason.INVALID_ADDRESS,
            smtp_code=550,
            enhanced_code="5.1.1",
            detail="no such user",
        )
    )
    failure = status.failure
    assert failure is not None
    assert (failure.reason, failure.smtp_code, failure.enhanced_code, failure.detail) == (
        Reason.INVALID_ADDRESS,
        550,
        "5.1.1",
        "no such user",
    )
    assert status.failure_final


def test_provisional_failure_shows_while_it_stands() -> None:
    """An error shows as FAILED, not final."""
    status = fold(event(EventType.SENT), event(EventType.ERRORED, detail="oops"))
    assert (status.state, status.failure_final) == (State.FAILED, False)
    assert status.failure is not None
    assert status.failure.detail == "oops"


@pytest.mark.parametrize("overturned_by", [EventType.SUPPRESSED, EventType.DELIVERED, EventType.OPENED])
def test_overturned_failure_hides_but_its_time_stays(overturned_by: EventType) -> None:
    """Stronger evidence takes a provisional failure's words away, and keeps when it failed."""
    status = fold(event(EventType.ERRORED, NOW - HOUR), event(overturned_by))
    assert status.failure is None
    assert not status.failure_final
    assert status.failed_time == NOW - HOUR


def test_failure_made_final_is_a_transition() -> None:
    """From provisional to final failure the version rises, though the public state is FAILED before and after."""
    status = fold(event(EventType.ERRORED), event(EventType.BOUNCED))
    assert (status.state, status.version, status.position, status.failure_final) == (State.FAILED, 2, 2, True)


def test_bounce_after_engagement_keeps_what_the_recipient_did() -> None:
    """A late bounce fails the recipient; its times and counts stay."""
    status = fold(event(EventType.OPENED, NOW - HOUR), event(EventType.BOUNCED))
    assert (status.state, status.engaged_time, status.open_count) == (State.FAILED, NOW - HOUR, 1)


def test_suppression_is_chosen_by_the_same_rule() -> None:
    """Of two suppressions the provider's earliest explains the state, and one without a time comes last."""
    events = [
        event(EventType.SUPPRESSED, None, NOW - DAY, detail="undated"),
        event(EventType.SUPPRESSED, NOW, detail="later"),
        event(EventType.SUPPRESSED, NOW - HOUR, reason=Reason.SUPPRESSION_LIST, detail="earlier"),
    ]
    for order in (events, events[::-1]):
        status = fold(*order)
        assert status.suppression is not None
        assert (status.suppression.reason, status.suppression.detail) == (Reason.SUPPRESSION_LIST, "earlier")
        assert status.failure is None


def test_suppression_hides_once_the_message_went_out() -> None:
    """A suppression's words show while the state is SUPPRESSED, and its time stays."""
    status = fold(event(EventType.SUPPRESSED, NOW - HOUR), event(EventType.DELIVERED))
    assert (status.suppression, status.suppressed_time) == (None, NOW - HOUR)


def test_commit_times_and_position() -> None:
    """Created by the first event, updated by the last, and the position is the last transition's."""
    status = fold(event(EventType.SENT), event(EventType.DELIVERED), event(EventType.ACCEPTED))
    assert (status.create_time, status.update_time) == (NOW + 1, NOW + 3)
    assert (status.version, status.position) == (2, 2)


def test_aliases_are_collected_in_order() -> None:
    """Aliases of all events are on the status, sorted and each once."""
    status = fold(event(EventType.SENT, aliases=["b", "c"]), event(EventType.SENT, aliases=["a", "b"]))
    assert status.aliases == ["a", "b", "c"]


def test_fresh_status_knows_nothing() -> None:
    """Before its first event a recipient has no state, no version and no facts."""
    status = RecipientStatus("acme", "m", "a@example.com")
    assert (status.evidence, status.state, status.version, status.position) == (Evidence.NONE, State.UNSPECIFIED, 0, 0)
    assert set_times(status) == {}
    assert (status.failure, status.suppression) == (None, None)


def test_aliases_beyond_the_limit_do_not_depend_on_the_order() -> None:
    """Of more aliases than are kept, the first in order of their characters stay, whichever came first."""
    names = [f"alias-{number:03}" for number in range(300)]
    batches = [event(EventType.SENT, aliases=names[start : start + 10]) for start in range(0, 300, 10)]
    assert fold(*batches).aliases == names[:RECIPIENT_ALIASES]
    assert fold(*reversed(batches)).aliases == names[:RECIPIENT_ALIASES]
