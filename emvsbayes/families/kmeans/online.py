"""Online K-means: rows one at a time, in the order of the data (MacQueen 1967).

    μ_k ← μ_k + η_n (x_n - μ_k),   η_n = w_n / c_k,   k the nearest centre to x_n

with c_k the weight of all rows so far assigned to k, row n and earlier passes included. This choice of η makes each
centre the running mean of whatever was ever assigned to it, so that what a pass leaves behind is again a sum of
statistics. A centre forgets the start at its first row, and early mistakes only as 1 / passes. Hence one shortcut: a
pass that assigns every row as the pass before did would be repeated for ever, and the running means would tend to the
means of that partition; they are put there at once, and the passes go on from there.

The order of rows is that of the data, on every pass; shuffle the rows to have another. J may rise: after each pass a
fresh hard E-step is scored, and nothing within the pass. A normal prior joins at the end of each pass, not within it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.protocol import Expectation


class Seen(NamedTuple):
    """What was ever assigned to each cluster, its weight c (K,) and mean (K, D); the last pass's clusters (N,)."""

    weight: Array
    mean: Array
    assigned: Integers


@dataclass(frozen=True, slots=True)
class Online:
    """A schedule: the M-step is given the statistics of all assignments so far, made one row at a time."""

    monotone = False

    def start(self, family: Any, data: Any) -> tuple[Any, Seen | None]:
        """Nothing is assigned yet."""
        return data, None

    def sweep(self, family: Any, params: Any, memory: Any) -> tuple[Expectation, Any]:
        """Score a fresh hard E-step at `params`; then one pass of sequential updates from there, for the M-step."""
        data, before = memory
        exact, about = family.e_step(params, data), params
        q = exact.hardened()
        stats = family.expect(q, data, about)
        if before is None:  # a start may lie far from the data, and moments about it would lose digits
            about = family.m_step(stats, params)
            stats = family.expect(q, data, about)
        seen = one_pass(data, params.centers, before)
        if before is not None and np.array_equal(seen.assigned, before.assigned):
            seen = partition_means(data, seen)
        precision = np.repeat(seen.weight[:, None] / family.variance_of(data), seen.mean.shape[1], axis=1)
        total = replace(stats, n=seen.weight, precision=precision, first=precision * (seen.mean - about.centers))
        log_likelihood = family.log_likelihood(params, data)
        return Expectation(q, stats, log_likelihood, about, exact, total), (data, seen)

    def moving(self, before: Expectation, after: Expectation, gain: float) -> bool:
        """Whether a pass reassigned a row: a pass that gains as much as it loses is not the last."""
        return not np.array_equal(before.q.log_r, after.q.log_r)


def one_pass(data: Any, centers: Array, before: Seen | None = None) -> Seen:
    """One pass over the rows from `centers` (K, D); without `before`, nothing was ever assigned.

    Known labels assign their rows; rows of weight 0 are absent (assigned -1).
    """
    where = centers.copy()  # of each cluster: where it starts the pass until its first row, then its running mean
    weight = np.zeros(len(centers)) if before is None else before.weight.copy()
    mean = centers.copy() if before is None else before.mean.copy()
    labels = np.full(data.n_rows, -1) if data.labels is None else data.labels
    assigned = np.full(data.n_rows, -1)
    for n in np.flatnonzero(data.row_weights > 0):
        x, w = data.X[n], data.row_weights[n]
        k = labels[n] if labels[n] >= 0 else ((where - x) ** 2).sum(axis=1).argmin()
        weight[k] += w
        mean[k] += w / weight[k] * (x - mean[k])
        where[k], assigned[n] = mean[k], k
    return Seen(weight, mean, assigned)


def partition_means(data: Any, seen: Seen) -> Seen:
    """Weights and means of the last pass's clusters alone; a cluster without rows keeps what it had."""
    weight, mean = seen.weight.copy(), seen.mean.copy()
    for k in np.unique(seen.assigned[seen.assigned >= 0]):
        w = data.row_weights * (seen.assigned == k)
        weight[k] = w.sum()
        mean[k] += w @ (data.X - mean[k]) / weight[k]
    return Seen(weight, mean, seen.assigned)
