"""How many components hold any row: the distribution of their number, which no relabelling changes.

Within one draw, with probabilities r_nk,

    Q(A) = Π_n Σ_{k in A} r_nk                                       all rows are in components of the set A
    p(j occupied) = Σ_{i<=j} (-1)^(j-i) C(K-i, j-i) Σ_{|A|=i} Q(A)    by inclusion and exclusion

averaged over the draws. With drawn allocations it is a count.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.coclustering import component_rows

COMPONENTS_AT_MOST = 12  # 2^K sets


def occupied(*, probabilities: ArrayLike | None = None, allocations: ArrayLike | None = None) -> Array:
    """p(j components hold a row | X) for j = 0 … K, (K+1,), from probabilities (S, N, K) or allocations (S, N).

    Raises
    ------
    InputError
        As `coclustering`; and for probabilities of more than 12 components, whose 2^K sets are too many.
    """
    values = component_rows(probabilities, allocations)
    k = values.shape[1]
    if probabilities is None:
        return np.bincount(values.any(axis=2).sum(axis=1), minlength=k + 1) / len(values)
    if k > COMPONENTS_AT_MOST:
        raise InputError(
            f"occupied sums over all 2^K sets of components, and K is {k}; give allocations (S, N) instead."
        )
    inside = np.zeros(k + 1)
    for size in range(1, k + 1):
        for members in combinations(range(k), size):
            inside[size] += values[:, members].sum(axis=1).prod(axis=1).mean()
    shares = [sum((-1) ** (j - i) * comb(k - i, j - i) * inside[i] for i in range(j + 1)) for j in range(k + 1)]
    return np.clip(shares, 0.0, 1.0)  # the alternating sum may leave the interval by rounding
