"""The distortion J, and the way between J and the bound of EM with a one-hot q.

J = Σ_n w_n Σ_k r_nk |x_n - μ_k|²                                                       (Bishop 2006, eq. 9.1)
ELBO = -½ N D ln(2πσ²) - N ln K - J / (2σ²)      for a one-hot q, N the total weight
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.gaussian import LOG_2PI


def squared_distances(X: Array, centers: Array) -> Array:
    """|x_n - μ_k|², (N, K), from differences: |x|² - 2 x·μ + |μ|² would lose digits far from the origin."""
    return np.asarray(cdist(X, centers, "sqeuclidean"), dtype=np.float64)


def least(dissimilarity: Array, row_weights: Array, labels: Integers | None) -> float:
    """Σ_n w_n min_k d_nk, or d at the known label."""
    nearest = dissimilarity.min(axis=1)
    if labels is not None:
        rows = np.flatnonzero(labels >= 0)
        nearest[rows] = dissimilarity[rows, labels[rows]]
    return float(row_weights @ nearest)


def distortion_of(elbo: float, variance: float, total_weight: float, k: int, d: int) -> float:
    """J of a half-step with a one-hot q, from its bound: 2σ² (-ELBO - ½ N D ln(2πσ²) - N ln K).

    Exact up to rounding of the bound: J = 0 comes out as some 1e-16 · N · σ².
    """
    constant = -total_weight * (0.5 * d * (LOG_2PI + np.log(variance)) + np.log(k))
    return max(float(2 * variance * (constant - elbo)), 0.0)
