"""Who may post a webhook, the same for every provider."""

import hmac
from base64 import b64encode
from hashlib import sha256

import pytest

from msgstate_server.webhooks.credentials import TOLERANCE_SECONDS, Credentials, sign
from tests.webhooks.samples import NOW

SECONDS = NOW // 1_000_000
BODY = b'[{"type":"email.delivered"}]'
BOTH = Credentials(basic=("old:secret", "new:pass:word", "no pair"), secrets=("whsec_old", "whsec_new"))


def basic(pair: str, scheme: str = "Basic") -> dict[str, str]:
    """The header that presents a `user:password` pair."""
    return {"authorization": f"{scheme} {b64encode(pair.encode()).decode()}"}


def signature(secret: str, timestamp: object = SECONDS, body: bytes = BODY) -> dict[str, str]:
    """The headers with which Emailit signs a body."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, sha256).hexdigest()
    return {"x-emailit-signature": signed, "x-emailit-timestamp": str(timestamp)}


@pytest.mark.parametrize("pair", ["old:secret", "new:pass:word"])
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_any_configured_pair_is_let_in(pair: str, scheme: str) -> None:
    """Every configured user and password is good, whatever the case of the scheme."""
    assert BOTH.admit(basic(pair, scheme))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Basic"},
        {"authorization": "Basic "},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic \xff\xfe"},
        {"authorization": basic("old:secret")["authorization"].replace("Basic ", "Basic !")},
        basic("old:secret", "Bearer"),
        basic("old:wrong"),
        basic("old:secret "),
        basic("old"),
        basic("no pair"),
        basic(""),
        basic(":"),
        basic("öld:secret"),
    ],
)
def test_anything_else_is_not_let_in(headers: dict[str, str]) -> None:
    """A wrong, malformed or missing pair is refused, and so is what is configured but no pair."""
    assert not BOTH.admit(headers)
    assert not Credentials(basic=("",)).admit(headers)


@pytest.mark.parametrize("secret", ["whsec_old", "whsec_new"])
@pytest.mark.parametrize("seconds", [0, TOLERANCE_SECONDS, -TOLERANCE_SECONDS])
def test_any_configured_secret_signs(secret: str, seconds: int) -> None:
    """A signature made with any of the whole secrets, at most 300 seconds off, is good; hex may be of either case."""
    headers = signature(secret, SECONDS + seconds)
    shouted = headers | {"x-emailit-signature": headers["x-emailit-signature"].upper()}

    assert BOTH.may_be_signed(headers, SECONDS)
    assert BOTH.signed(headers, BODY)
    assert BOTH.signed(shouted, BODY)


@pytest.mark.parametrize("seconds", [TOLERANCE_SECONDS + 1, -TOLERANCE_SECONDS - 1])
def test_an_old_or_early_signature_is_refused(seconds: int) -> None:
    """A signature more than 300 seconds off, either way, is refused before the body is read."""
    assert not BOTH.may_be_signed(signature("whsec_new", SECONDS + seconds), SECONDS)


@pytest.mark.parametrize("timestamp", ["", "now", "1e9", "-1", f"{SECONDS}.0", f" {SECONDS}", "9" * 5_000])
def test_a_malformed_timestamp_is_refused(timestamp: str) -> None:
    """A timestamp that is no plain number of seconds is refused."""
    assert not BOTH.may_be_signed(signature("whsec_new", timestamp), SECONDS)


@pytest.mark.parametrize("missing", ["x-emailit-signature", "x-emailit-timestamp"])
def test_both_headers_are_needed(missing: str) -> None:
    """A signature without its timestamp, or the reverse, is refused."""
    headers = signature("whsec_new")
    del headers[missing]

    assert not BOTH.may_be_signed(headers, SECONDS)


@pytest.mark.parametrize(
    "headers",
    [
        signature("whsec_other"),
        signature("new"),
        signature(""),
        signature("whsec_new", body=BODY + b" "),
        signature("whsec_new") | {"x-emailit-timestamp": str(SECONDS + 1)},
        signature("whsec_new") | {"x-emailit-signature": ""},
        signature("whsec_new") | {"x-emailit-signature": "é"},
        signature("whsec_new") | {"x-emailit-signature": signature("whsec_new")["x-emailit-signature"][:-1]},
    ],
)
def test_a_wrong_signature_is_refused(headers: dict[str, str]) -> None:
    """Another secret, body, timestamp or text is refused, and an empty secret never signs."""
    assert not BOTH.signed(headers, BODY)
    assert not Credentials(secrets=("",)).signed(headers, BODY)


def test_nothing_is_let_in_while_nothing_is_configured() -> None:
    """Without credentials every request is refused, signed or not."""
    assert not Credentials().admit(basic("old:secret"))
    assert not Credentials().may_be_signed(signature(""), SECONDS)
    assert not Credentials().signed(signature(""), BODY)


def test_a_signature_is_over_the_timestamp_a_dot_and_the_raw_body() -> None:
    """The signature equals one that was worked out by openssl."""
    expected = b"3c0cecd82cb6197301c3e5cf7acf66e1f441a790f30a214710d4008d5a61eae6"

    assert sign("whsec_test", "1727431900", b'{"a": 1}') == expected
