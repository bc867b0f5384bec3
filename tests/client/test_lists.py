"""Lists: statuses by key, statuses by filter, histories; page after page."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import msgstate
from msgstate import Client, MessageKey, State
from tests.acceptance.server_process import ServerProcess
from tests.client.conftest import Connect
from tests.client.samples import BOUNCED, DELIVERED, OPENED, SENT, event

MESSAGES = 1_200


@pytest.fixture(scope="module")
def filled_server(shared_server: ServerProcess) -> ServerProcess:
    """A server with many messages of one provider; every third is delivered."""
    kinds = [SENT if number % 3 else DELIVERED for number in range(MESSAGES)]
    events = [event(f"list-{number}", kind, provider="lists") for number, kind in enumerate(kinds)]
    with Client(shared_server.grpc) as client:
        for first in range(0, MESSAGES, 500):
            client.publish_batch(events[first : first + 500])
    return shared_server


@pytest.fixture
def client(connect: Connect, filled_server: ServerProcess) -> Client:
    """A client of that server."""
    return connect(filled_server.grpc)


def test_statuses_come_in_the_order_of_their_keys(client: Client) -> None:
    """Any number of keys is answered in order, in calls of 500 that are made as they are needed."""
    asked: list[int] = []

    def keys() -> Iterator[str]:
        for number in range(MESSAGES):
            asked.append(number)
            yield f"list-{number}"

    results = client.get_statuses(keys())
    token_before = results.resume_token
    first = next(results)

    assert ("", "list-0", 500) == (token_before, first.status.message_id, len(asked))
    assert [f"list-{number}" for number in range(1, MESSAGES)] == [result.status.message_id for result in results]
    with client.watch(results.resume_token):
        pass


def test_one_bad_key_does_not_spoil_the_others(client: Client) -> None:
    """A key without an answer has an error in its place, which can be raised."""
    found, unknown, invalid = client.get_statuses(["list-0", MessageKey(message_id="list-1", provider="nobody"), ""])

    assert State.STATE_DELIVERED == found.status.state
    assert isinstance(msgstate.error_of(unknown.error), msgstate.MessageNotFound)
    assert isinstance(msgstate.error_of(invalid.error), msgstate.InvalidRequest)
    assert msgstate.error_of(unknown.error).reason == "MESSAGE_NOT_FOUND"


def test_what_one_answer_cannot_hold_is_asked_for_again(connect: Connect, own_server: ServerProcess) -> None:
    """Statuses that do not fit into one answer together all come, each once."""
    client = connect(own_server.grpc)
    recipients = [f"{'r' * 900}{number}@example.com" for number in range(5)]
    names = [f"large-{number}" for number in range(200)]
    large = (event(name, SENT, to, aliases=["a" * 990]) for name in names for to in recipients)
    assert [] == client.publish(large).refused

    assert names == [result.status.message_id for result in client.get_statuses(names)]


def test_a_list_gives_every_page(client: Client) -> None:
    """A list gives what its filter lets pass, newest first, over all pages, with the first page's token."""
    statuses = client.list_statuses(providers=["lists"], states=[State.STATE_DELIVERED], page_size=50)

    listed = [status.message_id for status in statuses]

    assert [f"list-{number}" for number in reversed(range(0, MESSAGES, 3))] == listed
    with client.watch(statuses.resume_token):
        pass


def test_pages_can_be_read_whole_and_gone_on_from(client: Client) -> None:
    """A page carries the token of the next, with which another list goes on."""
    first = next(iter(client.list_statuses(providers=["lists"], page_size=10).pages()))
    second = next(client.list_statuses(providers=["lists"], page_size=10, page_token=first.next_page_token))

    assert 10 == len(first.items)
    assert f"list-{MESSAGES - 11}" == second.message_id


def test_filters_of_a_list_apply(client: Client) -> None:
    """A message id, a recipient and times narrow a list down."""
    now = datetime.now(UTC)

    def count(**wanted: Any) -> int:
        return len(list(client.list_statuses(providers=["lists"], page_size=1_000, **wanted)))

    assert 1 == count(message_id="list-7")
    assert MESSAGES == count(recipient="a@example.com", updated_before=now + timedelta(hours=1))
    assert 0 == count(updated_after=now + timedelta(hours=1))
    with pytest.raises(ValueError, match="updated_after has no time zone"):
        client.list_statuses(updated_after=datetime(2026, 1, 1))  # noqa: DTZ001  (that is the mistake)


def test_a_page_token_of_another_list_is_invalid(client: Client) -> None:
    """A page token with another filter raises InvalidRequest that names it."""
    page = next(iter(client.list_statuses(providers=["lists"], page_size=10).pages()))

    with pytest.raises(msgstate.InvalidRequest) as raised:
        list(client.list_statuses(page_token=page.next_page_token))

    assert ["page_token"] == [field for field, _ in raised.value.violations]


def test_a_history_is_what_happened(client: Client, message_id: str) -> None:
    """A history gives every event in the order of the log, page after page, of all recipients or of one."""
    client.publish_batch([event(message_id, kind, to) for kind in (SENT, OPENED, BOUNCED) for to in ("a@x", "b@x")])

    whole = [entry.event.type for entry in client.get_history(message_id, page_size=1)]
    one = [entry.event.type for entry in client.get_history(message_id, "acme", "b@x")]

    assert [SENT, SENT, OPENED, OPENED, BOUNCED, BOUNCED] == whole
    assert [SENT, OPENED, BOUNCED] == one
    with pytest.raises(msgstate.MessageNotFound):
        list(client.get_history("nobody"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.list_statuses(providers="acme"),
        lambda client: client.get_statuses("order-1"),
        lambda client: client.watch(message_ids="order-1"),
        lambda client: client.watch_events(recipients="a@example.com"),
    ],
    ids=["list", "batch", "watch", "events"],
)
def test_a_str_is_not_several(client: Client, ask: Callable[[Client], object]) -> None:
    """A str where several are meant raises TypeError with the mend: it would be taken for its letters."""
    with pytest.raises(TypeError, match=r"give \['"):
        ask(client)
