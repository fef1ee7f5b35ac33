"""The pictures: curves against N, D and K; the gap against seconds; bars of one row. Drawn from the records alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench.records import Quartiles, Row, Table
from bench.words import amount, duration
from emvsbayes.report import format as fmt
from emvsbayes.report.figures.canvas import WIDTH, svg
from emvsbayes.report.palette import Style, component

SIDES = ("emvsbayes", "scikit-learn", "mixle")
AXES = {"N": "rows, N", "D": "columns, D", "K": "components, K"}


def style(name: str) -> Style:
    """One look for each side, whatever else stands in its name."""
    return component(next((i for i, side in enumerate(SIDES) if name.startswith(side)), len(SIDES)))


def curves(tables: Sequence[Table]) -> str:
    """A panel for each size that grows, both axes logarithmic."""

    def paint(figure: Figure) -> None:
        axes: Any = figure.subplots(1, len(tables), squeeze=False, sharey=True)[0]
        for axis, table in zip(axes, tables, strict=True):
            names = dict.fromkeys(side.name for row in table.rows for side in row.sides)
            for name in names:
                points = [(row.sizes[table.x], s.time) for row in table.rows if (s := row.side(name)) and s.time]
                _curve(axis, points, style(name), name)
            sizes = sorted({row.sizes[table.x] for row in table.rows})
            _logarithmic(axis, sizes, AXES[table.x])
            axis.set_title(table.title)
        axes[0].set_ylabel("time a pass")
        axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SIDES))

    return svg("scaling", "Time per pass against N, D and K, one curve a side", (WIDTH, 3.8), paint)


def _curve(axis: Any, points: Sequence[tuple[int, Quartiles]], look: Style, name: str) -> None:
    if not points:
        return
    x, y = [p[0] for p in points], [p[1].median for p in points]
    ends = [[q.median - q.low for _, q in points], [q.high - q.median for _, q in points]]
    axis.errorbar(
        x, y, yerr=ends, color=look.color, marker=look.marker, markersize=4.5, linestyle=look.line, label=name
    )


def _logarithmic(axis: Any, sizes: list[int], label: str) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.xaxis.set_major_locator(FixedLocator(sizes))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: fmt.number(value)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_xlabel(label)


def gaps(table: Table, near: float) -> str:
    """The gap to the optimum against seconds, both logarithmic."""
    names = [trace.name for trace in table.traces]

    def paint(figure: Figure) -> None:
        axis: Any = figure.subplots()
        for trace in table.traces:
            number = names.index(trace.name)
            look = style(trace.name) if trace.name in SIDES else component((0, 2, 3, 4)[number % 4])
            there = [(s, g) for s, g in zip(trace.seconds, trace.gaps, strict=True) if s > 0]
            axis.plot(*zip(*there, strict=True), color=look.color, linestyle=look.line, label=trace.name)
            if trace.arrived is not None:
                axis.plot([trace.arrived], [near], color=look.color, marker=look.marker, markersize=6)
                at = {"xytext": (0, -13), "textcoords": "offset points", "ha": "center", "fontsize": 8.5}
                axis.annotate(duration(trace.arrived), (trace.arrived, near), color=look.color, **at)
        axis.axhline(near, color="#66707d", linewidth=0.9, linestyle=(0, (3, 2)))
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_ylim(bottom=near / 8)
        axis.yaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: fmt.power_of_ten(round(math.log10(value)))))
        axis.set_xlabel("time")
        axis.set_ylabel("gap, nats per observation")
        figure.legend(loc="outside lower center", ncols=len(table.traces))

    return svg("gaps", "The gap to the optimum against seconds", (WIDTH, 4.2), paint)


def bars(name: str, label: str, row: Row, inverse: bool = False) -> str:
    """One row's sides as bars; `inverse` draws the reciprocal of a time, a rate."""
    there = [(s.name, s.time) for s in row.sides if s.time]

    def paint(figure: Figure) -> None:
        axis: Any = figure.subplots()
        values = [1 / time.median if inverse else time.median for _, time in there]
        for place, ((side, _), value) in enumerate(zip(there, values, strict=True)):
            axis.barh(place, value, color=style(side).color, height=0.62)
            text = f"{fmt.number(value, 3)} a second" if inverse else amount(value, row)
            axis.annotate(text, (value, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9)
        axis.set_yticks(range(len(there)), [side for side, _ in there])
        axis.set_xlim(0, 1.18 * max(*values, 1e-12))
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: fmt.number(v, 3) if inverse else amount(v, row)))
        axis.set_xlabel(label)

    return svg(name, label, (WIDTH, 0.9 + 0.42 * len(there)), paint)
