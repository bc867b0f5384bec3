"""Watches while nothing goes wrong: where they start, what they hand out, what counts as handled."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

import pytest

import msgstate
from msgstate import EARLIEST, NOW, Client, Event, State, Transition
from tests.acceptance.server_process import ServerProcess
from tests.client.conftest import Connect
from tests.client.samples import DELIVERED, OPENED, SENT, event

_numbers = count()


class Log:
    """The part of the shared server's log that is a test's own, which begins with three messages, each SENT."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.provider = f"watched{next(_numbers)}"
        with client.watch() as watch:
            now = next(iter(watch.batches()))
        self.start, self._before = now.resume_token, now.head_position
        self.publish(*(event(f"m{number}") for number in range(3)))

    def publish(self, *events: Event) -> str:
        """Publish them as of this test's provider, unless they have another; gives the token."""
        for each in events:
            each.provider = each.provider.replace("acme", self.provider)
        return self.client.publish_batch(events).resume_token

    def place(self, position: int) -> int:
        """The position as if the log began here."""
        return position - self._before


@pytest.fixture
def log(client: Client) -> Log:
    """A log of the test's own."""
    return Log(client)


def ids(transitions: Iterator[Transition], count: int) -> list[str]:
    """The message ids of the next transitions."""
    return [transition.message_id for transition in islice(transitions, count)]


def test_a_watch_starts_where_it_is_told(log: Log) -> None:
    """EARLIEST gives all, a token what came after it, a time what was committed since, NOW only what comes."""
    token = log.publish(event("m3"))
    # Commit times are the server's; it is this machine's clock.
    before = datetime.now(UTC)
    log.publish(event("m4"))

    with (
        log.client.watch(EARLIEST, providers=[log.provider]) as everything,
        log.client.watch(token) as rest,
        log.client.watch(before) as since,
        log.client.watch() as new,
    ):
        log.publish(event("m5"))

        assert [f"m{number}" for number in range(6)] == ids(everything, 6)
        assert ["m4", "m5"] == ids(rest, 2)
        assert ["m4", "m5"] == ids(since, 2)
        assert ["m5"] == ids(new, 1)


@pytest.mark.parametrize("start", ["", datetime(2026, 1, 1)])  # noqa: DTZ001  (that is the mistake)
def test_a_start_that_is_none_is_refused(log: Log, start: str | datetime) -> None:
    """An empty token, which a server takes for NOW, and a time without an offset raise ValueError."""
    with pytest.raises(ValueError, match=r"empty token|time zone"):
        log.client.watch(start)


def test_filters_apply(log: Log) -> None:
    """A watch gives only what its filter lets pass, and still moves on."""
    log.publish(event("m0", DELIVERED), event("m1", DELIVERED), event("m1", DELIVERED, provider="other"))

    with log.client.watch(
        log.start, providers=[log.provider], message_ids=["m1"], to_states=[State.STATE_DELIVERED]
    ) as watch:
        (found,) = islice(watch, 1)

    assert (log.provider, "m1", State.STATE_DELIVERED) == (found.provider, found.message_id, found.to_state)
    with log.client.watch(log.start, recipients=["b@example.com"], checkpoint_interval=1) as watch:
        first, second = islice(watch.batches(), 2)
    assert [[], []] == [list(first.entries), list(second.entries)]


def test_shards_part_the_stream(log: Log) -> None:
    """The shards of a stream give every transition once between them."""
    log.publish(*(event(f"s{number}") for number in range(20)))
    seen = []
    for index in range(3):
        with log.client.watch(log.start, shard_index=index, shard_count=3) as watch:
            for batch in watch.batches():
                seen += [log.place(transition.position) for transition in batch.entries]
                if batch.live:
                    break

    assert list(range(1, 24)) == sorted(seen)


def test_events_are_watched_as_well(log: Log) -> None:
    """watch_events gives every event, also one that moved nothing, and filters by type."""
    log.publish(event("m0", DELIVERED), event("m0", SENT, event_id="late"))

    with log.client.watch_events(log.start) as watch:
        positions = [log.place(entry.position) for entry in islice(watch, 5)]
    with log.client.watch_events(log.start, types=[DELIVERED]) as watch:
        (delivered,) = islice(watch, 1)

    assert [1, 2, 3, 4, 5] == positions
    assert (4, DELIVERED) == (log.place(delivered.position), delivered.event.type)


def test_entering_opens_the_stream(log: Log) -> None:
    """What is committed once the block was entered is seen, however late one asks."""
    with log.client.watch() as watch:
        log.publish(event("after"))
        assert ["after"] == ids(watch, 1)


def test_iterating_opens_it_too(log: Log) -> None:
    """A watch can be iterated over without a block."""
    watch = log.client.watch(log.start)

    assert ["m0", "m1", "m2"] == ids(watch, 3)
    watch.close()


def test_batches_tell_where_the_log_ends(log: Log) -> None:
    """Batches carry their token, the head of the log and whether the watch has reached it."""
    with log.client.watch(log.start, max_batch_size=2) as watch:
        batches = []
        for batch in watch.batches():
            batches.append(batch)
            if batch.live:
                break

    assert [1, 2, 3] == [log.place(transition.position) for batch in batches for transition in batch.entries]
    assert {3} == {log.place(batch.head_position) for batch in batches}
    assert batches[-1].resume_token == watch.resume_token == log.client.get_status("m0", log.provider).resume_token


def test_batches_go_on_within_a_batch(log: Log) -> None:
    """Batches asked for after some items begin with the rest of what was received."""
    with log.client.watch(log.start) as watch:
        first = ids(watch, 1)
        rest = next(iter(watch.batches()))

    assert (["m0"], ["m1", "m2"]) == (first, [transition.message_id for transition in rest.entries])


def test_the_token_follows_what_was_handled(log: Log) -> None:
    """An item is handled when the next is asked for: until then the token comes before it."""
    tokens = []
    with log.client.watch(log.start, max_batch_size=1) as watch:
        for transition in watch:
            tokens.append(watch.resume_token)
            if log.place(transition.position) == 3:
                break
    tokens.append(watch.resume_token)

    def next_from(token: str) -> int:
        with log.client.watch(token) as rest:
            return log.place(next(rest).position)

    log.publish(event("m3"))
    assert [1, 2, 3, 4] == [next_from(token) for token in tokens]


def test_an_error_in_the_block_leaves_the_last_item_unhandled(log: Log, tmp_path: Path) -> None:
    """A block left by an error does not count its last item as handled: it comes again."""
    keep = tmp_path / "token"

    def handle() -> None:
        with log.client.watch(log.start, keep=keep, max_batch_size=1) as watch:
            for transition in watch:
                if log.place(transition.position) == 2:
                    raise RuntimeError

    with pytest.raises(RuntimeError):
        handle()

    with log.client.watch(log.start, keep=keep) as watch:
        assert ["m1", "m2"] == ids(watch, 2)


def test_a_file_keeps_the_token(log: Log, tmp_path: Path) -> None:
    """With a file a watch goes on where the last one stopped, whatever its start, and leaves nothing else behind."""
    keep = tmp_path / "token"
    with log.client.watch(log.start, keep=keep, max_batch_size=1) as watch:
        assert ["m0", "m1"] == ids(watch, 2)

    with log.client.watch(NOW, keep=str(keep)) as watch:
        assert ["m2"] == ids(watch, 1)

    assert watch.resume_token == keep.read_text().strip()
    assert ["token"] == [path.name for path in tmp_path.glob("*token*")]


def test_now_is_kept_at_once(log: Log, tmp_path: Path) -> None:
    """A watch from NOW that handled nothing yet has kept where NOW was."""
    keep = tmp_path / "token"
    with log.client.watch(NOW, keep=keep):
        pass
    log.publish(event("between"))

    with log.client.watch(NOW, keep=keep) as watch:
        assert ["between"] == ids(watch, 1)


def test_a_file_that_cannot_be_written_is_told_at_once(log: Log, tmp_path: Path) -> None:
    """A file in a folder that is not there raises FileNotFoundError before anything is watched."""
    with pytest.raises(FileNotFoundError), log.client.watch(keep=tmp_path / "nowhere" / "token"):
        pass


def test_a_callback_is_told_each_token(log: Log) -> None:
    """A callback is called with the token of each batch once that was handled."""
    kept: list[str] = []
    with log.client.watch(log.start, max_batch_size=1, keep=kept.append) as watch:
        first, second, third = (log.place(transition.position) for transition in islice(watch, 3))
        by_then = list(kept)

    assert (1, 2, 3) == (first, second, third)
    # That of the first answer, which was empty, and those of two transitions.
    assert 3 == len(set(by_then))
    assert [*by_then, watch.resume_token] == kept


def test_a_callback_that_fails_is_asked_again(log: Log) -> None:
    """What a callback raises comes out of the iteration, and the next step calls it again before it goes on."""
    calls: list[str] = []

    def keep(token: str) -> None:
        calls.append(token)
        if len(calls) == 2:
            raise OSError("disk full")

    with log.client.watch(log.start, max_batch_size=1, keep=keep) as watch:
        assert 1 == log.place(next(watch).position)
        with pytest.raises(OSError, match="disk full"):
            next(watch)
        assert 2 == log.place(next(watch).position)

    assert calls[1] == calls[2]


@pytest.mark.parametrize("whole", [True, False], ids=["the client", "the watch"])
def test_close_ends_the_iteration(log: Log, whole: bool) -> None:
    """Close, from another thread, brings whoever waits for the next transition to the end of the loop."""
    with log.client.watch() as watch:
        timer = threading.Timer(0.3, log.client.close if whole else watch.close)
        timer.start()
        rest = list(watch)
        timer.join()

    assert [] == rest
    with pytest.raises(msgstate.ClientClosed), watch:
        pass


def test_a_watch_of_another_log_has_diverged(client: Client, connect: Connect, own_server: ServerProcess) -> None:
    """A token of another log raises HistoryDiverged, which says how to go on."""
    token = connect(own_server.grpc).publish_batch([event("m", OPENED)]).resume_token

    with pytest.raises(msgstate.HistoryDiverged, match=r"list_statuses.*EARLIEST"), client.watch(token):
        pass


def test_a_token_that_is_none_is_invalid(log: Log, tmp_path: Path) -> None:
    """A token that msgstate did not give out raises InvalidRequest; one from a file, with the file's name."""
    keep = tmp_path / "token"
    keep.write_text("nonsense")
    with pytest.raises(msgstate.InvalidRequest, match=r"^resume_token"), log.client.watch("nonsense"):
        pass
    with pytest.raises(msgstate.InvalidRequest, match=f"^{keep}: resume_token") as raised, log.client.watch(keep=keep):
        pass
    assert [f"resume_token in {keep}"] == [field for field, _ in raised.value.violations]
