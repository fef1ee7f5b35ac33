"""Question 3: where the starts end, and the ways there, ML beside MAP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emvsbayes.comparison.record import Restarts, Singularity
from emvsbayes.report import format as fmt
from emvsbayes.report.figures.canvas import WIDTH, grid, svg
from emvsbayes.report.palette import COLLAPSED, MUTED, component

_KINDS: dict[str, dict[str, Any]] = {
    "best optimum": {"marker": "o", "color": component(0).color, "markerfacecolor": component(0).color},
    "another optimum": {"marker": "s", "color": "#a87900", "markerfacecolor": "white"},
    "collapsed": {"marker": "X", "color": COLLAPSED, "markerfacecolor": COLLAPSED},
    "not usable": {"marker": "P", "color": MUTED, "markerfacecolor": "white"},
}
_WAYS: dict[str, dict[str, Any]] = {
    "best optimum": {"color": component(0).color, "linestyle": "-", "alpha": 0.55, "linewidth": 1},
    "another optimum": {"color": "#a87900", "linestyle": (0, (6, 1.5, 1.2, 1.5)), "alpha": 0.8, "linewidth": 1},
    "collapsed": {"color": COLLAPSED, "linestyle": (0, (4, 1.6)), "alpha": 0.9, "linewidth": 1.3},
    "not usable": {"color": MUTED, "linestyle": ":", "alpha": 0.8, "linewidth": 1},
}
_UNBOUNDED = 0.93  # height of collapsed starts in their panel, as a share of it


def draw(singularity: Singularity) -> str:
    """Above, final log-likelihoods by rank; below, log-likelihood by pass."""
    sides = (("maximum likelihood", singularity.ml), ("MAP", singularity.map))

    def paint(figure: Figure) -> None:
        top, bottom = grid(figure, 2, 2, sharey="row", height_ratios=[1, 1.15])
        seen: set[str] = set()
        for axis, (title, restarts) in zip(top, sides, strict=True):
            seen |= _finals(axis, restarts)
            axis.set_title(f"{title}: where the starts end")
            axis.set_xlabel("rank of the start")
        low, high = _window(path.log_likelihood for _, side in sides for path in side.paths if len(path.passes) > 1)
        for axis, (title, restarts) in zip(bottom, sides, strict=True):
            seen |= _paths(axis, restarts, low)
            axis.set_title(f"{title}: the way there")
            axis.set_xlabel("pass")
        bottom[0].set_ylim(low, high)
        top[0].set_ylabel("log-likelihood (nats)")
        bottom[0].set_ylabel("log-likelihood (nats)")
        handles = [Line2D([], [], markersize=6, label=kind, **_key(kind)) for kind in _KINDS if kind in seen]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)

    label = "Final log-likelihood of every start and its path by pass, under maximum likelihood and under MAP"
    return svg("figure-singularity", label, (WIDTH, 5.4), paint)


def caption(singularity: Singularity, e_step: str = "exact") -> str:
    """What to see; under a hard E-step the climbs are those of the bound."""
    ml, mode, starts = singularity.ml, singularity.map, singularity.n_starts
    text = f"{fmt.count(ml.n_singular)} of {fmt.plural(starts, 'start')} collapsed under maximum likelihood, "
    text += f"{fmt.count(mode.n_singular)} under MAP. "
    if ml.n_singular:
        text += "A red path ends at its last finite likelihood; the arrow is the next pass, on its way to infinity. "
    text += "Both columns share their axis and show the log-likelihood, "
    if e_step == "hard":
        return (
            text + "although it is the bound that climbs, so that a path may fall and the best optimum may lie lower."
        )
    return text + "also where MAP climbed the log posterior."


def _key(kind: str) -> dict[str, Any]:
    """Line and mark together, for the legend."""
    return _WAYS[kind] | _KINDS[kind] | {"alpha": 1}


def _kind(status: str, optimum: int) -> str:
    if fmt.is_collapsed(status):
        return "collapsed"
    if optimum < 0:
        return "not usable"
    return "best optimum" if optimum == 0 else "another optimum"


def _finals(axis: Axes, restarts: Restarts) -> set[str]:
    seen = set()
    for rank, start in enumerate(restarts.starts, 1):
        kind = _kind(start.status, start.optimum)
        seen.add(kind)
        if kind == "collapsed":  # where it broke off says nothing: the likelihood has no upper bound there
            axis.plot(rank, _UNBOUNDED, transform=axis.get_xaxis_transform(), markersize=5.5, **_KINDS[kind])
        elif start.log_likelihood is None:  # no height to draw it at: on the floor of the panel
            axis.plot(rank, 0.03, transform=axis.get_xaxis_transform(), markersize=6, clip_on=False, **_KINDS[kind])
        else:
            axis.plot(rank, start.log_likelihood, markersize=5.5, **_KINDS[kind])
    axis.set_xlim(0, len(restarts.starts) + 1)
    axis.margins(y=0.2)
    if "collapsed" in seen:
        place = {"transform": axis.get_xaxis_transform(), "va": "center", "ha": "right", "fontsize": 8.5}
        first = sum(not fmt.is_collapsed(start.status) for start in restarts.starts)
        axis.text(first - 0.5, _UNBOUNDED, "unbounded ↑", color=COLLAPSED, **place)
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    return seen


def _paths(axis: Axes, restarts: Restarts, low: float) -> set[str]:
    optimum = {start.index: start.optimum for start in restarts.starts}
    seen = set()
    for path in restarts.paths:
        if not path.passes or path.log_likelihood[-1] < low:
            continue
        kind = _kind(path.status, optimum.get(path.index, -1))
        seen.add(kind)
        axis.plot(path.passes, path.log_likelihood, **_WAYS[kind])
        if kind == "collapsed":  # the next M half-step would leave the panel for ever
            last = (path.passes[-1], path.log_likelihood[-1])
            up = {"arrowstyle": "-|>", "color": COLLAPSED, "linestyle": ":", "linewidth": 1.1}
            above = axis.get_xaxis_transform()
            axis.annotate("", (last[0] + 1, 0.99), last, xycoords=above, textcoords="data", arrowprops=up)
        axis.plot(path.passes[-1], path.log_likelihood[-1], markersize=4.5, **_KINDS[kind])
    axis.set_xscale("symlog", linthresh=1)
    longest = max((path.passes[-1] for path in restarts.paths if path.passes), default=1)
    ticks = [t for t in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if t <= longest]
    axis.set_xticks(ticks, [str(t) for t in ticks])
    axis.set_xticks([], minor=True)
    axis.set_xlim(left=0)
    return seen


def _window(paths: Iterable[list[float]]) -> tuple[float, float]:
    """Heights from the first pass on: the fall-in from a poor start would flatten all that follows."""
    later = [height for path in paths for height in path[1:] or path]
    if not later:
        return 0, 1
    low, high = min(later), max(later)
    margin = high - low or 1
    return low - 0.08 * margin, high + 0.25 * margin
