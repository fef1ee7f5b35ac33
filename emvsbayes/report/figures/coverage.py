"""Coverage against the number of rows: one panel a quantity, one mark a method with its 95 % limits; widths below."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from emvsbayes.calibration.coverage_record import METHODS, NOMINAL, SettingResult
from emvsbayes.report import format as fmt
from emvsbayes.report.figures.canvas import WIDTH, svg
from emvsbayes.report.palette import INK, component

APART = 0.16  # of marks at one number of rows, in steps between numbers of rows


def draw(setting: SettingResult) -> str:
    """Coverage above, median width below, a column for each quantity."""

    def paint(figure: Figure) -> None:
        axes: Any = figure.subplots(2, len(setting.quantities), squeeze=False, sharey="row", sharex=True)
        for column, quantity in enumerate(setting.quantities):
            _coverage(axes[0][column], setting, quantity)
            _widths(axes[1][column], setting, quantity)
        axes[0][0].set_ylabel("coverage")
        axes[1][0].set_ylabel("median width")
        figure.legend(handles=_legend(), loc="outside lower center", ncols=len(METHODS))

    label = f"Coverage and width of intervals against the number of rows: {setting.title}"
    return svg(f"coverage-{setting.name}", label, (WIDTH, 4.9), paint)


def caption(setting: SettingResult) -> str:
    """What to see."""
    replicates = fmt.listed(dict.fromkeys(fmt.count(size.replicates) for size in setting.sizes))
    return (
        f"{setting.title}: the share of {replicates} data sets whose interval holds the truth, with the 95 % limits "
        f"of a binomial share; the line is {NOMINAL:g}. Below, the median width of the intervals. Fits without a "
        "standard error have no interval and are left out."
    )


def _coverage(axis: Axes, setting: SettingResult, quantity: str) -> None:
    axis.axhline(NOMINAL, color=INK, linewidth=1)
    for number, method in enumerate(METHODS):
        style = component(number)
        cells = [size.cell(quantity, method) for size in setting.sizes]
        there = [(place, c) for place, c in enumerate(cells) if c.coverage is not None]
        at = [place + APART * (number - (len(METHODS) - 1) / 2) for place, _ in there]
        axis.errorbar(
            at,
            [c.coverage or 0.0 for _, c in there],
            yerr=[
                [(c.coverage or 0.0) - (c.lower or 0.0) for _, c in there],
                [(c.upper or 0.0) - (c.coverage or 0.0) for _, c in there],
            ],
            color=style.color,
            marker=style.marker,
            markersize=4.5,
            linestyle="none",
            elinewidth=1.3,
        )
    axis.set_title(quantity)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: fmt.percent(value).replace(".0", "")))


def _widths(axis: Axes, setting: SettingResult, quantity: str) -> None:
    for number, method in enumerate(METHODS):
        style = component(number)
        widths = [size.cell(quantity, method).width for size in setting.sizes]
        there = [(place, width) for place, width in enumerate(widths) if width is not None]
        axis.plot(
            [place for place, _ in there],
            [width for _, width in there],
            color=style.color,
            marker=style.marker,
            markersize=4.5,
            linestyle=style.line,
            linewidth=1.2,
        )
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(FixedLocator([0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_xticks(range(len(setting.sizes)), [f"N = {size.rows}" for size in setting.sizes])
    axis.set_xlim(-0.5, len(setting.sizes) - 0.5)


def _legend() -> list[Line2D]:
    styles = [component(number) for number in range(len(METHODS))]
    return [
        Line2D([], [], color=s.color, marker=s.marker, markersize=5, linestyle=s.line, label=words)
        for s, words in zip(styles, METHODS.values(), strict=True)
    ]
