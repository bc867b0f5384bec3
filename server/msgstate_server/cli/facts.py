"""What is known of a recipient beside its state, in words."""

from collections.abc import Iterator
from typing import Final

from msgstate.v1 import status_pb2
from msgstate_server.cli.text import reason_words, time_text

_TIME: Final = "_time"
_OF_THE_LOG: Final = ("create_time", "update_time", "compact_time")


def times(status: status_pb2.RecipientStatus) -> Iterator[str]:
    """Each time that is known, by its name."""
    for field, value in status.ListFields():
        if field.name.endswith(_TIME) and field.name not in _OF_THE_LOG:
            yield f"{field.name.removesuffix(_TIME).replace('_', ' '):<13}{time_text(value)}"


def facts(status: status_pb2.RecipientStatus) -> Iterator[str]:
    """Why it failed or was suppressed, how often it was opened, and where it last moved."""
    yield from _reasons(status)
    if status.open_count or status.click_count:
        yield f"opens {status.open_count}, clicks {status.click_count}"
    yield f"version {status.version}, last moved at #{status.position}"
    if status.HasField("compact_time"):
        yield f"events before {time_text(status.compact_time)} are no longer kept"


def notes(status: status_pb2.RecipientStatus) -> Iterator[str]:
    """What matters in a row of a list: why it failed or was suppressed, complaints, and how often it was opened."""
    if status.HasField("failure"):
        yield "final" if status.failure.final else "provisional"
    yield from (why for why in (_failure(status.failure), _suppression(status.suppression)) if why)
    for name in ("complained", "unsubscribed"):
        if status.HasField(f"{name}_time"):  # type: ignore[arg-type]  # one of the two
            yield name
    for count, name in ((status.open_count, "opens"), (status.click_count, "clicks")):
        if count:
            yield f"{name} {count}"


def _reasons(status: status_pb2.RecipientStatus) -> Iterator[str]:
    if status.HasField("failure"):
        how = "failed for good" if status.failure.final else "failed provisionally"
        yield f"{how}: {_failure(status.failure) or 'no reason given'}"
    if status.HasField("suppression"):
        yield f"suppressed: {_suppression(status.suppression) or 'no reason given'}"


def _failure(failure: status_pb2.Failure) -> str:
    return reason_words(failure.reason, failure.smtp_code, failure.enhanced_code, failure.detail)


def _suppression(suppression: status_pb2.Suppression) -> str:
    return reason_words(suppression.reason, 0, "", suppression.detail)
