"""The statuses as the file has them, read with plain SQLite."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from msgstate_server.domain.states import Evidence
from msgstate_server.domain.status import Cause, RecipientStatus
from tests.builders import FACTS
from tests.robustness.archive import connect

_cause: Final = msgspec.json.Decoder(Cause)
_aliases: Final = msgspec.json.Decoder(list[str])


def statuses(file: Path) -> Iterator[RecipientStatus]:
    """Every recipient's."""
    columns = ", ".join(("provider", "message_id", "recipient", *FACTS))
    with closing(connect(file)) as connection:
        for record in connection.execute(f"SELECT {columns} FROM recipient_status ORDER BY id"):  # noqa: S608
            provider, message_id, recipient, *values = record
            facts: dict[str, Any] = dict(zip(FACTS, values, strict=True))
            facts["evidence"] = Evidence(facts["evidence"])
            for cause in ("failure_cause", "suppression_cause"):
                facts[cause] = None if facts[cause] is None else _cause.decode(facts[cause])
            facts["aliases"] = _aliases.decode(facts["aliases"])
            yield RecipientStatus(provider, message_id, recipient, **facts)
