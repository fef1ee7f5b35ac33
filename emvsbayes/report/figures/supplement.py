"""The plots of a supplement: a grid of panels, each with axes of its own and its layers in the order given."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from emvsbayes.comparison.record import Series, Supplement
from emvsbayes.report.figures.canvas import RASTER, WIDTH, grid, powers, quiet, svg
from emvsbayes.report.palette import BOUND, GAP, INK, MUTED, component

_PLAIN_LINES: tuple[Any, ...] = ((INK, "-"), (MUTED, (0, (4, 1.6))), (INK, (0, (1.4, 1.4))), (MUTED, "-"))
_PLAIN_MARKS = ((MUTED, "o"), (INK, "x"), (MUTED, "s"), (INK, "+"))
_PLAIN_BARS: tuple[Any, ...] = ((BOUND, ""), (GAP, "/////"))  # bound and gap, as in the figure of the decomposition
_ERROR = 2.4  # width of the line of an error
_LONG = 34  # characters of a title that fit above one of four panels


def draw(supplement: Supplement, name: str) -> str:
    """One panel a plot, up to four a row; empty where there are none."""
    plots = supplement.plots
    if not plots:
        return ""
    columns = {5: 3, 6: 3, 9: 3}.get(len(plots), min(4, len(plots)))
    rows = -(-len(plots) // columns)
    styles = _styles([series for plot in plots for series in plot.series])

    def paint(figure: Figure) -> None:
        axes = [a for row in grid(figure, rows, columns) for a in row]
        for axis, plot in zip(axes, plots, strict=False):
            for series in plot.series:
                _layer(axis, series, styles[_key(series)])
            axis.set(xlabel=plot.x_label, ylabel=plot.y_label)
            room = _LONG * 4 / columns
            axis.set_title(plot.title, fontsize=min(9.5, max(9.5 * room / max(len(plot.title), 1), 6)))
            axis.locator_params(axis="x" if plot.log_y else "both", nbins=5 if columns > 2 else 7)
            if plot.log_y:
                powers(axis)
            if plot.whole_x:
                axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            if plot.y_names:
                _named(axis, plot.y_names)
        for axis in axes[len(plots) :]:
            quiet(axis)
        handles = _legend(supplement, styles)
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=6)

    titles = ", ".join(plot.title for plot in plots if plot.title)
    height = {1: 3.6, 2: 3.2, 3: 2.6}.get(columns, 2.3)
    height = max([height, *(0.9 + 0.27 * len(plot.y_names) for plot in plots if plot.y_names)])
    return svg(f"figure-{name}", f"{supplement.title}: {titles}", (WIDTH, height * rows + 0.4), paint)


def _key(series: Series) -> tuple[str, str, int]:
    return series.kind, series.name, series.component


def _styles(every: list[Series]) -> dict[tuple[str, str, int], tuple[Any, Any]]:
    """Colour, and line or marker, of every kind of layer; what belongs to no component differs by name instead."""
    found: dict[tuple[str, str, int], tuple[Any, Any]] = {}
    plain = {"line": 0, "points": 0, "centers": 0, "band": 0, "bars": 0, "intervals": 0, "spans": 0}
    for series in every:
        if _key(series) in found:
            continue
        if series.component >= 0:
            style = component(series.component)
            found[_key(series)] = (style.color, style.line if series.kind == "line" else style.marker)
            continue
        choices = {"line": _PLAIN_LINES, "bars": _PLAIN_BARS}.get(series.kind, _PLAIN_MARKS)
        found[_key(series)] = choices[plain[series.kind] % len(choices)]
        if series.kind == "centers":
            found[_key(series)] = (INK, "oDs^"[plain["centers"] % 4])
        plain[series.kind] += 1
    return found


def _layer(axis: Axes, series: Series, style: tuple[Any, Any]) -> None:
    color, shape = style
    raster = len(series.x) > RASTER
    if series.kind == "band":
        axis.fill_between(
            series.x, series.y, series.upper, color=color, alpha=0.2, linewidth=0, zorder=1.5, rasterized=raster
        )
    elif series.kind == "bars":
        heights = [top - foot for foot, top in zip(series.y, series.upper, strict=True)]
        axis.bar(series.x, heights, _bar_width(series.x), bottom=series.y, **_bar(color, shape))
    elif series.kind == "line":
        axis.plot(series.x, series.y, color=color, linestyle=shape, rasterized=raster)
    elif series.kind == "intervals":
        axis.vlines(series.x, series.y, series.upper, color=color, linewidth=_ERROR)
    elif series.kind == "spans":
        axis.hlines(series.y, series.x, series.upper, color=color, linewidth=_ERROR)
    elif series.kind == "points":
        axis.plot(series.x, series.y, linestyle="none", rasterized=raster, **_mark(color, shape, 3.6), alpha=0.75)
    else:
        axis.plot(series.x, series.y, linestyle="none", zorder=3, **_center(color, shape))


def _named(axis: Axes, names: list[str]) -> None:
    """Names in the place of the heights 0, 1, …, from the top."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)


def _mark(color: str, shape: str, size: float) -> dict[str, Any]:
    """A small mark; crosses are all edge."""
    return {"marker": shape, "color": color, "markersize": size, "markeredgewidth": 1 if shape in "x+" else 0}


def _bar(color: str, hatch: str) -> dict[str, Any]:
    """A solid bar, or an open hatched one."""
    return {"facecolor": "white" if hatch else color, "edgecolor": color, "hatch": hatch, "linewidth": 0.8}


def _bar_width(x: list[float]) -> float:
    """Of bars that nearly touch."""
    return 0.78 * min((b - a for a, b in pairwise(sorted(x))), default=1.0)


def _center(color: str, shape: str) -> dict[str, Any]:
    """A large mark with a dark edge, which stays visible among points of its own colour."""
    return {"marker": shape, "color": color, "markersize": 10, "markeredgecolor": INK, "markeredgewidth": 1.3}


def _legend(supplement: Supplement, styles: dict[tuple[str, str, int], tuple[Any, Any]]) -> list[Line2D | Patch]:
    """One entry a named layer, in the order in which they first appear."""
    handles: list[Line2D | Patch] = []
    named = {_key(series): series for plot in supplement.plots for series in plot.series if series.name}
    for key, series in named.items():
        color, shape = styles[key]
        if series.kind == "band":
            handles.append(Patch(color=color, alpha=0.2, linewidth=0, label=series.name))
        elif series.kind == "bars":
            handles.append(Patch(label=series.name, **_bar(color, shape)))
        elif series.kind == "line":
            handles.append(Line2D([], [], color=color, linestyle=shape, label=series.name))
        elif series.kind in ("intervals", "spans"):
            handles.append(Line2D([], [], color=color, linewidth=_ERROR, label=series.name))
        elif series.kind == "points":
            handles.append(Line2D([], [], linestyle="none", label=series.name, **_mark(color, shape, 5)))
        else:
            handles.append(Line2D([], [], linestyle="none", label=series.name, **_center(color, shape)))
    return handles
