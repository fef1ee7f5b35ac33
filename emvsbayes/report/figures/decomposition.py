"""Question 4: ln p(X | θ) = ELBO(q, θ) + KL(q ‖ p(Z | X, θ)), drawn twice.

The climb: log-likelihood with the bound beneath it, and the gap: after every M half-step, and after every E half-step
too where that is hard and leaves it open. The stack: bound and gap on top of each other, half-step by half-step,
against a log-likelihood that was computed on its own.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emvsbayes.comparison.record import Climb, Decomposition, Step
from emvsbayes.report import format as fmt
from emvsbayes.report.figures.canvas import RASTER, WIDTH, grid, powers, quiet, svg
from emvsbayes.report.palette import BOUND, GAP, INK

_BARS = 7  # half-steps in a panel of the stack
_PANELS = 3
_ACROSS = 3  # most climbs side by side
_DECADES = 30  # from this quotient on, a gap wants a logarithmic axis


def draw_climb(decomposition: Decomposition) -> str:
    """One column a climb: heights above, the gap on a logarithmic axis below; empty where nothing was recorded."""
    climbs = [climb for climb in decomposition.climbs if climb.steps]
    if not climbs:
        return ""

    def paint(figure: Figure) -> None:
        panels = grid(figure, 2 * blocks, across, height_ratios=[1.5, 1] * blocks)
        for i, (climb, name) in enumerate(zip(climbs, fmt.climb_names(climbs), strict=True)):
            block, column = divmod(i, across)
            above, below = panels[2 * block][column], panels[2 * block + 1][column]
            above.sharex(below)  # before anything is drawn: the limits are then those of both
            _heights(above, climb)
            _gaps(below, climb)
            above.tick_params(labelbottom=False)
            when = "half-step" if climb.e_step == "hard" else "M half-step"
            above.set_title(f"{fmt.sentence(name)}{between}the bound under the log-likelihood")
            below.set_title(f"{fmt.sentence(name)}{between}the gap after each {when}")
            below.set_xlabel("pass")
            if column == 0:
                above.set_ylabel("nats")
                below.set_ylabel("KL (nats)")
        for column in range((len(climbs) - 1) % across + 1, across):
            quiet(panels[-2][column])
            quiet(panels[-1][column])
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)

    across = min(_ACROSS, len(climbs))
    blocks = -(-len(climbs) // across)
    between = ": " if across < 3 and all(climb.e_step == "exact" for climb in climbs) else ":\n"
    label = "Log-likelihood and evidence lower bound by pass, with the divergence between them, for " + "; ".join(
        fmt.climb_names(climbs)
    )
    return svg("figure-climb", label, (WIDTH, 4.9 * blocks + (0.3 if between != ": " else 0)), paint)


def draw_stack(decomposition: Decomposition) -> str:
    """One row a climb, three panels a row, each with a vertical scale of its own."""
    climbs = [climb for climb in decomposition.climbs if climb.steps]
    if not climbs:
        return ""
    cuts = [windows(climb.steps, spread=climb.e_step == "hard") for climb in climbs]
    columns = max(len(cut) for cut in cuts)

    def paint(figure: Figure) -> None:
        rows = grid(figure, len(climbs), columns)
        for name, cut, row in zip(fmt.climb_names(climbs), cuts, rows, strict=True):
            for axis, steps in zip(row, cut, strict=False):
                _bars(axis, steps)
                axis.set_title(f"{fmt.sentence(name)}{between}{_span(steps)}")
            for axis in row[len(cut) :]:
                quiet(axis)
            row[0].set_ylabel("nats")
        first = figure.axes[0]
        handles, labels = first.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)

    between = ", " if all(climb.e_step == "exact" for climb in climbs) else ",\n"
    label = "Bars of bound and divergence stacked, half-step by half-step, with the log-likelihood at their top"
    return svg("figure-stack", label, (WIDTH, 2.45 * len(climbs) + 0.4), paint)


def caption_climb(decomposition: Decomposition) -> str:
    """What to see."""
    kinds = {climb.e_step for climb in decomposition.climbs}
    text = "The bound never rises above the log-likelihood"
    if "exact" in kinds:
        text += (
            ("; with an exact E-step the log-likelihood" if "hard" in kinds else ", which")
            + " never falls under maximum likelihood, and under MAP it may give way to the prior. "
            "Every E half-step closes the gap to zero (which a logarithmic axis cannot show), every M half-step opens "
            "it again; a gap that falls on a straight line is linear convergence. "
        )
    else:
        text += ". "
    if "hard" in kinds:
        text += (
            "With a hard E-step it is the bound that climbs: every E half-step narrows the gap as far as a one-hot q "
            "can and leaves it open (filled marks), and the log-likelihood above may also fall. "
        )
    text = text.rstrip()
    if any(climb.steps and len(climb.steps) < 2 * climb.steps[-1].passes + 1 for climb in decomposition.climbs):
        text += " Long climbs are thinned."
    return text


def caption_stack(decomposition: Decomposition) -> str:
    """What to see."""
    kinds = {climb.e_step for climb in decomposition.climbs}
    text = "Bound plus gap end on the tick, which is the log-likelihood computed by its own code. "
    if kinds == {"hard"}:
        text += "Hard E half-steps lift the bound and leave a gap; M half-steps lift the bound again. "
    else:
        text += "E half-steps fill the bar with bound and leave no gap; M half-steps lift both. "
        if "hard" in kinds:
            text += "Under a hard E-step the gap stays open after both, and what they lift is the bound. "
    return text + "Axes do not begin at zero; each panel has its own."


def windows(steps: list[Step], *, spread: bool = False) -> list[list[Step]]:
    """Stretches of half-steps to draw: after the start, and where the gap is largest for the height the panel spans.

    With `spread`, for gaps that never close: after the start, half-way, and at the end.
    """
    if len(steps) <= _BARS:
        return [steps]
    first = 2 if len(steps) > _BARS + 2 else 0  # the start itself lies so low that it would flatten its panel
    found = [first]
    starts = [i for i in range(first, len(steps) - _BARS + 1) if steps[i].half == "E"]
    for _ in range(_PANELS - 1):
        free = [i for i in starts if all(abs(i - j) >= _BARS for j in found)]
        if not free:
            break
        if spread:
            found.append(free[-1] if len(found) == 1 else free[len(free) // 2])
            continue
        found.append(max(free, key=lambda i: _visible(steps[i : i + _BARS])))
    return [steps[i : i + _BARS] for i in sorted(found)]


def _visible(steps: list[Step]) -> float:
    span = max(s.log_likelihood for s in steps) - min(s.elbo for s in steps)
    return max(s.kl for s in steps) / span if span > 0 else 0.0


def _at(step: Step) -> float:
    """An M half-step lies half a pass before the E half-step that completes its pass."""
    return step.passes - (0.5 if step.half == "M" else 0)


def _heights(axis: Axes, climb: Climb) -> None:
    x = [_at(step) for step in climb.steps]
    top, bound = [s.log_likelihood for s in climb.steps], [s.elbo for s in climb.steps]
    raster = len(x) > RASTER
    axis.fill_between(x, bound, top, color=GAP, alpha=0.3, linewidth=0, label="gap: KL", rasterized=raster)
    axis.plot(x, top, color=INK, label="log-likelihood", rasterized=raster)
    axis.plot(x, bound, color=BOUND, linestyle=(0, (4, 1.5)), label="bound: ELBO", rasterized=raster)
    few = x[: min(len(x), 24)]
    axis.plot(few, top[: len(few)], color=INK, linestyle="none", marker="o", markersize=3)
    axis.plot(few, bound[: len(few)], color=BOUND, linestyle="none", marker="s", markersize=2.5)
    later = [s.elbo for s in climb.steps[1:]] or bound
    low, high = min(later), max(top)
    if bound[0] < low - 1.5 * (high - low):  # a start far below would flatten all that follows
        margin = 0.08 * (high - low or 1)
        axis.set_ylim(low - 3 * margin, high + margin)
        axis.annotate(
            "the start lies far below",
            xy=(x[1], 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(8, 6),
            textcoords="offset points",
            fontsize=8.5,
            color=INK,
        )


def _gaps(axis: Axes, climb: Climb) -> None:
    if climb.e_step == "hard":
        _open_gaps(axis, climb)
        return
    opened = [s for s in climb.steps if s.half == "M" and s.kl > 0]
    axis.plot(
        [s.passes for s in opened],
        [s.kl for s in opened],
        color=GAP,
        marker="o",
        markersize=3,
        linewidth=1,
        rasterized=len(opened) > RASTER,
    )
    if opened:
        powers(axis)


def _open_gaps(axis: Axes, climb: Climb) -> None:
    """Of a hard climb, after both half-steps; the axis is logarithmic only where the gaps differ in size that much."""
    steps = [s for s in climb.steps if s.kl > 0]
    axis.plot([_at(s) for s in steps], [s.kl for s in steps], color=GAP, linewidth=0.9, alpha=0.6)
    for half, face in (("M", "white"), ("E", GAP)):
        own = [s for s in steps if s.half == half]
        x, y = [_at(s) for s in own], [s.kl for s in own]
        marks = {"color": GAP, "marker": "o", "markersize": 4, "markerfacecolor": face, "linestyle": "none"}
        axis.plot(x, y, label=f"after {half}", rasterized=len(own) > RASTER, **marks)
    if steps and max(s.kl for s in steps) > _DECADES * min(s.kl for s in steps):
        powers(axis)
    else:
        axis.set_ylim(bottom=0)
        axis.margins(y=0.15)
        axis.set_ylim(bottom=0)
    if steps:
        axis.legend(loc="best", ncols=2, fontsize=8, handletextpad=0.1, columnspacing=0.8, borderaxespad=0.1)


def _bars(axis: Axes, steps: list[Step]) -> None:
    low = min(s.elbo for s in steps)
    high = max(s.log_likelihood for s in steps)
    floor = low - 0.35 * (high - low or 1)
    x = list(range(len(steps)))
    axis.bar(x, [s.elbo - floor for s in steps], 0.72, bottom=floor, color=BOUND, label="bound: ELBO")
    axis.bar(
        x,
        [s.kl for s in steps],
        0.72,
        bottom=[s.elbo for s in steps],
        color="white",
        edgecolor=GAP,
        hatch="/////",
        linewidth=0.8,
        label="gap: KL",
    )
    axis.hlines(
        [s.log_likelihood for s in steps],
        [i - 0.48 for i in x],
        [i + 0.48 for i in x],
        color=INK,
        linewidth=1.6,
        label="log-likelihood, computed on its own",
    )
    axis.set_ylim(floor, high + 0.12 * (high - low or 1))
    axis.set_xticks(x, [f"{s.half}\n{s.passes:g}" if s.half == "E" else "M\n" for s in steps])
    axis.grid(visible=False, axis="x")
    axis.locator_params(axis="y", nbins=5)


def _span(steps: list[Step]) -> str:
    return f"passes {steps[0].passes:g} to {steps[-1].passes:g}"
