"""The ports: free, or a msgstate answers there."""

import errno
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from msgstate_server.cli.doctor.finding import Finding, failed, ok, warning
from msgstate_server.settings import EXPOSURE_MEND, WITHOUT_CREDENTIALS, Settings, is_exposed, split_address

_SECONDS: Final = 2.0
_SERVICE: Final = "msgstate.v1.EventService"


def ports(settings: Settings) -> Iterator[Finding]:
    """One finding for each address."""
    yield _port("grpc", settings.grpc, _answers_grpc)
    if is_exposed(settings.grpc):
        yield warning("exposure", f"gRPC on {settings.grpc} {WITHOUT_CREDENTIALS}", EXPOSURE_MEND)
    yield _port("http", settings.http, _answers_http)


def _port(name: str, address: str, answers: Callable[[str], bool]) -> Finding:
    subject = f"{name} port"
    host, port = split_address(name, address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _taken(subject, name, address, answers)
        reason = (error.strerror or str(error)).partition(" (while")[0]
        return failed(subject, f"cannot listen on {address} ({reason})", f"choose another address with --{name}")
    return ok(subject, f"{address} is free" if port else f"{address} takes a port that is free")


def _taken(subject: str, name: str, address: str, answers: Callable[[str], bool]) -> Finding:
    if answers(address):
        return ok(subject, f"a msgstate answers at {address}")
    return failed(subject, f"another program listens on {address}", f"stop it, or choose another address with --{name}")


def _answers_grpc(address: str) -> bool:
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            stub.Check(health_pb2.HealthCheckRequest(service=_SERVICE), timeout=_SECONDS)
        except grpc.RpcError:
            return False
    return True


def _answers_http(address: str) -> bool:
    connection = HTTPConnection(*split_address("http", address), timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return (response.status, response.read(64).strip()) in {
            (HTTPStatus.OK, b"ready"),
            (HTTPStatus.SERVICE_UNAVAILABLE, b"not ready"),
        }
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
