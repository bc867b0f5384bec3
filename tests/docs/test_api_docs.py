import re
import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor
from grpc import StatusCode

from msgstate.v1 import (
    admin_service_pb2,
    event_pb2,
    event_service_pb2,
    log_pb2,
    message_status_service_pb2,
    status_pb2,
)
from msgstate_server.rpc import errors
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text()
FILES: list[FileDescriptor] = [
    module.DESCRIPTOR
    for module in (
        admin_service_pb2,
        event_pb2,
        event_service_pb2,
        log_pb2,
        message_status_service_pb2,
        status_pb2,
    )
]


def section(heading: str) -> str:
    """What stands under a heading, up to the next one."""
    return re.split(r"^#", PAGE.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(heading: str) -> dict[str, int]:
    """The names and numbers in the table under a heading."""
    found = re.findall(r"^\| `(\w+)` \| (\d+) \| .*\w.* \|$", section(heading), re.MULTILINE)
    return {name: int(number) for name, number in found}


def test_the_page_is_fresh() -> None:
    """docs/api.md is what the protos' comments say; `make generate` makes it so."""
    command = [sys.executable, str(ROOT / "scripts" / "api_docs.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed == PAGE


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_page_has_the_whole_contract(file: FileDescriptor) -> None:
    """Every service, rpc, message, field and enum value of the stubs stands on the page."""
    for service in file.services_by_name.values():
        assert section(f"### {service.name}").strip()
        assert [method.name for method in service.methods if not section(f"#### {method.name}").strip()] == []
    for message in file.message_types_by_name.values():
        assert section(f"### {message.name}").strip()
        assert rows(f"### {message.name}") == {field.name: field.number for field in message.fields}
    for enum in file.enum_types_by_name.values():
        assert rows(f"### {enum.name}") == {value.name: value.number for value in enum.values}


def test_the_table_of_errors_has_every_error() -> None:
    """Each error that msgstate raises has a row with its code, its reason and what to do; there is no other row."""
    table = section("## Errors")
    documented = re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \|.*\| \S.* \|$", table, re.MULTILINE)
    codes: dict[Any, StatusCode] = errors._CODES  # noqa: SLF001  (where each error has its code)
    raised = {(code.name, error.reason) for error, code in codes.items()}

    assert sorted(documented) == sorted(raised | {("INTERNAL", "INTERNAL")})
