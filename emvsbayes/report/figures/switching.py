"""Question 2: the draws by chain and component, before and after relabelling."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emvsbayes.comparison.record import Switching
from emvsbayes.report.figures.canvas import RASTER, WIDTH, grid, svg
from emvsbayes.report.palette import component


def draw(switching: Switching) -> str:
    """Two rows, before and after, of which one is enough where there is nothing to rename; one column a chain."""
    trace = switching.trace
    chains = len(trace.before)
    if not chains:
        return ""
    stages = [(", before", trace.before), (", after", trace.after)]
    label = f"Draws of {trace.name} in {chains} chains, by component, before and after relabelling"
    if _single(switching):
        stages, label = [("", trace.after)], f"Draws of {trace.name} in {chains} chains"
    return draw_stages(trace.name, trace.draw, stages, label)


def draw_stages(name: str, draws: list[int], stages: list[tuple[str, list[list[list[float]]]]], label: str) -> str:
    """One row for each stage, a title and values [chain][component][draw]; one column a chain."""
    chains = len(stages[0][1])

    def paint(figure: Figure) -> None:
        axes = grid(figure, len(stages), chains, sharex=True, sharey=True)
        for row, (when, values) in zip(axes, stages, strict=True):
            for chain, axis in enumerate(row):
                marks = sum(len(series) for series in values[chain])
                for k, series in enumerate(values[chain]):
                    style = component(k)
                    axis.plot(
                        draws,
                        series,
                        color=style.color,
                        linewidth=0.7,
                        marker=style.marker,
                        markevery=max(len(series) // 8, 1),
                        markersize=4.5,
                        markeredgecolor="white",
                        markeredgewidth=0.4,
                        rasterized=marks > RASTER,
                    )
                axis.set_title(f"chain {chain}{when}")
                axis.locator_params(axis="x", nbins=3)
            row[0].set_ylabel(name)
        for axis in axes[-1]:
            axis.set_xlabel("draw")
        components = len(stages[0][1][0])
        handles = [
            Line2D([], [], color=s.color, marker=s.marker, markersize=5, label=f"component {k}")
            for k, s in ((k, component(k)) for k in range(components))
        ]
        if components > 1:
            figure.legend(handles=handles, loc="outside lower center", ncols=6)

    return svg("figure-switching", label, (WIDTH, 2.1 * len(stages)), paint)


def caption(switching: Switching, resolved: bool) -> str:
    """What to see; `resolved` says whether the chains agree after relabelling."""
    text = f"Draws of {switching.trace.name}. "
    if _single(switching):
        if resolved:
            return text + "Every chain keeps to one level."
        return text + "The chains do not agree yet."
    if not resolved:
        return text + "After relabelling, below, the chains do not agree yet."
    if switching.labellings_visited > 1:
        text += (
            "Above, a colour that jumps to another level, or differs from chain to chain, is one component under two "
            "names; below, each colour keeps its level in every chain."
        )
    else:
        text += (
            "Every colour keeps one level in every chain: the sampler stayed with one labelling, and relabelling had "
            "nothing to exchange within it."
        )
    return text


def _single(switching: Switching) -> bool:
    """Whether one series a chain is all there is, with no names to exchange."""
    return switching.labellings_possible == 1 and all(len(chain) == 1 for chain in switching.trace.before)
