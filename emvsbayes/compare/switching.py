"""Question 2: did the sampler see one labelling or several?

The likelihood, and a prior exchangeable over components, do not change when components are renamed: the posterior has
K! copies of everything. A chain may stay in one copy, or switch. R-hat of the raw draws then measures labels, not
convergence; after relabelling towards the EM pivot it measures convergence.
"""

from __future__ import annotations

from collections import Counter
from math import factorial
from typing import Any

import numpy as np

from emvsbayes.compare.record import MARKS, Convergence, Switching, TraceSeries
from emvsbayes.compare.scalars import Scalar, thinned
from emvsbayes.core.checks import Array

RHAT = 1.01


def compare_switching(scalars: list[Scalar], raw: Any, relabelled: Any, pivot: str, diagnosis: list[str]) -> Switching:
    """Diagnose labels from the tree as drawn and as relabelled; the same tree twice where labels are not arbitrary."""
    before, after = raw["posterior"].to_dataset(), relabelled["posterior"].to_dataset()
    arbitrary = "relabelling" in relabelled.children
    chains, draws = after.sizes["chain"], after.sizes["draw"]
    if arbitrary:
        method, found = str(relabelled["relabelling"].attrs["method"]).upper(), relabelled["relabelling"]
        moves, agreement = found["permutation"].values, found["agreement"].mean("draw").values  # (chain, draw, K)
    else:
        method, moves, agreement = "", np.zeros((chains, draws, 1), dtype=int), np.ones(chains)
    k = moves.shape[2]
    switches = (moves[:, 1:] != moves[:, :-1]).any(axis=2).sum(axis=1)
    visited = Counter(tuple(int(i) for i in move) for move in moves.reshape(-1, k))
    convergence = [
        Convergence(s.name, *_rhat_ess(s.draws(before), s.draws(after))) for s in scalars if s.field in before
    ]
    return Switching(
        exchangeable=arbitrary,
        method=method,
        pivot=pivot,
        chains=chains,
        draws=draws,
        switches=[int(count) for count in switches],
        labellings_visited=len(visited),
        labellings_possible=factorial(k),
        labelling_shares={
            " ".join(map(str, move)): count / (chains * draws) for move, count in visited.most_common(24)
        },
        convergence=convergence,
        trace=_trace(scalars, before, after),
        divergences=int(raw["sample_stats"]["diverging"].sum()),
        diagnosis=diagnosis,
        agreement=agreement.tolist(),
        log_likelihood=_log_likelihood(raw).tolist(),
    )


def unresolved(switching: Switching) -> str:
    """Why component-wise summaries would mean nothing; empty where the labels are resolved."""
    if switching.chains < 2:
        return "labels are unresolved: one chain has no other to agree with; sample at least two"
    worst = max(switching.convergence, key=lambda c: c.rhat_after or 0.0, default=None)
    if worst is None or worst.rhat_after is None or worst.rhat_after < RHAT:
        return ""
    low, high = min(switching.log_likelihood), max(switching.log_likelihood)
    return (
        f"labels are unresolved: R-hat of {worst.name} is {worst.rhat_after:.2f} after relabelling, so that chains sit "
        f"in modes that are not relabellings of one another, or have not converged (mean log-likelihood by chain from "
        f"{low:.1f} to {high:.1f}, rows placed as EM does from {min(switching.agreement):.0%} to "
        f"{max(switching.agreement):.0%})"
    )


def _log_likelihood(tree: Any) -> Array:
    """Mean log-likelihood by chain: it tells modes apart, and no relabelling changes it."""
    rows = tree["log_likelihood"].to_dataset().to_stacked_array("row", sample_dims=["chain", "draw"])
    return rows.sum("row").mean("draw").values


def _rhat_ess(before: Array, after: Array) -> tuple[float | None, ...]:
    from arviz_stats.base.array import array_stats

    if np.ptp(before) == 0:  # a constant, such as the weight of one component
        return None, None, None, None
    found = [array_stats.rhat(draws, chain_axis=0, draw_axis=1) for draws in (before, after)]
    found += [array_stats.ess(draws, chain_axis=0, draw_axis=1) for draws in (before, after)]
    return tuple(float(np.squeeze(value)) if np.isfinite(value).all() else None for value in found)


def _trace(scalars: list[Scalar], before: Any, after: Any) -> TraceSeries:
    """The field that tells the components apart best: largest spread of component means against draws about them."""
    groups: dict[tuple[str, tuple[int, ...]], list[Scalar]] = {}
    for s in scalars:
        if s.component >= 0 and s.field in after:
            groups.setdefault((s.field, s.index[1:]), []).append(s)

    def separation(group: list[Scalar]) -> float:
        draws = np.stack([s.draws(after) for s in group])
        within = draws.std(axis=(1, 2)).mean()
        return float(draws.mean(axis=(1, 2)).std() / within) if within > 0 else 0.0

    if not groups:
        return TraceSeries("", [], [], [])
    chosen = max(groups.values(), key=separation)
    chains, n = chosen[0].draws(after).shape
    kept = thinned(n, MARKS // max(1, len(chosen)))
    series = {
        name: [[s.draws(data)[chain][kept].tolist() for s in chosen] for chain in range(chains)]
        for name, data in (("before", before), ("after", after))
    }
    name = chosen[0].name.replace("[0, ", "[k, ").replace("[0]", "[k]")
    return TraceSeries(name, kept.tolist(), **series)
