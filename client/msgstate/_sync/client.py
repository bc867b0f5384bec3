# Generated from _async/client.py by scripts/make_sync.py: change that one and run `make generate`.
"""The client."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from msgstate._channel import DEFAULT_ADDRESS
from msgstate._enums import EventTypeName, StateName, read_states, read_types
from msgstate._keep import Keep
from msgstate._requests import Key, entries_of, set_pace, status_filter, transitions_of
from msgstate._start import NOW, Start, require_several, require_start, started
from msgstate._sync.calls import Calls
from msgstate._sync.pages import Pages, Results
from msgstate._sync.publishing import Publishing
from msgstate._sync.resuming import Resuming
from msgstate._sync.transport import Connection, EventSource, Stream, collect
from msgstate._sync.waiting import Waiting
from msgstate._sync.watch import Watch
from msgstate._values import Batch, Page, Payload, Published, PublishedBatch, Quarantined
from msgstate._wait_rules import SETTLED, Until, WaitRules
from msgstate.v1 import admin_service_pb2 as admin_pb
from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1.event_pb2 import Event
from msgstate.v1.event_service_pb2 import PublishEventsRequest, PublishEventsResponse
from msgstate.v1.log_pb2 import LogEntry, Transition
from msgstate.v1.status_pb2 import MessageStatus, RecipientStatus, State


class Client:
    """Speaks to a msgstate server, or to several that share one log.

    Give the addresses as `host:port`, one by one or with commas between them, or one of another kind that gRPC takes as
    a target; without any it is `127.0.0.1:50051`. A host may be a name of several servers. Calls go to all in turn that
    are connected and say that they serve; names are looked up again after a lost call, and every
    10 seconds.
    `timeout` is how many seconds a call may take with all its retries; a call's own `timeout` wins. Only what is
    UNAVAILABLE is tried again, until that time is over, and not at all without `retry`. Nothing connects before the
    first call.

    Every call raises `MsgstateError`; a bad argument that needs no server to be found, such as an
    address without a port, is a ValueError.
    """

    def __init__(self, *addresses: str, timeout: float = 10.0, retry: bool = True) -> None:
        self._calls = Calls(addresses or (DEFAULT_ADDRESS,), timeout, retry=retry)

    def close(self) -> None:
        """End every watch, cancel every call and close the connections; the client cannot be used any more."""
        self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get_status(
        self,
        message_id: str = "",
        provider: str = "",
        recipient: str = "",
        *,
        message_ref: str = "",
        timeout: float | None = None,
    ) -> pb.GetMessageStatusResponse:
        """The status of one message, by its id, an alias or its ref, and a token taken before it was read.

        With a recipient it covers that one alone. Raises `MessageNotFound`, `MessageAmbiguous`.
        """
        request = pb.GetMessageStatusRequest(
            message_id=message_id, provider=provider, recipient=recipient, message_ref=message_ref
        )
        return self._get_status(request, timeout)

    def get_statuses(self, keys: Iterable[Key], *, timeout: float | None = None) -> Results:
        """The statuses of any number of messages, each with at most 5 recipients, in the order of their keys.

        What is wrong with one key stands in its result; `error_of(result.error)` makes an exception of it. The timeout
        is for each call of 500 keys.
        """
        require_several(keys=keys)

        def fetch(some: list[pb.MessageKey]) -> pb.BatchGetMessageStatusesResponse:
            request = pb.BatchGetMessageStatusesRequest(keys=some)
            return self._calls.run(
                lambda to, seconds: to.statuses.BatchGetMessageStatuses(request, timeout=seconds), timeout
            )

        return Results(fetch, keys)

    def list_statuses(  # noqa: PLR0913  (one per field of the filter)
        self,
        *,
        states: Iterable[StateName] = (),
        providers: Iterable[str] = (),
        message_id: str = "",
        recipient: str = "",
        updated_after: datetime | None = None,
        updated_before: datetime | None = None,
        message_ref: str = "",
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        state_changed_before: datetime | None = None,
        account: str = "",
        metadata: Mapping[str, str] | None = None,
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> Pages[RecipientStatus]:
        """The statuses of recipients, by first appearance, newest first; the timeout is for each page.

        With `message_ref`, recipients that share it are listed as one. `metadata` is at most one pair.
        """
        wanted = status_filter(
            states=states,
            providers=providers,
            message_id=message_id,
            recipient=recipient,
            message_ref=message_ref,
            account=account,
            metadata=metadata,
            updated_after=updated_after,
            updated_before=updated_before,
            created_after=created_after,
            created_before=created_before,
            state_changed_before=state_changed_before,
        )

        def fetch(token: str) -> Page[RecipientStatus]:
            request = pb.ListMessageStatusesRequest(filter=wanted, page_size=page_size, page_token=token)
            response = self._calls.run(
                lambda to, seconds: to.statuses.ListMessageStatuses(request, timeout=seconds), timeout
            )
            return Page(response.recipient_statuses, response.next_page_token, response.resume_token)

        return Pages(fetch, page_token)

    def get_history(  # noqa: PLR0913  (one per field)
        self,
        message_id: str = "",
        provider: str = "",
        recipient: str = "",
        *,
        message_ref: str = "",
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> Pages[LogEntry]:
        """A message's events in the order of the log, as far as it is kept; the timeout is for each page.

        With `message_ref` in place of an id, the events of every message that shares it.

        Raises `MessageNotFound`, `MessageAmbiguous`.
        """

        def fetch(token: str) -> Page[LogEntry]:
            request = pb.GetMessageHistoryRequest(
                message_id=message_id,
                provider=provider,
                recipient=recipient,
                page_size=page_size,
                page_token=token,
                message_ref=message_ref,
            )
            response = self._calls.run(
                lambda to, seconds: to.statuses.GetMessageHistory(request, timeout=seconds), timeout
            )
            return Page(response.entries, response.next_page_token, "")

        return Pages(fetch, page_token)

    def publish_batch(self, events: Sequence[Event], *, timeout: float | None = None) -> PublishEventsResponse:
        """Publish up to 1,000 events, at most 1 MiB, at once; each one's result stands in its place.

        Raises `BatchTooLarge`, and `ResourceExhausted` where the server cannot keep up.
        """
        request = PublishEventsRequest(events=events)
        return self._calls.run(lambda to, seconds: to.events.PublishEvents(request, timeout=seconds), timeout)

    def publish(
        self,
        events: EventSource,
        *,
        batch_size: int = 500,
        on_batch: Callable[[PublishedBatch], object] | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Publish any number of events; returns once all are durable.

        They are taken as fast as the server commits them, a few batches of at most `batch_size` (1 to 1,000) ahead; an
        event waits until its batch is full or the events end. `on_batch` is called with each batch that is durable, a
        few batches later and never while an event is asked for: the events must not wait for it. What was under way
        when a server was lost is sent again, which is safe. The timeout is how long nothing may move. If
        this raises, what `on_batch` was told of is durable, and the rest may be.
        """
        seconds = self._calls.timeout if timeout is None else timeout
        return Publishing(self._calls, events, batch_size, on_batch, seconds).run()

    def watch(  # noqa: PLR0913  (one per field of the request)
        self,
        start: Start = NOW,
        *,
        providers: Iterable[str] = (),
        message_ids: Iterable[str] = (),
        recipients: Iterable[str] = (),
        message_refs: Iterable[str] = (),
        account: str = "",
        metadata: Mapping[str, str] | None = None,
        to_states: Iterable[StateName] = (),
        shard_index: int = 0,
        shard_count: int = 0,
        checkpoint_interval: float = 0,
        max_batch_size: int = 0,
        keep: Keep | None = None,
        timeout: float | None = None,
    ) -> Watch[Transition]:
        """Follow every transition from `start` on: EARLIEST, NOW, a resume token, or a time with an offset.

        `keep` is where the token goes once what it covers was handled: the path of a file, which wins over `start`
        where it exists; or what to call with each new token. `checkpoint_interval` is the longest silence in seconds,
        1 to 60. `timeout` is how many seconds the watch may take to open; once open, it goes on for ever.

        The watch raises `PositionCompacted` and `HistoryDiverged` where it cannot go on from there.
        """
        require_several(providers=providers, message_ids=message_ids, recipients=recipients, message_refs=message_refs)
        wanted = pb.TransitionFilter(
            providers=providers,
            message_ids=message_ids,
            recipients=recipients,
            message_refs=message_refs,
            account=account,
            metadata=metadata,
            to_states=read_states(to_states, "to_states"),
        )
        request = pb.WatchTransitionsRequest(
            filter=wanted, shard_index=shard_index, shard_count=shard_count, max_batch_size=max_batch_size
        )
        set_pace(request, checkpoint_interval)
        require_start(start)
        return Watch(self._follow(request), start, keep, timeout)

    def watch_events(  # noqa: PLR0913  (one per field of the request)
        self,
        start: Start = NOW,
        *,
        providers: Iterable[str] = (),
        message_ids: Iterable[str] = (),
        recipients: Iterable[str] = (),
        message_refs: Iterable[str] = (),
        account: str = "",
        metadata: Mapping[str, str] | None = None,
        to_states: Iterable[StateName] = (),
        types: Iterable[EventTypeName] = (),
        shard_index: int = 0,
        shard_count: int = 0,
        checkpoint_interval: float = 0,
        max_batch_size: int = 0,
        keep: Keep | None = None,
        timeout: float | None = None,
    ) -> Watch[LogEntry]:
        """Follow every event, whether it moved a state or not; else as `watch`."""
        require_several(providers=providers, message_ids=message_ids, recipients=recipients, message_refs=message_refs)
        wanted = pb.EventFilter(
            providers=providers,
            message_ids=message_ids,
            recipients=recipients,
            message_refs=message_refs,
            account=account,
            metadata=metadata,
            to_states=read_states(to_states, "to_states"),
            types=read_types(types, "types"),
        )
        request = pb.WatchEventsRequest(
            filter=wanted, shard_index=shard_index, shard_count=shard_count, max_batch_size=max_batch_size
        )
        set_pace(request, checkpoint_interval)
        require_start(start)

        def open_stream(to: Connection, place: Start) -> Stream[Batch[LogEntry]]:
            return Stream(to.statuses.WatchEvents(started(request, place)), entries_of)

        return Watch(Resuming(self._calls, open_stream), start, keep, timeout)

    def wait_for(  # noqa: PLR0913  (one per thing that can be told)
        self,
        message_id: str = "",
        until: Until = SETTLED,
        *,
        message_ref: str = "",
        provider: str = "",
        recipient: str = "",
        timeout: float,
        provisional: bool = False,
    ) -> MessageStatus:
        """The message's status, once its state is one of `until`: by default DELIVERED, FAILED or SUPPRESSED.

        Of QUEUED, SENT, DELIVERED and ENGAGED a later one counts for an earlier one. FAILED counts once it is final, or
        with `provisional` at once. A message that nobody knows yet by its id, alias or ref is waited for as well.

        Raises `WaitTimeout` after so many seconds, `WaitFailed` as soon as a final failure makes it impossible,
        `MessageAmbiguous`, and `ServerUnavailable` where no server was reached within the client's own timeout.
        """
        wanted = pb.GetMessageStatusRequest(
            message_id=message_id, provider=provider, recipient=recipient, message_ref=message_ref
        )
        rules = WaitRules(until, provisional=provisional)
        waiting = Waiting(
            self._get_status, self._failed_for_good, self._follow, wanted=wanted, rules=rules, seconds=timeout
        )
        return waiting.run(self._calls.timeout)

    def list_quarantine(
        self,
        provider: str = "",
        *,
        include_replayed: bool = False,
        page_size: int = 0,
        page_token: str = "",
        timeout: float | None = None,
    ) -> Pages[admin_pb.QuarantinedPayload]:
        """What could not be understood, newest first, of one provider or of all; the timeout is for each page."""

        def fetch(token: str) -> Page[admin_pb.QuarantinedPayload]:
            request = admin_pb.ListQuarantineRequest(
                provider=provider, include_replayed=include_replayed, page_size=page_size, page_token=token
            )
            response = self._calls.run(lambda to, seconds: to.admin.ListQuarantine(request, timeout=seconds), timeout)
            return Page(response.payloads, response.next_page_token, "")

        return Pages(fetch, page_token)

    def get_quarantined(self, id: int, *, timeout: float | None = None) -> Quarantined:  # noqa: A002
        """One of them: why, what is understood of it now, and its body. Raises `QuarantinedNotFound`."""
        request = admin_pb.GetQuarantinedRequest(id=id)

        def fetch(to: Connection, seconds: float) -> list[admin_pb.GetQuarantinedResponse]:
            return collect(to.admin.GetQuarantined(request, timeout=seconds))

        parts = self._calls.run(fetch, timeout)
        events = [event for part in parts for event in part.events]
        return Quarantined(parts[0].payload, events, b"".join(part.chunk for part in parts))

    def replay_quarantined(
        self, ids: Sequence[int], *, timeout: float | None = None
    ) -> admin_pb.ReplayQuarantinedResponse:
        """Read up to 100 of them again, after a mend, and publish what is understood now; safe to repeat."""
        request = admin_pb.ReplayQuarantinedRequest(ids=ids)
        return self._calls.run(lambda to, seconds: to.admin.ReplayQuarantined(request, timeout=seconds), timeout)

    def discard_quarantined(self, ids: Sequence[int], *, timeout: float | None = None) -> int:
        """Throw up to 100 of them away; gives how many were there."""
        request = admin_pb.DiscardQuarantinedRequest(ids=ids)
        response = self._calls.run(lambda to, seconds: to.admin.DiscardQuarantined(request, timeout=seconds), timeout)
        return response.discarded

    def get_payload(self, position: int, *, timeout: float | None = None) -> Payload:
        """The raw body that brought the event at this position. Raises `PayloadNotFound`."""
        request = admin_pb.GetPayloadRequest(position=position)

        def fetch(to: Connection, seconds: float) -> list[admin_pb.GetPayloadResponse]:
            return collect(to.admin.GetPayload(request, timeout=seconds))

        parts = self._calls.run(fetch, timeout)
        received = parts[0].received_time.ToDatetime(UTC)
        return Payload(parts[0].provider, received, b"".join(part.chunk for part in parts))

    def _get_status(self, request: pb.GetMessageStatusRequest, timeout: float | None) -> pb.GetMessageStatusResponse:
        return self._calls.run(lambda to, seconds: to.statuses.GetMessageStatus(request, timeout=seconds), timeout)

    def _failed_for_good(self, status: MessageStatus) -> bool:
        """Whether any recipient did, also one that the status had no room for."""
        if status.state != State.STATE_FAILED or not status.recipients_truncated:
            return any(recipient.failure.final for recipient in status.recipients)
        failed = self.list_statuses(
            states=[State.STATE_FAILED], providers=[status.provider], message_id=status.message_id, page_size=1_000
        )
        for recipient in failed:
            if recipient.failure.final:
                return True
        return False

    def _follow(self, request: pb.WatchTransitionsRequest) -> Resuming[Transition]:
        def open_stream(to: Connection, place: Start) -> Stream[Batch[Transition]]:
            return Stream(to.statuses.WatchTransitions(started(request, place)), transitions_of)

        return Resuming(self._calls, open_stream)
