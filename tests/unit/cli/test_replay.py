"""How `quarantine replay` cuts its calls."""

from typing import cast

from msgstate import Client
from msgstate.v1.admin_service_pb2 import ReplayQuarantinedResponse, ReplayResult
from msgstate_server.cli.quarantine.replay import _replayed


class Recording:
    """Stands in for a client, and keeps how many ids each call had."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def replay_quarantined(self, ids: list[int]) -> ReplayQuarantinedResponse:
        self.sizes.append(len(ids))
        return ReplayQuarantinedResponse(results=[ReplayResult(id=each) for each in ids])


def test_a_call_replays_few_so_that_it_ends_in_time() -> None:
    """At most ten webhooks are replayed in one call, in the order in which they were named."""
    client = Recording()

    results = [result.id for result in _replayed(cast("Client", client), range(1, 26))]

    assert results == list(range(1, 26))
    assert client.sizes == [10, 10, 5]
