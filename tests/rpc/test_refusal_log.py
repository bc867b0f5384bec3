"""Events that are refused over gRPC are told in the log by the rule they break, without what was found."""

import pytest
from structlog.testing import capture_logs

from tests.rpc.running import Client
from tests.rpc.samples import event

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_refused_events_are_told_by_rule(client: Client) -> None:
    """Each field with the rule that it breaks is one warning, however many events break it."""
    bad = event("m", provider="Ada <ada@example.com>")
    too_many = event("m")
    too_many.aliases.append("")
    with capture_logs() as logs:
        await client.publish(bad, bad, too_many, event("fine"))
    assert sorted((each["log_level"], each["event"], each["cause"]) for each in logs) == [
        ("warning", "events were refused", "aliases[]: must not be empty; leave it out"),
        ("warning", "events were refused", "provider: must be 1 to 64 of a-z, 0-9, '_' and '-'"),
    ]
    assert "ada@example.com" not in str(logs)
