"""How often two rows are in one component: a summary of the posterior that no relabelling changes.

    C_nm = p(z_n = z_m | X) = (1/S) Σ_s Σ_k r_nk(s) r_mk(s),   n ≠ m;   C_nn = 1

Given the parameters of a draw the allocations of two rows are independent, so the product of their probabilities is
exact and less noisy than counting drawn allocations (which does as well, with r of zeros and ones).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Array, real_array
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.arguments import checked_allocations, checked_probabilities, whole


def coclustering(*, probabilities: ArrayLike | None = None, allocations: ArrayLike | None = None) -> Array:
    """The co-clustering matrix (N, N) from allocation probabilities (S, N, K) or allocations (S, N).

    Raises
    ------
    InputError
        Where neither is given, or they are no probabilities or labels.
    """
    values = component_rows(probabilities, allocations)
    s, k, n = values.shape
    flat = values.reshape(s * k, n)
    together = flat.T @ flat / s
    np.fill_diagonal(together, 1.0)
    return together


def component_rows(probabilities: ArrayLike | None, allocations: ArrayLike | None) -> Array:
    """Probabilities, or zeros and ones, as (S, K, N); K is the largest label plus one where only labels are given."""
    if probabilities is not None:
        r = real_array(probabilities, "probabilities", ndim=3)
        if r.size == 0:
            raise InputError(f"probabilities need at least one draw of one row; their shape is {r.shape}.")
        return checked_probabilities(probabilities, r.shape[0], r.shape[2])
    if allocations is None:
        raise InputError("give probabilities (S, N, K) or allocations (S, N); neither was given.")
    z = whole(real_array(allocations, "allocations", ndim=2), "allocations")
    if z.size == 0:
        raise InputError(f"allocations need at least one draw of one row; their shape is {z.shape}.")
    return checked_allocations(z, len(z), max(int(z.max()), 0) + 1)
