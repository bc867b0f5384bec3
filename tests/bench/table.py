"""The table as it is printed."""

from tests.bench.result import Kind, Row

HEADING = f"{'row':<20} {'ours':>14} {'limit':>14} {'compared':>10} {'target':>10} {'spread':>7} {'p99':>9} {'CPU':>8}"

_SIGN = {Kind.RATE: "≥", Kind.COST: "≤", Kind.EXCESS: "≤ +", Kind.BOUND: "≤"}


def line(row: Row) -> str:
    """A row as one line."""
    limit = "-" if row.limit_figure is None else f"{number(row.limit_figure)} {row.unit}"
    p99 = "-" if row.p99 is None else f"{row.p99 * 1_000:.1f} ms"
    cpu = "-" if row.cpu is None else f"{row.cpu:.4f} s"
    target = f"{_SIGN[row.target.kind]} {row.target.value:g}"
    verdict = f"  VOID: {row.void}" if row.void else "" if row.reached >= 1 else "  missed"
    return (
        f"{row.name:<20} {number(row.figure) + ' ' + row.unit:>14} {limit:>14} {number(row.compared):>10}"
        f" {target:>10} {row.spread:>7.0%} {p99:>9} {cpu:>8}{verdict}"
    )


def number(value: float) -> str:
    """A figure with three digits that say something, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
