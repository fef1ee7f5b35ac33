"""One permutation a draw, applied to arrays of draws.

    new[s, …, k, …] = old[s, …, p_k(s), …]     along an axis of components
    new z[s, n]     = the k with p_k(s) = old z    for values that are labels

Both say the same: whatever is called p_k(s) in draw s is called k from now on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Integers


def along(values: Any, permutations: Integers, axis: int = 1) -> Any:
    """Draws (S, …) with one axis permuted by permutations (S, K)."""
    moved = np.moveaxis(values, axis, 1)
    index = permutations.reshape(*permutations.shape, *[1] * (moved.ndim - 2))
    return np.moveaxis(np.take_along_axis(moved, index, axis=1), 1, axis)


def renamed(labels: Any, permutations: Integers, first: int = 0) -> Any:
    """Labels (S, …) that count from `first`, under their new names."""
    slot = np.argsort(permutations, axis=1)
    old = labels.reshape(len(labels), -1).astype(np.int64) - first
    new = np.take_along_axis(slot, old, axis=1) + first
    return new.reshape(labels.shape).astype(labels.dtype)
