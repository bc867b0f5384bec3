"""The providers of the demo: they post webhooks over HTTP, each with its own way to prove who it is."""

import json
import secrets
import time
from base64 import b64encode
from http.client import HTTPConnection
from typing import Final, NamedTuple

from msgstate_server.settings import ProviderSettings, split_address
from msgstate_server.webhooks.credentials import sign

POST_SECONDS: Final = 20.0
_COUNTS: Final = {
    "accepted": "accepted",
    "duplicates": "duplicate",
    "quarantined": "quarantined",
    "ignored": "ignored",
}


class Secrets(NamedTuple):
    """What the providers know, made anew for each demo: a user with a password, and Emailit's signing secret."""

    basic: str
    signing: str

    @classmethod
    def make(cls) -> "Secrets":
        """Draw new ones."""
        return cls(f"demo:{secrets.token_hex(8)}", f"whsec_{secrets.token_hex(16)}")

    def settings(self) -> dict[str, ProviderSettings]:
        """What the server is told of them."""
        return {
            "cloudmailin": ProviderSettings(basic=(self.basic,)),
            "emailit": ProviderSettings(basic=(self.basic,), secrets=(self.signing,)),
        }

    def headers(self, provider: str, body: bytes) -> dict[str, str]:
        """Emailit signs, CloudMailin has user and password in the webhook's URL."""
        if provider != "emailit":
            return {"Authorization": "Basic " + b64encode(self.basic.encode()).decode()}
        timestamp = str(int(time.time()))
        signature = sign(self.signing, timestamp, body).decode()
        return {"X-Emailit-Timestamp": timestamp, "X-Emailit-Signature": signature}


def post(address: str, provider: str, body: bytes, known: Secrets) -> str:
    """Post one webhook, and give the server's answer in words."""
    connection = HTTPConnection(*split_address("http", address), timeout=POST_SECONDS)
    headers = {"Content-Type": "application/json"} | known.headers(provider, body)
    try:
        connection.request("POST", f"/webhooks/{provider}", body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    if "error" in answer:
        return f"{response.status} {answer['error']}"
    counts = (f"{answer[counted]} {word}" for counted, word in _COUNTS.items() if answer[counted])
    return f"{response.status} {', '.join(counts)}"
