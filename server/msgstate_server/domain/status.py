"""What is known about one recipient of one message: its state and the facts beside it, folded from its events.

Every fact is a minimum, a maximum, a count or a union over the events, so their order of arrival cannot show. The
exceptions are version, position, and the create, update and state change times. The store sets `compact_time`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from msgstate_server.domain.events import Event, EventType, Reason
from msgstate_server.domain.identity import normalize_id, provider_time
from msgstate_server.domain.lifecycle import NEXT, evidence_of
from msgstate_server.domain.limits import (
    RECIPIENT_ALIASES,
    RECIPIENT_METADATA_BYTES,
    RECIPIENT_METADATA_PAIRS,
    RECIPIENT_REFS,
)
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

    `position` is that of the last transition in the log, and `state_change_time` its commit time; both are 0 before the
    first event. `compact_time` is when the events so far were last deleted from the log; None where all are retained.
    `metadata` holds the pairs of all events, within limits: of two values of one key the first in order.
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
    message_refs: list[str] = []
    metadata: dict[str, str] = {}
    state_change_time: int = 0

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
            self.state_change_time = commit_time
        if not self.create_time:
            self.create_time = commit_time
        self.update_time = commit_time
        self._note_times(event, automated)
        if event_type in _STRENGTH:
            self._note_cause(event, key)
        elif event_type is EventType.OPENED and not automated and not attributes.repeated:
            self.open_count += 1
        elif event_type is EventType.CLICKED and not automated and not attributes.repeated:
            self.click_count += 1
        if attributes.aliases:
            self.aliases = _first(self.aliases, map(normalize_id, attributes.aliases), RECIPIENT_ALIASES)
        if attributes.message_ref:
            self.message_refs = _first(self.message_refs, (attributes.message_ref,), RECIPIENT_REFS)
        if attributes.metadata:
            self.metadata = merge_metadata(self.metadata, attributes.metadata)

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


def _first(known: list[str], new: Iterable[str], most: int) -> list[str]:
    """The first in order, and not those that came first, so that the order of events cannot show."""
    added = {value for value in new if value and value not in known}
    return sorted({*known, *added})[:most] if added else known


def merge_metadata(known: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    """The pairs of both, whichever came first: of each key the value that is first in order, of the keys the first.

    The limit is on each pair by itself: a limit on all pairs together would make the result depend on the order of
    events.
    """
    if known.items() >= new.items():
        return known
    pairs = dict(known)
    for key, value in new.items():
        if len(key) + len(value) <= RECIPIENT_METADATA_BYTES >= len(key.encode()) + len(value.encode()):
            pairs[key] = min(value, pairs.get(key, value))
    return {key: pairs[key] for key in sorted(pairs)[:RECIPIENT_METADATA_PAIRS]}


def folded(parts: Sequence[RecipientStatus]) -> RecipientStatus:
    """One status of all that is known in several, at least one: what their events together make it.

    The facts of a status are minima, maxima, counts and unions, so those of several fold as their events would. Version
    is the number of transitions of all parts. The ids are those of the first part.
    """
    whole = msgspec.structs.replace(parts[0])
    for part in parts[1:]:
        _fold_in(whole, part)
    return whole


_EARLIEST: Final = (
    "queued_time",
    "sent_time",
    "delivered_time",
    "engaged_time",
    "failed_time",
    "suppressed_time",
    "complained_time",
    "unsubscribed_time",
    "create_time",
)
_LATEST: Final = ("evidence", "position", "last_event_time", "update_time", "compact_time", "state_change_time")
_SUMS: Final = ("version", "open_count", "click_count")


def _fold_in(whole: RecipientStatus, part: RecipientStatus) -> None:
    for fields, choose in ((_EARLIEST, min), (_LATEST, max), (_SUMS, _total)):
        for field in fields:
            known = [value for each in (whole, part) if (value := getattr(each, field)) is not None]
            setattr(whole, field, choose(known) if known else None)
    for field in ("failure_cause", "suppression_cause"):
        if (cause := getattr(part, field)) is not None:
            setattr(whole, field, _stronger(getattr(whole, field), cause))
    whole.aliases = _first(whole.aliases, part.aliases, RECIPIENT_ALIASES)
    whole.message_refs = _first(whole.message_refs, part.message_refs, RECIPIENT_REFS)
    whole.metadata = merge_metadata(whole.metadata, part.metadata)


def _total(numbers: list[int]) -> int:
    return sum(numbers)


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
