"""Webhooks over real HTTP into a running service, and what it answers over gRPC afterwards."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio

from msgstate.v1 import event_pb2, status_pb2
from msgstate_server.app import Service
from tests.engines import ENGINES, Engine, engine_of
from tests.rpc.quarantining import listed, payload, show
from tests.rpc.running import DEADLINE, Client, connected, serving
from tests.webhooks.samples import clicked, cloudmailin, cloudmailin_event, emailit_v1, emailit_v2, seed
from tests.webhooks.test_credentials import basic, signature

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUTH = httpx.BasicAuth("hook", "secret")
REASON = event_pb2.Reason.Value
STATE = status_pb2.State.Value
NOTHING = {"accepted": 0, "duplicates": 0, "quarantined": 0, "ignored": 0}
ONE = NOTHING | {"accepted": 1}


class Running(NamedTuple):
    """One service, over gRPC and over HTTP."""

    service: Service
    grpc: Client
    http: httpx.AsyncClient

    async def post(self, path: str, body: object, **options: Any) -> dict[str, Any]:
        """Post a webhook that is let in, and give the counts of the answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await self.http.post(f"/webhooks/{path}", content=content, **({"auth": AUTH} | options))
        assert answer.status_code == 200, answer.text
        counts: dict[str, Any] = answer.json()
        return counts

    async def recipient(self, message_id: str) -> status_pb2.RecipientStatus:
        """The one recipient of a message."""
        (recipient,) = (await self.grpc.status(message_id)).status.recipients
        return recipient


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    yield from engine_of(request)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with (
        serving(engine.url(tmp_path_factory.mktemp("webhooks"))) as service,
        connected(service.grpc_address) as client,
    ):
        address = f"http://{service.http_address}"
        async with httpx.AsyncClient(base_url=address, timeout=DEADLINE, trust_env=False) as http:
            yield Running(service, client, http)


# The provider's word, then the state it leads to, the milestone it dates, and the reason of its failure or suppression.
CLOUDMAILIN = [
    ("registration", "QUEUED", "queued", ""),
    ("dispatch", "SENT", "sent", ""),
    ("rate_limit", "QUEUED", "queued", ""),
    ("delivery", "DELIVERED", "delivered", ""),
    ("bounce", "FAILED", "failed", "UNSPECIFIED"),
    ("soft_bounce", "QUEUED", "queued", ""),
    ("dispatch_soft_bounce", "QUEUED", "queued", ""),
    ("error", "FAILED", "failed", "PROVIDER_ERROR"),
    ("retries_exhausted", "FAILED", "failed", "UNSPECIFIED"),
    ("open", "ENGAGED", "engaged", ""),
    ("read", "ENGAGED", "engaged", ""),
    ("click", "ENGAGED", "engaged", ""),
    ("auto_reply", "DELIVERED", "delivered", ""),
    ("bounce_reply", "ENGAGED", "engaged", ""),
    ("suppressed", "SUPPRESSED", "suppressed", "UNSPECIFIED"),
    ("rate_limited", "QUEUED", "queued", ""),
    ("dispatch_bounce", "FAILED", "failed", "UNSPECIFIED"),
    ("complaint", "DELIVERED", "delivered complained", ""),
    ("blocked", "SUPPRESSED", "suppressed", "SUPPRESSION_LIST"),
    ("spamd", "SUPPRESSED", "suppressed", "SPAM"),
    ("process", "QUEUED", "queued", ""),
    ("a_kind_of_tomorrow", "QUEUED", "", ""),
]
EMAILIT_V1 = [
    ("email.delivery.sent", "DELIVERED", "delivered", ""),
    ("email.delivery.hardfail", "FAILED", "failed", "UNSPECIFIED"),
    ("email.delivery.softfail", "QUEUED", "queued", ""),
    ("email.delivery.bounce", "FAILED", "failed", "UNSPECIFIED"),
    ("email.delivery.error", "QUEUED", "queued", ""),
    ("email.delivery.held", "QUEUED", "queued", ""),
    ("email.delivery.delayed", "QUEUED", "queued", ""),
    ("email.loaded", "ENGAGED", "engaged", ""),
    ("email.link.clicked", "ENGAGED", "engaged", ""),
    ("email.delivery.tomorrow", "QUEUED", "", ""),
]
EMAILIT_V2 = [
    ("email.accepted", "QUEUED", "queued", ""),
    ("email.scheduled", "QUEUED", "queued", ""),
    ("email.attempted", "QUEUED", "queued", ""),
    ("email.delivered", "DELIVERED", "delivered", ""),
    ("email.bounced", "FAILED", "failed", "UNSPECIFIED"),
    ("email.failed", "FAILED", "failed", "UNSPECIFIED"),
    ("email.rejected", "SUPPRESSED", "suppressed", "UNSPECIFIED"),
    ("email.suppressed", "SUPPRESSED", "suppressed", "SUPPRESSION_LIST"),
    ("email.canceled", "SUPPRESSED", "suppressed", "CANCELED"),
    ("email.held", "SUPPRESSED", "suppressed", "UNSPECIFIED"),
    ("email.loaded", "ENGAGED", "engaged", ""),
    ("email.clicked", "ENGAGED", "engaged", ""),
    ("email.complained", "DELIVERED", "delivered complained", ""),
    ("email.unsubscribed", "DELIVERED", "delivered unsubscribed", ""),
    ("email.resubscribed", "QUEUED", "", ""),
    ("email.tomorrow", "QUEUED", "", ""),
]
OPENS = {"open", "email.loaded"}
CLICKS = {"click", "email.link.clicked", "email.clicked"}
PROVISIONAL = {"error", "email.failed"}
MILESTONES = ["queued", "sent", "delivered", "engaged", "failed", "suppressed", "complained", "unsubscribed"]

Body = Callable[[str, str], object]


def cloudmailin_body(word: str, message_id: str) -> object:
    """A CloudMailin webhook about one message."""
    return {"events": [cloudmailin_event(word, message_id=message_id)]}


def emailit_v1_body(word: str, message_id: str) -> object:
    """An Emailit webhook of the first version."""
    return emailit_v1(word, {"message_id": f"<{message_id}>", "id": f"{message_id}-number", "token": message_id})


def emailit_v2_body(word: str, message_id: str) -> object:
    """An Emailit webhook of the second version."""
    return [emailit_v2(word, id=message_id)]


ROWS = [
    (provider, body, *row)
    for provider, body, rows in (
        ("cloudmailin", cloudmailin_body, CLOUDMAILIN),
        ("emailit", emailit_v1_body, EMAILIT_V1),
        ("emailit", emailit_v2_body, EMAILIT_V2),
    )
    for row in rows
]


@pytest.mark.parametrize(
    ("provider", "body", "word", "state", "milestones", "reason"),
    ROWS,
    ids=[f"{row[1].__name__}-{row[2]}" for row in ROWS],
)
async def test_every_word_leads_to_its_state_and_facts(  # noqa: PLR0913, PLR0917  (a row of the tables)
    running: Running, provider: str, body: Body, word: str, state: str, milestones: str, reason: str
) -> None:
    """One webhook makes one recipient, in the state of the provider's table and with its facts and no others."""
    message_id = f"{body.__name__}-{word}"

    assert await running.post(provider, body(word, message_id)) == ONE

    shown = await running.recipient(message_id)
    assert (shown.provider, shown.message_id, shown.version) == (provider, message_id, 1)
    assert shown.state == STATE(f"STATE_{state}")
    assert [name for name in MILESTONES if shown.HasField(f"{name}_time")] == milestones.split()  # type: ignore[arg-type]
    assert (shown.open_count, shown.click_count) == (word in OPENS, word in CLICKS)
    assert shown.HasField("failure") == (state == "FAILED")
    assert shown.HasField("suppression") == (state == "SUPPRESSED")
    if reason:
        cause = shown.failure if state == "FAILED" else shown.suppression
        assert cause.reason == REASON(f"REASON_{reason}")
    if state == "FAILED":
        assert shown.failure.final == (word not in PROVISIONAL)


async def test_held_for_the_suppression_list_is_suppressed(running: Running) -> None:
    """Emailit v1 says in its details alone why it holds a message."""
    part = emailit_v1("email.delivery.held", {"message_id": "held"}, details="Recipient is on the suppression list")

    assert await running.post("emailit", part) == ONE
    assert (await running.grpc.status("held")).status.aliases == ["3131351548", "a654h0s56dh4a06"]

    shown = await running.recipient("held")
    assert (shown.state, shown.suppression.reason) == (status_pb2.STATE_SUPPRESSED, event_pb2.REASON_SUPPRESSION_LIST)
    assert shown.suppression.detail == "Recipient is on the suppression list"


@pytest.mark.parametrize(
    "part",
    [
        emailit_v1("email.delivery.sent", {"type": "incoming", "message_id": "ignored"}),
        emailit_v2("email.received", id="ignored"),
        {"event_id": "e", "type": "domain.created", "data": {"object": {"id": "ignored"}}},
    ],
)
async def test_what_is_not_tracked_is_acknowledged(running: Running, part: object) -> None:
    """Received mail and other families count as ignored, and leave nothing."""
    assert await running.post("emailit", [part]) == NOTHING | {"ignored": 1}


async def test_a_failure_says_what_the_server_replied(running: Running) -> None:
    """Codes and text of an Emailit v2 attempt are on the status."""
    told = {"smtp_code": 550, "smtp_enhanced_code": "5.1.1", "smtp_response": "550 5.1.1 no such user"}
    await running.post("emailit", [emailit_v2("email.bounced", id="replied", **told)])

    assert (await running.recipient("replied")).failure == status_pb2.Failure(
        reason=event_pb2.REASON_INVALID_ADDRESS,
        final=True,
        smtp_code=550,
        enhanced_code="5.1.1",
        detail="550 5.1.1 no such user",
    )


async def test_the_samples_as_they_stand(running: Running) -> None:
    """Three are taken in; the click sample, no JSON, goes to quarantine; mended, it is the third event of one id."""
    assert await running.post("cloudmailin", seed("cloudmailin-registration.json")) == ONE
    assert await running.post("emailit", seed("emailit-delivery.json")) == ONE
    assert await running.post("emailit", seed("emailit-loaded.json")) == ONE
    refused = await running.post("emailit", seed("emailit-clicked.json"))
    assert {**refused, "problems": None} == NOTHING | {"quarantined": 1, "problems": None}
    assert refused["problems"][0]["pointer"] == ""
    assert "not JSON" in refused["problems"][0]["reason"]
    assert await running.post("emailit", clicked()) == ONE
    for again in (seed("emailit-delivery.json"), seed("emailit-loaded.json"), clicked()):
        assert await running.post("emailit", again) == NOTHING | {"duplicates": 1}

    registered = await running.recipient("b47c8008-84af-47aa-b39a-b0a3f358a0ee")
    assert (registered.recipient, registered.state) == ("debug@smtp", status_pb2.STATE_QUEUED)
    for asked in ("[email\xa0protected]", "<[email\xa0protected]>"):
        shown = await running.recipient(asked)
        assert (shown.state, shown.version) == (status_pb2.STATE_ENGAGED, 2)
        assert (shown.open_count, shown.click_count) == (1, 1)
        assert shown.delivered_time.ToMicroseconds() == shown.engaged_time.ToMicroseconds() == 1_727_431_826_041_502
    kept = [b"".join((await show(running.grpc, each)).chunks) for each in await listed(running.grpc, page_size=1_000)]
    assert kept.count(seed("emailit-clicked.json")) == 1


async def test_a_webhook_of_many_parts_keeps_the_good_ones(running: Running) -> None:
    """Bad parts are counted and named; the same webhook again finds the good ones as duplicates."""
    parts: list[object] = [emailit_v2("email.delivered", id=f"part{number}") for number in range(3)]
    parts[1:1] = [5, {"type": "email.delivered"}, emailit_v2("email.delivered", id="part", to=""), ["nested"]]

    first = await running.post("emailit", parts)
    again = await running.post("emailit", parts)

    assert (first["accepted"], first["duplicates"], first["quarantined"]) == (3, 0, 4)
    assert (again["accepted"], again["duplicates"], again["quarantined"]) == (0, 3, 4)
    assert [problem["pointer"] for problem in first["problems"]] == ["/1", "/2", "/3", "/4"]
    for number in range(3):
        assert (await running.recipient(f"part{number}")).state == status_pb2.STATE_DELIVERED


async def test_brackets_are_taken_off_on_every_way_in(running: Running) -> None:
    """An id in several pairs of brackets is found without them, by webhook as in a look-up."""
    assert await running.post("cloudmailin", cloudmailin("delivery", message_id="<<twice>>")) == ONE
    assert (await running.grpc.status("<<twice>>")).status.message_id == "twice"


async def test_a_value_that_cannot_be_decoded_leaves_the_others_standing(running: Running) -> None:
    """Beside an event that is nested 10,000 deep, the good ones of its webhook count."""
    body = {"events": [cloudmailin_event("delivery", message_id=name) for name in ("shallow-1", "deep", "shallow-2")]}
    body["events"][1]["details"] = "HERE"
    nested = b"[" * 10_000 + b"]" * 10_000
    counts = await running.post("cloudmailin", json.dumps(body).encode().replace(b'"HERE"', nested))
    assert (counts["accepted"], counts["quarantined"]) == (2, 1)
    assert counts["problems"][0]["pointer"] == "/events/1"
    for name in ("shallow-1", "shallow-2"):
        assert (await running.recipient(name)).state == status_pb2.STATE_DELIVERED


async def test_the_raw_body_is_kept_beside_its_events(running: Running) -> None:
    """Byte for byte, with its provider and account, at every position that it brought; a duplicate keeps none."""
    body = b'\n { "events" : [%b, %b ] }' % (
        json.dumps(cloudmailin_event("dispatch", message_id="raw")).encode(),
        json.dumps(cloudmailin_event("delivery", message_id="raw")).encode(),
    )
    started = time.time_ns() // 1_000
    await running.post("cloudmailin", body)
    last = (await running.recipient("raw")).position

    for position in (last - 1, last):
        first, *rest = await payload(running.grpc, position)
        assert (first.provider, b"".join(response.chunk for response in rest)) == ("cloudmailin", body)
        assert started <= first.received_time.ToMicroseconds() <= time.time_ns() // 1_000


NESTED = b'{"events": [{"kind": "open", "recipient": "a@b", "message_id": "deep", "details": %b}]}' % (
    b"[" * 10_000 + b"]" * 10_000
)
NO_ID: list[object] = [None, True, "", [[1]], {}, {"a": []}]
NO_OBJECT: list[object] = [*NO_ID, 0, -1.5, "word"]


def misshapen() -> list[tuple[str, object]]:
    """Bodies that are nothing at all, then those with a value of a wrong kind at each level, one problem in each."""
    bodies: list[tuple[str, object]] = [
        ("cloudmailin", b""),
        ("emailit", b""),
        ("cloudmailin", b"\xff\xfe"),
        ("emailit", b"{"),
    ]
    bodies += [("cloudmailin", NESTED), ("emailit", b"[" * 10_000 + b"]" * 10_000), ("emailit", b'{"a":' * 10_000)]
    event, report = cloudmailin_event("open"), emailit_v1("email.loaded")
    for value in NO_OBJECT:
        bodies += [("cloudmailin", value), ("cloudmailin", {"events": value}), ("cloudmailin", {"events": [value]})]
        bodies += [("emailit", value), ("emailit", [value]), ("emailit", report | {"object": value})]
        bodies.append(("emailit", report | {"object": {"email": value}}))
    bodies += [("emailit", report | {"type": value}) for value in [*NO_ID, [], 0, "word"]]
    for value in [*NO_ID, []]:
        bodies += [("cloudmailin", {"events": [event | {name: value}]}) for name in event]
        bodies += [("emailit", emailit_v1("email.loaded", {name: value})) for name in ("message_id", "to")]
        bodies += [("emailit", emailit_v2("email.loaded", **{name: value})) for name in ("id", "to")]
    return bodies


async def test_nothing_that_is_posted_stops_the_service(running: Running) -> None:
    """Wrong types at every level and deep nesting go to quarantine with 200; nothing of them is guessed."""
    for provider, body in misshapen():
        counts = await running.post(provider, body)
        assert (counts["accepted"], counts["quarantined"]) == (0, 1), (provider, body, counts)
        assert counts["problems"][0]["reason"]

    assert await running.post("cloudmailin", cloudmailin("delivery", message_id="still there")) == ONE
    assert (await running.recipient("still there")).state == status_pb2.STATE_DELIVERED


BODY = json.dumps([emailit_v2("email.delivered", id="signed")]).encode()


Headers = dict[str, str]


def signed(secret: str, skew: int = 0, body: bytes = BODY) -> Callable[[int], Headers]:
    """A signature so many seconds off the time at which it is posted."""
    return lambda now: signature(secret, now + skew, body)


def basic_auth(*pair: str) -> Callable[[int], Headers]:
    """A user and password, or no credentials."""
    return lambda _: basic(*pair) if pair else {}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("cloudmailin", basic_auth()),
        ("cloudmailin", basic_auth("hook:wrong")),
        ("cloudmailin", signed("whsec_test")),
        ("cloudmailin/shop", basic_auth("hook:secret")),
        ("emailit", basic_auth()),
        ("emailit", basic_auth("hook")),
        ("emailit", signed("whsec_other")),
        ("emailit", signed("whsec_test", body=BODY + b" ")),
        ("emailit", signed("whsec_test", -400)),
        ("emailit", signed("whsec_test", 400)),
        ("emailit/shop", signed("whsec_test")),
    ],
)
async def test_without_the_right_credentials_nothing_is_kept(
    running: Running, path: str, headers: Callable[[int], Headers]
) -> None:
    """401, whether they are missing, wrong, another provider's or account's, or out of the window of the clock."""
    before = (await running.grpc.publish()).resume_token

    answer = await running.http.post(f"/webhooks/{path}", content=BODY, headers=headers(int(time.time())))

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert (await running.grpc.publish()).resume_token == before


async def test_a_signature_within_the_window_lets_in(running: Running) -> None:
    """HMAC over the raw body, up to five minutes off either way; sent again it is a duplicate."""
    now = int(time.time())
    answers = [
        await running.post("emailit", BODY, auth=None, headers=signature("whsec_test", now + skew, BODY))
        for skew in (0, -290, 290)
    ]

    assert answers == [ONE, NOTHING | {"duplicates": 1}, NOTHING | {"duplicates": 1}]
    assert (await running.recipient("signed")).state == status_pb2.STATE_DELIVERED


async def test_an_unknown_provider_is_not_found(running: Running) -> None:
    """404, and the answer names those that are known."""
    answer = await running.http.post("/webhooks/pigeon", content=BODY, auth=AUTH)

    assert answer.status_code == 404
    assert "cloudmailin, emailit" in answer.text
