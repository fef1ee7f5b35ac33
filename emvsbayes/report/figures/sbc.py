"""The ranks of one model: a histogram a quantity, and under it the ECDF minus that of a uniform law, with its band."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emvsbayes.calibration.record import Histogram, ModelResult
from emvsbayes.report import format as fmt
from emvsbayes.report.figures.canvas import WIDTH, quiet, svg
from emvsbayes.report.palette import COLLAPSED, FAINT, GRID, INK, MUTED

COLUMNS = 4
ROW = 2.75  # inches, of a histogram and its ECDF
BARS = "#0072b2"


def draw(model: ModelResult) -> str:
    """Every quantity of a model."""
    rows = -(-len(model.histograms) // COLUMNS)

    def paint(figure: Figure) -> None:
        heights = [height for _ in range(rows) for height in (1.15, 1.0)]
        axes: Any = figure.subplots(2 * rows, COLUMNS, squeeze=False, gridspec_kw={"height_ratios": heights})
        for place in range(rows * COLUMNS):
            row, column = divmod(place, COLUMNS)
            upper, lower = axes[2 * row][column], axes[2 * row + 1][column]
            if place >= len(model.histograms):
                quiet(upper)
                quiet(lower)
                continue
            _counts(upper, model, model.histograms[place])
            _difference(lower, model, model.histograms[place])
            if column == 0:
                upper.set_ylabel("simulations")
                lower.set_ylabel("ECDF difference")

    label = f"Rank histograms and ECDF differences of {len(model.histograms)} quantities of {model.title}"
    return svg(f"ranks-{model.name}", label, (WIDTH, ROW * rows), paint)


def caption(model: ModelResult) -> str:
    """What to see."""
    low, middle, high = model.count_band
    return (
        f"{model.title}, {fmt.count(model.simulations)} simulations: uniform ranks put {fmt.number(middle)} into a "
        f"bin, and 95 % of single bins hold {fmt.number(low)} to {fmt.number(high)}. Between the pictures the p-values "
        "of chi-square and of the ECDF."
    )


def _counts(axis: Axes, model: ModelResult, found: Histogram) -> None:
    low, middle, high = model.count_band
    bins = len(found.counts)
    color = COLLAPSED if found.rejected else BARS
    axis.axhspan(low, high, color=GRID, zorder=0)
    axis.stairs(found.counts, [100 * b / bins for b in range(bins + 1)], fill=True, color=color)
    axis.axhline(middle, color="white", linewidth=0.8)
    axis.set_xlim(0, 100)
    axis.set_ylim(0, max(1.15 * high, 1.05 * max(found.counts)))
    axis.tick_params(labelbottom=False)
    axis.grid(visible=False)
    axis.set_title(found.name + (": rejected" if found.rejected else ""), color=COLLAPSED if found.rejected else INK)


def _difference(axis: Axes, model: ModelResult, found: Histogram) -> None:
    color, places = COLLAPSED if found.rejected else INK, range(len(found.difference))
    axis.fill_between(places, model.lower, model.upper, color=GRID, linewidth=0)
    axis.axhline(0, color=FAINT, linewidth=1)
    axis.plot(places, found.difference, color=color, linewidth=1.1)
    reach = 1.15 * max(max(model.upper), max(abs(d) for d in found.difference))
    axis.set_xlim(0, 100)
    axis.set_ylim(-reach, reach)
    axis.set_xticks([0, 50, 100])
    words = f"p = {fmt.number(found.chi_square, 2)} and {fmt.number(found.ecdf, 2)}"
    axis.set_title(words, fontsize=8, fontweight="normal", color=COLLAPSED if found.rejected else MUTED, pad=3)
