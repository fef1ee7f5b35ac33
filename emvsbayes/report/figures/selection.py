"""A choice between models: one criterion against K, a line for every structure, a panel for ML and for MAP.

The height is how far a candidate is above the best of its panel: linear up to 10, where the choice is made, and
logarithmic beyond.
"""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from emvsbayes.report import format as fmt
from emvsbayes.report.figures.canvas import WIDTH, grid, svg
from emvsbayes.report.palette import COLLAPSED, INK, MUTED, component
from emvsbayes.selection.record import ESTIMATES, Candidate, Selection

TICKS = [0, 2, 5, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 1_000_000]


def draw(selection: Selection) -> str:
    """The criterion that was asked for; empty where no candidate has a score."""
    scored = [c for c in selection.candidates if c.score(selection.criterion) is not None]
    if not scored:
        return ""
    name = selection.criterion.upper()
    structures = list(dict.fromkeys(c.structure for c in selection.candidates))
    ks = sorted({c.n_components for c in selection.candidates})

    def paint(figure: Figure) -> None:
        panels = grid(figure, 1, len(selection.estimates), sharey=True)[0]
        for axis, estimate in zip(panels, selection.estimates, strict=True):
            for number, structure in enumerate(structures):
                rows = [c for c in selection.candidates if (c.estimate, c.structure) == (estimate, structure)]
                style = component(number)
                axis.plot(
                    [c.n_components for c in rows],
                    [c.above.get(selection.criterion, float("nan")) for c in rows],
                    color=style.color,
                    marker=style.marker,
                    markersize=5,
                    linestyle=style.line,
                )
            for c in (absent := [c for c in selection.candidates if c.estimate == estimate and c.remark]):
                place = 1 - 0.035 * _rank(c, absent)
                axis.plot(
                    c.n_components,
                    place,
                    transform=axis.get_xaxis_transform(),
                    color=component(structures.index(c.structure)).color,
                    marker="x",
                    markersize=6,
                    markeredgewidth=1.6,
                    clip_on=False,
                )
            if (best := selection.winner(estimate=estimate)) is not None:
                axis.plot(best.n_components, 0, marker="o", markersize=13, color="none", markeredgecolor=INK)
                axis.annotate(
                    f"{best.words}: {fmt.fixed(best.score(selection.criterion), 2)}",
                    (best.n_components, 0),
                    xytext=(0, -11),
                    textcoords="offset points",
                    ha="left" if best.n_components == ks[0] else "right" if best.n_components == ks[-1] else "center",
                    va="top",
                    fontsize=8.5,
                    color=INK,
                )
            axis.set_yscale("symlog", linthresh=10, linscale=1.2)
            axis.set_ylim(-4, 2.2 * max(10, *(c.above[selection.criterion] for c in scored)))
            axis.yaxis.set_major_locator(FixedLocator(TICKS))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: fmt.number(value)))
            axis.set_xlim(ks[0] - 0.5, ks[-1] + 0.5)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
            axis.set_xlabel("number of components K")
            axis.set_title(ESTIMATES[estimate])
        panels[0].set_ylabel(f"{name} above the best")
        figure.legend(handles=_legend(selection, structures), loc="outside right upper")

    label = f"{name} against the number of components, one line for each of {len(structures)} structures"
    return svg("figure-selection", label, (WIDTH, 4.4), paint)


def caption(selection: Selection) -> str:
    """What to see."""
    name = selection.criterion.upper()
    text = f"The ring marks the smallest {name}; heights are differences to it, linear up to 10 and logarithmic beyond."
    text += " A difference below 2 is hardly one; above 10 it is strong." if selection.criterion != "icl" else ""
    if any(c.remark for c in selection.candidates):
        text += " A cross at the top stands for a fit that has no score: it collapsed, or was refused."
    return text


def _rank(candidate: Candidate, absent: list[Candidate]) -> int:
    """Which of the crosses above the same K this is, so that they do not hide each other."""
    return [c for c in absent if c.n_components == candidate.n_components].index(candidate)


def _legend(selection: Selection, structures: list[str]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=s.color, marker=s.marker, markersize=5, linestyle=s.line, label=name or selection.family)
        for name, s in ((name, component(number)) for number, name in enumerate(structures))
    ]
    handles.append(Line2D([], [], color="none", marker="o", markersize=11, markeredgecolor=INK, label="best"))
    if any(c.remark for c in selection.candidates):
        color = COLLAPSED if len(structures) == 1 else MUTED
        handles.append(
            Line2D(
                [], [], color=color, linestyle="none", marker="x", markersize=6, markeredgewidth=1.6, label="no score"
            )
        )
    return handles
