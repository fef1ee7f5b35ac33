"""Free coordinates of a Gaussian mixture: weights by log-ratio, means as they are, covariances as their structure says.

Every vector of real numbers is a valid set of parameters. Under a bound on the ratio of eigenvalues a vector beyond it
stands for the nearest covariances within (in the sense of the M-step, components counted alike).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.weights import weights_from_vector, weights_log_jacobian, weights_to_vector
from emvsbayes.families.gaussian_mixture import structures
from emvsbayes.families.gaussian_mixture.records import GaussianParams


def to_vector(params: GaussianParams, family: Any) -> Array:
    """Free coordinates (P,)."""
    parts = []
    if "weights" not in family.fixed:
        parts.append(weights_to_vector(params.weights))
    if "means" not in family.fixed:
        parts.append(params.means.ravel())
    if "covariances" not in family.fixed:
        expanded = structures.expand(family.covariance, params.covariances, *params.means.shape)
        parts.append(structures.STRUCTURES[family.covariance].to_coordinates(expanded))
    return np.concatenate(parts) if parts else np.empty(0)


def from_vector(vector: Array, like: GaussianParams, family: Any) -> GaussianParams:
    """The inverse of `to_vector`; held fields are taken from `like`."""
    weights, means, covariances = like.weights, like.means, like.covariances
    if "weights" not in family.fixed:
        k = len(weights)
        weights, vector = weights_from_vector(vector[: k - 1]), vector[k - 1 :]
    if "means" not in family.fixed:
        means, vector = vector[: means.size].reshape(means.shape), vector[means.size :]
    if "covariances" not in family.fixed:
        expanded = structures.STRUCTURES[family.covariance].from_coordinates(vector, *means.shape)
        if family.eigenvalue_ratio is not None:
            expanded = structures.truncated(expanded, np.ones(len(means)), family.eigenvalue_ratio)
        covariances = structures.field(family.covariance, expanded)
    return GaussianParams(weights, means, covariances)


def log_jacobian(params: GaussianParams, family: Any) -> float:
    """ln |∂θ / ∂ free coordinates| of a conjugate structure, each distinct matrix counted once.

    Σ = L Lᵀ by the lower triangle of L, its diagonal by logarithm: D ln 2 + Σ_i (D - i + 2) ln L_ii, i from 1, where
    D - i + 1 belong to Σ(L) and one to the logarithm. A variance by its logarithm: ln σ².
    """
    total = 0.0 if "weights" in family.fixed else weights_log_jacobian(params.weights)
    if "covariances" in family.fixed:
        return total
    d = params.means.shape[1]
    expanded = structures.expand(family.covariance, params.covariances, *params.means.shape)
    distinct = structures.compact(family.covariance, expanded)
    if not structures.is_matrix(family.covariance):
        return total + float(np.log(distinct).sum())
    roots = np.log(np.diagonal(np.linalg.cholesky(distinct.reshape(-1, d, d)), axis1=1, axis2=2))
    return total + len(roots) * d * float(np.log(2)) + float((roots @ np.arange(d + 1, 1, -1)).sum())
