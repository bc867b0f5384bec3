"""What can go wrong for a caller. Each error carries the reason that clients match on, and nothing of a driver."""

from collections.abc import Sequence

from msgstate_server.domain.validation import Violation


class MsgstateError(Exception):
    """An error that a caller is told about: `reason` for programs, the text for people, `metadata` for both."""

    reason = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        """Say what happened and the mend; `metadata` names what a program needs to act."""
        super().__init__(message)
        self.metadata = metadata


class MessageNotFound(MsgstateError):
    """No message has this id or alias."""

    reason = "MESSAGE_NOT_FOUND"


class MessageAmbiguous(MsgstateError):
    """One id names several messages; the metadata names up to 10 of them."""

    reason = "MESSAGE_AMBIGUOUS"


class InvalidRequest(MsgstateError):
    """Fields of a request break rules."""

    reason = "INVALID_REQUEST"

    def __init__(self, violations: Sequence[Violation]) -> None:
        """Name every field and what is wrong with it."""
        super().__init__("; ".join(f"{field}: {description}" for field, description in violations))
        self.violations = tuple(violations)


class BatchTooLarge(MsgstateError):
    """A batch is over its limits; split it."""

    reason = "BATCH_TOO_LARGE"


class ResponseTooLarge(MsgstateError):
    """One of several answers does not fit beside the others; ask for it alone."""

    reason = "RESPONSE_TOO_LARGE"


class QuarantinedNotFound(MsgstateError):
    """What is asked for was discarded, or never was in quarantine."""

    reason = "QUARANTINED_NOT_FOUND"


class PayloadNotFound(MsgstateError):
    """No body is kept of this event: it came over gRPC, its body is gone, or there is no such event."""

    reason = "PAYLOAD_NOT_FOUND"


class PositionCompacted(MsgstateError):
    """What is asked for is below the retained log; the metadata has the earliest position."""

    reason = "POSITION_COMPACTED"

    def __init__(self, floor: int) -> None:
        """`floor` is the last position of which the row may be gone."""
        earliest = str(floor + 1)
        super().__init__(
            f"the log is kept from position {earliest} on; read the statuses anew and watch from the token that comes "
            "with them, or from EARLIEST",
            earliest_position=earliest,
        )


class HistoryDiverged(MsgstateError):
    """A token is not of this log, or of a row that is no longer what it was, or ahead of the head."""

    reason = "HISTORY_DIVERGED"


class RetryableError(MsgstateError):
    """The same request may succeed later: after `retry_after` seconds."""

    retry_after = 1.0


class TooManyWatchers(RetryableError):
    """The service serves as many watches as it is allowed to."""

    reason = "TOO_MANY_WATCHERS"


class Unavailable(RetryableError):
    """The service cannot take events or answer now."""

    reason = "UNAVAILABLE"


class IngestQueueFull(Unavailable):
    """Events come faster than the store can commit them, past the caller's deadline."""

    reason = "INGEST_QUEUE_FULL"


class Draining(Unavailable):
    """The service shuts down; another replica, or the next start, will answer."""

    reason = "DRAINING"


class StoreUnavailable(Unavailable):
    """The store cannot be reached, or refuses to write."""

    reason = "STORE_UNAVAILABLE"


class StoreUnusable(Exception):
    """A store that must not be opened as it is; the text says why and the mend."""


class UnknownStore(StoreUnusable):
    """A URL that names no store which msgstate knows."""
