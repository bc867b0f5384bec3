"""What is refused is told in the log, with the cause that an operator needs, and nothing of what was sent."""

import hmac
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from msgstate_server.domain.errors import Unavailable
from msgstate_server.domain.limits import WEBHOOK_BYTES
from msgstate_server.ingest import RefusalLog
from msgstate_server.ingest.refusals import CAUSES, SECONDS
from msgstate_server.webhooks.app import build_app
from msgstate_server.webhooks.credentials import Credentials
from tests.webhooks.conftest import RecordedIngest
from tests.webhooks.samples import NOW

ADDRESS = "ada.lovelace@example.com"
BODY = b'{"events": [{"kind": "delivery", "recipient": "ada.lovelace@example.com", "message_id": "m-1"}]}'
BASIC, BOTH, SIGNED = "cloudmailin", "emailit", "emailit/shop"


class Seconds:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def http(ingest: RecordedIngest, seconds: Seconds) -> AsyncIterator[httpx.AsyncClient]:
    credentials = {
        ("cloudmailin", ""): Credentials(basic=("user:password",)),
        ("emailit", ""): Credentials(basic=("user:password",), secrets=("whsec_one", "whsec_two")),
        ("emailit", "shop"): Credentials(secrets=("whsec_one",)),
    }
    app = build_app(ingest, credentials, lambda: NOW, lambda: True, RefusalLog(seconds))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://msgstate") as client:
        yield client


def basic(pair: str) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def signed(secret: str, *, age: int = 0) -> dict[str, str]:
    timestamp = NOW // 1_000_000 - age
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + BODY, sha256).hexdigest()
    return {"x-emailit-signature": digest, "x-emailit-timestamp": str(timestamp)}


@pytest.mark.parametrize(
    ("url", "headers", "cause"),
    [
        (BASIC, {}, "header Authorization is missing"),
        (BASIC, {"authorization": "Bearer x"}, "header Authorization is not HTTP Basic"),
        (BASIC, basic("user:wrong"), "no basic credential of 1 matched"),
        ("cloudmailin/none", basic("user:password"), "no credentials are configured for this provider and account"),
        (BOTH, {}, "headers X-Emailit-Signature and Authorization are missing"),
        (SIGNED, {}, "header X-Emailit-Signature is missing"),
        (SIGNED, basic("user:password"), "header X-Emailit-Signature is missing, and HTTP Basic is not configured"),
        (SIGNED, {"x-emailit-signature": "x"}, "header X-Emailit-Timestamp is missing"),
        (SIGNED, {"x-emailit-timestamp": "1"}, "header X-Emailit-Signature is missing"),
        (SIGNED, signed("x") | {"x-emailit-timestamp": "now"}, "header X-Emailit-Timestamp is not a number of seconds"),
        (SIGNED, signed("whsec_one", age=412), "signature is 412 s old, and 300 s are allowed: compare the clocks"),
        (
            SIGNED,
            signed("whsec_one", age=-301),
            "signature is dated 301 s ahead, and 300 s are allowed: compare the clocks",
        ),
        (BOTH, signed("whsec_other"), "no secret of 2 matched"),
    ],
)
async def test_a_webhook_without_good_credentials(
    http: httpx.AsyncClient, url: str, headers: dict[str, str], cause: str
) -> None:
    """The log says which credential was wrong and how; the answer is the same for all."""
    with capture_logs() as logs:
        answer = await http.post(f"/webhooks/{url}", content=BODY, headers=headers)
    assert (answer.status_code, answer.json()) == (
        401,
        {"error": "The webhook needs the credentials that are configured for it."},
    )
    assert [(each["log_level"], each["event"], each["cause"]) for each in logs] == [
        ("warning", "a webhook was refused", cause)
    ]


async def test_other_refusals(http: httpx.AsyncClient, ingest: RecordedIngest) -> None:
    """A body that is too large or compressed, and a store that is away, are told with the status of the answer."""
    with capture_logs() as logs:
        await http.post("/webhooks/cloudmailin", content=b"x" * (WEBHOOK_BYTES + 1), headers=basic("user:password"))
        await http.post(
            "/webhooks/cloudmailin", content=BODY, headers=basic("user:password") | {"content-encoding": "gzip"}
        )
        ingest.error = Unavailable("the database cannot be written now")
        await http.post("/webhooks/cloudmailin", content=BODY, headers=basic("user:password"))
    assert [(each["status"], each["cause"]) for each in logs] == [
        ("413", f"The body must be at most {WEBHOOK_BYTES} bytes."),
        ("415", "The body must not be compressed."),
        ("503", "the database cannot be written now"),
    ]


async def test_what_goes_to_quarantine(http: httpx.AsyncClient) -> None:
    """A body that is not understood is one warning, which counts its parts and quotes none of them."""
    body = f'{{"events": [{{"kind": "delivery", "recipient": "{ADDRESS}"}}, 7]}}'
    with capture_logs() as logs:
        answer = await http.post("/webhooks/cloudmailin", content=body, headers=basic("user:password"))
    assert answer.status_code == 200
    assert [(each["event"], each["cause"]) for each in logs] == [
        ("a webhook goes to quarantine", "2 of its parts were not understood: see `msgstate quarantine list`")
    ]


async def test_no_address_or_body_is_logged(http: httpx.AsyncClient) -> None:
    """Nothing that a caller sends shows in the log: no address, body, secret or name of an unknown account."""
    with capture_logs() as logs:
        for url in (f"cloudmailin/{ADDRESS}", "cloudmailin", "emailit"):
            for headers in (basic(f"{ADDRESS}:s3cret"), signed("s3cret"), {}):
                await http.post(f"/webhooks/{url}", content=BODY, headers=headers)
        await http.post("/webhooks/cloudmailin", content=BODY[:-1], headers=basic("user:password"))
    assert len(logs) >= 7
    assert all(word not in str(logs) for word in (ADDRESS, "s3cret", "m-1", "password", "whsec"))


async def test_a_flood_is_one_line_and_a_count(http: httpx.AsyncClient, seconds: Seconds) -> None:
    """A cause is logged once a minute, with a count of those that came meanwhile; another cause is logged at once."""
    with capture_logs() as logs:
        for _ in range(1_000):
            await http.post("/webhooks/cloudmailin", content=BODY)
        await http.post("/webhooks/emailit", content=BODY)
        seconds.now = SECONDS
        await http.post("/webhooks/cloudmailin", content=BODY)
    assert [(each["provider"], each.get("suppressed")) for each in logs] == [
        ("cloudmailin", None),
        ("emailit", None),
        ("cloudmailin", 999),
    ]


def test_causes_are_bounded(seconds: Seconds) -> None:
    """However many causes there are, a bounded number is remembered."""
    refusals = RefusalLog(seconds)
    with capture_logs() as logs:
        for number in range(CAUSES + 10):
            refusals.warn("refused", str(number), "cause")
    assert len(logs) == CAUSES + 10
    assert len(refusals._causes) == CAUSES  # noqa: SLF001


@pytest.mark.parametrize("url", ["cloudmailin", "cloudmailin/", "emailit/shop", "emailit/shop/"])
async def test_a_webhook_url_can_be_probed(http: httpx.AsyncClient, url: str) -> None:
    """HEAD and GET are answered with 200, whatever credentials there are, and a provider that is not known with 404."""
    with capture_logs() as logs:
        for method in ("HEAD", "GET"):
            assert (await http.request(method, f"/webhooks/{url}")).status_code == 200
            assert (await http.request(method, f"/webhooks/un{url}")).status_code == 404
    assert logs == []


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_slash_at_the_end_is_no_matter(http: httpx.AsyncClient, slash: str) -> None:
    """A webhook URL works with a slash at its end as without, and is not redirected."""
    answer = await http.post(f"/webhooks/cloudmailin{slash}", content=BODY, headers=basic("user:password"))
    signed_answer = await http.post(f"/webhooks/emailit/shop{slash}", content=BODY, headers=signed("whsec_one"))
    found: list[Any] = [answer.status_code, answer.json()["accepted"], signed_answer.status_code]
    assert found == [200, 1, 200]
