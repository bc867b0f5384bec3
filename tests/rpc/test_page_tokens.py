"""Page tokens over a real channel: each is good for its own list alone."""

from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from tests.rpc.lists import history_error, history_page, list_error, page
from tests.rpc.running import Client, connected, serving
from tests.rpc.samples import OPENED, Told, event, told

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = Told(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "msgstate", {}, ["page_token"], None)
CHANGED = "page_token: must be a next_page_token that msgstate gave out, unchanged"
ANOTHER = "page_token: is of another list"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def log(shared: Client) -> Client:
    """A client of a service with two messages of several events and recipients."""
    for message_id in ("m", "n"):
        await shared.publish(
            *(event(message_id, OPENED, recipient=f"{number % 3}@x", detail=str(number)) for number in range(9))
        )
    return shared


def forgeries(token: str) -> list[str]:
    """A token with one letter changed, cut, longer, and what never was one."""
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(0, len(token), 3)]
    return [*changed, token[:-3], token + "AAAA", token.swapcase(), "🎟", "x" * 10_000]


async def test_a_changed_token_is_refused(log: Client) -> None:
    """Any change of a token is noticed, by both lists."""
    listed = (await page(log, size=1)).next_page_token
    events = (await history_page(log, "m", size=1)).next_page_token

    for forged in forgeries(listed):
        error = await list_error(log, forged)
        assert told(error) == REFUSED
        assert (error.details() or "").startswith(CHANGED)
    for forged in forgeries(events):
        assert told(await history_error(log, "m", forged)) == REFUSED


async def test_a_token_of_another_list_is_refused(log: Client, tmp_path: Path) -> None:
    """The filter, the message, the rpc and the log are those that the token was given out for."""
    own = (await page(log, size=1, message_id="m")).next_page_token
    events = (await history_page(log, "m", size=1)).next_page_token
    errors = [
        await list_error(log, own),
        await list_error(log, own, message_id="n"),
        await list_error(log, own, recipient="m"),
        await list_error(log, own, message_id="m", providers=["shop"]),
        await list_error(log, events, message_id="m"),
        await history_error(log, "m", own),
        await history_error(log, "n", events),
        await history_error(log, "m", events, recipient="1@x"),
        await history_error(log, "m", events, provider="shop"),
    ]
    async with serving(tmp_path / "other.db") as service, connected(service.grpc_address) as other:
        errors.append(await list_error(other, own, message_id="m"))

    for number, error in enumerate(errors):
        assert told(error) == REFUSED, number
        assert (error.details() or "").startswith(ANOTHER), number


async def test_a_resume_token_is_no_page_token(log: Client) -> None:
    """Tokens of the two kinds are told apart."""
    error = await list_error(log, (await log.publish()).resume_token)

    assert told(error) == REFUSED


async def test_a_token_outlives_the_service(tmp_path: Path) -> None:
    """After a restart a list goes on where it was."""
    async with serving(tmp_path / "msgstate.db") as service, connected(service.grpc_address) as client:
        await client.publish(*(event(f"m{number}") for number in range(5)))
        first = await page(client, size=2)
    async with serving(tmp_path / "msgstate.db") as service, connected(service.grpc_address) as client:
        rest = await page(client, first.next_page_token)

    found = [status.message_id for response in (first, rest) for status in response.recipient_statuses]
    assert found == ["m4", "m3", "m2", "m1", "m0"]
