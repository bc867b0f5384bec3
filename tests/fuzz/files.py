"""The command line's files as a target: whatever they hold, a command ends with its exit code, and says why."""

import json
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final, TypeAlias

from msgstate import Client, Event, EventType
from tests.acceptance.server_process import CREDENTIALS, ServerProcess, write_config
from tests.fuzz.choices import Choices
from tests.fuzz.hooks import BODIES
from tests.fuzz.oddities import edited, encode, mutated
from tests.fuzz.promise import Broken, require

Run: TypeAlias = Callable[..., CompletedProcess[str]]
"""Runs a command: in this process, or as one of its own."""

SECONDS: Final = 30
_KINDS: Final = ("config", "lines", "cloudmailin", "emailit", "token")
_CONFIG: Final = (
    'store = "sqlite:///a.db"\ngrpc = "127.0.0.1:0"\nhttp = "[::1]:0"\n'
    + CREDENTIALS
    + '[webhooks.emailit.accounts.shop]\nsecrets = ["whsec_shop"]\n'
).encode()
_EVENT: Final = {
    "provider": "shop",
    "messageId": "m",
    "recipient": "to@example.com",
    "type": "EVENT_TYPE_SENT",
    "occurredTime": "2026-11-21T09:00:00Z",
    "smtpCode": 250,
    "automated": False,
    "aliases": ["a"],
    "metadata": {"a": "b"},
}
_ODD: Final = (
    b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"a" * 300, b"{}", b"[]", b"null", b"\r\n", b"A" * 49,
    b"\xc3\xa9" * 40,
    b"a = " + b"[" * 3_000, b"a = " + b"9" * 5_000, b"http = 'a:" + b"9" * 5_000 + b"'",
    b'store = "sqlite:///\\u0000"',
    b"[[webhooks]]", b"webhooks = 1", b"[webhooks]\ncloudmailin = []", b"a = 1979-05-27", b"store = nan",
    b"http = '\xff'",
    b'grpc = "\\u0000:1"', b"[webhooks.emailit]\nsecrets = ['']", b'{"type": 1e999}', b'{"smtpCode": 1e40}',
    b'{"a":' * 2_000,
)  # fmt: skip


class Files:
    """A folder for the file, and a server for the commands that speak to one."""

    def __init__(self, folder: Path, run: Run, server: str, token: bytes) -> None:
        self._folder = folder
        self._run = run
        self._server = server
        self.token = token

    async def case(self, data: bytes) -> None:
        """The file of a command, after a byte that says of which."""
        kind = _KINDS[data[0] % len(_KINDS)] if data else _KINDS[0]
        file = self._folder / f"odd-{kind}"
        file.write_bytes(data[1:])
        with _within(SECONDS):
            done = self._run(*_command(kind, file, self._server), folder=self._folder)
        told = done.stdout + done.stderr
        require(done.returncode in range(4), "a command ends with a documented exit code", done.returncode, told)
        require("Traceback" not in told, "a command that fails says why in words", kind, told)
        require(done.returncode == 0 or told.strip() != "", "a command that fails says why", kind, done.returncode)
        if done.returncode and kind == "token":
            require(str(file) in told, "a file that holds no token is named", told)
        if done.returncode and "is not TOML" in told:
            require(str(file) in told, "a file that is no TOML is named", told)

    def some_file(self, chance: random.Random) -> bytes:
        """The content of a file, changed, after the byte that says whose."""
        number = chance.randrange(len(_KINDS))
        if chance.random() < 0.1:
            return bytes([number]) + chance.choice(_ODD)
        return bytes([number]) + self._changed(_KINDS[number], chance)

    def _changed(self, kind: str, chance: random.Random) -> bytes:
        bodies = {"config": _CONFIG, "token": self.token, "cloudmailin": BODIES[0][1], "emailit": BODIES[1][1]}
        if kind in bodies:
            return mutated(chance, bodies[kind])
        lines = [encode(edited(Choices(chance.randbytes(32)), _EVENT)) for _ in range(chance.randrange(1, 4))]
        return b"\n".join(lines) if chance.random() < 0.7 else mutated(chance, b"\n".join(lines))


def _command(kind: str, file: Path, server: str) -> tuple[str, ...]:
    match kind:
        case "config":
            return ("doctor", "--config", str(file))
        case "lines":
            return ("publish", str(file), "--server", server, "--json")
        case "token":
            return ("watch", "--from", "earliest", "--keep", str(file), "--max", "1", "--server", server)
    return ("publish", str(file), "--provider", kind, "--server", server)


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    """Raise `Broken` in the midst of what takes longer."""

    def give_up(*_: object) -> None:
        raise Broken(f"a command ends within {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@asynccontextmanager
async def files(folder: Path, run: Run) -> AsyncIterator[Files]:
    """A server process that has a log, and the token of its first position."""
    server = ServerProcess(folder / "files.db", write_config(folder / "files.toml", folder / "files.db"))
    try:
        server.start()
        with Client(server.grpc) as client:
            for number in range(2):
                event = Event(provider="shop", message_id=f"m{number}", recipient="a@b", type=EventType.EVENT_TYPE_SENT)
                published = client.publish_batch([event])
                if number == 0:
                    token = published.resume_token.encode()
        yield Files(folder, run, server.grpc, token)
    finally:
        server.kill()


assert json.loads(encode(_EVENT)) == _EVENT
