"""Pages of a list: the page size that a caller gets, and how many items fit into a response."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import Message

from msgstate_server.domain.limits import PAGE_SIZE, PAGE_SIZE_DEFAULT, RESPONSE_BYTES
from msgstate_server.rpc.conversion import FIELD_OVERHEAD, HEADROOM

_Item = TypeVar("_Item")
_Written = TypeVar("_Written", bound=Message)


def read_page_size(asked: int) -> int:
    """The maximum number of items on a page: 0 means the default, values outside the range are clamped."""
    return min(max(asked, 1), PAGE_SIZE) if asked else PAGE_SIZE_DEFAULT


def write_page(
    page: "RepeatedCompositeFieldContainer[_Written]",
    items: Sequence[_Item],
    write: Callable[[_Written, _Item], None],
) -> int:
    """Write as many items as fit into a response, each into a new message of the page; returns their number."""
    size = 0
    for count, item in enumerate(items):
        written = page.add()
        write(written, item)
        size += written.ByteSize() + FIELD_OVERHEAD
        if size > RESPONSE_BYTES - HEADROOM:
            del page[-1]
            return count
    return len(items)
