"""Lists that are fetched as they are read."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Final, Generic, Self, TypeVar

from msgstate._requests import Key, message_key
from msgstate._values import Page
from msgstate.v1 import message_status_service_pb2 as pb

T = TypeVar("T")

BATCH_KEYS: Final = 500
_TOO_LARGE: Final = "RESPONSE_TOO_LARGE"


class AsyncPages(Generic[T]):
    """Every item of a list, page after page, each page fetched when it is needed; it can be read once.

    Raises the errors of its call from iterating.
    """

    def __init__(self, fetch: Callable[[str], Awaitable[Page[T]]], page_token: str) -> None:
        self._fetch = fetch
        self._next: str | None = page_token
        self._items: Iterator[T] = iter(())
        self._resume_token: str | None = None

    @property
    def resume_token(self) -> str:
        """A token taken before the first page was read; empty until then, and where the list has none."""
        return self._resume_token or ""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._items:
                return item
            page = await self._turn()
            if page is None:
                raise StopAsyncIteration
            self._items = iter(page.items)

    async def pages(self) -> AsyncIterator[Page[T]]:
        """The pages from the next one on, whole, instead of their items."""
        page = await self._turn()
        while page is not None:
            yield page
            page = await self._turn()

    async def _turn(self) -> Page[T] | None:
        if self._next is None:
            return None
        page = await self._fetch(self._next)
        self._next = page.next_page_token or None
        if self._resume_token is None:
            self._resume_token = page.resume_token
        return page


class AsyncResults:
    """The answer to every key, in their order, 500 keys a call, each call made when it is needed; it can be read once.

    Raises the errors of its calls from iterating; what is wrong with one key stands in its result.
    """

    def __init__(
        self,
        fetch: Callable[[list[pb.MessageKey]], Awaitable[pb.BatchGetMessageStatusesResponse]],
        keys: Iterable[Key],
    ) -> None:
        self._fetch = fetch
        self._keys: Iterator[pb.MessageKey] = map(message_key, keys)
        self._results: Iterator[pb.BatchGetMessageStatusesResult] = iter(())
        self._resume_token: str | None = None

    @property
    def resume_token(self) -> str:
        """A token taken before the first call's statuses were read; empty until then."""
        return self._resume_token or ""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pb.BatchGetMessageStatusesResult:
        while True:
            for result in self._results:
                return result
            keys = list(islice(self._keys, BATCH_KEYS))
            if not keys:
                raise StopAsyncIteration
            self._results = await self._ask(keys)

    async def _ask(self, keys: list[pb.MessageKey]) -> Iterator[pb.BatchGetMessageStatusesResult]:
        response = await self._fetch(keys)
        if self._resume_token is None:
            self._resume_token = response.resume_token
        results = response.results
        fitting = next((at for at, result in enumerate(results) if result.error.reason == _TOO_LARGE), len(results))
        if not fitting:
            return iter(results)
        # From the first that the answer had no room for, the next call asks again.
        self._keys = chain(keys[fitting:], self._keys)
        return iter(results[:fitting])
