"""Drives an `AsyncClient` from ordinary code, so that one test body tells how both clients behave."""

import asyncio
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

from msgstate import AsyncClient, Client

ANSWER_SECONDS = 60.0


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="driven loop")
        self._thread.start()

    def run(self, awaitable: Awaitable[Any]) -> Any:
        """What it gives, or raises."""
        return asyncio.run_coroutine_threadsafe(_awaited(awaitable), self._loop).result(ANSWER_SECONDS)

    def tasks(self) -> set[asyncio.Task[Any]]:
        """The tasks that run, but for the one that counts them."""
        return cast("set[asyncio.Task[Any]]", self.run(_other_tasks()))

    def close(self) -> None:
        """End the loop and its threads."""
        self.run(self._loop.shutdown_asyncgens())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Driven:
    """Something asynchronous: what it gives to await, iterate over or enter can be used without that."""

    def __init__(self, loop: Loop, target: Any) -> None:
        self._loop = loop
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return self._plain(getattr(self._target, name))

    def __enter__(self) -> Self:
        self._loop.run(self._target.__aenter__())
        return self

    def __exit__(self, *raised: object) -> None:
        self._loop.run(self._target.__aexit__(*raised))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._loop.run(self._target.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def _plain(self, value: Any) -> Any:
        if inspect.isawaitable(value):
            return self._plain(self._loop.run(value))
        if inspect.ismethod(value):
            return functools.partial(self._call, value)
        return Driven(self._loop, value) if hasattr(value, "__anext__") else value

    def _call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self._plain(method(*arguments, **named))


@contextmanager
def driven_client(*addresses: str, **options: Any) -> Iterator[Client]:
    """An `AsyncClient` that looks like a `Client`."""
    loop = Loop()
    try:
        with Driven(loop, AsyncClient(*addresses, **options)) as client:
            yield cast("Client", client)
    finally:
        loop.close()


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def _other_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}
