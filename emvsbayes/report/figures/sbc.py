"""The ranks of one model: a histogram a quantity, and under it the ECDF minus that of a uniform law, with its band."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emvsbayes.calibration.record import Histogram, ModelResult
from emvsbayes.report import format as fmt
from emvsbayes.report.figures.canvas import WIDTH, quiet, svg
from emvsbayes.report.palette import BOUND, COLLAPSED, FAINT, GRID, INK, MUTED

COLUMNS = 4
ROW = 2.6  # inches, of a histogram and its ECDF
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
        f"bin, and 95 % of single bins hold {fmt.number(low)} to {fmt.number(high)}. In the corner the p-values of "
        "chi-square and of the ECDF."
    )


def _counts(axis: Axes, model: ModelResult, found: Histogram) -> None:
    low, middle, high = model.count_band
    bins = len(found.counts)
    width = 100 / bins
    axis.axhspan(low, high, color=GRID, zorder=0)
    axis.axhline(middle, color=FAINT, linewidth=1)
    axis.bar(
        [(b + 0.5) * width for b in range(bins)],
        found.counts,
        width=0.86 * width,
        color=COLLAPSED if found.rejected else BARS,
    )
    axis.set_xlim(0, 100)
    axis.set_ylim(0, max(1.15 * high, 1.05 * max(found.counts)))
    axis.tick_params(labelbottom=False)
    axis.grid(visible=False)
    axis.set_title(found.name + (": rejected" if found.rejected else ""), color=COLLAPSED if found.rejected else INK)


def _difference(axis: Axes, model: ModelResult, found: Histogram) -> None:
    places = range(len(found.difference))
    axis.fill_between(places, model.lower, model.upper, step="mid", color=GRID, linewidth=0)
    axis.axhline(0, color=FAINT, linewidth=1)
    axis.plot(
        places, found.difference, drawstyle="steps-mid", color=COLLAPSED if found.rejected else INK, linewidth=1.1
    )
    reach = 1.25 * max(max(model.upper), max(abs(d) for d in found.difference))
    axis.set_xlim(0, 100)
    axis.set_ylim(-reach, reach)
    axis.text(
        0.98,
        0.93,
        f"p = {fmt.number(found.chi_square, 2)}, {fmt.number(found.ecdf, 2)}",
        transform=axis.transAxes,
        ha="right",
        va="top",
        fontsize=8,
        color=COLLAPSED if found.rejected else MUTED,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.7},
    )
    axis.set_xticks([0, 50, 100])
    axis.spines["left"].set_color(BOUND if not found.rejected else COLLAPSED)
