"""A sample of the fuzzing that `python -m tests.fuzz` does for as long as it is asked to."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.campaign import TARGETS, Drive

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAWN: Final = {"files": 8, "file processes": 1, "stores": 10}
"""How many cases are drawn of a target; 25 of most."""


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=TARGETS)
async def drive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Drive]:
    """Each target, open."""
    async with TARGETS[request.param].open(tmp_path_factory.mktemp("fuzz")) as opened:
        yield opened


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.slow)])
async def test_what_is_drawn_breaks_no_promise(drive: Drive, request: pytest.FixtureRequest, times: int) -> None:
    """Inputs that start from good ones and are changed break no promise."""
    chance = random.Random(4)  # noqa: S311  (a fixed seed)
    name = request.node.callspec.params["drive"]
    at_once = TARGETS[name].at_once
    cases = [drive.draw(chance) for _ in range(times * DRAWN.get(name, 25))]

    for first in range(0, len(cases), at_once):
        await asyncio.gather(*(drive.case(data) for data in cases[first : first + at_once]))


@pytest.mark.parametrize("drive", [name for name in TARGETS if name not in DRAWN], indirect=True)
@given(data=st.binary(max_size=200))
@settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
async def test_no_bytes_break_a_promise(drive: Drive, data: bytes) -> None:
    """Whatever bytes decide what a case does, no promise is broken."""
    await drive.case(data)
