"""JSON bodies in other encodings than plain UTF-8."""

import codecs
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgstate_server.domain.decision import Intake, Payload, Problem
from msgstate_server.domain.limits import WEBHOOK_BYTES
from msgstate_server.webhooks.intake import take_in
from msgstate_server.webhooks.providers import PROVIDERS
from msgstate_server.webhooks.providers.decoding import decode
from tests.webhooks.costly import COSTLY
from tests.webhooks.samples import NOW, cloudmailin_event

MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
"""Each encoding that JSON may use, with its byte order mark."""
every_provider = pytest.mark.parametrize("provider", sorted(PROVIDERS))
every_encoding = pytest.mark.parametrize("encoding", MARKS)
with_or_without_mark = pytest.mark.parametrize("marked", [False, True], ids=["plain", "marked"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def encoded(text: str, encoding: str, *, marked: bool) -> bytes:
    """The text in an encoding, behind its byte order mark if it is to have one."""
    return (MARKS[encoding] if marked else b"") + text.encode(encoding)


def taken_in(provider: str, body: bytes) -> Intake:
    """What is taken in from a body."""
    return take_in(Payload(provider, "", NOW, body))


def reasons(provider: str, body: bytes) -> list[Problem]:
    """What is wrong with a body that has no event."""
    intake = taken_in(provider, body)
    assert ([], 0) == (intake.submission.candidates, intake.ignored)
    return list(intake.submission.problems)


@every_encoding
@with_or_without_mark
@settings(derandomize=True, deadline=None)
@given(value=values, ascii_only=st.booleans())
def test_every_json_value_is_read_in_every_encoding(encoding: str, marked: bool, value: Any, ascii_only: bool) -> None:
    """A JSON value is read alike in UTF-8, UTF-16 and UTF-32, with or without a byte order mark."""
    body = encoded(json.dumps(value, ensure_ascii=ascii_only), encoding, marked=marked)

    assert decode(body).value == value


@every_encoding
@with_or_without_mark
def test_an_event_is_taken_in_from_every_encoding(encoding: str, marked: bool) -> None:
    """An event gives the same candidate in every encoding, and its body is kept as it came."""
    text = json.dumps({"events": [cloudmailin_event("open", details="Größe €😀")]}, ensure_ascii=False)
    body = encoded(text, encoding, marked=marked)

    taken, plain = taken_in("cloudmailin", body).submission, taken_in("cloudmailin", text.encode()).submission

    assert plain.candidates == taken.candidates
    assert ["Größe €😀"] == [candidate.event.attributes.detail for candidate in taken.candidates]
    assert taken.payload is not None
    assert body == taken.payload.body


@every_provider
@pytest.mark.parametrize("content", ["", " \r\n\t"], ids=["nothing", "space"])
@every_encoding
@with_or_without_mark
def test_an_empty_body_is_a_problem_that_says_so(provider: str, content: str, encoding: str, marked: bool) -> None:
    """A body without any content, whatever its encoding, goes to quarantine because it is empty."""
    assert [Problem("", "the body is empty")] == reasons(provider, encoded(content, encoding, marked=marked))


@every_provider
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[[]]".encode("utf-16-le")[:-1], "the body starts as UTF-16 but is not valid UTF-16"),
        (codecs.BOM_UTF16_BE + b"\xd8\x00", "the body starts as UTF-16 but is not valid UTF-16"),
        ("[]".encode("utf-32-be")[:-1], "the body starts as UTF-32 but is not valid UTF-32"),
        ("[".encode("utf-32-le") + b"\xff" * 4, "the body starts as UTF-32 but is not valid UTF-32"),
    ],
)
def test_a_body_in_a_broken_encoding_is_a_problem_that_names_it(provider: str, body: bytes, reason: str) -> None:
    """A body that is cut or broken in UTF-16 or UTF-32 goes to quarantine with the encoding's name."""
    assert [Problem("", reason)] == reasons(provider, body)


def test_a_body_may_not_grow_beyond_the_limit_by_its_conversion() -> None:
    """The largest body in UTF-16 is refused if it exceeds the limit in UTF-8, and converted no further than that."""
    body = codecs.BOM_UTF16_LE + ('["' + "€" * (WEBHOOK_BYTES // 2 - 10) + '"]').encode("utf-16-le")
    tracemalloc.start()
    try:
        problems = reasons("emailit", body)
        sizes = tracemalloc.get_traced_memory()[1] / len(body)
    finally:
        tracemalloc.stop()

    assert [Problem("", "the body must be at most 5242880 bytes as UTF-8")] == problems
    assert sizes < 2.5


@pytest.mark.parametrize("kind", COSTLY)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be"])
def test_a_costly_body_costs_no_more_in_another_encoding(kind: str, encoding: str) -> None:
    """A body of nothing but brackets, texts or numbers is refused in UTF-16 and UTF-32 before it is many values."""
    width = 2 if encoding == "utf-16-le" else 4
    half = COSTLY[kind][: WEBHOOK_BYTES // width]
    body = half.decode().encode(encoding)
    tracemalloc.start()
    try:
        problems = reasons("emailit", body)
        sizes = tracemalloc.get_traced_memory()[1] / len(body)
    finally:
        tracemalloc.stop()

    assert [""] == [problem.pointer for problem in problems]
    assert sizes < 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-be"])
def test_brackets_are_counted_after_the_conversion(encoding: str) -> None:
    """A body with more than 200,000 brackets is refused in every encoding, and one with 200,000 is read."""
    width = len(" ".encode(encoding))
    most, more = "[" + "[]," * 99_998 + "[]]", "[" + "[]," * 99_999 + "[]]"
    assert len(more) * width <= WEBHOOK_BYTES

    assert len(decode(most.encode(encoding)).value) == 99_999  # type: ignore[arg-type]
    assert [Problem("", "the body has too many arrays and objects")] == reasons("emailit", more.encode(encoding))
