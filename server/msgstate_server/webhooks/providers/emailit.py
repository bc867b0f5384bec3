"""Emailit's webhooks in both versions; the words and the shape of each part tell its version."""

from collections.abc import Sequence
from typing import Final

from msgstate_server.domain.events import Event
from msgstate_server.webhooks.providers import emailit_v1, emailit_v2
from msgstate_server.webhooks.providers.reading import Part, Provider, array_parts
from msgstate_server.webhooks.providers.unreadable import Unreadable
from msgstate_server.webhooks.providers.values import as_object, member, word_in

_EMAIL: Final = "email."
_V1_FAMILIES: Final = ("email.delivery.", "email.link.")


def _parts(body: object) -> Sequence[Part]:
    if isinstance(body, list):
        return array_parts("", body)
    return [Part("", as_object(body, "the body, unless it is an array,"))]


def _events(value: object, received_time: int) -> Sequence[Event]:
    part = as_object(value, "an event")
    word = word_in(part, "type")
    if "." not in word:
        raise Unreadable(f"`type` must be a family and a word, such as 'email.delivered'; found {word[:60]!r}")
    if not word.startswith(_EMAIL):
        return []
    events = emailit_v1.events if _is_v1(word, part) else emailit_v2.events
    return events(EMAILIT.name, word, part, received_time)


def _is_v1(word: str, part: dict[str, object]) -> bool:
    """Whether a part is of the first version; of the words in both, only its reports hold an email but no kind."""
    if word.startswith(_V1_FAMILIES):
        return True
    report = part.get("object")
    return isinstance(member(report, "email"), dict) and not (member(report, "object") or member(report, "email_id"))


EMAILIT: Final = Provider("emailit", _parts, _events)
"""Emailit, which reports on the email it sends."""
