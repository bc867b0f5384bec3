"""Resume tokens: what clients keep comes back, and nothing else is taken for one."""

import string
from base64 import urlsafe_b64encode
from hashlib import blake2b
from struct import pack

import pytest

from msgstate_server.domain.errors import InvalidRequest
from msgstate_server.domain.log import Head
from msgstate_server.watch.token import Token

TOKEN = Token(bytes(range(16)), 1_234_567, b"\xfe\xdc\xba\x98\x76\x54\x32\x10")
ALPHABET = string.ascii_letters + string.digits + "-_"


@pytest.mark.parametrize("position", [0, 1, 1_000_000, 2**63 - 1])
@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"a"])
def test_round_trip(position: int, byte: bytes) -> None:
    """A token that went out comes back the same, as 50 characters that need no escape in a URL."""
    token = Token(byte * 16, position, byte * 8)
    text = token.encode()
    assert Token.decode(text) == token
    assert len(text) == 50
    assert set(text) <= set(ALPHABET)


def test_token_of_the_head() -> None:
    """The head's token is its log, position and fingerprint."""
    head = Head(bytes(16), 7, 1, b"12345678", 3, b"abcdefgh")
    assert Token.at(head) == Token(bytes(16), 7, b"12345678")


def refusal(text: str) -> str:
    """Why a text is no token."""
    with pytest.raises(InvalidRequest) as caught:
        Token.decode(text)
    (violation,) = caught.value.violations
    assert violation.field == "resume_token"
    return violation.description


@pytest.mark.parametrize("index", range(50))
def test_tampered_token_is_refused(index: int) -> None:
    """With any one character changed to any other it is no token."""
    text = TOKEN.encode()
    for character in set(ALPHABET) - {text[index]}:
        refusal(text[:index] + character + text[index + 1 :])


TEXT = TOKEN.encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT[1:],
        TEXT[:25],
        TEXT + "A",
        TEXT + "==",
        TEXT + "\n",
        " " + TEXT,
        TEXT[:10] + "!" + TEXT[10:],
        TEXT[:10] + "+" + TEXT[11:],
        TEXT * 2,
        "é" * 50,
        "\0" * 50,
        "\U0001f600",
        "=" * 50,
    ],
)
def test_other_text_is_refused(text: str) -> None:
    """What is cut, longer, dressed up or something else altogether is no token."""
    assert refusal(text).startswith("must be a token that msgstate gave out, unchanged; found ")


def test_token_of_another_version_is_refused() -> None:
    """A token of a later layout is refused, though its check is right."""
    data = pack(">B16sq8s", 2, *TOKEN)
    text = urlsafe_b64encode(data + blake2b(data, digest_size=4).digest()).decode().rstrip("=")
    refusal(text)


def test_long_text_is_cut_in_the_refusal() -> None:
    """What is shown of a long text is its beginning."""
    assert len(refusal("x" * 100_000)) < 200
