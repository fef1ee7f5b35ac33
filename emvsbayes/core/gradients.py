"""Derivatives on free coordinates, by differences of functions that depend on statistics only.

    g_i = {8 [Q(v + h e_i) - Q(v - h e_i)] - [Q(v + 2h e_i) - Q(v - 2h e_i)]} / 12h        error O(h⁴)

Q(v) = expected_log_joint(θ(v), S) costs nothing in N. A family may bring an analytic `gradient(params, stats)` of its
own. Held fields have no coordinates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Array

STEP = 1e-3  # of a coordinate of size 1: the fifth root of the rounding error, where both errors are equal


def gradient(family: Any, params: Any, stats: Any) -> Array:
    """∇_v E_q[ln p(X, Z | θ(v))] at `params`, (P,)."""
    own = getattr(family, "gradient", None)
    if own is not None:
        return own(params, stats)
    v = family.to_vector(params)

    def value(i: int, h: float) -> float:
        moved = v.copy()
        moved[i] += h
        return family.expected_log_joint(family.from_vector(moved, params), stats)

    found = np.empty(len(v))
    for i in range(len(v)):
        h = STEP * max(1.0, abs(v[i]))
        near, far = value(i, h) - value(i, -h), value(i, 2 * h) - value(i, -2 * h)
        found[i] = (8 * near - far) / (12 * h)
    return found
