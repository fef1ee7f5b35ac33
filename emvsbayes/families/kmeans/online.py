"""Online K-means: rows one at a time, in the order of the data (MacQueen 1967).

    first pass    μ_k ← μ_k + η_n (x_n - μ_k),   η_n = w_n / c_k,   k the nearest centre to x_n
    later passes  a row that is nearer to another centre than to its own, j, leaves it and joins that one, k:
                  μ_j ← μ_j - η_n (x_n - μ_j),   η_n = w_n / c_j,   c_j without the row
                  μ_k ← μ_k + η_n (x_n - μ_k),   η_n = w_n / c_k,   c_k with the row

with c_k the weight of the rows now in cluster k. This choice of η makes each centre the running mean of its rows at
every moment, and lets every row count once, however many passes there are: what a pass leaves behind is the statistics
of one partition, to which a normal prior is added at its proper weight at the end of the pass, not within it.

A run has converged where a fresh assignment of every row finds nothing to move, so that batch K-means (Lloyd) would
stay. Each move of the later passes lowers J, hence there is such an end; a prior, and rounding, could still send rows
back and forth: after `SEQUENTIAL` passes the centres wait for the end of the pass, which is Lloyd and always ends.

The order of rows is that of the data, on every pass; shuffle the rows to have another. J may rise in the first pass,
which forgets the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.latents.categorical import Categorical
from emvsbayes.core.protocol import Expectation

SEQUENTIAL = 100  # passes after which centres move at the end of a pass only


class Seen(NamedTuple):
    """What a pass leaves behind: the cluster of each row (N,), -1 where its weight is 0, and the centres (K, D)."""

    assigned: Integers
    centers: Array


@dataclass(frozen=True, slots=True)
class Online:
    """A schedule: the M-step is given the statistics of assignments that were made one row at a time."""

    monotone = False

    def start(self, family: Any, data: Any) -> tuple[Any, Integers | None, int]:
        """Nothing is assigned yet."""
        return data, None, 0

    def sweep(self, family: Any, params: Any, memory: Any) -> tuple[Expectation, Any]:
        """Score a fresh hard E-step at `params`; then one pass of sequential updates from there, for the M-step."""
        data, before, passes = memory
        exact, about = family.e_step(params, data), params
        q = exact.hardened()
        stats = family.expect(q, data, about)
        if before is None:  # a start may lie far from the data, and moments about it would lose digits
            about = family.m_step(stats, params)
            stats = family.expect(q, data, about)
        fresh = np.where(data.row_weights > 0, q.responsibilities.argmax(axis=1), -1)
        if passes < SEQUENTIAL and "centers" not in family.fixed:
            assigned = one_pass(data, params.centers, before).assigned
        else:
            assigned = fresh
        total = family.expect(_one_hot(assigned, len(params.centers)), data, about)
        stays = before is not None and np.array_equal(fresh, before)
        log_likelihood = family.log_likelihood(params, data)
        found = Expectation(q, stats, log_likelihood, about, exact, total, final=stays)
        return found, (data, assigned, passes + 1)


def one_pass(data: Any, centers: Array, before: Integers | None = None) -> Seen:
    """One pass over the rows from `centers` (K, D), assigned as `before` (N,); without it, nothing is assigned yet.

    Known labels assign their rows; rows of weight 0 are absent.
    """
    where = centers.copy()
    assigned = np.full(data.n_rows, -1) if before is None else before.copy()
    present = np.flatnonzero(data.row_weights > 0)
    weight = np.bincount(assigned[present] + 1, data.row_weights[present], len(centers) + 1)[1:]
    rows = np.bincount(assigned[present] + 1, minlength=len(centers) + 1)[1:]
    labels = np.full(data.n_rows, -1) if data.labels is None else data.labels
    for n in present:
        x, w, j = data.X[n], data.row_weights[n], assigned[n]
        k = labels[n] if labels[n] >= 0 else ((where - x) ** 2).sum(axis=1).argmin()
        if k == j:
            continue
        if j >= 0:
            rows[j] -= 1
            weight[j] = weight[j] - w if rows[j] else 0.0
            if rows[j]:  # the last row to leave a cluster leaves its centre where it is
                where[j] -= w / weight[j] * (x - where[j])
        rows[k] += 1
        weight[k] += w
        where[k] += w / weight[k] * (x - where[k])
        assigned[n] = k
    return Seen(assigned, where)


def _one_hot(assigned: Integers, k: int) -> Categorical:
    """The partition as a q; a row of weight 0 counts nowhere, and is put into cluster 0."""
    return Categorical(np.where(np.maximum(assigned, 0)[:, None] == np.arange(k), 0.0, -np.inf))
