"""Emailit's webhooks, of both versions: a body is told apart part by part, by its words and its shape."""

from collections.abc import Sequence
from typing import Final

from msgstate_server.domain.events import Event
from msgstate_server.webhooks.providers import emailit_v1, emailit_v2
from msgstate_server.webhooks.providers.decoding import Unreadable
from msgstate_server.webhooks.providers.reading import Part, Provider, array_parts
from msgstate_server.webhooks.providers.values import as_object, kind, member

_EMAIL: Final = "email."
_V1_FAMILIES: Final = ("email.delivery.", "email.link.")


def _parts(body: object) -> Sequence[Part]:
    if isinstance(body, list):
        return array_parts("", body)
    return [Part("", as_object(body, "the body, if it is no array,"))]


def _events(value: object, received_time: int) -> Sequence[Event]:
    part = as_object(value, "an event")
    word = part.get("type")
    if not isinstance(word, str) or "." not in word:
        found = repr(word[:60]) if isinstance(word, str) else kind(word)
        raise Unreadable(f"type must be a family and a word, such as 'email.delivered'; found {found}")
    if not word.startswith(_EMAIL):
        return []
    events = emailit_v1.events if _is_v1(word, part) else emailit_v2.events
    return events(EMAILIT.name, word, part, received_time)


def _is_v1(word: str, part: dict[str, object]) -> bool:
    """Whether the first version says it: some words are in both, but only its reports hold an email and no kind."""
    if word.startswith(_V1_FAMILIES):
        return True
    report = part.get("object")
    return isinstance(member(report, "email"), dict) and not (member(report, "object") or member(report, "email_id"))


EMAILIT: Final = Provider("emailit", _parts, _events)
"""Emailit, which reports on what it sends."""
