"""Payloads as the providers document them, and small ones of every kind."""

import json
from pathlib import Path
from typing import Any

SEEDS = Path(__file__).parent / "seeds"

MICROSECONDS = 1_000_000
NOW = 1_727_431_900 * MICROSECONDS
"""When every test's webhook is received: shortly after the samples' own times."""


def seed(name: str) -> bytes:
    """A document or a sample of it, byte for byte."""
    return (SEEDS / name).read_bytes()


def clicked() -> bytes:
    """Emailit's click sample with its stray comma taken out, without which it is not JSON."""
    return seed("emailit-clicked.json").replace(b'"https://emailit.dev",', b'"https://emailit.dev"')


def cloudmailin_event(kind: str, **fields: Any) -> dict[str, Any]:
    """A part of a CloudMailin body."""
    return {"kind": kind, "recipient": "debug@smtp", "message_id": "b47c8008", **fields}


def cloudmailin(kind: str, **fields: Any) -> bytes:
    """A CloudMailin body with one event."""
    return json.dumps({"events": [cloudmailin_event(kind, **fields)]}).encode()


def emailit_v1(word: str, email: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A part of an Emailit v1 body."""
    named = {
        "id": 3131351548,
        "token": "a654h0s56dh4a06",
        "type": "outgoing",
        "message_id": "<1@example.com>",
        "to": "to@example.com",
    }
    return {"event_id": "1", "type": word, "object": {"email": named | (email or {}), **fields}}


def emailit_v2(word: str, **fields: Any) -> dict[str, Any]:
    """A part of an Emailit v2 body about an email."""
    report = {"id": "em_1", "object": "email", "to": "to@example.com", **fields}
    return {"event_id": "evt_1", "type": word, "data": {"object": report}, "object": report}
