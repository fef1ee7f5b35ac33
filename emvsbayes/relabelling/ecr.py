"""ECR: equivalence classes representatives.

Two allocations of the rows are equivalent when one is a relabelling of the other. Every draw is relabelled to the
member of its class that is most similar to a pivot allocation z*:

    permutation(s) = argmax_p Σ_n [p relabels z_n(s) to z*_n]

one assignment problem a draw. Source: Papastamoulis and Iliopoulos (2010), An artificial allocations based solution to
the label switching problem, JCGS 19, 313-331.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emvsbayes.core.alignment import assignment
from emvsbayes.core.checks import Array


def ecr(allocations: NDArray[np.int64], pivot: NDArray[np.int64], k: int) -> tuple[NDArray[np.int64], Array]:
    """Permutations (S, K), slot j of draw s takes raw component permutations[s, j], and agreements (S,).

    allocations (S, N) and pivot (N,) hold component numbers; the agreement is the share of rows on which the
    relabelled draw and the pivot agree.
    """
    draws, n = allocations.shape
    slots = pivot[None, :] == np.arange(k)[:, None]
    shared = np.stack([(allocations == j).astype(np.float64) @ slots.T for j in range(k)], axis=1)  # (S, raw, slot)
    permutations = np.stack([assignment(counts) for counts in shared]) if draws else np.empty((0, k), dtype=np.int64)
    agreed = np.take_along_axis(shared, permutations[:, None, :], axis=1)[:, 0, :].sum(axis=1)
    return permutations, agreed / n
