"""Covariance structures: how K covariances are tied to one another, and nothing else.

Every structure works on one of two forms, covariance matrices (K, D, D) or variances (K, D), which the densities and
the moments share. A structure says how its field `covariances` expands to that form, and how scatter S_k and counts n_k
are pooled into it:

    full        Σ_k = S_k / n_k                          tied        Σ = Σ_k S_k / Σ_k n_k
    diag        σ²_kd = s_kd / n_k                       spherical   σ²_k = Σ_d s_kd / (D n_k)
    EII         σ² = Σ_k Σ_d s_kd / (D Σ_k n_k)

with s_k the diagonal of S_k.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array


def is_matrix(covariance: str) -> bool:
    """Whether the structure works on covariance matrices rather than on variances."""
    return covariance in ("full", "tied")


def is_shared(covariance: str) -> bool:
    """Whether all components share one covariance."""
    return covariance in ("tied", "EII")


def expand(covariance: str, covariances: Array, k: int, d: int) -> Array:
    """The field `covariances` as (K, D, D) or (K, D)."""
    if covariance == "tied":
        return np.broadcast_to(covariances, (k, d, d))
    if covariance == "spherical":
        return np.broadcast_to(covariances[:, None], (k, d))
    if covariance == "EII":
        return np.broadcast_to(covariances, (k, d))
    return covariances


def compress(covariance: str, matrix: Array, k: int) -> Array:
    """One covariance matrix (D, D) as the field `covariances` of K equal components."""
    variances = np.diagonal(matrix)
    if covariance == "full":
        return np.tile(matrix, (k, 1, 1))
    if covariance == "tied":
        return matrix
    if covariance == "diag":
        return np.tile(variances, (k, 1))
    mean = np.asarray(variances.mean())
    return mean if covariance == "EII" else np.full(k, mean)


def pool(covariance: str, scatter: Array, n: Array, held: Array) -> Array:
    """The field `covariances` that maximises the bound, from scatter about the means and counts (K,).

    A component without data keeps its covariance, taken from `held`.
    """
    if covariance == "tied":
        return scatter.sum(axis=0) / n.sum()
    if covariance == "EII":
        return np.asarray(scatter.sum() / (scatter.shape[1] * n.sum()))
    if covariance == "spherical":
        scatter, n = scatter.sum(axis=1), n * scatter.shape[1]
    n = n.reshape(-1, *[1] * (scatter.ndim - 1))
    return np.divide(scatter, n, out=held.copy(), where=n > 0)


def relative_eigenvalues(covariance: str, covariances: Array, data_covariance: Array) -> Array:
    """Smallest eigenvalue of each covariance relative to the data's own, unit-free: (K,), (1,) where it is shared.

    Matrices are compared with S, the data's covariance (generalised eigenvalues); variances with its diagonal, and a
    spherical variance with the mean of that diagonal.
    """
    variances = np.diagonal(data_covariance)
    if covariance == "diag":
        return (covariances / variances).min(axis=1)
    if covariance in ("spherical", "EII"):
        return np.atleast_1d(covariances / variances.mean())
    whiten = np.linalg.inv(np.linalg.cholesky(data_covariance))
    relative = whiten @ covariances @ whiten.T
    return np.atleast_1d(np.linalg.eigvalsh(relative)[..., 0])
