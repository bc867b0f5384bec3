"""Page tokens: good for the list that they were given out for, in any order of its filter, and for no other."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.opaque_token import seal
from msgstate_server.domain.states import State
from msgstate_server.domain.validation import Violation
from msgstate_server.queries import Listing
from msgstate_server.store.protocol import MessageKey, StatusFilter
from msgstate_server.watch.token import Token

LOG = b"0123456789abcdef"
WANTED = StatusFilter(frozenset(State), frozenset({"a", "b", "c"}), "m", "r", 1, 2)
LISTING = Listing(LOG, "List", WANTED)


@pytest.mark.parametrize("place", [0, 1, 20_000, 2**63 - 1])
def test_a_place_comes_back(place: int) -> None:
    """What was given out is read again, from text that needs no quoting in a URL."""
    token = LISTING.token(place)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert LISTING.place(token) == place


def test_the_ends_have_no_token() -> None:
    """The beginning is asked for with an empty token, and the end has one."""
    assert LISTING.token(None) == ""
    assert LISTING.place("") is None


def test_order_and_doubles_make_no_other_list() -> None:
    """A filter is its sets: how their values were listed does not count."""
    same = Listing(LOG, "List", StatusFilter(frozenset(reversed(State)), frozenset("cbaabc"), "m", "r", 1, 2))
    assert same.place(LISTING.token(7)) == 7


@pytest.mark.parametrize(
    "other",
    [
        Listing(b"another log's id", "List", WANTED),
        Listing(LOG, "ListOther", WANTED),
        Listing(LOG, "List", WANTED._replace(states=frozenset({State.SENT}))),
        Listing(LOG, "List", WANTED._replace(providers=frozenset({"a", "b"}))),
        Listing(LOG, "List", WANTED._replace(message_id="r", recipient="m")),
        Listing(LOG, "List", WANTED._replace(updated_after=None)),
        Listing(LOG, "List", (MessageKey("acme", "m"), "r")),
        Listing(LOG, "List", StatusFilter()),
    ],
)
def test_a_token_of_another_list_is_refused(other: Listing) -> None:
    """The log, the rpc and each part of the filter count."""
    with pytest.raises(InvalidRequest) as caught:
        LISTING.place(other.token(7))
    (violation,) = caught.value.violations
    assert violation.field == "page_token"
    assert violation.description.startswith("is of another list: ")


TOKEN = LISTING.token(7)
DATA = urlsafe_b64decode(TOKEN)


@pytest.mark.parametrize(
    "forged",
    [
        *(TOKEN[:place] + ("A" if TOKEN[place] != "A" else "B") + TOKEN[place + 1 :] for place in range(len(TOKEN))),
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN + "=",
        " " + TOKEN,
        TOKEN.swapcase(),
        "A",
        "🎟" * 9,
        "x" * 5_000,
        urlsafe_b64encode(DATA[:-1]).decode(),
        urlsafe_b64encode(b"\2" + DATA[1:]).decode(),
        seal(b"\2" + DATA[1:-4]),
        seal(DATA[:-5]),
        Token(LOG, 7, b"8 bytes.").encode(),
    ],
)
def test_a_changed_token_is_refused(forged: str) -> None:
    """Any change is noticed and said."""
    with pytest.raises(InvalidRequest) as caught:
        LISTING.place(forged)
    shown = repr(forged if len(forged) <= 60 else forged[:60] + "…")
    description = f"must be a next_page_token that msgstate gave out, unchanged; found {shown}"
    assert caught.value.violations == (Violation("page_token", description),)
