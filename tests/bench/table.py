"""The table as it is printed, and its figures as text."""

from collections.abc import Sequence
from typing import Final

from tests.bench.result import Kind, Row

HEADING: Final = (
    f"{'row':<18}{'ours':>15}{'limit':>15}{'compared':>11}{'target':>14}{'spread':>8}{'p99':>11}{'CPU per 1,000':>15}"
)


def line(row: Row) -> str:
    """A row as one line."""
    limit = "-" if row.limit_figure is None else f"{shown(row.limit_figure)} {row.unit}"
    p99 = "-" if row.p99 is None else f"{shown(row.p99 * 1_000)} ms"
    cpu = "-" if row.cpu is None else f"{shown(row.cpu)} s"
    verdict = f"  VOID: {row.void}" if row.void else "" if row.reached >= 1 else "  missed"
    return (
        f"{row.name:<18}{f'{shown(row.figure)} {row.unit}':>15}{limit:>15}{compared(row):>11}{target(row):>14}"
        f"{row.spread:>8.0%}{p99:>11}{cpu:>15}{verdict}"
    )


def markdown(rows: Sequence[Row]) -> str:
    """All rows as a table of a page."""
    lines = ["| row | ours | limit | compared | target | spread |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        limit = "" if row.limit_figure is None else f"{shown(row.limit_figure)} {row.unit}"
        verdict = " (void)" if row.void else "" if row.reached >= 1 else " (missed)"
        cells = (row.name, f"{shown(row.figure)} {row.unit}", limit, compared(row), target(row) + verdict)
        lines.append(f"| {' | '.join(cells)} | {row.spread:.0%} |")
    return "\n".join(lines)


def compared(row: Row) -> str:
    """What stands against the target."""
    match row.target.kind:
        case Kind.EXCESS:
            return f"{row.compared:+,.0f} {row.unit}"
        case Kind.BOUND:
            return f"{shown(row.compared)} {row.unit}"
    return f"{shown(row.compared)}x"


def target(row: Row) -> str:
    """The target, and the bound of the figure itself where it has one."""
    kind, value, _, bound = row.target
    besides = "" if bound is None else f", {bound:g} {row.unit}"
    match kind:
        case Kind.RATE:
            return f"≥ {value:g}x"
        case Kind.COST:
            return f"≤ {value:g}x{besides}"
        case Kind.EXCESS:
            return f"≤ +{value:g} {row.unit}"
    return f"≤ {value:g} {row.unit}"


def shown(value: float) -> str:
    """A figure with three digits that say something, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
