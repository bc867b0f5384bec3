"""What is remembered of what was written last, within bounds."""

from itertools import islice
from typing import Any


def evict_oldest(remembered: dict[Any, Any], most: int) -> None:
    """Let those go that were put in the longest ago, beyond so many."""
    for oldest in list(islice(remembered, max(0, len(remembered) - most))):
        del remembered[oldest]
