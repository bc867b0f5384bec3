"""What clients keep for msgstate comes back as it went out, or not at all."""

import pytest

from msgstate_server.domain.opaque_token import seal, unseal


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 16, bytes(range(256))])
def test_what_was_sealed_is_read_again(data: bytes) -> None:
    """Any bytes, in text that needs no quoting in a URL."""
    text = seal(data)
    assert text.replace("-", "").replace("_", "").isalnum()
    assert unseal(text) == data


@pytest.mark.parametrize("place", range(14))
def test_every_letter_counts(place: int) -> None:
    """A text with another letter anywhere was never given out."""
    text = seal(b"secret")
    assert len(text) == 14
    for letter in "AQgw-_":
        changed = text[:place] + letter + text[place + 1 :]
        assert unseal(changed) == (b"secret" if changed == text else None)


@pytest.mark.parametrize("text", ["", "A", "AAAA", "é", "\0", "====", "AAAAAA AA", "AAAAAAA\n"])
def test_what_never_went_out_is_nothing(text: str) -> None:
    """Neither text that is no base64 nor any without its check sum is read."""
    assert unseal(text) is None
