"""The statuses as the store's tables have them."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import Cause, RecipientStatus
from tests.builders import FACTS
from tests.robustness.tables import Tables

_cause: Final = msgspec.json.Decoder(Cause)
_aliases: Final = msgspec.json.Decoder(list[str])


def statuses(tables: Tables) -> Iterator[RecipientStatus]:
    """Every recipient's."""
    for provider, message_id, recipient, *values in tables.statuses():
        facts: dict[str, Any] = dict(zip(FACTS, values, strict=True))
        facts["evidence"] = Evidence(facts["evidence"])
        for cause in ("failure_cause", "suppression_cause"):
            facts[cause] = None if facts[cause] is None else _cause.decode(facts[cause])
        facts["aliases"] = _aliases.decode(facts["aliases"])
        yield RecipientStatus(provider, message_id, recipient, **facts)
