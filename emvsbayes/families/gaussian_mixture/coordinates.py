"""Free coordinates of a Gaussian mixture: weights by log-ratio, means as they are, covariances by log-Cholesky.

A covariance matrix Σ = L Lᵀ has the lower triangle of L as coordinates, its diagonal by logarithm; a variance has its
logarithm. Every vector of real numbers is then a valid set of parameters.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.weights import weights_from_vector, weights_to_vector
from emvsbayes.families.gaussian_mixture.records import GaussianParams
from emvsbayes.families.gaussian_mixture.structures import is_matrix


def to_vector(params: GaussianParams, covariance: str, fixed: frozenset[str]) -> Array:
    """Free coordinates (P,)."""
    parts = []
    if "weights" not in fixed:
        parts.append(weights_to_vector(params.weights))
    if "means" not in fixed:
        parts.append(params.means.ravel())
    if "covariances" not in fixed:
        parts.append(_to_logs(params.covariances, params.means.shape[-1], covariance))
    return np.concatenate(parts) if parts else np.empty(0)


def from_vector(vector: Array, like: GaussianParams, covariance: str, fixed: frozenset[str]) -> GaussianParams:
    """The inverse of `to_vector`; held fields are taken from `like`."""
    weights, means, covariances = like.weights, like.means, like.covariances
    if "weights" not in fixed:
        k = len(weights)
        weights, vector = weights_from_vector(vector[: k - 1]), vector[k - 1 :]
    if "means" not in fixed:
        means, vector = vector[: means.size].reshape(means.shape), vector[means.size :]
    if "covariances" not in fixed:
        covariances = _from_logs(vector, like.means.shape[-1], covariance).reshape(covariances.shape)
    return GaussianParams(weights, means, covariances)


def _to_logs(covariances: Array, d: int, covariance: str) -> Array:
    if not is_matrix(covariance):
        return np.log(covariances).ravel()
    rows, columns = np.tril_indices(d)
    entries = np.linalg.cholesky(covariances.reshape(-1, d, d))[:, rows, columns]
    diagonal = rows == columns
    entries[:, diagonal] = np.log(entries[:, diagonal])
    return entries.ravel()


def _from_logs(vector: Array, d: int, covariance: str) -> Array:
    if not is_matrix(covariance):
        return np.exp(vector)
    rows, columns = np.tril_indices(d)
    entries = vector.reshape(-1, len(rows)).copy()
    diagonal = rows == columns
    entries[:, diagonal] = np.exp(entries[:, diagonal])
    roots = np.zeros((len(entries), d, d))
    roots[:, rows, columns] = entries
    return roots @ np.swapaxes(roots, 1, 2)
