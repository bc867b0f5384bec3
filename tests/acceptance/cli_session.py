import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from subprocess import CompletedProcess

from tests.acceptance.in_process import run
from tests.acceptance.server_process import ServerProcess, write_config

_BASIC = "Basic " + b64encode(b"hook:secret").decode()


class Session:
    """A server of its own, and the commands that are called on it."""

    def __init__(self, folder: Path) -> None:
        self.server = ServerProcess(
            folder / "msgstate.db", write_config(folder / "server.toml", folder / "msgstate.db")
        )
        self.server.start()

    def call(self, *arguments: str, stdin: str = "", folder: Path | None = None) -> CompletedProcess[str]:
        """Run a command on the server."""
        return run(*arguments, stdin=stdin, folder=folder, MSGSTATE_SERVER=self.server.grpc)

    def publish(self, *lines: str) -> None:
        """Publish events, all of which must be taken."""
        result = self.call("publish", "-", stdin="".join(lines))
        assert result.returncode == 0, result

    def post(self, provider: str, body: bytes) -> dict[str, object]:
        """Post a webhook, which must be taken; gives the server's counts."""
        host, port = self.server.http.rsplit(":", 1)
        connection = HTTPConnection(host, int(port), timeout=10)
        try:
            connection.request("POST", f"/webhooks/{provider}", body, {"Authorization": _BASIC})
            response = connection.getresponse()
            answer: dict[str, object] = json.loads(response.read())
        finally:
            connection.close()
        assert response.status == 200, answer
        return answer

    def cloudmailin(self, *events: dict[str, object]) -> dict[str, object]:
        """Post a webhook of CloudMailin's with these events."""
        return self.post("cloudmailin", json.dumps({"events": events}).encode())


def serving(folder: Path) -> Iterator[Session]:
    """A session whose server ends with it."""
    session = Session(folder)
    try:
        yield session
    finally:
        session.server.kill()


def event(message_id: str, recipient: str, event_type: str, **fields: object) -> str:
    """One line of JSON, as `publish` takes it."""
    named = {"provider": "own", "messageId": message_id, "recipient": recipient, "type": f"EVENT_TYPE_{event_type}"}
    return json.dumps(named | fields) + "\n"


def kind(name: str, message_id: str, recipient: str, **fields: object) -> dict[str, object]:
    """One event of a webhook of CloudMailin's."""
    return {"kind": name, "message_id": message_id, "recipient": recipient} | fields


def column(lines: Sequence[str], number: int) -> list[str]:
    """The cells of one column of plain rows."""
    return [line.split("  ")[number].strip() for line in lines]
