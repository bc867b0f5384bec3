"""What must hold of the log and of the statuses that rest on it."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from msgstate_server.domain.log import LogEntry
from msgstate_server.domain.status import RecipientStatus
from tests.builders import FACTS
from tests.robustness.history import Attempt, Fact, History
from tests.robustness.model import Model
from tests.robustness.rows import Name, Row


def acknowledged(history: History, model: Model) -> Iterator[str]:
    """Every acknowledged event is in the log, at the position that was answered, and was new at most once."""
    new: Counter[int] = Counter()
    for attempt in history.attempts:
        if not attempt.acknowledged:
            continue
        if attempt.new + attempt.known != len(attempt.facts):
            yield f"{attempt.publisher}: of {len(attempt.facts)} events {attempt.new} new and {attempt.known} known"
        yield from _lost(attempt, model)
        new.update(at for at, was_new in zip(attempt.positions, attempt.accepted, strict=True) if was_new)
    for position, times in new.items():
        if times > 1:
            yield f"{times} senders were told that the event at {position} was new"


def _lost(attempt: Attempt, model: Model) -> Iterator[str]:
    archive = model.archive
    if not attempt.positions:
        missing = [fact.mark for fact in attempt.facts if not _stands(fact, model)]
        if len(missing) > len(archive.unseen):
            yield f"{attempt.publisher} was told that {missing[0]} is durable, and it is not in the log"
    for fact, position in zip(attempt.facts, attempt.positions, strict=False):
        row = archive.rows.get(position)
        if row is None and position not in archive.unseen:
            yield f"{attempt.publisher} was told that {fact.mark} is at {position}, where nothing is"
        elif row is not None and _fact(row) != fact:
            yield f"{attempt.publisher} was told that {fact.mark} is at {position}, where {row.mark} is"


def _stands(fact: Fact, model: Model) -> bool:
    return any(_fact(model.archive.rows[position]) == fact for position in model.by_mark.get(fact.mark, []))


def _fact(row: Row) -> Fact:
    return Fact(row.name, row.type, row.mark)


def once(model: Model) -> Iterator[str]:
    """No event is in the log twice, unless its first place was gone when it came again."""
    for mark, positions in model.by_mark.items():
        name = model.archive.rows[positions[0]].name
        for first, second in pairwise(positions):
            if not model.was_silent(name, first, second, model.periods.log):
                yield f"{mark} is at {first} and at {second}"


def only_what_was_sent(history: History, model: Model) -> Iterator[str]:
    """Every event of the log is one that somebody sent."""
    sent = {fact for attempt in history.attempts for fact in attempt.facts}
    for position, row in model.archive.rows.items():
        if _fact(row) not in sent:
            yield f"nobody sent what is at {position}: {row}"


def _may_be_forgotten(folded: RecipientStatus, model: Model) -> bool:
    period = model.periods.status
    return period is not None and model.archive.looked_time - folded.update_time >= period


def unchanged(model: Model, retained: dict[int, LogEntry]) -> Iterator[str]:
    """What is in the file in the end is what was there when it was new."""
    for position, entry in retained.items():
        if model.archive.entries.get(position, entry) != entry:
            yield f"{position} was {model.archive.entries[position]}, and is {entry}"
    if not model.archive.unseen:
        gone = [at for at in range(model.archive.last.floor + 1, model.archive.last.position + 1) if at not in retained]
        if gone:
            yield f"positions {gone[:5]} are above the floor, {model.archive.last.floor}, and gone"


def all_or_none(model: Model, retained: dict[int, LogEntry]) -> Iterator[str]:
    """Of what a recipient had in the log when it fell silent, retention removed everything or nothing."""
    for name, positions in model.by_name.items():
        gone = [position for position in positions if position not in retained]
        kept = [position for position in positions if position in retained]
        if gone and kept and not model.was_silent(name, gone[-1], kept[0], model.periods.log):
            yield f"of {name} the rows at {gone[-5:]} are gone, and those at {kept[:5]} are not"


def versions(model: Model) -> Iterator[str]:
    """The version of a recipient counts its transitions, and each event sets out from where the one before ended."""
    for name, positions in model.by_name.items():
        before: Row | None = None
        for row in (model.archive.rows[position] for position in positions):
            version, state = (before.version, before.to_state) if before else (0, 0)
            if (
                row.from_state == 0
                and before
                and model.was_silent(name, before.position, row.position, model.periods.status)
            ):
                version, state = 0, 0
            is_after_unseen = bool(model.archive.unseen)
            if not is_after_unseen and (row.version != version + row.moved or row.from_state != state):
                yield f"{name} at {row.position}: version {row.version} from state {row.from_state}, after {before}"
            before = row


def commit_times(model: Model) -> Iterator[str]:
    """Commit times never go back along the log."""
    before = 0
    for position in sorted(model.archive.rows):
        row = model.archive.rows[position]
        if row.commit_time < before:
            yield f"{position} was committed at {row.commit_time}, the one before at {before}"
        before = row.commit_time


def statuses(model: Model, found: list[RecipientStatus]) -> Iterator[str]:
    """Every status is what its events make it, and every recipient that is not forgotten has one."""
    stored = {Name(status.provider, status.message_id, status.recipient): status for status in found}
    for name, folded in model.last_lives.items():
        status = stored.pop(name, None)
        if status is None:
            if not _may_be_forgotten(folded, model):
                yield f"{name} has events, and no status"
        elif not model.archive.unseen:
            for fact in FACTS:
                if getattr(status, fact) != getattr(folded, fact):
                    yield f"{name}: {fact} is {getattr(status, fact)}, its events make it {getattr(folded, fact)}"
    if stored and not model.archive.unseen:
        yield f"{next(iter(stored))} has a status, and no event"
