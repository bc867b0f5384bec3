"""Whatever bytes come, a provider's reading accounts for all of them and never fails."""

import json
import tracemalloc
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgstate_server.domain import limits
from msgstate_server.domain.decision import Payload, Problem
from msgstate_server.domain.validation import violations
from msgstate_server.webhooks.fitting import REPLACED
from msgstate_server.webhooks.intake import take_in, take_in_again
from msgstate_server.webhooks.providers import PROVIDERS
from msgstate_server.webhooks.providers.reading import Reading
from msgstate_server.webhooks.providers.unreadable import Unreadable
from tests.webhooks.provider_samples import samples_of
from tests.webhooks.samples import NOW, cloudmailin_event, emailit_v1, emailit_v2

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


texts = st.text() | st.integers(0, 5_000).flatmap(lambda size: st.sampled_from("xé\0<>@").map(lambda each: each * size))


def members(part: Any) -> list[tuple[dict[str, Any], str]]:
    """Every member of an object and of the objects in it, each with the object that holds it."""
    inner = [place for value in part.values() for place in members(value)] if isinstance(part, dict) else []
    return inner + ([(part, key) for key in part] if isinstance(part, dict) else [])


@st.composite
def damaged(draw: st.DrawFn, provider: str) -> Any:
    """A part of a provider's body in which up to three members are missing or are anything else."""
    part = deepcopy(draw(st.sampled_from(samples_of(provider).parts)))
    for _ in range(draw(st.integers(0, 3))):
        holder, key = draw(st.sampled_from(members(part)))
        holder[key] = draw(texts | values | st.dictionaries(texts, texts, max_size=40))
    return part


def bodies(provider: str) -> st.SearchStrategy[list[Any]]:
    """The parts of a provider's body."""
    return st.lists(damaged(provider) | damaged(provider) | values, max_size=4)


every_provider = pytest.mark.parametrize("provider", sorted(PROVIDERS))


def counted(reading: Reading) -> int:
    """How many parts a reading accounts for, each once."""
    reported = [pointer for pointer, _ in reading.events]
    wrong = [problem.pointer for problem in reading.problems]
    assert len(set(reported) & set(wrong)) == 0
    assert len(set(wrong)) == len(wrong)
    return len(set(reported)) + len(wrong) + reading.ignored


@every_provider
@settings(derandomize=True, deadline=None)
@given(body=st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read(provider: str, body: bytes) -> None:
    """No bytes and no JSON value make reading fail."""
    reading = PROVIDERS[provider].read(body, NOW)

    assert all(problem.reason for problem in reading.problems)


@every_provider
@settings(derandomize=True, deadline=None, max_examples=50)
@given(data=st.data())
def test_every_part_is_counted_once(provider: str, data: st.DataObject) -> None:
    """Each part of a body is among the events, the problems or the ignored, and in no two of them."""
    parts = data.draw(bodies(provider))

    reading = PROVIDERS[provider].read(samples_of(provider).body(parts), NOW)

    if [problem.pointer for problem in reading.problems] != [""]:
        assert counted(reading) == len(parts)


@every_provider
@settings(derandomize=True, deadline=None, max_examples=50)
@given(data=st.data(), account=st.sampled_from(["", "a" * 64]))
def test_what_is_read_enters_or_is_a_problem(provider: str, data: st.DataObject, account: str) -> None:
    """Every event that is read keeps every rule once it is fitted, or becomes a problem that says which it breaks."""
    body = samples_of(provider).body(data.draw(bodies(provider)))
    reading = PROVIDERS[provider].read(body, NOW)

    submission, pointers, ignored = take_in(Payload(provider, account, NOW, body))

    assert ignored == reading.ignored
    assert len(pointers) == len(submission.candidates)
    assert set(pointers) <= {pointer for pointer, _ in reading.events}
    assert len(submission.candidates) + len(submission.problems) == len(reading.events) + len(reading.problems)
    for candidate in submission.candidates:
        assert violations(candidate.event) == []
        assert candidate.event.attributes.metadata.get("account", "") == account


@every_provider
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is empty"),
        (b"\xff", "not JSON"),
        (b'{"events":["\xff"]}', "not UTF-8"),
        (b"{", "not JSON"),
        (b"NaN", "not JSON"),
        (b'["\\ud800"', "not JSON"),
        (b'["\\ud800", NaN]', "not JSON"),
        (b'["\\ud800",' * 10_000, "not JSON"),
        (b'["\\ud800",' * 10_000 + b"1" + b"]" * 9_999, "not JSON"),
        (b"[" * 10_000, "not JSON"),
        (b'{"a' * 10_000, "not JSON"),
        (b"1" * 10_000, "object"),
        (b'"' + b"[" * 10_000 + b'"', "object"),
        (b'"text"', "object"),
        (b"1.5", "object"),
    ],
)
def test_a_body_that_is_not_understood_is_a_problem_as_a_whole(provider: str, body: bytes, reason: str) -> None:
    """What is no JSON, no UTF-8 or not closed is one problem with an empty pointer and a plain reason."""
    reading = PROVIDERS[provider].read(body, NOW)

    assert ([], 0) == (reading.events, reading.ignored)
    (problem,) = reading.problems
    assert problem.pointer == ""
    assert reason in problem.reason


EXCESS = [
    "[" * 10_000 + "]" * 10_000,
    '{"a":' * 10_000 + "1" + "}" * 10_000,
    '[{"b": ' * 5_000 + '"]}"' + "}]" * 5_000,
    "9" * 4_400,
    "-" + "9" * 4_400,
    "[" + "9" * 4_400 + ".5e+7, " + "9" * 4_400 + "]",
    "[" + "1" * 100_000 + "]",
    '["\\ud800", ' + "[" * 10_000 + "]" * 10_000 + "]",
]


@pytest.mark.parametrize("excess", EXCESS)
@pytest.mark.parametrize("field", ["details", "message_id"])
def test_a_value_that_cannot_be_decoded_costs_its_own_event_alone(excess: str, field: str) -> None:
    """Beside an event that is nested without end, or holds a number without end, the others stand."""
    good = [cloudmailin_event("open", message_id=name, details='[{"\\') for name in ("before", "after")]
    parts = [json.dumps(good[0]), json.dumps(cloudmailin_event("click", **{field: "HERE"})), json.dumps(good[1])]
    body = f'{{"events": [{", ".join(parts)}]}}'.replace('"HERE"', excess).encode()

    reading = PROVIDERS["cloudmailin"].read(body, NOW)

    assert [reported.event.message_id for reported in reading.events] == ["before", "after"]
    assert [reported.event.attributes.detail for reported in reading.events] == ['[{"\\'] * 2
    assert reading.problems == [Problem("/events/1", "a value is nested too deeply, or is a number of too many digits")]


@pytest.mark.parametrize("excess", EXCESS)
def test_an_element_that_cannot_be_decoded_costs_no_other(excess: str) -> None:
    """Emailit's arrays are cut at the element that cannot be decoded, whatever it is."""
    good = json.dumps(emailit_v1("email.loaded"))
    reading = PROVIDERS["emailit"].read(f"[{excess}, {good}]".encode(), NOW)

    assert [reported.pointer for reported in reading.events] == ["/1"]
    assert [problem.pointer for problem in reading.problems] == ["/0"]


@pytest.mark.parametrize("half", ["\\ud800", "\\uDFFF", "\\ud83d\\ude00\\ud83d", "\\udc00\\ud800", "\\u0000"])
def test_half_a_character_costs_no_other_event(half: str) -> None:
    """A lone surrogate is taken as U+0000: a problem in an id, replaced and marked in a text."""
    parts = [
        cloudmailin_event("open", details="HALF"),
        cloudmailin_event("open", message_id="HALF"),
        cloudmailin_event("open"),
    ]
    body = json.dumps({"events": parts}).replace("HALF", half).encode()

    submission, _, _ = take_in(Payload("cloudmailin", "", NOW, body))

    spoiled, good = (candidate.event.attributes for candidate in submission.candidates)
    assert "\ufffd" in spoiled.detail
    assert spoiled.metadata == {REPLACED: "detail"}
    assert (good.detail, good.metadata) == ("", {})
    assert [problem.pointer for problem in submission.problems] == ["/events/1"]


def test_half_a_character_leaves_numbers_as_they_came() -> None:
    """A number beyond every float, or of many digits, stands beside half a character as it does without one."""
    parts = [cloudmailin_event("open", message_id=name, details=["LARGE", "LONG", name]) for name in ("HALF", "x")]
    body = json.dumps({"events": parts}).replace('"message_id": "HALF"', '"message_id": "1"').replace("HALF", "\\ud800")
    body = body.replace('"LARGE"', "1e999").replace('"LONG"', "0.1234567890123456789")

    reading = PROVIDERS["cloudmailin"].read(body.encode(), NOW)

    details = [reported.event.attributes.detail for reported in reading.events]
    assert details == ['["1e999","0.1234567890123456789","\\u0000"]', '["1e999","0.1234567890123456789","x"]']
    assert reading.problems == []


@every_provider
def test_a_value_nested_deeply_but_readably_never_fails(provider: str) -> None:
    """At every depth a value is kept or is a problem, even where it can be decoded but not written again."""
    for depth in range(1, 1_100):
        deep = b"[" * depth + b"]" * depth
        event = b'{"kind":"open","recipient":"a@b","message_id":"1","details":%b}' % deep
        part = b'{"type":"email.loaded","object":{"id":"1","object":"email","to":"a@b","meta":%b}}' % deep
        body = b'{"events":[%b]}' % event if provider == "cloudmailin" else part

        reading = PROVIDERS[provider].read(body, NOW)

        assert counted(reading) == 1
        assert depth > 400 or len(reading.events) == 1


@pytest.mark.parametrize("part", [emailit_v1("email.loaded"), emailit_v2("email.loaded")])
def test_a_body_of_too_many_events_is_a_problem_as_a_whole(part: dict[str, Any]) -> None:
    """A body holds as many events as a batch may, and one more is kept whole."""
    most = PROVIDERS["emailit"].read(json.dumps([part] * limits.BATCH_EVENTS).encode(), NOW)
    more = PROVIDERS["emailit"].read(json.dumps([part] * (limits.BATCH_EVENTS + 1)).encode(), NOW)

    assert (len(most.events), len(most.problems)) == (limits.BATCH_EVENTS, 0)
    assert (len(more.events), len(more.problems)) == (0, 1)
    assert "at most 1000 events" in more.problems[0].reason


@every_provider
def test_too_many_parts_are_counted_alone(provider: str) -> None:
    """Of a body of a million parts nothing is made for each of them before it is refused."""
    body = json.loads(samples_of(provider).body([0] * 1_000_000))
    tracemalloc.start()
    with pytest.raises(Unreadable, match="found 1000000"):
        PROVIDERS[provider].parts(body)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000


def test_a_body_that_makes_too_many_events_is_a_problem_as_a_whole() -> None:
    """Events are counted, not only the parts that report them."""
    part = emailit_v2("email.accepted", to=[f"{number}@example.com" for number in range(50)])

    most = PROVIDERS["emailit"].read(json.dumps([part] * 20).encode(), NOW)
    more = PROVIDERS["emailit"].read(json.dumps([part] * 21).encode(), NOW)

    assert (len(most.events), len(most.problems)) == (1_000, 0)
    assert (len(more.events), len(more.problems)) == (0, 1)
    assert "found 1050" in more.problems[0].reason


@every_provider
def test_what_is_read_again_is_the_same(provider: str) -> None:
    """A body from quarantine gives the candidates and problems that it gave at first, with the same keys."""
    payload = Payload(provider, "shop", NOW, samples_of(provider).body([*samples_of(provider).parts, {}]))
    assert take_in_again(payload) == take_in(payload)


def test_another_versions_provider_cannot_be_read() -> None:
    """A body from quarantine whose provider this version does not know says nothing."""
    assert take_in_again(Payload("newer", "", NOW, b"{}")) is None
