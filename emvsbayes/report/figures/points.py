"""Question 1: posterior marginals, with the ML and MAP estimates marked."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from emvsbayes.comparison.record import Points
from emvsbayes.report.figures.canvas import WIDTH, grid, quiet, svg
from emvsbayes.report.palette import FAINT, INK, component

PANELS = 24  # most marginals a figure holds
_COLUMNS = 4
_LONG = 32  # characters of a name that fit above a panel


def draw(points: Points) -> str:
    """One panel a marginal; empty where there is none to draw."""
    marginals = points.marginals[:PANELS]
    if not marginals:
        return ""
    owner = {p.name: p for p in points.parameters}
    columns = min(_COLUMNS, len(marginals))
    rows = -(-len(marginals) // columns)

    def paint(figure: Figure) -> None:
        axes = [a for row in grid(figure, rows, columns) for a in row]
        for axis, marginal in zip(axes, marginals, strict=False):
            parameter = owner.get(marginal.name)
            style = component(parameter.component if parameter else -1)
            axis.stairs(marginal.density, marginal.edges, fill=True, color=style.color, alpha=0.28)
            axis.stairs(marginal.density, marginal.edges, color=style.color, linewidth=1)
            top = max(marginal.density, default=1) or 1
            if parameter and parameter.lower is not None and parameter.upper is not None:
                axis.plot([parameter.lower, parameter.upper], [-0.09 * top] * 2, color=style.color, linewidth=3)
            if parameter and parameter.mean is not None:
                axis.plot(
                    parameter.mean, -0.09 * top, marker="o", markersize=5, color="white", markeredgecolor=style.color
                )
            axis.plot([marginal.ml] * 2, [0, 1.16 * top], color=INK, marker="v", markevery=[1], markersize=5)
            axis.plot(
                [marginal.map] * 2,
                [0, 1.04 * top],
                color=INK,
                linestyle=(0, (3, 1.8)),
                marker="D",
                markevery=[1],
                markersize=4,
                markerfacecolor="white",
            )
            axis.set_ylim(-0.18 * top, 1.28 * top)
            axis.set_yticks([])
            axis.spines["left"].set_visible(False)
            axis.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
            axis.locator_params(axis="x", nbins=4)
            size = min(9.5, 9.5 * _LONG / max(len(marginal.name), 1))
            axis.set_title(f"{style.glyph} {marginal.name}".strip(), color=style.color, fontsize=size)
        for axis in axes[len(marginals) :]:
            quiet(axis)
        figure.legend(handles=_legend(points), loc="outside lower center", ncols=5)

    label = f"Posterior marginals of {len(marginals)} parameters, with the ML and MAP estimates marked"
    return svg("figure-points", label, (WIDTH, 1.5 * rows + 0.4), paint)


def caption(points: Points) -> str:
    """What to see."""
    text = (
        "Where the two vertical lines fall inside the bulk of a marginal, the estimate and the posterior tell one "
        "story; where they sit in a flank, the posterior is skewed or the prior pulls."
    )
    if len(points.marginals) > PANELS:
        text += f" The first {PANELS} of {len(points.marginals)} marginals are drawn."
    return text


def _legend(points: Points) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Patch(facecolor=FAINT, edgecolor=INK, alpha=0.6, label="posterior marginal"),
        Line2D([], [], color=INK, marker="v", markersize=5, label="ML"),
        Line2D(
            [], [], color=INK, linestyle=(0, (3, 1.8)), marker="D", markersize=4, markerfacecolor="white", label="MAP"
        ),
    ]
    if any(p.lower is not None for p in points.parameters):
        handles.append(
            Line2D(
                [],
                [],
                color=FAINT,
                linewidth=3,
                marker="o",
                markersize=5,
                markerfacecolor="white",
                markeredgecolor=INK,
                label=f"posterior mean, {points.interval}",
            )
        )
    return handles
