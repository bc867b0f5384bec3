"""A message that retention deletes while it is being read: it is not found, or it is answered as it was."""

from collections.abc import Callable
from typing import Any

import pytest

from msgstate_server.domain.errors import MessageNotFound
from msgstate_server.queries import MessageView, get_history, get_message, get_messages, list_statuses
from msgstate_server.store.protocol import MessageKey, StatusFilter
from msgstate_server.store.sqlite import SqliteStore
from tests.builders import NOW, append, event


class Vanishing:
    """A store from which everything is deleted before one of the calls to come."""

    def __init__(self, store: SqliteStore, calls: int) -> None:
        self.store, self.calls = store, calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*values: Any) -> Any:
            if self.calls == 0:
                await self.store.compact(NOW + 1, 0, 10_000)
                await self.store.forget(NOW + 1, 0, 10_000)
            self.calls -= 1
            return await getattr(self.store, name)(*values)

        return call


@pytest.mark.parametrize("calls", range(5))
@pytest.mark.parametrize("asked", ["m", "alias"])
@pytest.mark.parametrize("recipients", [1, 6, 1_001])
async def test_a_message_that_vanishes(store: SqliteStore, recipients: int, asked: str, calls: int) -> None:
    """Between any two reads of any query: never a fault."""
    await append(store, *(event(recipient=str(number), aliases=["alias"]) for number in range(recipients)))

    async def history(vanishing: Any) -> Any:
        return await get_history(vanishing, MessageKey("", asked), "", 0, 10)

    async def alone(vanishing: Any) -> Any:
        return await get_message(vanishing, asked)

    async def batch(vanishing: Any) -> Any:
        (answer,) = await get_messages(vanishing, [MessageKey("", asked)])
        return answer

    async def listed(vanishing: Any) -> Any:
        return await list_statuses(vanishing, StatusFilter(message_id="m"), None, 10)

    for query in (alone, batch, history, listed):
        try:
            answer = await query(Vanishing(store, calls))
        except MessageNotFound as error:
            answer = error
        if isinstance(answer, MessageNotFound):
            assert str(answer).startswith("no message ")
        elif isinstance(answer, MessageView):
            assert answer.counts
        await append(store, *(event(recipient=str(number), aliases=["alias"]) for number in range(recipients)))
