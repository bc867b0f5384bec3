import pytest

from tests.ports import free_port, own_range


def test_ranges_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """No two processes that run tests together, nor what runs beside them, have a port in common."""
    taken: set[int] = set()
    for name in ("", *(f"gw{number}" for number in range(15))):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", name)
        assert taken.isdisjoint(own_range())
        taken.update(own_range())
    assert max(taken) < 32_768


def test_no_port_is_given_twice() -> None:
    """A port where nobody is to listen is not the next server's."""
    assert len({free_port() for _ in range(100)}) == 100
