"""What the tests that run for every provider need of each: its own test file, `test_NAME.py`, says it in `SAMPLES`."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple


class ProviderSamples(NamedTuple):
    """Samples of a provider's webhooks."""

    delivery: bytes
    """A body with one event, which becomes DELIVERED."""
    parts: list[Any]
    """Parts of bodies, of every shape that the provider sends."""
    body: Callable[[list[Any]], bytes]
    """Makes a body of parts."""


def samples_of(provider: str) -> ProviderSamples:
    """The samples in the provider's own test file."""
    samples = import_module(f"tests.webhooks.test_{provider}").SAMPLES
    assert isinstance(samples, ProviderSamples)
    return samples
