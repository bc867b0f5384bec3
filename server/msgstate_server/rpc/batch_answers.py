"""The answers to a batch of keys: each whole, or what says that it does not fit beside the others."""

from collections.abc import Sequence
from typing import Final

from msgstate.v1 import message_status_service_pb2 as pb
from msgstate_server.domain.errors import MsgstateError, ResponseTooLarge
from msgstate_server.domain.limits import ID_BYTES, RESPONSE_BYTES
from msgstate_server.queries import Answer
from msgstate_server.rpc.conversion import FIELD_OVERHEAD, write_message
from msgstate_server.rpc.errors import write_lookup_error

_TOO_LARGE: Final = ResponseTooLarge("it does not fit into this answer; ask for it alone")


def write_answers(
    response: pb.BatchGetMessageStatusesResponse, keys: Sequence[pb.MessageKey], answers: Sequence[Answer]
) -> None:
    """Write a result for each key, in their order, into a response that has all its other fields.

    Of what is left, the smallest answer to every key that is still to come is kept free.
    """
    smallest = [_smallest(key) for key in keys]
    room = RESPONSE_BYTES - response.ByteSize() - sum(smallest)
    for key, answer, kept in zip(keys, answers, smallest, strict=True):
        result = response.results.add()
        _write(result, key, answer)
        room += kept
        size = _size(result)
        if size > room:
            _write(result, key, _TOO_LARGE)
            size = _size(result)
        room -= size


def _smallest(key: pb.MessageKey) -> int:
    """The bytes that a result takes which says no more than that it does not fit."""
    return min(key.ByteSize(), _LARGEST_KEY_BYTES) + FIELD_OVERHEAD + _TOO_LARGE_BYTES


def _write(result: pb.BatchGetMessageStatusesResult, key: pb.MessageKey, answer: Answer) -> None:
    result.Clear()
    if key.ByteSize() <= ID_BYTES:
        result.key.CopyFrom(key)
    else:
        result.key.message_id = _cut(key.message_id)
        result.key.provider = _cut(key.provider)
    if isinstance(answer, MsgstateError):
        write_lookup_error(result.error, answer)
    else:
        write_message(result.status, answer, RESPONSE_BYTES)


def _cut(text: str) -> str:
    """A text as it was asked; one that is longer than any id is malformed, and only its beginning is told."""
    return text.encode()[:ID_BYTES].decode(errors="ignore")


def _size(result: pb.BatchGetMessageStatusesResult) -> int:
    return result.ByteSize() + FIELD_OVERHEAD


def _without_key(answer: Answer) -> int:
    result = pb.BatchGetMessageStatusesResult()
    _write(result, pb.MessageKey(), answer)
    return _size(result)


_LARGEST_KEY_BYTES: Final = 2 * (ID_BYTES + FIELD_OVERHEAD)
_TOO_LARGE_BYTES: Final = _without_key(_TOO_LARGE)
