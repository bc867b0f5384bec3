import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from msgstate_server.domain.events import Event, EventAttributes, EventType
from msgstate_server.domain.status import RecipientStatus
from tests.acceptance import fire
from tests.acceptance.conftest import StartServer
from tests.acceptance.server_process import environment, wait_until

SEED = 20
SECONDS = 60.0
Listed = list[list[Any]]
Names = dict[tuple[str, str, str], int]
"""A number by provider, message id and recipient."""


@contextmanager
def fired(kind: str, address: str, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.acceptance.fire", kind, address, str(SEED), str(file)], env=environment()
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def seen(file: Path) -> list[tuple[int, str, int, bool]]:
    return [tuple(entry) for line in lines(file) for entry in line["seen"]]


def expected_states() -> Names:
    """What the domain makes of the events, whatever their order."""
    statuses: dict[tuple[str, str, str], RecipientStatus] = {}
    for event in {event.event_id: event for event in fire.events(SEED)}.values():
        name = (event.provider, event.message_id, event.recipient)
        status = statuses.setdefault(name, RecipientStatus(*name))
        known = EventAttributes(event_id=event.event_id)
        status.apply(Event(*name, EventType(event.type), None, 1, known), event.event_id, 1, 1)
    return {name: int(status.state) for name, status in statuses.items()}


def by_name(listed: Listed) -> Names:
    return {(provider, message_id, recipient): state for provider, message_id, recipient, state in listed}


def versions(log: list[tuple[int, str, int, bool]]) -> Names:
    """The last version of each recipient."""
    named = {event.event_id: (event.provider, event.message_id, event.recipient) for event in fire.events(SEED)}
    return {named[event_id]: version for _, event_id, version, _ in log}


def bring_up_to_date(versions: Names, moved: Listed) -> None:
    """Bring a list up to date by the watch from its token; fail where a transition is missing in between."""
    for provider, message_id, recipient, version in moved:
        known = versions.get((provider, message_id, recipient), 0)
        assert version <= known + 1, f"{message_id} went from version {known} to {version}"
        versions[provider, message_id, recipient] = max(known, version)


@pytest.mark.slow
def test_lists_and_watches_tell_what_was_published(server_process: StartServer, tmp_path: Path) -> None:
    """While one process publishes, others list, watch, disconnect and are killed: they all saw what was published."""
    server = server_process()
    kinds = ("publish", "list", "follow", "move", "join")
    files = {kind: tmp_path / f"{kind}.jsonl" for kind in (*kinds, "killed")}

    with ExitStack() as stack:
        processes = [stack.enter_context(fired(kind, server.grpc, files[kind])) for kind in kinds]
        for length in (3, 6, 9):
            with fired("follow", server.grpc, files["killed"]):
                wait_until(lambda length=length: len(lines(files["killed"])) >= length, SECONDS, "some seen")  # type: ignore[misc]
        processes.append(stack.enter_context(fired("follow", server.grpc, files["killed"])))
        assert [0] * len(processes) == [process.wait(SECONDS) for process in processes]

    (accepted,) = lines(files["publish"])
    log = seen(files["follow"])
    assert accepted == fire.EVENTS
    assert list(range(1, accepted + 2)) == [position for position, *_ in log]
    assert {f"e{number}" for number in range(fire.EVENTS)} == {event_id for _, event_id, *_ in log[:-1]}
    assert log == seen(files["killed"])
    assert [entry for entry in log if entry[-1]] == seen(files["move"])

    joined: Names = {}
    for line in lines(files["join"]):
        joined = by_name(line["listed"])
        bring_up_to_date(joined, line["moved"])
    assert joined.pop(("own", fire.LAST, "r@example.com")) == 1
    assert versions(log[:-1]) == joined

    lists = [by_name(listed) for listed in lines(files["list"])]
    assert [len(listed) for listed in lists] == [len(listed) for listed in lines(files["list"])]
    assert all(earlier.keys() <= later.keys() for earlier, later in pairwise(lists))
    last = lists[-1]
    assert last.pop(("own", fire.LAST, "r@example.com")) == 2
    assert expected_states() == last
