"""What must hold of every stream of every watch.

Each response brings a watcher from one token to the next, and must have told it exactly what its filter wants of the
log between the two. From this follows what the contract says of whole streams and of reconnects.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from tests.robustness.history import EARLIEST, NOW, History, Response, Segment
from tests.robustness.model import Model
from tests.robustness.rows import place
from tests.robustness.watchers import COMPACTED, LEFT

_LATEST: Final = 50
"""Acknowledgements among which the one of the last position is: some come later than others of what came later."""


_LATE: Final = 20.0
"""Seconds after a fault in which a stream may still end by it: a frozen peer is found by its ping."""
_REASONS: Final = {
    "UNAVAILABLE": ("",),
    "UNAVAILABLE/DRAINING": ("term",),
    "UNAVAILABLE/STORE_UNAVAILABLE": ("fail", "database"),
}
"""The faults with which a stream may end, by its end."""


def begins(history: History, model: Model) -> Iterator[str]:
    """The first response is a checkpoint at the place that the request named."""
    acknowledged = sorted((each.end, max(each.positions)) for each in history.attempts if each.positions)
    for segment in history.segments:
        if segment.responses:
            first = segment.responses[0]
            if first.rows:
                yield f"{segment.watcher}: the first response is no checkpoint of the start, but tells {first.rows[0]}"
            before = acknowledged[: bisect_left(acknowledged, (segment.begin, 0))]
            head = max((position for _, position in before[-_LATEST:]), default=0)
            yield from _begins(segment, first, model, head)


def _begins(segment: Segment, first: Response, model: Model, head: int) -> Iterator[str]:
    at, archive = place(first.token).position, model.archive
    if segment.start == EARLIEST:
        least, most = archive.before(segment.begin).floor, archive.after(first.at).floor
    elif segment.start == NOW:
        least, most = head, archive.after(first.at).position
    elif isinstance(segment.start, str):
        least = most = place(segment.start).position
    else:
        earlier = [row.position for row in archive.rows.values() if row.commit_time < segment.start]
        least, most = 0, max(earlier, default=0)
    if not least <= at <= most:
        yield f"{segment.watcher} asked for {segment.start}: began after {at}, must be {least} to {most}"


def in_order(history: History) -> Iterator[str]:
    """Positions rise along a stream, tokens never fall, and nothing comes at or below what a token has covered."""
    for segment in history.segments:
        covered = -1
        for response in segment.responses:
            position = covered
            for row in response.rows:
                if row.position <= position:
                    yield f"{segment.watcher} was told {row.position} after {position}"
                position = row.position
            token = place(response.token).position
            if token < position:
                yield f"{segment.watcher} was given the token of {token} after {position}"
            if response.head_position < token:
                yield f"{segment.watcher} was told that the log ends at {response.head_position}, before {token}"
            covered = max(token, position)


def nothing_missed(history: History, model: Model) -> Iterator[str]:
    """Whatever a token covers that a watcher wants was told before it."""
    for segment, before, response in _steps(history):
        told = {row.position for row in response.rows}
        for row in model.archive.between(before, place(response.token).position):
            if row.position not in told and segment.wanted.matches(row):
                yield f"{segment.watcher} was given the token of {response.token} without being told of {row}"


def only_the_log(history: History, model: Model) -> Iterator[str]:
    """What is told is in the log, as it is told, and is wanted."""
    for segment in history.segments:
        for row in (row for response in segment.responses for row in response.rows):
            real = model.archive.rows.get(row.position)
            if real is None and row.position in model.archive.unseen:
                continue
            if real != row:
                yield f"{segment.watcher} was told {row}, the log has {real}"
            elif not segment.wanted.matches(row):
                yield f"{segment.watcher} wants {segment.wanted}, and was told {row}"


def tokens(history: History, model: Model) -> Iterator[str]:
    """A token names this log, a position in it, and the row that stands there."""
    given = {response.token for segment in history.segments for response in segment.responses}
    given |= {read.token for read in history.reads if read.token}
    for token in given:
        log_id, position, fingerprint = place(token)
        must = model.archive.fingerprint(position)
        if log_id != model.archive.log_id or position > model.archive.last.position:
            yield f"a token is of position {position} of log {log_id.hex()}"
        elif must is not None and fingerprint != must:
            yield f"the token of {position} has fingerprint {fingerprint.hex()}, the row has {must.hex()}"


def refused(history: History, model: Model) -> Iterator[str]:
    """A watch ends with POSITION_COMPACTED only below the floor, and else only as a fault that happened can end it."""
    for segment in history.segments:
        if segment.end == COMPACTED:
            floor = model.archive.after(segment.closed).floor
            at = _reached(segment)
            if (at is not None and at >= floor) or (segment.start in (EARLIEST, NOW) and not segment.responses):
                yield f"{segment.watcher} at {at} was told that the log begins at {floor + 1}"
        elif not _has_reason(segment, history):
            told = len(segment.responses)
            yield f"{segment.watcher} from {segment.start} ended with {segment.end} after {told} responses"


def _has_reason(segment: Segment, history: History) -> bool:
    """Whether the watcher left, or a fault that happened then can have ended its stream like that."""
    if segment.end in ("", LEFT, "OWN_SIDE") or (segment.end == "CANCELLED" and not segment.responses):
        return True
    kinds = _REASONS.get(segment.end, ())
    return any(
        struck.fault.startswith(kinds) and struck.begin <= segment.closed and segment.begin <= struck.end + _LATE
        for struck in history.faults
    )


def _reached(segment: Segment) -> int | None:
    if segment.responses:
        return place(segment.responses[-1].token).position
    if isinstance(segment.start, str) and segment.start not in (EARLIEST, NOW):
        return place(segment.start).position
    return None


def _steps(history: History) -> Iterator[tuple[Segment, int, Response]]:
    """Every response but the first of a stream, with the position that was covered before it."""
    for segment in history.segments:
        before = place(segment.responses[0].token).position if segment.responses else 0
        for response in segment.responses:
            yield segment, before, response
            before = place(response.token).position
