"""ECR: equivalence classes representatives.

Two allocations of the rows are equivalent when one is a relabelling of the other. Every draw is relabelled to the
member of its class that is most similar to a pivot allocation z*:

    permutation(s) = argmax_p Σ_n w_n [p relabels z_n(s) to z*_n]

one assignment problem a draw. With allocation probabilities r_nk(s) and r*_nk in place of allocations, the indicator is
replaced by its expectation, Σ_k r_n,p(k)(s) r*_nk: a draw whose rows lie between components is then placed by all it
knows. Source: Papastamoulis and Iliopoulos (2010), An artificial allocations based solution to the label switching
problem, JCGS 19, 313-331.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.alignment import assignment
from emvsbayes.core.checks import Array, Integers


def ecr(probabilities: Array, pivot: Array, row_weights: Array, classes: Integers | None = None) -> Integers:
    """Permutations (S, K): slot k of draw s takes raw component permutations[s, k].

    probabilities (S, N, K) and pivot (N, K) may be one-hot; `classes` (K,) restricts renaming, as in
    `core.alignment.assignment`.
    """
    shared = np.swapaxes(probabilities, 1, 2) @ (pivot * row_weights[:, None])  # (S, raw component, slot)
    return np.stack([assignment(counts, classes) for counts in shared])


def agreement(probabilities: Array, pivot: Array, row_weights: Array, permutations: Integers) -> Array:
    """Weighted share of rows whose most probable component is that of the pivot, after relabelling, (S,)."""
    slot = np.argsort(permutations, axis=1)  # the slot that raw component j goes to
    placed = np.take_along_axis(slot, probabilities.argmax(axis=2), axis=1)
    return (placed == pivot.argmax(axis=1)) @ row_weights / row_weights.sum()
