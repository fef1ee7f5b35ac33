"""The step that all algorithms share: one assignment problem a draw, many draws at once.

    p(s) = argmax_p Σ_k gains[s, p_k, k]

Where K! is small, every permutation of every draw is scored in one product: gains as rows (S, K²) times the table of
permutations as columns of zeros and ones (K², K!). Beyond that each draw is a linear assignment problem of its own.
"""

from __future__ import annotations

from itertools import permutations, product
from math import factorial, prod

import numpy as np

from emvsbayes.core.alignment import assignment
from emvsbayes.core.checks import Array, Integers

TABLE_AT_MOST = factorial(5)  # permutations; scoring 6! of them costs more than solving the assignment problem


def n_permutations(classes: Integers) -> int:
    """How many renamings stay within the classes (K,): the product of the factorials of their sizes."""
    return prod(factorial(int(size)) for size in np.unique(classes, return_counts=True)[1])


def permutation_table(classes: Integers) -> Integers:
    """All renamings within the classes, (M, K); row 0 leaves everything in place."""
    members = [np.flatnonzero(classes == label) for label in np.unique(classes)]
    table = np.empty((n_permutations(classes), len(classes)), dtype=np.int64)
    for row, parts in enumerate(product(*(permutations(m) for m in members))):
        for slots, part in zip(members, parts, strict=True):
            table[row, slots] = part
    return table


def scores(gains: Array, table: Integers) -> Array:
    """Σ_k gains[s, p_k, k] for every draw and every permutation p of the table, (S, M)."""
    m, k = table.shape
    columns = np.zeros((k * k, m))
    columns[table * k + np.arange(k), np.arange(m)[:, None]] = 1.0
    return gains.reshape(len(gains), k * k) @ columns


def assignments(gains: Array, classes: Integers) -> Integers:
    """Permutations (S, K) that maximise Σ_k gains[s, p_k, k], within the classes; gains (S, raw component, slot)."""
    if n_permutations(classes) <= TABLE_AT_MOST:
        table = permutation_table(classes)
        return table[scores(gains, table).argmax(axis=1)]
    return np.stack([assignment(one, classes) for one in gains])


def attained(gains: Array, chosen: Integers) -> float:
    """Σ_s Σ_k gains[s, p_k(s), k], the total over the draws."""
    return float(np.take_along_axis(gains, chosen[:, None, :], axis=1).sum())
