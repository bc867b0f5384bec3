"""When a message that is waited for is there, and when it cannot get there any more."""

from collections.abc import Collection, Iterable
from typing import Final, TypeAlias

from msgstate._enums import StateName, read_states
from msgstate.errors import WaitFailed, WaitTimeout
from msgstate.v1.message_status_service_pb2 import GetMessageStatusRequest
from msgstate.v1.status_pb2 import MessageStatus, State

Until: TypeAlias = "StateName | Collection[StateName]"
"""The state to wait for, or several."""

SETTLED: Final = frozenset({State.STATE_DELIVERED, State.STATE_FAILED, State.STATE_SUPPRESSED})
"""The states in which nothing more has to happen."""

_PROGRESS: Final = (State.STATE_QUEUED, State.STATE_SENT, State.STATE_DELIVERED, State.STATE_ENGAGED)


class WaitRules:
    """What counts as the end of a wait."""

    def __init__(self, until: Until, *, provisional: bool) -> None:
        wanted = set(read_states([until] if isinstance(until, int | str) else until, "until"))
        if not wanted or not wanted <= set(State.values()) - {State.STATE_UNSPECIFIED}:
            raise ValueError("until must be a State such as State.STATE_DELIVERED, or a collection of them")
        self._wanted = wanted
        earliest = min((place for place, state in enumerate(_PROGRESS) if state in wanted), default=len(_PROGRESS))
        self._enough = wanted | set(_PROGRESS[earliest:])
        self._provisional = provisional

    def is_met(self, status: MessageStatus, *, final: bool) -> bool:
        """Whether the wait is over; `final` is whether a recipient failed for good.

        Raises `WaitFailed` where it never can be.
        """
        if status.state != State.STATE_FAILED:
            return status.state in self._enough
        if State.STATE_FAILED in self._wanted:
            return final or self._provisional
        if final:
            raise WaitFailed(f"{_name(status)} failed for good and cannot become {self._text}: see .status", status)
        return False

    def timeout(self, wanted: GetMessageStatusRequest, seconds: float, status: MessageStatus | None) -> WaitTimeout:
        """The error of a wait that took too long."""
        if status is None:
            whose = f" and recipient {wanted.recipient!r}" if wanted.recipient else ""
            name = f"ref {wanted.message_ref!r}" if wanted.message_ref else f"id or alias {wanted.message_id!r}"
            known = f"no message with the {name}{whose} was seen"
        elif status.state in self._wanted:
            known = f"{_name(status)} is provisionally {_word(status.state)} (provisional=True takes that)"
        else:
            known = f"{_name(status)} is {_word(status.state)}"
        return WaitTimeout(
            f"{known} after {seconds:g} s, not {self._text}: wait longer, or look at its history", status
        )

    @property
    def _text(self) -> str:
        return " or ".join(_words(self._wanted))


def _name(status: MessageStatus) -> str:
    return f"{status.provider}/{status.message_id}"


def _words(states: Iterable[State.ValueType]) -> list[str]:
    return [_word(state) for state in sorted(states)]


def _word(state: State.ValueType) -> str:
    return State.Name(state).removeprefix("STATE_")
