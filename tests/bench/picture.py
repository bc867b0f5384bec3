"""The table as a picture: a bar for each row, of how much of its target is reached, on a scale of factors of two."""

from collections.abc import Sequence
from html import escape
from math import log2
from typing import Final

from tests.bench.result import Row
from tests.bench.table import compared, shown, target

_LINE: Final = 30
_TOP: Final = 76
_LEFT: Final = 190
_WIDTH: Final = 360
_TEXT: Final = _LEFT + _WIDTH + 24
_MOST: Final = 2.0
"""Powers of two to either side of the target; what is further away ends at the edge."""
_MET, _MISSED, _VOID = "#1a7f5a", "#c2571a", "#8c959f"
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #57606a }
.name { fill: #1f2328; text-anchor: end }
.title { font-size: 18px; font-weight: 600; fill: #1f2328 }
.middle { text-anchor: middle; font-size: 12px }
"""


def draw(rows: Sequence[Row], date: str) -> str:
    """An SVG."""
    height = _TOP + len(rows) * _LINE + 16
    marks = [_mark(power, height) for power in (-2, -1, 0, 1, 2)]
    bars = [_bar(row, _TOP + number * _LINE) for number, row in enumerate(rows)]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 980 {height}" width="980" height="{height}">',
            f'<style>{_STYLE}</style><rect width="980" height="{height}" rx="8" fill="#ffffff"/>',
            f'<text class="title" x="20" y="32">How much of its target each row of make bench reaches, {date}</text>',
            *marks,
            *bars,
            "</svg>\n",
        )
    )


def _place(reached: float) -> float:
    return _LEFT + _WIDTH * (1 + max(-_MOST, min(_MOST, log2(reached))) / _MOST) / 2


def _mark(power: int, height: int) -> str:
    x = _place(2.0**power)
    colour, name = ("#1f2328", "target") if power == 0 else ("#d8dee4", f"{2.0**power:g}x")
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{height - 12}" stroke="{colour}"/>'
        f'<text class="middle" x="{x:.1f}" y="{_TOP - 18}">{name}</text>'
    )


def _bar(row: Row, y: int) -> str:
    end, middle = _place(row.reached), _place(1)
    colour = _VOID if row.void else _MET if row.reached >= 1 else _MISSED
    said = "void" if row.void else f"{compared(row)}, target {target(row)}"
    figure = f"{shown(row.figure)} {row.unit}"
    return (
        f'<text class="name" x="{_LEFT - 14}" y="{y + 15}">{escape(row.name)}</text>'
        f'<rect x="{min(end, middle):.1f}" y="{y + 3}" width="{max(abs(end - middle), 2):.1f}" height="16" rx="2"'
        f' fill="{colour}"/>'
        f'<text x="{_TEXT}" y="{y + 15}">{escape(figure)}</text>'
        f'<text x="{_TEXT + 120}" y="{y + 15}">{escape(said)}</text>'
    )
