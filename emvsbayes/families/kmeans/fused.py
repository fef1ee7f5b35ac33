"""Soft K-means' log-likelihood and its gradient from one pass over the rows, compiled: what a sampler can use.

Fisher's identity, ∇_θ ln p(X | θ) = ∇_θ' E[ln p(X, Z | θ') | X, θ] at θ' = θ, with EM's own statistics:

    ∂/∂μ_k = Σ_n m_nk (x_n - μ_k) / σ²,      σ² held, weights 1/K

Nothing is derived from the PyMC model, and a test holds the two equal.
Source: Dempster, Laird and Rubin (1977), JRSS B 39, 1-38, eq. 2.13.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.twin import Fused
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.densities.kernels.calls import FIRST
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.gaussian import sweep_variances
from emvsbayes.families.kmeans.records import KMeansData


def fused(family: Any, data: KMeansData) -> Fused:
    """All data are taken; around medoids there is no density, and no twin."""
    return Fused("emvsbayes.families.kmeans.fused:of_centers", 2, ("X_data", "row_weights", "labels"))


@compiled
def of_centers(
    centers: Array, sigma: Array, X: Array, row_weights: Array, labels: Integers
) -> tuple[float, Array, Array]:
    """ln p(X | θ) and its derivatives by centres (K, D) and by σ (), the last one 0, for σ is held."""
    k_all, d = centers.shape
    scale = sigma.item()
    constants = np.full(k_all, -np.log(k_all) - d * (0.5 * LOG_2PI + np.log(scale)))
    precisions = np.full((k_all, d), 1 / scale**2)
    n, first, second = np.zeros(k_all), np.zeros((k_all, d)), np.zeros((k_all, d))
    value = sweep_variances(
        X, row_weights, labels, constants, centers, precisions, centers, FIRST, len(X), n, first, second
    )
    return value, first / scale**2, np.zeros(())
