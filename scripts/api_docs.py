"""Print docs/api.md: the contract, from the comments of the protos."""
# ruff: noqa: INP001  (a script, not a package)

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

ROOT: Final = Path(__file__).parents[1]
# The order in which a newcomer needs them.
FILES: Final = ("event_service", "message_status_service", "admin_service", "event", "status", "log")
HEAD: Final = Path(__file__).with_name("api_head.md")

_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
"""The places of these lists in a file's descriptor; those of a message's and an enum's own lists are all 2."""
_MEMBERS: Final = 2
_SCALARS: Final = {
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_INT32: "int32",
    FieldDescriptorProto.TYPE_INT64: "int64",
}

Place: TypeAlias = tuple[int, ...]


def descriptors() -> FileDescriptorSet:
    """The protos with their comments."""
    buf = Path(sys.executable).with_name("buf")
    command = [str(buf), "build", "--as-file-descriptor-set", "-o", "-"]
    return FileDescriptorSet.FromString(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603


class File:
    """One proto file's part of the page."""

    def __init__(self, proto: FileDescriptorProto) -> None:
        self.proto = proto
        self._comments = {
            tuple(location.path): location.leading_comments.strip() for location in proto.source_code_info.location
        }

    def services(self) -> Iterator[str]:
        """A section for each service, with a part for each of its rpcs."""
        for number, service in enumerate(self.proto.service):
            yield f"### {service.name}\n\n{self._text(_SERVICES, number)}\n"
            yield from self._methods(service, number)

    def messages(self) -> Iterator[str]:
        """A section for each message, with a row for each field."""
        for number, message in enumerate(self.proto.message_type):
            yield f"### {message.name}\n\n{self._text(_MESSAGES, number)}\n"
            if message.field:
                yield "\n".join(self._fields(message, number)) + "\n"

    def enums(self) -> Iterator[str]:
        """A section for each enum, with a row for each value."""
        for number, enum in enumerate(self.proto.enum_type):
            yield f"### {enum.name}\n\n{self._text(_ENUMS, number)}\n"
            yield "\n".join(self._values(enum, number)) + "\n"

    def _methods(self, service: ServiceDescriptorProto, number: int) -> Iterator[str]:
        for index, method in enumerate(service.method):
            taken = _streamed(method.client_streaming, _link(method.input_type))
            given = _streamed(method.server_streaming, _link(method.output_type))
            yield f"#### {method.name}\n\n{taken} → {given}\n\n{self._text(_SERVICES, number, _MEMBERS, index)}\n"

    def _fields(self, message: DescriptorProto, number: int) -> Iterator[str]:
        yield "| field | number | type | |\n| --- | --- | --- | --- |"
        for index, field in enumerate(message.field):
            what = self._cell(_MESSAGES, number, _MEMBERS, index)
            yield f"| `{field.name}` | {field.number} | {_type(message, field)} | {what} |"

    def _values(self, enum: EnumDescriptorProto, number: int) -> Iterator[str]:
        yield "| value | number | |\n| --- | --- | --- |"
        for index, value in enumerate(enum.value):
            yield f"| `{value.name}` | {value.number} | {self._cell(_ENUMS, number, _MEMBERS, index)} |"

    def _text(self, *place: int) -> str:
        """A comment as paragraphs; the protos' line breaks are those of their own width."""
        paragraphs = re.split(r"\n\s*\n", self._comments[place])
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

    def _cell(self, *place: int) -> str:
        """A comment as the cell of a table."""
        return self._text(*place).replace("\n\n", "<br>").replace("|", "\\|")


def _streamed(streams: bool, link: str) -> str:
    return f"stream of {link}" if streams else link


def _link(type_name: str) -> str:
    name = type_name.rpartition(".")[2]
    if type_name.startswith(".google."):
        return f"google.protobuf.{name}"
    return f"[{name}](#{name.lower()})"


def _type(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    entry = next((nested for nested in message.nested_type if field.type_name.endswith(f".{nested.name}")), None)
    if entry is not None:
        key, value = (_SCALARS[part.type] for part in entry.field)
        return f"map of {key} to {value}"
    name = _SCALARS[field.type] if field.type in _SCALARS else _link(field.type_name)
    if field.HasField("oneof_index"):
        return f"{name}, one of `{message.oneof_decl[field.oneof_index].name}`"
    return f"list of {name}" if field.label == FieldDescriptorProto.LABEL_REPEATED else name


def page() -> str:
    """The whole page."""
    protos = {Path(proto.name).stem: File(proto) for proto in descriptors().file if proto.package == "msgstate.v1"}
    files = [protos.pop(name) for name in FILES]
    assert not protos, f"name these in FILES: {sorted(protos)}"  # noqa: S101  (for who adds a proto)
    parts = [HEAD.read_text(encoding="utf-8"), "## Services\n"]
    parts += [part for file in files for part in file.services()]
    parts += ["## Messages\n", *(part for file in files for part in file.messages())]
    parts += ["## Enums\n", *(part for file in files for part in file.enums())]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
