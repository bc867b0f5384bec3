"""Pages of a list: how many items a caller may have at once, and how many of them fit into a response."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import Message

from msgstate_server.domain.limits import PAGE_SIZE, PAGE_SIZE_DEFAULT, RESPONSE_BYTES
from msgstate_server.rpc.conversion import FIELD_OVERHEAD, HEADROOM

_Item = TypeVar("_Item")
_Written = TypeVar("_Written", bound=Message)


def read_page_size(asked: int) -> int:
    """How many items a page may have: 0 means the default, others are clamped."""
    return min(max(asked, 1), PAGE_SIZE) if asked else PAGE_SIZE_DEFAULT


def write_page(
    page: "RepeatedCompositeFieldContainer[_Written]",
    items: Sequence[_Item],
    write: Callable[[_Written, _Item], None],
) -> int:
    """Write as many items as fit into a response, each into an empty message of the page; gives how many these are."""
    size = 0
    for count, item in enumerate(items):
        written = page.add()
        write(written, item)
        size += written.ByteSize() + FIELD_OVERHEAD
        if size > RESPONSE_BYTES - HEADROOM:
            del page[-1]
            return count
    return len(items)
