"""What the webhooks' HTTP surface answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from msgstate_server.domain.decision import Payload
from msgstate_server.domain.errors import Draining, IngestQueueFull, StoreUnavailable, Unavailable
from msgstate_server.domain.events import EventType
from msgstate_server.webhooks import app
from msgstate_server.webhooks.app import build_app
from msgstate_server.webhooks.credentials import Credentials
from msgstate_server.webhooks.providers import PROVIDERS
from tests.webhooks.conftest import RecordedIngest
from tests.webhooks.provider_samples import samples_of
from tests.webhooks.samples import NOW, cloudmailin, emailit_v1, emailit_v2
from tests.webhooks.test_credentials import basic, signature

SECONDS = NOW // 1_000_000
USER = httpx.BasicAuth("user", "password")
SHOP = httpx.BasicAuth("shop", "password")
GOOD = {name: samples_of(name).delivery for name in PROVIDERS}
every_provider = pytest.mark.parametrize("provider", sorted(PROVIDERS))


class Readiness:
    """Whether the service is ready, as a test wants it."""

    def __init__(self) -> None:
        self.ready = True

    def __call__(self) -> bool:
        return self.ready


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
async def http(
    ingest: RecordedIngest,
    credentials: dict[tuple[str, str], Credentials],
    clock: Callable[[], int],
    readiness: Readiness,
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(ingest, credentials, clock, readiness), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://msgstate") as client:
        yield client


@every_provider
@pytest.mark.parametrize("account", ["", "shop"])
async def test_a_webhook_is_kept_and_counted(
    http: httpx.AsyncClient, ingest: RecordedIngest, provider: str, account: str
) -> None:
    """Its events and its raw body are submitted at once, labelled with the account; the answer counts them."""
    path = f"/webhooks/{provider}/{account}".rstrip("/")

    answer = await http.post(path, content=GOOD[provider], auth=SHOP if account else USER)

    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "duplicates": 0, "quarantined": 0, "ignored": 0}
    (submission,) = ingest.submissions
    assert submission.payload == Payload(provider, account, NOW, GOOD[provider])
    (candidate,) = submission.candidates
    assert candidate.event.type is EventType.DELIVERED
    assert candidate.event.received_time == NOW
    assert candidate.event.attributes.metadata == ({"account": account} if account else {})


@every_provider
async def test_the_same_webhook_again_is_a_duplicate(http: httpx.AsyncClient, provider: str) -> None:
    """A webhook that is sent again is answered as well as the first."""
    await http.post(f"/webhooks/{provider}", content=GOOD[provider], auth=USER)

    answer = await http.post(f"/webhooks/{provider}", content=GOOD[provider], auth=USER)

    assert answer.status_code == 200
    assert answer.json() == {"accepted": 0, "duplicates": 1, "quarantined": 0, "ignored": 0}


async def test_good_bad_and_ignored_parts_are_one_submission(http: httpx.AsyncClient, ingest: RecordedIngest) -> None:
    """A bad part is named and goes to quarantine with the whole body; the good ones count beside it."""
    body = json.dumps([emailit_v2("email.delivered"), {"type": "domain.created"}, 5, emailit_v1("email.loaded")])

    answer = await http.post("/webhooks/emailit", content=body, auth=USER)

    reason = "an event must be an object; found a number"
    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 2,
        "duplicates": 0,
        "quarantined": 1,
        "ignored": 1,
        "problems": [{"pointer": "/2", "reason": reason}],
    }
    (submission,) = ingest.submissions
    assert [tuple(problem) for problem in map(_fields, submission.problems)] == [("/2", reason)]
    assert submission.payload is not None
    assert submission.payload.body == body.encode()


def _fields(problem: Any) -> tuple[str, str]:
    return problem.pointer, problem.reason


async def test_what_breaks_a_limit_is_quarantined(http: httpx.AsyncClient, ingest: RecordedIngest) -> None:
    """An id that is too long is not cut: the answer says what is wrong with it."""
    answer = await http.post("/webhooks/cloudmailin", content=cloudmailin("open", message_id="x" * 999), auth=USER)

    assert answer.json()["quarantined"] == 1
    assert answer.json()["problems"][0]["pointer"] == "/events/0"
    assert answer.json()["problems"][0]["reason"] == "message_id must be at most 998 bytes; found 999"
    assert ingest.submissions[0].candidates == []


async def test_at_most_ten_problems_are_named(http: httpx.AsyncClient, ingest: RecordedIngest) -> None:
    """The answer counts every problem and names the first ten; all are kept."""
    answer = await http.post("/webhooks/emailit", content=json.dumps([None] * 12), auth=USER)

    assert answer.json()["quarantined"] == 12
    assert [problem["pointer"] for problem in answer.json()["problems"]] == [f"/{index}" for index in range(10)]
    assert len(ingest.submissions[0].problems) == 12


@pytest.mark.parametrize("body", [b'[{"type":"domain.created"}]', b"[]"])
async def test_nothing_to_keep_is_not_submitted(http: httpx.AsyncClient, ingest: RecordedIngest, body: bytes) -> None:
    """A body with nothing to track is acknowledged, and nothing is kept."""
    answer = await http.post("/webhooks/emailit", content=body, auth=USER)

    assert answer.status_code == 200
    assert ingest.submissions == []


@every_provider
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("", {}),
        ("", basic("user:wrong")),
        ("", basic("shop:password")),
        ("/shop", basic("user:password")),
        ("/unknown", basic("user:password")),
        ("", signature("whsec_shop", body=b"{}")),
        ("", signature("whsec_main", body=b"[]")),
        ("", signature("whsec_main", SECONDS - 301, body=b"{}")),
    ],
)
async def test_without_right_credentials_nothing_is_kept(
    http: httpx.AsyncClient, ingest: RecordedIngest, provider: str, path: str, headers: dict[str, str]
) -> None:
    """Wrong credentials and an unknown account are answered alike, and nothing is kept."""
    answer = await http.post(f"/webhooks/{provider}{path}", content=b"{}", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="msgstate"'
    assert answer.json() == {"error": "The webhook needs the credentials that are configured for it."}
    assert ingest.submissions == []


@every_provider
async def test_a_signature_lets_a_webhook_in(http: httpx.AsyncClient, ingest: RecordedIngest, provider: str) -> None:
    """The signature of the raw body does in place of a password, per account."""
    body = GOOD[provider]

    main = await http.post(f"/webhooks/{provider}", content=body, headers=signature("whsec_main", body=body))
    shop = await http.post(f"/webhooks/{provider}/shop", content=body, headers=signature("whsec_shop", body=body))

    assert (main.status_code, shop.status_code) == (200, 200)
    assert len(ingest.submissions) == 2


@every_provider
async def test_while_no_credentials_are_configured_nothing_is_let_in(
    ingest: RecordedIngest, clock: Callable[[], int], provider: str
) -> None:
    """A service without credentials refuses every webhook."""
    transport = httpx.ASGITransport(build_app(ingest, {}, clock, lambda: True))
    async with httpx.AsyncClient(transport=transport, base_url="http://msgstate", auth=USER) as client:
        answer = await client.post(f"/webhooks/{provider}", content=GOOD[provider])

    assert answer.status_code == 401
    assert ingest.submissions == []


async def test_credentials_are_judged_before_the_body_is_read(http: httpx.AsyncClient) -> None:
    """A request that no password and no signature can let in is refused with its body unread."""
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(b"{}")
        yield b"{}"

    answer = await http.post("/webhooks/emailit", content=body())

    assert answer.status_code == 401
    assert read == []


@pytest.mark.parametrize("path", ["/webhooks/mailpigeon", "/webhooks/mailpigeon/shop"])
async def test_an_unknown_provider_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    """An unknown provider is answered with the known ones, with or without credentials."""
    answer = await http.post(path, content=b"{}", auth=USER)

    assert answer.status_code == 404
    assert answer.json() == {"error": "There is no provider of that name; known: cloudmailin, emailit."}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/webhooks/emailit", 405),
        ("PUT", "/webhooks/emailit/shop", 405),
        ("POST", "/healthz", 405),
        ("GET", "/webhooks/mailpigeon/", 404),
        ("POST", "/webhooks", 404),
        ("GET", "/", 404),
    ],
)
async def test_other_methods_and_paths_are_refused(
    http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """A wrong method or path is refused in JSON, and never redirected."""
    answer = await http.request(method, path)

    assert answer.status_code == status
    assert isinstance(answer.json()["error"], str)


async def test_a_compressed_body_is_refused(http: httpx.AsyncClient, ingest: RecordedIngest) -> None:
    """A body with a content encoding is refused, since no provider sends one."""
    answer = await http.post("/webhooks/emailit", content=b"x", auth=USER, headers={"content-encoding": "gzip"})

    assert answer.status_code == 415
    assert ingest.submissions == []


@pytest.mark.parametrize(
    ("error", "retry_after", "header"),
    [
        (IngestQueueFull("The ingest queue is full."), 0.2, "1"),
        (IngestQueueFull("The ingest queue is full."), 0.0, "1"),
        (Draining("The server is shutting down."), 1.0, "1"),
        (StoreUnavailable("The store is away."), 2.5, "3"),
    ],
)
async def test_what_cannot_be_kept_now_is_to_be_sent_again(
    http: httpx.AsyncClient, ingest: RecordedIngest, error: Unavailable, retry_after: float, header: str
) -> None:
    """While nothing can become durable the provider is told when to try again."""
    error.retry_after = retry_after
    ingest.error = error

    answer = await http.post("/webhooks/cloudmailin", content=GOOD["cloudmailin"], auth=USER)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == header
    assert answer.json() == {"error": str(error)}


async def test_a_webhook_that_is_not_committed_in_time_is_to_be_sent_again(
    http: httpx.AsyncClient, ingest: RecordedIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider hears so before it gives up by itself."""
    monkeypatch.setattr(app, "COMMIT_SECONDS", 0.05)
    monkeypatch.setattr(ingest, "submit", lambda *_: asyncio.Event().wait())

    answer = await http.post("/webhooks/cloudmailin", content=GOOD["cloudmailin"], auth=USER)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"error": "the webhook could not be committed in time"}


async def test_bodies_that_are_being_read_are_bounded_together(
    http: httpx.AsyncClient, ingest: RecordedIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held before a signature can be judged has one bound for all, and is given free again."""
    monkeypatch.setattr(app, "HELD_BYTES", 1_000)
    headers = {"x-emailit-signature": "x", "x-emailit-timestamp": str(NOW // 1_000_000)}
    for _ in range(3):
        refused = await http.post("/webhooks/emailit", content=b"x" * 1_001, headers=headers)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert (await http.post("/webhooks/emailit", content=b"x" * 1_000, headers=headers)).status_code == 401
    assert ingest.submissions == []
    assert (await http.post("/webhooks/cloudmailin", content=GOOD["cloudmailin"], auth=USER)).status_code == 200


async def test_a_fault_of_ours_is_not_taken_for_success(http: httpx.AsyncClient, ingest: RecordedIngest) -> None:
    """An unexpected error is a 500 in JSON that shows nothing of itself."""
    ingest.error = RuntimeError("secret")

    answer = await http.post("/webhooks/cloudmailin", content=GOOD["cloudmailin"], auth=USER)

    assert answer.status_code == 500
    assert answer.json() == {"error": "msgstate failed; post the webhook again."}


async def test_health_and_readiness(http: httpx.AsyncClient, readiness: Readiness) -> None:
    """The process is healthy while it runs, and ready as its caller says."""
    assert (await http.get("/healthz")).text == "ok\n"
    assert (await http.get("/readyz")).status_code == 200
    readiness.ready = False
    assert (await http.get("/healthz")).status_code == 200
    assert (await http.get("/readyz")).status_code == 503
