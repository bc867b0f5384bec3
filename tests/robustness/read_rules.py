"""What must hold of every answer about a status, and of every error."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.robustness.history import History, Read, Seen
from tests.robustness.model import Model, Version
from tests.robustness.rows import Name, place

_NEVER: Final = ("INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "HTTP 5", "HTTP 4")
_AWAY: Final = "HTTP 503"


class _Known(NamedTuple):
    """From a time on, a recipient is known to be this far."""

    since: float
    version: Version


def never_back(history: History) -> Iterator[str]:
    """No answer is older than one that anybody had before the call."""
    known = _by_time(
        (seen.name, _Known(read.end, _version(seen))) for read in history.reads for seen in read.seen if seen.version
    )
    for read, seen, least in _held_against(history, known):
        if seen.version and _version(seen) < least:
            yield f"{read.reader} was told {seen} of {seen.name}, after {least} was told"


def acknowledged(history: History, model: Model) -> Iterator[str]:
    """No answer lacks an event that was acknowledged before the call."""
    known = _by_time(_acknowledgements(history, model))
    for read, seen, least in _held_against(history, known):
        if _version(seen) < least and not _may_be_forgotten(history.wall_time(read.end), seen, least, model):
            yield f"{read.reader} was told {seen} of {seen.name}, after {least} was acknowledged"


def covered(history: History, model: Model) -> Iterator[str]:
    """No answer lacks an event that its own token covers: *read, then watch* misses nothing."""
    for read in history.reads:
        if read.token:
            position, until = place(read.token).position, history.wall_time(read.end)
            for seen in read.seen:
                least = model.version_at(seen.name, position)
                if _version(seen) < least and not _may_be_forgotten(until, seen, least, model):
                    yield f"{read.reader} was told {seen} with the token of {position}, which covers {least}"


def agree(history: History, model: Model) -> Iterator[str]:
    """Every answer is what the log was at some time: its version is there, at its position, with its state."""
    for read in history.reads:
        for seen in read.seen:
            if not seen.version or seen.position in model.archive.unseen:
                continue
            row = model.archive.rows.get(seen.position)
            if row is None or not row.moved:
                yield f"{read.reader} was told {seen}, and {seen.position} is no transition"
            elif (row.name, row.version, row.to_state) != (seen.name, seen.version, seen.state):
                yield f"{read.reader} was told {seen}, and the log has {row}"


def known_errors(history: History) -> Iterator[str]:
    """No call ends with a status that says nothing."""
    errors = list(history.errors)
    errors += [(attempt.publisher, attempt.error) for attempt in history.attempts if attempt.error]
    errors += [(segment.watcher, segment.end) for segment in history.segments]
    for who, error in errors:
        if error.startswith(_NEVER) and error != _AWAY:
            yield f"{who} was told {error}"


def _version(seen: Seen) -> Version:
    return Version(seen.create_time, seen.version)


def _acknowledgements(history: History, model: Model) -> Iterator[tuple[Name, _Known]]:
    for attempt in history.attempts:
        if attempt.acknowledged:
            for index, fact in enumerate(attempt.facts):
                positions = model.by_mark.get(fact.mark)
                position = attempt.positions[index] if attempt.positions else positions[0] if positions else 0
                if position in model.reached:
                    yield fact.name, _Known(attempt.end, model.reached[position])


def _by_time(known: Iterator[tuple[Name, _Known]]) -> dict[Name, list[_Known]]:
    """What is known of each recipient, in order of time, each at least what was known before."""
    gathered: dict[Name, list[_Known]] = defaultdict(list)
    for name, each in known:
        gathered[name].append(each)
    for name, found in gathered.items():
        most = Version()
        rising: list[_Known] = []
        for since, version in sorted(found):
            most = max(most, version)
            rising.append(_Known(since, most))
        gathered[name] = rising
    return gathered


def _held_against(history: History, known: dict[Name, list[_Known]]) -> Iterator[tuple[Read, Seen, Version]]:
    """Every status that was read, with what was known of the recipient before the call."""
    for read in history.reads:
        for seen in read.seen:
            before = [each.version for each in known.get(seen.name, []) if each.since < read.begin]
            if before:
                yield read, seen, before[-1]


def _may_be_forgotten(until: int, seen: Seen, least: Version, model: Model) -> bool:
    """Whether retention may have removed the status by then: it is missing, or new, and was silent for long."""
    is_gone = not seen.version or seen.create_time > least.create_time
    return is_gone and model.was_silent_by(seen.name, least.create_time, until)
