"""What is known about one recipient of one message: its state and the facts beside it, folded from its events.

Every fact but version, position, create and update time is a minimum, a maximum, a count or a union over the events,
so the order in which they came cannot show. `compact_time` alone is no fold: the store sets it.
"""

from typing import Final

import msgspec

from msgstate_server.domain.events import Event, EventType, Reason
from msgstate_server.domain.identity import provider_time
from msgstate_server.domain.lifecycle import NEXT, evidence_of
from msgstate_server.domain.limits import RECIPIENT_ALIASES
from msgstate_server.domain.states import Evidence, State


class Cause(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """The event that explains a failure or a suppression, with what decides between two of them.

    `time` is the provider's own plausible time, `key` the event's key; they are kept since the log may be gone when
    the next event comes.
    """

    type: EventType
    key: str
    time: int | None = None
    reason: Reason = Reason.UNSPECIFIED
    smtp_code: int = 0
    enhanced_code: str = ""
    detail: str = ""


_STRENGTH: Final = {EventType.BOUNCED: 0, EventType.EXPIRED: 1, EventType.ERRORED: 2, EventType.SUPPRESSED: 0}


class RecipientStatus(msgspec.Struct, array_like=True, gc=False):
    """The state machine of `(provider, message_id, recipient)` and its facts; times in microseconds since 1970.

    `position` is that of the last transition in the log; 0 before the first event. `compact_time` is when the events
    so far were last deleted from the log; None where all are retained.
    """

    provider: str
    message_id: str
    recipient: str
    evidence: Evidence = Evidence.NONE
    version: int = 0
    position: int = 0
    queued_time: int | None = None
    sent_time: int | None = None
    delivered_time: int | None = None
    engaged_time: int | None = None
    failed_time: int | None = None
    suppressed_time: int | None = None
    complained_time: int | None = None
    unsubscribed_time: int | None = None
    last_event_time: int = 0
    open_count: int = 0
    click_count: int = 0
    failure_cause: Cause | None = None
    suppression_cause: Cause | None = None
    aliases: list[str] = []
    create_time: int = 0
    update_time: int = 0
    compact_time: int | None = None

    @property
    def state(self) -> State:
        """The public state."""
        return self.evidence.state

    @property
    def failure(self) -> Cause | None:
        """Why the recipient failed, while it is FAILED."""
        return self.failure_cause if self.state is State.FAILED else None

    @property
    def failure_final(self) -> bool:
        """Whether no later evidence can overturn the failure."""
        return self.evidence is Evidence.FAILED

    @property
    def suppression(self) -> Cause | None:
        """Why the recipient was not tried, while it is SUPPRESSED."""
        return self.suppression_cause if self.state is State.SUPPRESSED else None

    def apply(self, event: Event, key: str, position: int, commit_time: int) -> None:
        """Fold one event, not seen before, into the status."""
        event_type, attributes = event.type, event.attributes
        automated = attributes.automated
        after = NEXT[self.evidence][event_type][automated]
        if after is not self.evidence:
            self.evidence = after
            self.version += 1
            self.position = position
        if not self.create_time:
            self.create_time = commit_time
        self.update_time = commit_time
        self._note_times(event, automated)
        if event_type in _STRENGTH:
            self._note_cause(event, key)
        elif event_type is EventType.OPENED and not automated:
            self.open_count += 1
        elif event_type is EventType.CLICKED and not automated:
            self.click_count += 1
        if attributes.aliases:
            # The first in order, and not those that came first, so that the order of events cannot show.
            self.aliases = sorted({*self.aliases, *attributes.aliases})[:RECIPIENT_ALIASES]

    def _note_times(self, event: Event, automated: bool) -> None:
        time = provider_time(event)
        if time is None:
            time = event.received_time
        self.last_event_time = max(self.last_event_time, time)
        for fact in _MILESTONES[event.type][automated]:
            known = getattr(self, fact)
            if known is None or time < known:
                setattr(self, fact, time)

    def _note_cause(self, event: Event, key: str) -> None:
        attributes = event.attributes
        cause = Cause(
            type=event.type,
            key=key,
            time=provider_time(event),
            reason=attributes.reason,
            smtp_code=attributes.smtp_code,
            enhanced_code=attributes.enhanced_code,
            detail=attributes.detail,
        )
        if event.type is EventType.SUPPRESSED:
            self.suppression_cause = _stronger(self.suppression_cause, cause)
        else:
            self.failure_cause = _stronger(self.failure_cause, cause)


def _milestones(event_type: EventType, automated: bool) -> tuple[str, ...]:
    """The facts that hold the first time of such an event."""
    if event_type in {EventType.UNSPECIFIED, EventType.OTHER}:
        return ()
    own = f"{evidence_of(event_type, automated).state.name.lower()}_time"
    match event_type:
        case EventType.COMPLAINED:
            return own, "complained_time"
        case EventType.UNSUBSCRIBED:
            return own, "unsubscribed_time"
    return (own,)


_MILESTONES: Final = tuple((_milestones(kind, False), _milestones(kind, True)) for kind in EventType)


def _stronger(known: Cause | None, other: Cause) -> Cause:
    """The cause that counts: the strongest type, then the provider's earliest time, then the event key."""
    return other if known is None or _precedence(other) < _precedence(known) else known


def _precedence(cause: Cause) -> tuple[int, bool, int, str]:
    return _STRENGTH[cause.type], cause.time is None, cause.time or 0, cause.key
