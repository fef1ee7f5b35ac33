"""R-hat and ESS of every scalar before and after relabelling: labels first, convergence afterwards.

R-hat of raw draws that switch measures labels; after relabelling it measures convergence. Both are rank-normalised and
split, ESS is that of the bulk, as ArviZ computes them.

Source: Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Rank-normalization, folding, and localization: an
improved R-hat, Bayesian Analysis 16, 667-718.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.scalars import thinned
from emvsbayes.relabelling.axes import SAMPLE, components_of, posterior_of

RHAT = 1.01
SCALARS_AT_MOST = 200  # entries of one variable; a larger one has a value for each row, and is left out
MARKS = 500  # that a trace is thinned to, over all components
SHOWN = 5


@dataclass(frozen=True)
class Moved:
    """R-hat and ESS of one scalar before and after; None where they do not exist."""

    name: str
    rhat_before: float | None
    rhat_after: float | None
    ess_before: float | None
    ess_after: float | None


@dataclass(frozen=True)
class Trace:
    """Draws of one coordinate of every component: draw numbers, and values [chain][component][draw]."""

    name: str
    draw: list[int]
    before: list[list[list[float]]]
    after: list[list[list[float]]]


@dataclass(frozen=True)
class RelabellingReport:
    """What a relabelling did: plain data.

    Attributes
    ----------
    method, dims, note : as in the group `relabelling` of the tree
    chains, draws, components : their numbers; draws is by chain
    moved : share of draws that were given other labels
    costs, start_costs : after each pass of the start that was kept, and where each start ended; empty for one pass
    agreement : by chain, mean share of rows that the relabelled draws allocate as the pivot or the others do; or None
    scalars : R-hat and ESS, worst R-hat after relabelling first
    left_out : variables of allocation probabilities or labels, or with more than 200 entries
    trace : the coordinate that separates the components best
    """

    method: str
    dims: list[str]
    note: str
    chains: int
    draws: int
    components: int
    moved: float
    costs: list[float]
    start_costs: list[float]
    agreement: list[float] | None
    scalars: list[Moved]
    left_out: list[str]
    trace: Trace | None

    @property
    def converged(self) -> bool | None:
        """Whether every R-hat is at most 1.01 after relabelling; None where there is none to look at."""
        known = [s.rhat_after for s in self.scalars if s.rhat_after is not None]
        return None if not known else max(known) <= RHAT

    def summary(self) -> str:
        """A few lines to print."""
        lines = [f"relabelled by {self.method} along {', '.join(self.dims)}: {self.moved:.1%} of the draws renamed"]
        lines += [f"  {self.note}"] if self.note else []
        if self.costs:
            starts = f"; {len(self.start_costs)} starts ended between {min(self.start_costs):.6g} and "
            starts = f"{starts}{max(self.start_costs):.6g}" if len(self.start_costs) > 1 else ""
            path = f"{self.costs[0]:.6g} -> {self.costs[-1]:.6g} in {len(self.costs)} passes"
            lines.append(f"  cost {path}{starts}")
        if self.agreement is not None:
            lines.append(f"  agreement by chain {', '.join(f'{share:.1%}' for share in self.agreement)}")
        if self.scalars:
            width = max(len(s.name) for s in self.scalars[:SHOWN])
            lines.append(f"  {'worst':<{width}}  R-hat before  after    ESS before   after")
            lines += [
                f"  {s.name:<{width}}  {_number(s.rhat_before, '.3f'):>12}  {_number(s.rhat_after, '.3f'):>5}"
                f"  {_number(s.ess_before, '.0f'):>12}  {_number(s.ess_after, '.0f'):>6}"
                for s in self.scalars[:SHOWN]
            ]
        if self.left_out:
            lines.append(f"  not looked at: {', '.join(self.left_out)}")
        verdict = {
            True: f"Every R-hat is at most {RHAT} after relabelling.",
            False: f"R-hat is above {RHAT} after relabelling: the chains are too short, or do not agree.",
            None: "",
        }[self.converged]
        return "\n".join([*lines, *([f"  {verdict}"] if verdict else [])])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "converged": self.converged}


def relabelling_report(before: Any, after: Any) -> RelabellingReport:
    """What became of a tree: `before` as it was read, `after` as `relabel` returned it."""
    found = after["relabelling"]
    raw, new = posterior_of(before), posterior_of(after)
    named = np.atleast_1d(found.attrs.get("dims", ["component"])).tolist()
    components = components_of(raw, named) if all(name in raw.dims for name in named) else None
    evidence = np.atleast_1d(found.attrs.get("evidence", [])).tolist()
    scalars, left_out, best, separation = [], [], None, -1.0
    for name, variable in new.data_vars.items():
        if not set(SAMPLE) <= set(variable.dims):
            continue
        pair = [dataset[name].transpose(*SAMPLE, ...) for dataset in (raw, new)]
        entries = int(np.prod(pair[1].shape[2:]))
        axes = [] if components is None else [axis - 2 for axis in components.of(pair[1].dims)]
        if name in evidence or entries > SCALARS_AT_MOST or not np.issubdtype(variable.dtype, np.floating):
            left_out.append(str(name))
            continue
        values = [np.asarray(v.values, dtype=np.float64) for v in pair]
        for index in np.ndindex(pair[1].shape[2:]):
            one = [v[(slice(None), slice(None), *index)] for v in values]
            if not (one[1] == one[1].flat[0]).all():
                label = f"{name}[{', '.join(map(str, index))}]" if index else str(name)
                scalars.append(Moved(label, *rhat_ess(*one)))
        if len(axes) == 1:
            candidate, width = _trace(str(name), values, axes[0])
            if candidate is not None and width > separation:
                best, separation = candidate, width
    moves = found["permutation"].values
    agreement = found["agreement"].mean("draw").values.tolist() if "agreement" in found else None
    return RelabellingReport(
        method=str(found.attrs["method"]),
        dims=[str(name) for name in named],
        note=str(found.attrs.get("note", "")),
        chains=moves.shape[0],
        draws=moves.shape[1],
        components=moves.shape[2],
        moved=float((moves != np.arange(moves.shape[2])).any(axis=2).mean()),
        costs=np.atleast_1d(found.attrs.get("costs", [])).tolist(),
        start_costs=np.atleast_1d(found.attrs.get("start_costs", [])).tolist(),
        agreement=agreement,
        scalars=sorted(scalars, key=lambda s: -(s.rhat_after or np.inf)),
        left_out=left_out,
        trace=best,
    )


def rhat_ess(before: Array, after: Array) -> tuple[float | None, float | None, float | None, float | None]:
    """R-hat before and after, ESS before and after, of draws (chain, draw); None where they do not exist."""
    from arviz_stats.base.array import array_stats

    if not np.isfinite([before, after]).all() or before.shape[1] < 4:  # ranks hide an infinite draw
        return None, None, None, None
    with np.errstate(divide="ignore", invalid="ignore"):  # chains that stand still
        found = [array_stats.rhat(draws, chain_axis=0, draw_axis=1) for draws in (before, after)]
        found += [array_stats.ess(draws, chain_axis=0, draw_axis=1) for draws in (before, after)]
    a, b, c, d = (float(np.squeeze(value)) if np.isfinite(value).all() else None for value in found)
    return a, b, c, d


def _trace(name: str, values: list[Array], axis: int) -> tuple[Trace | None, float]:
    """The entry of a variable that separates its components best, and by how much: spread of their means over sd."""
    moved = [np.moveaxis(v, axis + 2, 2) for v in values]
    shape = moved[1].shape[3:]
    flat = [v.reshape(*v.shape[:3], -1) for v in moved]
    within = flat[1].std(axis=(0, 1)).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(within > 0, flat[1].mean(axis=(0, 1)).std(axis=0) / within, 0.0)
    if not len(apart) or not np.isfinite(apart).all():
        return None, 0.0
    at = int(apart.argmax())
    chains, draws, k = flat[1].shape[:3]
    kept = thinned(draws, max(2, MARKS // k))
    inner = [str(i) for i in np.unravel_index(at, shape)] if shape else []
    label = [*inner[:axis], "k", *inner[axis:]]
    series = [[[flat[i][c, kept, j, at].tolist() for j in range(k)] for c in range(chains)] for i in (0, 1)]
    return Trace(f"{name}[{', '.join(label)}]", kept.tolist(), *series), float(apart[at])


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
