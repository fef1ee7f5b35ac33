"""The sheet every figure is drawn on: an inline SVG with text as text, equal bytes for equal input, ids of its own.

A page holds several figures, and ids are global in HTML: every id of a figure begins with the figure's name. Units are
points of a drawing about 760 wide; the page scales it to its column.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from emvsbayes.report.format import power_of_ten
from emvsbayes.report.palette import FAINT, GRID, INK, MUTED

WIDTH = 10.6  # inches
RASTER = 500  # a layer with more marks than this becomes an image
_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"

_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a column may be called $x$
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.5,
    "hatch.linewidth": 0.6,
    "savefig.dpi": 140,
    "figure.constrained_layout.hspace": 0.06,
    "figure.constrained_layout.wspace": 0.04,
}


def svg(name: str, label: str, size: tuple[float, float], paint: Callable[[Figure], None]) -> str:
    """What `paint` draws on a new figure of `size` inches, as one <svg> element.

    `name` is unique on the page (letters, digits, hyphens); `label` describes the figure to somebody who cannot see it.
    """
    out = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()  # not the reader's own matplotlibrc
        settings: dict[Any, Any] = _RC | {"svg.hashsalt": name}
        matplotlib.rcParams.update(settings)
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        figure.savefig(out, format="svg", metadata={"Creator": None, "Date": None, "Format": None, "Type": None})
    return _embed(out.getvalue(), name, label)


def _embed(text: str, name: str, label: str) -> str:
    """One element fit for the middle of a page: no prolog, no style for the whole document, no shared ids."""
    box, body = _parts(text)

    def own(tag: re.Match[str]) -> str:
        inside = tag[0]
        inside = re.sub(r' id="', f' id="{name}-', inside)
        inside = re.sub(r"url\(#", f"url(#{name}-", inside)
        inside = re.sub(r' xlink:href="#', f' href="#{name}-', inside)
        inside = inside.replace(" xlink:href=", " href=")
        inside = re.sub(r"(\d\.\d\d)\d+", r"\1", inside)  # a hundredth of a point is enough
        return inside.replace("'DejaVu Sans'", _FONT)

    body = re.sub(r"<[^>]*>", own, body)
    body = re.sub(r'<use [^>]*?( style="[^"]*")/>(?:\s*<use [^>]*?\1/>)+', _shared_style, body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-label="{escape(label)}" '
        f'style="stroke-linejoin:round;stroke-linecap:butt">{body}'
    )


def _shared_style(run: re.Match[str]) -> str:
    """Marks in a row that look alike say so once: half the size of a scatter."""
    return f"<g{run[1]}>{run[0].replace(run[1], '')}</g>"


def _parts(text: str) -> tuple[str, str]:
    """The viewBox of the root, and everything after it except comments, metadata and the global style."""
    match = re.search(r'<svg[^>]*viewBox="([^"]*)"[^>]*>', text)
    assert match is not None
    body = text[match.end() :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    return match[1], body.strip()


def grid(figure: Figure, rows: int, columns: int, **options: Any) -> list[list[Axes]]:
    """Axes as nested lists, whatever the numbers."""
    return [list(row) for row in figure.subplots(rows, columns, squeeze=False, **options)]


def powers(axes: Axes) -> None:
    """A logarithmic vertical axis with its powers of ten written out."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(round(math.log10(value)))))
    axes.yaxis.set_minor_locator(NullLocator())


def quiet(axes: Axes) -> None:
    """No frame, no ticks: for a panel that is not used."""
    axes.set_axis_off()
