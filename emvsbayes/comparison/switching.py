"""Question 2: did the sampler see one labelling or several?

The likelihood, and a prior exchangeable over components, do not change when components are renamed: the posterior has
K! copies of everything. A chain may stay in one copy, or switch. R-hat of the raw draws then measures labels, not
convergence; after relabelling towards the EM pivot it measures convergence.
"""

from __future__ import annotations

from collections import Counter
from math import factorial, prod
from typing import Any

import numpy as np

from emvsbayes.comparison.record import MARKS, Convergence, Switching, TraceSeries
from emvsbayes.core.checks import Array
from emvsbayes.core.scalars import Scalar, thinned
from emvsbayes.relabelling.convergence import RHAT, rhat_ess

SAME_MODE = 0.05  # nats: modes closer than this are one mode
PASSING = 1.05  # up to this R-hat chains pass between modes: where each one ended says nothing


def compare_switching(
    scalars: list[Scalar], raw: Any, relabelled: Any, pivot: str, diagnosis: list[str], modes: list[float | None]
) -> Switching:
    """Diagnose labels from the tree as drawn and as relabelled; `modes` as in the record."""
    before, after, found = (
        raw["posterior"].to_dataset(),
        relabelled["posterior"].to_dataset(),
        relabelled["relabelling"],
    )
    moves = found["permutation"].values  # (chain, draw, K)
    chains, draws, k = moves.shape
    visited = Counter(tuple(int(i) for i in move) for move in moves.reshape(-1, k))
    sizes = Counter(np.atleast_1d(found.attrs["classes"]).tolist()).values()
    return Switching(
        method=str(found.attrs["method"]).upper(),
        pivot=pivot,
        chains=chains,
        draws=draws,
        switches=[int(count) for count in (moves[:, 1:] != moves[:, :-1]).any(axis=2).sum(axis=1)],
        labellings_visited=len(visited),
        labellings_possible=prod(factorial(size) for size in sizes),
        labelling_shares={
            " ".join(map(str, move)): count / (chains * draws) for move, count in visited.most_common(24)
        },
        convergence=[
            Convergence(s.name, *rhat_ess(s.draws(before), s.draws(after)))
            for s in scalars
            if s.field in after and _moves(s.draws(after))
        ],
        trace=_trace(scalars, before, after),
        divergences=int(raw["sample_stats"]["diverging"].sum()),
        diagnosis=diagnosis,
        agreement=found["agreement"].mean("draw").values.tolist(),
        log_likelihood=_log_likelihood(raw).tolist(),
        mode_log_posterior=modes,
    )


def worst_rhat(switching: Switching, *, after: bool = True) -> tuple[float | None, str]:
    """The largest R-hat and the name of its parameter; None where one does not exist, which is worse than any."""
    values = {c.name: c.rhat_after if after else c.rhat_before for c in switching.convergence}
    missing = [name for name, value in values.items() if value is None]
    if missing or not values:
        return None, missing[0] if missing else ""
    name = max(values, key=lambda n: values[n] or 0.0)
    return values[name], name


def unresolved(switching: Switching) -> str:
    """Why component-wise summaries would mean nothing, as a sentence; empty where the labels are resolved."""
    rhat, name = worst_rhat(switching)
    if rhat is None:
        return (
            f"R-hat of {name or 'the draws'} does not exist: it needs two chains or more, and draws that are numbers."
        )
    if rhat <= RHAT:
        return ""
    if rhat <= PASSING:
        return f"R-hat of {name} is {rhat:.3f} after relabelling, not far above {RHAT}: longer chains may do."
    return f"R-hat of {name} is {rhat:.2f} after relabelling: {_stuck(switching)}."


def _stuck(switching: Switching) -> str:
    """Which chains sit at another mode than the best one, or that the chains are too short."""
    modes = {chain: mode for chain, mode in enumerate(switching.mode_log_posterior) if mode is not None}
    best = max(modes.values(), default=0.0)
    low = {chain: best - mode for chain, mode in modes.items() if best - mode > SAME_MODE}
    lost = [chain for chain, mode in enumerate(switching.mode_log_posterior) if mode is None]
    if not low and lost:
        return (
            f"EM started at the end of chain {', '.join(map(str, lost))} reaches no mode, so that another mode and "
            "chains that are too short cannot be told apart"
        )
    if not low:
        return "EM started at the end of each chain reaches the same mode, so that the chains are too short"
    gaps = sorted(round(gap, 1) for gap in low.values())
    chains = ", ".join(map(str, low))
    below = f"{gaps[0]:g}" if gaps[0] == gaps[-1] else f"{gaps[0]:g} to {gaps[-1]:g}"
    return (
        f"{'chain' if len(low) == 1 else 'chains'} {chains} ended at a mode that is no relabelling of the best one; "
        f"its log posterior is lower by {below} (in nats), and these draws cannot say how much of the posterior lies "
        "there"
    )


def _log_likelihood(tree: Any) -> Array:
    """Mean log-likelihood by chain: it tells modes apart, and no relabelling changes it."""
    rows = tree["log_likelihood"].to_dataset().to_stacked_array("row", sample_dims=["chain", "draw"])
    return rows.sum("row").mean("draw").values


def _moves(draws: Array) -> bool:
    """Whether a scalar was sampled at all; a draw that is no number counts as one that moved."""
    return not (draws == draws.flat[0]).all()


def _trace(scalars: list[Scalar], before: Any, after: Any) -> TraceSeries:
    """The field that tells the components apart best: largest spread of component means against draws about them."""
    groups: dict[tuple[str, tuple[int, ...]], list[Scalar]] = {}
    for s in scalars:
        if s.component >= 0 and s.field in after and np.isfinite(s.draws(after)).all() and _moves(s.draws(after)):
            groups.setdefault((s.field, s.index[1:]), []).append(s)

    def separation(group: list[Scalar]) -> float:
        draws = np.stack([s.draws(after) for s in group])
        within = draws.std(axis=(1, 2)).mean()
        return float(draws.mean(axis=(1, 2)).std() / within) if within > 0 else 0.0

    if not groups:  # no components: the first parameter
        moving = [s for s in scalars if s.field in after and _moves(s.draws(after))]
        if not moving:
            return TraceSeries("", [], [], [])
        groups[moving[0].field, moving[0].index] = moving[:1]
    chosen = max(groups.values(), key=separation)
    chains, n = chosen[0].draws(after).shape
    kept = thinned(n, MARKS // max(1, len(chosen)))
    series = {
        name: [[s.draws(data)[chain][kept].tolist() for s in chosen] for chain in range(chains)]
        for name, data in (("before", before), ("after", after))
    }
    name = chosen[0].name.replace("[0, ", "[k, ").replace("[0]", "[k]")
    return TraceSeries(name, kept.tolist(), **series)
