"""Programs of those who use the client, as a strict type checker sees them."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone

from msgstate import (
    EARLIEST,
    AsyncClient,
    Client,
    Event,
    EventType,
    LogEntry,
    MessageKey,
    MsgstateError,
    Published,
    RecipientStatus,
    State,
    Transition,
    WaitFailed,
    error_of,
)


def events() -> Iterator[Event]:
    yield Event(provider="acme", message_id="m", recipient="a@x", type=EventType.EVENT_TYPE_SENT)


async def later() -> AsyncIterator[Event]:
    for event in events():
        yield event


def ordinary() -> None:
    with Client("localhost:50051", "localhost:50052", timeout=5) as client:
        published: Published = client.publish(events(), on_batch=lambda batch: print(batch.accepted))
        state: State.ValueType = client.get_status("m").status.state
        statuses: list[RecipientStatus] = list(client.list_statuses(states=[State.STATE_FAILED, state]))
        for result in client.get_statuses(["m", MessageKey(message_id="n", provider="acme")]):
            if result.HasField("error"):
                raise error_of(result.error)
        with client.watch(EARLIEST, keep="token", to_states=[State.STATE_FAILED]) as watch:
            for transition in watch:
                found: Transition = transition
                print(found.position, watch.resume_token)
        with client.watch_events(datetime.now(timezone.utc), keep=print) as entries:
            for batch in entries.batches():
                position: list[int] = [entry.position for entry in batch.entries]
                print(batch.live, position, published, statuses)
        try:
            client.wait_for("m", {State.STATE_SENT}, timeout=1)
        except WaitFailed as error:
            print(error.status.recipients[0].failure.detail)
        except MsgstateError as error:
            print(error.code, error.violations, error.retry_after)


async def with_a_loop() -> None:
    async with AsyncClient() as client:
        published: Published = await client.publish(later())
        async with client.watch(published.resume_token) as watch:
            async for transition in watch:
                print(transition.message_id)
        history: list[LogEntry] = [entry async for entry in client.get_history("m")]
        print(history, (await client.wait_for("m", timeout=1)).state)


asyncio.run(with_a_loop())
"""
MISTAKES = """
from msgstate import AsyncClient, Client

Client().get_status(5)
Client().watch(5)
AsyncClient().publish(["no event"])
Client().wait_for("m")
"""


def check(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What mypy says of a program in an empty folder, with the package as it is installed."""
    (folder / "program.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), "program.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_a_users_program_passes_a_strict_checker(tmp_path: Path) -> None:
    """A program that uses what the client gives is well typed under `mypy --strict`."""
    result = check(PROGRAM, tmp_path)

    assert "Success: no issues found in 1 source file\n" == result.stdout, result.stdout


@pytest.mark.slow
def test_a_users_mistakes_are_found(tmp_path: Path) -> None:
    """Arguments of a wrong type, and one that is missing, are errors: the package is typed for who installs it."""
    result = check(MISTAKES, tmp_path)

    assert [4, 5, 6, 7] == sorted(
        {int(line.split(":")[1]) for line in result.stdout.splitlines() if ": error:" in line}
    )
