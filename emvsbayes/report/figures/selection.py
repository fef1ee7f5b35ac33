"""A choice between models: one criterion against K, a line for every structure, a panel for ML and for MAP."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emvsbayes.report import format as fmt
from emvsbayes.report.figures.canvas import WIDTH, grid, svg
from emvsbayes.report.palette import COLLAPSED, INK, MUTED, component
from emvsbayes.selection.record import ESTIMATES, Candidate, Selection


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
                values = [c.score(selection.criterion) for c in rows]
                axis.plot(
                    [c.n_components for c in rows],
                    [float("nan") if value is None else value for value in values],
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
                value = best.score(selection.criterion)
                assert value is not None
                axis.plot(best.n_components, value, marker="o", markersize=13, color="none", markeredgecolor=INK)
                axis.annotate(
                    f"{best.words}\n{fmt.fixed(value, 2)}",
                    (best.n_components, value),
                    xytext=(0, -14),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize=8.5,
                    color=INK,
                )
            axis.margins(y=0.16)
            axis.set_xlim(ks[0] - 0.5, ks[-1] + 0.5)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
            axis.set_xlabel("number of components K")
            axis.set_title(ESTIMATES[estimate])
        panels[0].set_ylabel(f"{name} (smaller is better)")
        figure.legend(handles=_legend(selection, structures), loc="outside right upper")

    label = f"{name} against the number of components, one line for each of {len(structures)} structures"
    return svg("figure-selection", label, (WIDTH, 4.4), paint)


def caption(selection: Selection) -> str:
    """What to see."""
    name = selection.criterion.upper()
    text = f"The ring marks the smallest {name}: the model whose fit is worth its parameters."
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
