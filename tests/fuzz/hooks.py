"""The webhooks as targets: bodies of any bytes, parts of any shape beside a good one, heads of any kind."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette

from msgstate_server.ingest import Ingest, Quarantine
from msgstate_server.store.opening import open_store
from msgstate_server.store.protocol import Store
from msgstate_server.webhooks.app import build_app
from msgstate_server.webhooks.credentials import Credentials
from msgstate_server.webhooks.intake import take_in_again
from tests.fuzz.asgi import Answer, Headers, call
from tests.fuzz.choices import Choices
from tests.fuzz.oddities import TEXTS, edited, encode, mutated
from tests.fuzz.promise import require
from tests.webhooks.samples import clicked, cloudmailin_event, emailit_v1, emailit_v2, seed

PROVIDERS: Final = ("cloudmailin", "emailit")
BASIC: Final = b"Basic " + base64.b64encode(b"hook:secret")
SECRET: Final = b"whsec_test"
PARTS: Final[dict[str, list[dict[str, Any]]]] = {
    "cloudmailin": [
        json.loads(seed("cloudmailin-registration.json"))["events"][0],
        cloudmailin_event("bounce", details={"smtp_code": 550, "response": "550 5.1.1 no"}, timestamp="1727431872"),
        cloudmailin_event("suppressed", details="spam", original_message_id=7),
    ],
    "emailit": [
        json.loads(seed("emailit-delivery.json")),
        json.loads(seed("emailit-loaded.json")),
        json.loads(clicked()),
        emailit_v1("email.delivery.held", details="suppression list", timestamp=1_727_431_872.9302),
        emailit_v2("email.accepted", to=["a@b", "c@d"], meta={"a": "b"}),
        emailit_v2("email.attempted", smtp_code="451", smtp_response="451 4.4.1 later", updated_at="2026-11-21"),
        emailit_v2("email.clicked", link={"id": "1", "url": "https://a"}, email={"id": "em_2", "meta": None}),
    ],
}
BODIES: Final = [(b"\0", encode({"events": PARTS["cloudmailin"]})), (b"\1", encode(PARTS["emailit"]))]
ANSWERS: Final = {200, 400, 401, 404, 405, 408, 411, 413, 415, 431}
_COUNTS: Final = ("accepted", "duplicates", "quarantined", "ignored")


class Hooks:
    """The application over a real store."""

    def __init__(self, app: Starlette, store: Store, quarantine: Quarantine) -> None:
        self._app = app
        self._store = store
        self._quarantine = quarantine
        self._numbers = itertools.count()

    async def body(self, data: bytes) -> None:
        """A body of any bytes, after one that says whose: it is answered 200, and so is a good one after it."""
        provider = PROVIDERS[data[0] % 2] if data else PROVIDERS[0]
        answer = await self._post(provider, data[1:])
        counts = _counts(answer)
        require(any(counts.values()) or data[1:] in _EMPTY, "every part of a body is counted", answer)
        await self._post_good(provider)

    async def parts(self, data: bytes) -> None:
        """Parts that were tampered with, beside a good one: that is taken, the others are in quarantine or taken."""
        choices = Choices(data)
        provider = choices.pick(PROVIDERS)
        parts = [edited(choices, choices.pick(PARTS[provider])) for _ in range(1 + choices.number(3))]
        message_id, good = self._good(provider)
        parts.insert(choices.number(len(parts) + 1), good)
        body = encode({"events": parts} if provider == "cloudmailin" else parts)
        answer = await self._post(provider, body)
        counts = _counts(answer)
        require(await self._is_taken(message_id), "a good part among bad ones is taken", answer, body)
        if counts["quarantined"] and choices.number(4) == 0:
            await self._require_quarantined(body, counts["quarantined"], replay=choices.chance(2))

    async def heads(self, data: bytes) -> None:
        """A good body under any head: answered without fault, let in only by the right credentials."""
        choices = Choices(data)
        message_id, good = self._good("emailit")
        body = encode(good)
        headers, entitled = _head(choices, body)
        path = choices.pick(_PATHS)
        answer = await call(self._app, path, headers, body, choices.pick(_METHODS))
        require(answer.status in ANSWERS, "a head is answered with one of the documented codes", answer, headers, path)
        if not entitled:
            require(not await self._is_taken(message_id), "without credentials nothing gets in", answer, headers)
        await self._post_good("emailit")

    async def _post(self, provider: str, body: bytes) -> Answer:
        answer = await call(self._app, f"/webhooks/{provider}", [(b"authorization", BASIC)], body, "POST")
        require(answer.status == 200, "a body of any bytes is answered 200", answer)
        return answer

    async def _post_good(self, provider: str) -> None:
        message_id, good = self._good(provider)
        answer = await self._post(provider, encode({"events": [good]} if provider == "cloudmailin" else good))
        require(_counts(answer)["accepted"] == 1, "a good body after a bad one is taken", answer)
        require(await self._is_taken(message_id), "what is accepted is found", message_id)

    def _good(self, provider: str) -> tuple[str, dict[str, Any]]:
        message_id = f"good-{next(self._numbers)}"
        if provider == "cloudmailin":
            return message_id, cloudmailin_event("delivery", message_id=message_id)
        return message_id, emailit_v1("email.delivery.sent", {"message_id": message_id})

    async def _is_taken(self, message_id: str) -> bool:
        return bool(await self._store.read_recipients(message_id, "", "", 1))

    async def _require_quarantined(self, body: bytes, count: int, *, replay: bool) -> None:
        page = await self._store.list_quarantine("", include_replayed=False, before=None, limit=_AT_ONCE)
        read = [(found.id, await self._store.read_quarantined(found.id)) for found in page.payloads]
        kept = [id_ for id_, found in read if found is not None and found[1].body == body]
        require(len(kept) == 1, "what is quarantined is kept as it came", kept)
        if replay:
            again = await self._quarantine.replay(kept[0])
            require(len(again.problems) == count, "a replay finds the same problems", again.problems, count)


_AT_ONCE: Final = 50
"""More than the cases that run at a time."""
_EMPTY: Final = {b"[]", b'{"events":[]}'}
_PATHS: Final = (
    "/webhooks/emailit", "/webhooks/emailit/shop", "/webhooks/emailit/", "/webhooks//emailit", "/webhooks/nobody",
    "/webhooks/emailit/a/b", "/webhooks/emailit/\0", "/webhooks/emailit/🫥", "/webhooks/EMAILIT", "/", "", "*",
    "/healthz",
    "/webhooks/emailit/" + "a" * 9_000, "/webhooks/emailit\ufffd",
)  # fmt: skip
_METHODS: Final = ("POST", "GET", "HEAD", "PUT", "OPTIONS", "TRACE", "post", "", "\ufffd")
_NAMES: Final = (
    b"authorization", b"x-emailit-signature", b"x-emailit-timestamp", b"content-length", b"content-encoding",
    b"content-type", b"transfer-encoding", b"host", b"expect", b"cookie", b"",
)  # fmt: skip
_BASES: Final = (
    b"Basic", b"Basic ", b"basic " + BASIC[6:-1], b"Bearer x", b"Basic \xff", b"Basic ====",
    b"Basic " + b"A" * 70_000,
    b"Basic " + base64.b64encode(b":"), b"Basic " + base64.b64encode(b"hook"),
    b"Basic " + base64.b64encode(b"\xff:\0"),
    BASIC + b"A", b"Basic  " + BASIC[6:9], b"gzip", b"identity", b"IDENTITY", b"identity, gzip", b"chunked",
    b"100-continue",
    b"0", b"-1", b"9" * 30, b"\xb2", b"1e3", b"application/json; charset=utf-16", b"\xff\xfe", b"", b" ", b"a" * 64,
)  # fmt: skip


def _head(choices: Choices, body: bytes) -> tuple[Headers, bool]:
    """A head, and whether it has the right credentials."""
    headers: Headers = []
    entitled = choices.chance(4)
    if entitled:
        headers += [(b"authorization", BASIC)] if choices.number(2) else _signed(body, choices)
    for _ in range(choices.number(6)):
        odd = choices.pick(_BASES) if choices.number(4) else choices.pick(TEXTS).encode()
        headers.insert(choices.number(len(headers) + 1), (choices.pick(_NAMES), odd))
    if choices.chance(6):
        now, signature = _signed(body, choices)
        headers += [choices.pick((now, (now[0], now[1] + b"0"), (now[0], b"0"))), (signature[0], signature[1][1:])]
    return headers, entitled


def _signed(body: bytes, choices: Choices) -> Headers:
    now = str(int(time.time())).encode()
    signature = hmac.new(SECRET, now + b"." + body, hashlib.sha256).hexdigest().encode()
    return [
        (b"x-emailit-timestamp", now),
        (b"x-emailit-signature", signature.upper() if choices.number(2) else signature),
    ]


def _counts(answer: Answer) -> dict[str, int]:
    found = answer.json()
    return {name: found[name] for name in _COUNTS}


def some_body(chance: random.Random) -> bytes:
    """A body of a provider's, with its bytes changed."""
    whose, body = chance.choice(BODIES)
    return whose + mutated(chance, body)


@asynccontextmanager
async def hooks(folder: Path) -> AsyncIterator[Hooks]:
    """The application over a new store."""

    def clock() -> int:
        return time.time_ns() // 1_000

    store = await open_store(f"sqlite:///{folder}/hooks.db", clock)
    ingest = Ingest(store)
    running = asyncio.create_task(ingest.run())
    credentials = {(name, ""): Credentials(("hook:secret",), ("whsec_test",)) for name in PROVIDERS}
    app = build_app(ingest, credentials, clock, lambda: True)
    try:
        yield Hooks(app, store, Quarantine(store, ingest, take_in_again))
    finally:
        ingest.drain()
        await running
        await store.close()
