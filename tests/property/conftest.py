from collections.abc import Iterator

import pytest

from tests.engines import ENGINES, Engine, engine_of


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine for which a law must hold."""
    yield from engine_of(request)
