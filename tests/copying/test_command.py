"""`msgstate copy`, as a service moves from one engine to the other."""

import asyncio
import json
from pathlib import Path
from typing import Final

import grpc
import pytest

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate.v1 import message_status_service_pb2_grpc
from tests.acceptance.in_process import run
from tests.acceptance.server_process import ServerProcess, write_config
from tests.acceptance.terminal import run_in_terminal
from tests.copying.conftest import Urls
from tests.copying.full import fill

EVENTS: Final = [
    {"provider": "own", "messageId": f"m{number}", "recipient": "a@b.example", "type": f"EVENT_TYPE_{kind}"}
    for number in range(4)
    for kind in ("SENT", "DELIVERED")
]


def served(folder: Path, url: str) -> ServerProcess:
    """A server on the store of this URL."""
    config = write_config(folder / f"{len(list(folder.glob('*.toml')))}.toml", folder / "unused.db")
    server = ServerProcess(folder, config, variables={"MSGSTATE_STORE": url})
    server.start()
    return server


def publish(server: ServerProcess, *events: dict[str, str]) -> None:
    lines = "".join(f"{json.dumps(event)}\n" for event in events)
    assert run("publish", "-", stdin=lines, MSGSTATE_SERVER=server.grpc).returncode == 0


def page(server: ServerProcess, token: str) -> pb.ListMessageStatusesResponse:
    """The page of a list that a token names."""
    with grpc.insecure_channel(server.grpc) as channel:
        stub = message_status_service_pb2_grpc.MessageStatusServiceStub(channel)
        return stub.ListMessageStatuses(pb.ListMessageStatusesRequest(page_size=2, page_token=token), timeout=20)


@pytest.mark.parametrize(("engine", "other"), [("sqlite", "postgres"), ("postgres", "sqlite")])
def test_a_service_moves(engine: str, other: str, urls: Urls, tmp_path: Path) -> None:
    """Who watched and who paged before the move goes on after it: nothing is missed, nothing comes twice."""
    source, dest, token = urls.new(engine), urls.new(other), str(tmp_path / "watch.token")
    server = served(tmp_path, source)
    publish(server, *EVENTS[:6])
    seen = [run("watch", "--json", "--from", "earliest", "--max", "4", "--keep", token, MSGSTATE_SERVER=server.grpc)]
    first = page(server, "")
    expected = page(server, first.next_page_token)
    assert server.terminate() == 0

    moved = run("copy", source, dest)
    assert (moved.returncode, moved.stderr) == (0, "")
    assert moved.stdout == (
        "copied 3 recipients, 6 events, 0 aliases, 0 payloads, 0 quarantined: both are equal, and everything agrees\n"
    )

    server = served(tmp_path, dest)
    publish(server, *EVENTS)
    seen.append(run("watch", "--json", "--max", "4", "--keep", token, MSGSTATE_SERVER=server.grpc))
    assert page(server, first.next_page_token).recipient_statuses == expected.recipient_statuses
    assert server.terminate() == 0
    places = [json.loads(line)["position"] for each in seen for line in each.stdout.splitlines()]
    assert places == [str(position) for position in range(1, 9)]
    assert run("check", "--store", dest).returncode == 0


def test_a_summary_is_printed_as_json(urls: Urls) -> None:
    """With --json the summary is one object of one line."""
    source, dest = urls.new("sqlite"), urls.new("sqlite")
    publishing = run("migrate", "--store", source)
    assert publishing.returncode == 0
    found = run("copy", "--json", source, dest)
    counts = dict.fromkeys(("recipients", "events", "aliases", "payloads", "quarantined"), 0)
    assert json.loads(found.stdout) == {**counts, "wentOn": False, "findings": 0}


async def test_what_does_not_agree_is_printed(urls: Urls) -> None:
    """Each finding is a line, or an object with --json; the exit code is 1."""
    source = urls.new("sqlite")
    await (await fill(source)).close()
    urls.execute(source, "UPDATE recipient_status SET open_count = 77 WHERE id = 9")
    text, objects = [
        await asyncio.to_thread(run, "copy", *flags, source, urls.new("sqlite")) for flags in ((), ("--json",))
    ]
    assert (text.returncode, objects.returncode) == (1, 1)
    assert text.stdout.startswith("SOURCE: status 9 (acme/")
    assert text.stdout.endswith("not copied: 1 do not agree\n")
    assert json.loads(objects.stdout.splitlines()[0])["where"].startswith("SOURCE: status 9 (")


def test_what_cannot_be_opened_is_one_line(urls: Urls) -> None:
    """A store that cannot be opened is told with the side that it is on, without its password."""
    source = urls.new("sqlite")
    run("migrate", "--store", source)
    lost = "postgresql://user:secret@127.0.0.1:9/none"
    for arguments, code, said in (
        ((source, lost), 1, "msgstate: DEST: cannot reach PostgreSQL"),
        ((lost, source), 1, "msgstate: SOURCE: cannot reach PostgreSQL"),
        ((source, "mysql://user:secret@host/db"), 2, "msgstate: store: must be sqlite:///FILE"),
    ):
        found = run("copy", *arguments)
        assert (found.returncode, found.stdout, len(found.stderr.splitlines())) == (code, "", 1)
        assert found.stderr.startswith(said)
        assert "secret" not in found.stderr


async def test_a_terminal_shows_how_far_it_is(urls: Urls) -> None:
    """In a terminal each step has a bar, and what is printed stands whole; elsewhere there is none."""
    source = urls.new("sqlite")
    await (await fill(source)).close()
    shown = run_in_terminal("copy", source, urls.new("sqlite"), columns=120)
    assert shown.code == 0
    for step in ("checking SOURCE", "copying", "comparing", "checking DEST"):
        assert step in shown.text
    assert "copied 47 recipients, " in shown.plain()
