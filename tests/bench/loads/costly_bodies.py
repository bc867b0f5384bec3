"""How long the bodies take that are made to take long: the most processor time of any, as JSON."""

import json
import time

from msgstate_server.domain.decision import Payload
from msgstate_server.webhooks.intake import take_in
from tests.webhooks.costly import COSTLY


def _seconds(body: bytes) -> float:
    begun = time.process_time()
    take_in(Payload("emailit", "", 0, body))
    return time.process_time() - begun


if __name__ == "__main__":
    print(json.dumps({"seconds": max(map(_seconds, COSTLY.values()))}))  # noqa: T201
