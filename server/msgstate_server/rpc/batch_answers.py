"""The answers to a batch of keys. An answer that does not fit is replaced by an error, never truncated."""

from collections.abc import Sequence
from typing import Final

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.errors import MsgstateError, ResponseTooLarge
from msgstate_server.domain.limits import ID_BYTES, RESPONSE_BYTES
from msgstate_server.queries import Answer
from msgstate_server.rpc.conversion import FIELD_OVERHEAD, write_message
from msgstate_server.rpc.errors import write_lookup_error

_TOO_LARGE: Final = ResponseTooLarge("the status does not fit into this response; request it alone")


def write_answers(
    response: pb.BatchGetMessageStatusesResponse, keys: Sequence[pb.MessageKey], answers: Sequence[Answer]
) -> None:
    """Write a result for each key, in request order, into a response whose other fields are already set.

    Reserves room for the smallest possible result of every key that is still to come.
    """
    smallest = [_smallest(key) for key in keys]
    room = RESPONSE_BYTES - response.ByteSize() - sum(smallest)
    for key, answer, reserved in zip(keys, answers, smallest, strict=True):
        result = response.results.add()
        _write(result, key, answer)
        room += reserved
        size = _size(result)
        if size > room:
            _write(result, key, _TOO_LARGE)
            size = _size(result)
        room -= size


def _smallest(key: pb.MessageKey) -> int:
    """The size in bytes of a result that only says that the answer does not fit."""
    return min(key.ByteSize(), _LARGEST_KEY_BYTES) + FIELD_OVERHEAD + _TOO_LARGE_BYTES


def _write(result: pb.BatchGetMessageStatusesResult, key: pb.MessageKey, answer: Answer) -> None:
    result.Clear()
    if key.ByteSize() <= ID_BYTES:
        result.key.CopyFrom(key)
    else:
        result.key.message_id = _truncated(key.message_id)
        result.key.provider = _truncated(key.provider)
    if isinstance(answer, MsgstateError):
        write_lookup_error(result.error, answer)
    else:
        write_message(result.status, answer, RESPONSE_BYTES)


def _truncated(text: str) -> str:
    """The requested text. A text longer than any id is malformed, and only its beginning is returned."""
    return text.encode()[:ID_BYTES].decode(errors="ignore")


def _size(result: pb.BatchGetMessageStatusesResult) -> int:
    return result.ByteSize() + FIELD_OVERHEAD


def _without_key(answer: Answer) -> int:
    result = pb.BatchGetMessageStatusesResult()
    _write(result, pb.MessageKey(), answer)
    return _size(result)


_LARGEST_KEY_BYTES: Final = 2 * (ID_BYTES + FIELD_OVERHEAD)
_TOO_LARGE_BYTES: Final = _without_key(_TOO_LARGE)
