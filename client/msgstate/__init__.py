"""The msgstate client: publish events, read message states and watch every transition over gRPC.

`Client` for ordinary programs and threads, `AsyncClient` for asyncio; both have the same methods.
"""

from msgstate._async.client import AsyncClient
from msgstate._async.pages import AsyncPages, AsyncResults
from msgstate._async.transport import AsyncEventSource
from msgstate._async.watch import AsyncWatch
from msgstate._event_fields import check_event_fields
from msgstate._keep import Keep
from msgstate._requests import Key
from msgstate._rpc_errors import error_of
from msgstate._start import EARLIEST, NOW, Start, StartPoint
from msgstate._sync.client import Client
from msgstate._sync.pages import Pages, Results
from msgstate._sync.transport import EventSource
from msgstate._sync.watch import Watch
from msgstate._values import Batch, Page, Payload, Published, PublishedBatch, Quarantined, Refused
from msgstate._wait_rules import SETTLED, Until
from msgstate.errors import (
    BatchTooLarge,
    ClientClosed,
    DeadlineExceeded,
    HistoryDiverged,
    InvalidRequest,
    MessageAmbiguous,
    MessageNotFound,
    MsgstateError,
    PayloadNotFound,
    PermissionDenied,
    PositionCompacted,
    QuarantinedNotFound,
    ResourceExhausted,
    ServerUnavailable,
    Unauthenticated,
    Unimplemented,
    WaitFailed,
    WaitTimeout,
)
from msgstate.v1.event_pb2 import Event, EventType, Reason
from msgstate.v1.log_pb2 import LogEntry, Transition
from msgstate.v1.message_status_service_pb2 import MessageKey
from msgstate.v1.status_pb2 import MessageStatus, RecipientStatus, State

__version__ = "0.3.0"
check_event_fields()
__all__ = [
    "EARLIEST",
    "NOW",
    "SETTLED",
    "AsyncClient",
    "AsyncEventSource",
    "AsyncPages",
    "AsyncResults",
    "AsyncWatch",
    "Batch",
    "BatchTooLarge",
    "Client",
    "ClientClosed",
    "DeadlineExceeded",
    "Event",
    "EventSource",
    "EventType",
    "HistoryDiverged",
    "InvalidRequest",
    "Keep",
    "Key",
    "LogEntry",
    "MessageAmbiguous",
    "MessageKey",
    "MessageNotFound",
    "MessageStatus",
    "MsgstateError",
    "Page",
    "Pages",
    "Payload",
    "PayloadNotFound",
    "PermissionDenied",
    "PositionCompacted",
    "Published",
    "PublishedBatch",
    "Quarantined",
    "QuarantinedNotFound",
    "Reason",
    "RecipientStatus",
    "Refused",
    "ResourceExhausted",
    "Results",
    "ServerUnavailable",
    "Start",
    "StartPoint",
    "State",
    "Transition",
    "Unauthenticated",
    "Unimplemented",
    "Until",
    "WaitFailed",
    "WaitTimeout",
    "Watch",
    "error_of",
]
