"""The HTTP surface that may face the internet: webhooks of providers, and whether the process is alive and ready."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from msgstate_server.domain import limits
from msgstate_server.domain.decision import Disposition, Intake, Outcome, Payload, Problem, Submission
from msgstate_server.domain.errors import Unavailable
from msgstate_server.ingest import RefusalLog
from msgstate_server.webhooks.credentials import Credentials
from msgstate_server.webhooks.intake import take_in
from msgstate_server.webhooks.providers import PROVIDERS

BODY_SECONDS: Final = 15.0
"""How long a client may take to send its body; with the wait to commit, less than the 30 seconds that Emailit waits."""
COMMIT_SECONDS: Final = 10.0
"""How long a request waits to be committed; the provider is then asked to send it again."""
HELD_BYTES: Final = 67_108_864
"""Bytes of all bodies that are held at a time, from their arrival to their commit."""
READ_INLINE_BYTES: Final = 65_536
"""Larger bodies are read in a thread."""
READERS: Final = 2
"""Threads that read large bodies; the others wait for their turn."""
PROBLEMS_NAMED: Final = 10

_MICROSECONDS: Final = 1_000_000


TakeRoom: TypeAlias = Callable[[int], None]
"""Takes room for so many bytes of a body; raises where there is no more."""


class Ingest(Protocol):
    """Where events go to become durable."""

    async def submit(self, submission: Submission, timeout: float | None = None) -> list[Outcome]:  # noqa: ASYNC109
        """Return when the submission is durable, one outcome per candidate; raise `Unavailable` where it cannot be."""


class Webhooks:
    """Takes the webhooks of every provider; `credentials` are by provider and account, empty for the provider's own.

    `clock` gives microseconds since 1970.
    """

    def __init__(
        self,
        ingest: Ingest,
        credentials: Mapping[tuple[str, str], Credentials],
        clock: Callable[[], int],
        refusals: RefusalLog,
    ) -> None:
        self._ingest = ingest
        self._credentials = credentials
        self._clock = clock
        self._refusals = refusals
        self._held = 0
        self._readers = ThreadPoolExecutor(READERS, "msgstate-webhooks")

    async def answer(self, request: Request) -> Response:
        """Answer a request for a webhook's URL: a webhook, or a probe."""
        return await (self.receive if request.method == "POST" else self.probe)(request)

    async def receive(self, request: Request) -> Response:
        """Answer one webhook: 200 only once all of it is durable, understood or in quarantine."""
        provider = request.path_params["provider"]
        account = request.path_params.get("account", "")
        _require_provider(provider)
        try:
            return await self._receive(request, provider, account)
        except HTTPException as error:
            if error.status_code != HTTPStatus.UNAUTHORIZED:
                self._refusals.warn(
                    "a webhook was refused",
                    str(error.status_code),
                    error.detail,
                    provider=provider,
                    account=self._known_account(provider, account),
                    status=str(int(error.status_code)),
                )
            raise

    async def probe(self, request: Request) -> Response:
        """Answer a provider that looks whether the URL is there; credentials are neither needed nor looked at."""
        _require_provider(request.path_params["provider"])
        return PlainTextResponse("ok\n")

    def _known_account(self, provider: str, account: str) -> str:
        """The account if it is configured or none; anybody can post to any other name, so that is not logged."""
        return account if not account or (provider, account) in self._credentials else "(unknown)"

    async def _receive(self, request: Request, provider: str, account: str) -> Response:
        credentials = self._credentials.get((provider, account), Credentials())
        with self._share() as take_room:
            body = await self._authenticated_body(request, credentials, take_room)
            intake = await self._take_in(Payload(provider, account, self._clock(), body))
            submission = intake.submission
            self._warn_of_problems(provider, account, submission.problems)
            outcomes: Sequence[Outcome] = ()
            if submission.candidates or submission.problems:
                outcomes = await self._submit(submission)
        return _JsonLine(_counts(outcomes, submission.problems, intake.ignored))

    def _warn_of_problems(self, provider: str, account: str, problems: Sequence[Problem]) -> None:
        """Warn once of a body that goes to quarantine. Reasons quote what was found, so only their number is logged."""
        if problems:
            self._refusals.warn(
                "a webhook goes to quarantine",
                "",
                f"{len(problems)} of its parts were not understood: see `msgstate quarantine list`",
                provider=provider,
                account=account,
            )

    @contextmanager
    def _share(self) -> Iterator[TakeRoom]:
        """Of the room for all bodies what one takes; it is given free in the end."""
        taken = 0

        def take_room(size: int) -> None:
            nonlocal taken
            taken += size
            self._held += size
            if self._held > HELD_BYTES:
                raise _come_again("too many bodies wait to be read and committed")

        try:
            yield take_room
        finally:
            self._held -= taken

    async def _take_in(self, payload: Payload) -> Intake:
        if len(payload.body) <= READ_INLINE_BYTES:
            return take_in(payload)
        # What takes long to read must not hold up everybody else.
        return await asyncio.get_running_loop().run_in_executor(self._readers, take_in, payload)

    async def _submit(self, submission: Submission) -> Sequence[Outcome]:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                return await self._ingest.submit(submission, COMMIT_SECONDS)
        except Unavailable as error:
            raise _come_again(str(error), error.retry_after) from error
        except TimeoutError:
            raise _come_again("the webhook could not be committed in time") from None

    async def _authenticated_body(self, request: Request, credentials: Credentials, take_room: TakeRoom) -> bytes:
        admitted = credentials.admit(request.headers)
        now = self._clock() // _MICROSECONDS
        if not admitted and not credentials.may_be_signed(request.headers, now):
            self._warn_of_credentials(request, credentials, now)
            raise _unauthorized()
        body = await _body(request, take_room)
        if not admitted and not credentials.signed(request.headers, body):
            self._warn_of_credentials(request, credentials, now)
            raise _unauthorized()
        return body

    def _warn_of_credentials(self, request: Request, credentials: Credentials, now: int) -> None:
        provider, account = request.path_params["provider"], request.path_params.get("account", "")
        kind, cause = credentials.refusal(request.headers, now)
        self._refusals.warn(
            "a webhook was refused",
            kind,
            cause,
            provider=provider,
            account=self._known_account(provider, account),
            status="401",
        )


class _JsonLine(JSONResponse):
    """JSON that ends its line, for those who post by hand."""

    def render(self, content: Any) -> bytes:
        return super().render(content) + b"\n"


def build_app(
    ingest: Ingest,
    credentials: Mapping[tuple[str, str], Credentials],
    clock: Callable[[], int],
    ready: Callable[[], bool],
    refusals: RefusalLog | None = None,
) -> Starlette:
    """The webhooks, `/healthz` and `/readyz` as one application; errors are answered as JSON with one sentence."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        if ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", HTTPStatus.SERVICE_UNAVAILABLE)

    webhooks = Webhooks(ingest, credentials, clock, refusals or RefusalLog())
    paths = [f"/webhooks/{{provider}}{account}{slash}" for account in ("", "/{account}") for slash in ("", "/")]
    app = Starlette(
        routes=[
            *(Route(path, webhooks.answer, methods=["POST", "GET"]) for path in paths),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        exception_handlers={HTTPException: _error, Exception: _error},
    )
    # A provider does not follow a redirect with its body, so a slash at the end has routes of its own.
    app.router.redirect_slashes = False
    return app


async def _body(request: Request, take_room: TakeRoom) -> bytes:
    """The raw body, read no further than its limit."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must not be compressed.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.WEBHOOK_BYTES:
                    raise _too_large()
                take_room(len(chunk))
    except TimeoutError:
        raise HTTPException(
            HTTPStatus.REQUEST_TIMEOUT, "The body took too long to arrive.", {"Connection": "close"}
        ) from None
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The client left before the body was complete.") from None
    return bytes(body)


def _come_again(reason: str, seconds: float = 1) -> HTTPException:
    retry_after = str(max(1, math.ceil(seconds)))
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": retry_after})


def _counts(outcomes: Sequence[Outcome], problems: Sequence[Problem], ignored: int) -> dict[str, object]:
    dispositions = Counter(outcome.disposition for outcome in outcomes)
    counts: dict[str, object] = {
        "accepted": dispositions[Disposition.ACCEPTED],
        "duplicates": dispositions[Disposition.DUPLICATE],
        "quarantined": len(problems),
        "ignored": ignored,
    }
    if problems:
        named = problems[:PROBLEMS_NAMED]
        counts["problems"] = [{"pointer": problem.pointer, "reason": problem.reason} for problem in named]
    return counts


def _unauthorized() -> HTTPException:
    # An account that is not configured is answered alike, so that accounts cannot be probed.
    return HTTPException(
        HTTPStatus.UNAUTHORIZED,
        "The webhook needs the credentials that are configured for it.",
        {"WWW-Authenticate": 'Basic realm="msgstate"'},
    )


def _too_large() -> HTTPException:
    # The connection stays: closed with the rest of the body unread, it would be reset before the answer arrives.
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body must be at most {limits.WEBHOOK_BYTES} bytes.")


def _require_provider(provider: str) -> None:
    if provider not in PROVIDERS:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no provider of that name; known: {_known()}.")


def _known() -> str:
    return ", ".join(sorted(PROVIDERS))


async def _error(_: Request, exception: Exception) -> Response:
    if isinstance(exception, HTTPException):
        return _JsonLine({"error": exception.detail}, exception.status_code, exception.headers)
    return _JsonLine({"error": "msgstate failed; post the webhook again."}, HTTPStatus.INTERNAL_SERVER_ERROR)
