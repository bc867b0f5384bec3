"""What a client brings into a program: three libraries, little time, nothing of the server."""

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LIBRARIES = {"googleapis-common-protos", "grpcio", "protobuf"}
ALLOWED = LIBRARIES | {"typing-extensions"}
"""What these may bring in turn: grpcio wants typing-extensions since 1.73."""

LOADED = "import {}, sys; print(*[name.partition('.')[0] for name in sys.modules])"


def output(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def needed(names: Iterable[str]) -> set[str]:
    """The distributions that these need, and what those need in turn, without any extra."""
    found: set[str] = set()
    for name in names:
        wanted = [Requirement(text) for text in requires(name) or ()]
        plain = [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
        found |= {canonicalize_name(each.name) for each in plain}
    return found | needed(found) if found else found


def test_a_light_install_needs_three_libraries() -> None:
    """By its metadata the client needs three libraries, and with what they need it is four."""
    assert needed(["msgstate"]) >= LIBRARIES
    assert needed(["msgstate"]) <= ALLOWED


def test_importing_it_loads_nothing_else() -> None:
    """`import msgstate` loads no module of the server and no library but these."""
    # gRPC loads what else of it is installed.
    before, after = (set(output(LOADED.format(names)).split()) for names in ("grpc, google.protobuf", "msgstate"))

    assert {"msgstate"} == after - before - set(sys.stdlib_module_names)
