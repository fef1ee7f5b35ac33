"""Colours, markers and line styles, the same in every table and figure.

Components take the colours of Okabe and Ito (2008), which stay apart under colour blindness, and differ by marker and
line as well. Estimates are black: ML solid, MAP dashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

INK = "#1c2430"
MUTED = "#66707d"
FAINT = "#b9c0c8"
GRID = "#e6e9ed"
BOUND = "#8ba7bf"  # the evidence lower bound
GAP = "#a3195b"  # the Kullback-Leibler divergence
COLLAPSED = "#c1121f"

_COLORS = ("#0072b2", "#d55e00", "#009e73", "#b2559a", "#a87900", "#3a9bdc", "#5b4b8a")
_MARKERS = ("o", "^", "s", "D", "v", "P", "X")
_GLYPHS = ("●", "▲", "■", "◆", "▼", "✚", "✖")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (6, 1.5, 1.2, 1.5)), (0, (1.4, 1.4)), (0, (9, 2)))


@dataclass(frozen=True)
class Style:
    """How one component looks: `glyph` is the marker as a character, for tables."""

    color: str
    marker: str
    glyph: str
    line: Any


def component(k: int) -> Style:
    """The style of component k; -1, which belongs to no component, is ink."""
    if k < 0:
        return Style(INK, "o", "", "-")
    return Style(_COLORS[k % 7], _MARKERS[k % 7], _GLYPHS[k % 7], _LINES[k % 5])
