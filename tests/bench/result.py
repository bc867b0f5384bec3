"""What a row of the table says: our figure, the limit beside it, and whether the target is met."""

from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import NamedTuple


class Sample(NamedTuple):
    """One measurement, in the row's unit; beside a rate what an operation cost.

    `cpu` is in the server's seconds per thousand operations, `p99` in seconds; None where it says nothing.
    """

    value: float
    cpu: float | None = None
    p99: float | None = None


class Kind(Enum):
    """What a target compares: our figure and the limit, or our figure alone."""

    RATE = "of the limit, at least"
    COST = "times the limit, at most"
    EXCESS = "above the limit, at most"
    BOUND = "at most"


class Target(NamedTuple):
    """How good is good enough, and what is aimed at; `bound` is one of the figure itself, besides."""

    kind: Kind
    value: float
    aim: float | None = None
    bound: float | None = None


@dataclass
class Row:
    """One line of the table.

    `limit` is empty where the target is a bound. `void` says why the figures mean nothing, if they do not. `details` go
    into the JSON alone.
    """

    name: str
    unit: str
    target: Target
    ours: list[Sample] = field(default_factory=list)
    limit: list[Sample] = field(default_factory=list)
    void: str = ""
    details: dict[str, object] = field(default_factory=dict)

    @property
    def figure(self) -> float:
        """Our median."""
        return median(sample.value for sample in self.ours)

    @property
    def limit_figure(self) -> float | None:
        """The limit's median."""
        return median(sample.value for sample in self.limit) if self.limit else None

    @property
    def compared(self) -> float:
        """What stands against the target: a ratio, a difference or our figure, as the target's kind says."""
        kind, limit = self.target.kind, self.limit_figure
        if kind is Kind.BOUND:
            return self.figure
        assert limit is not None, f"{self.name} has no limit to be held against"
        return self.figure - limit if kind is Kind.EXCESS else self.figure / limit

    @property
    def reached(self) -> float:
        """How much of the target is reached: 1 or more where it is met."""
        kind, target, _, bound = self.target
        part = self.compared / target if kind is Kind.RATE else target / max(self.compared, target * 1e-3)
        return part if bound is None else min(part, bound / self.figure)

    @property
    def spread(self) -> float:
        """How far apart our samples are: the largest over the smallest, less one."""
        values = [sample.value for sample in self.ours]
        return max(values) / min(values) - 1

    @property
    def cpu(self) -> float | None:
        """The median of our samples' seconds of the server's per thousand operations."""
        return _median([sample.cpu for sample in self.ours])

    @property
    def p99(self) -> float | None:
        """The median of our samples' 99th percentiles, in seconds."""
        return _median([sample.p99 for sample in self.ours])


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
