"""scripts/make_sync.py: how asynchronous code becomes ordinary code."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def make_sync() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("make_sync", ROOT / "scripts/make_sync.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("async with a as b, c:\n    await b\n", "with a as b, c:\n    b\n"),
        ("return [x async for x in y if await z(x)]\n", "return [x for x in y if z(x)]\n"),
        (
            "def f(g: Callable[[int], Awaitable[list[T]]]) -> Awaitable[T]: ...\n",
            "def f(g: Callable[[int], list[T]]) -> T: ...\n",
        ),
        (
            "class AsyncWatch(AsyncIterator[T]):\n    async def __anext__(self): ...\n",
            "class Watch(Iterator[T]):\n    def __next__(self): ...\n",
        ),
        ("from msgstate._async.calls import AsyncCalls\n", "from msgstate._sync.calls import Calls\n"),
        ('"""An AsyncClient\nawaits, and an AsyncWatch\n"""\n', '"""An Client\nawaits, and an Watch\n"""\n'),
        ("raise StopAsyncIteration  # of AsyncPages\n", "raise StopIteration  # of Pages\n"),
        ("asynchronous = 'await'\n", "asynchronous = 'await'\n"),
    ],
)
def test_async_code_becomes_ordinary_code(make_sync: ModuleType, before: str, after: str) -> None:
    """Keywords go, names are replaced, also in docstrings and comments; what is no keyword stays."""
    assert after == make_sync.synchronous(before)


def test_what_is_written_by_hand_is_left_alone(make_sync: ModuleType, tmp_path: Path) -> None:
    """Every module but those that differ by nature is written, says where it comes from, and goes with its source."""
    (tmp_path / "gone.py").touch()
    make_sync.main(tmp_path)

    written = {path.name for path in tmp_path.iterdir()}
    assert {path.name for path in (ROOT / "client/msgstate/_async").glob("*.py")} - written == make_sync.BY_HAND
    assert all(path.read_text().startswith(f"# Generated from _async/{path.name} by") for path in tmp_path.iterdir())
