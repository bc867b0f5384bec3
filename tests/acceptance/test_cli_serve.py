import contextlib
import http.client
import signal
import socket
import time
from pathlib import Path

import pytest

from msgstate_server.cli import serve
from tests.acceptance import in_process
from tests.acceptance.conftest import StartServer
from tests.acceptance.server_process import READY, ServerProcess, run, wait_until, write_config

FREE = {"MSGSTATE_GRPC": "127.0.0.1:0", "MSGSTATE_HTTP": "127.0.0.1:0"}


def answers(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection(host, int(port))) as connection:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_cleanly(server_process: StartServer, number: signal.Signals) -> None:
    """The server takes calls once its ready line stands there, and a signal ends it with 0 within five seconds."""
    server = server_process()
    assert answers(server.http)
    started = time.monotonic()

    code = server.interrupt(number)

    assert (code, time.monotonic() - started < 5) == (0, True)
    assert len(READY.findall(server.output())) == len(server.output().splitlines()) == 1
    assert "Traceback" not in server.log()


def test_a_second_signal_ends_the_server_at_once(server_process: StartServer) -> None:
    """A second signal does not wait for the calls that the first one lets end."""
    server = server_process()
    host, port = server.http.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as unfinished:
        request = b"POST /webhooks/cloudmailin HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
        unfinished.sendall(request + b"Authorization: Basic aG9vazpzZWNyZXQ=\r\n\r\n{")
        server.send(signal.SIGTERM)
        wait_until(lambda: not answers(server.http), 5, "the server takes no more connections")

        assert server.interrupt(signal.SIGTERM) == 1


def test_the_store_is_kept_from_one_start_to_the_next(server_process: StartServer) -> None:
    """A server that is started again on its store still knows the messages."""
    server = server_process()
    event = '{"provider": "own", "messageId": "m1", "recipient": "a@b.example", "type": "EVENT_TYPE_SENT"}'
    assert in_process.run("publish", "-", stdin=event, MSGSTATE_SERVER=server.grpc).returncode == 0
    server.terminate()

    server.start()

    assert in_process.run("status", "m1", MSGSTATE_SERVER=server.grpc).returncode == 0


def test_precedence(tmp_path: Path) -> None:
    """A flag wins over its variable, the variable over the file, the file over the default."""
    config = tmp_path / "server.toml"
    config.write_text('store = "sqlite:///file.db"\ngrpc = "192.0.2.1:1"\nhttp = "127.0.0.2:0"\n')
    variables = {"MSGSTATE_STORE": "sqlite:///variable.db", "MSGSTATE_GRPC": "127.0.0.1:0"}
    server = ServerProcess(tmp_path, config, ["--store", "sqlite:///flag.db"], tmp_path, variables)

    server.start()

    assert server.terminate() == 0
    assert server.output().endswith("store=sqlite:///flag.db\n")
    assert (tmp_path / "flag.db").exists()
    assert [address.rpartition(":")[0] for address in (server.grpc, server.http)] == ["127.0.0.1", "127.0.0.2"]


def test_a_server_without_settings_says_so(tmp_path: Path) -> None:
    """Without a setting the store is the default; one warning names the section that lets webhooks in."""
    config = tmp_path / "server.toml"
    config.write_text("")
    server = ServerProcess(tmp_path, config, [], tmp_path, FREE)

    server.start()

    assert server.terminate() == 0
    assert server.output().endswith("store=sqlite:///msgstate.db\n")
    assert server.log().count("[webhooks.cloudmailin]") == 1


def test_a_server_with_credentials_does_not_warn(server_process: StartServer) -> None:
    """Where webhooks can come in, nothing is said about credentials."""
    assert "credentials" not in server_process().log()


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    """An address that something else listens on is named with the flag that chooses another, and the exit code is 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        found = {name: run("serve", f"--{name}", address, folder=tmp_path, **_other(name)) for name in ("grpc", "http")}

    reasons = {"grpc": "in use, or not an address here", "http": "Address already in use"}
    for name, result in found.items():
        mend = f"stop what uses it, or choose another address of this machine with --{name}"
        line = f"msgstate: cannot listen on {address} ({reasons[name]}): {mend}\n"
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == line


def _other(name: str) -> dict[str, str]:
    return {variable: address for variable, address in FREE.items() if name.upper() not in variable}


def test_a_second_server_on_a_file_is_refused(server_process: StartServer, tmp_path: Path) -> None:
    """One SQLite file serves one server: another one is told which process holds it."""
    server = server_process()

    result = run("serve", "--config", str(write_config(tmp_path / "second.toml", server.store)))

    assert result.returncode == 1
    assert result.stderr.startswith(f"msgstate: another server (process {server.pid}) already runs on {server.store}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('grpc = "nowhere"', "grpc: must be HOST:PORT"),
        ("colour = 1", "unknown field `colour`"),
        ("store = ", "is not TOML"),
        ('[webhooks.cloudmailin]\nsecrets = ["x"]', "cloudmailin does not sign its webhooks; use basic"),
        ("[webhooks.emailit.accounts.shop]\nbasic = 5", "webhooks.emailit: Expected `array`, got `int`"),
        ('[webhooks.pigeon]\nbasic = ["a:b"]', "must be a provider that msgstate knows"),
        ('store = "mysql://x"', "store: must be sqlite:///FILE"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(
    written: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong in the file is said in one line, and the exit code is that of wrong usage."""
    config = tmp_path / "server.toml"
    config.write_text(f'http = "127.0.0.1:0"\n{written}')

    # A log that is set up here would stay so for the tests that follow.
    monkeypatch.setattr(serve, "configure_logging", lambda: None)

    result = in_process.run("serve", "--config", str(config), folder=tmp_path)

    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_server_that_others_reach_warns(server_process: StartServer) -> None:
    """A gRPC port beyond loopback has no credentials, which one loud line says when the server starts."""
    server = server_process(grpc="0.0.0.0:0")

    assert "has no credentials: whoever reaches it can read and publish everything" in server.log()
    assert "has no credentials" not in server_process().log()
