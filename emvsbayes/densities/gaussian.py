"""The Gaussian density and its moments, for covariance matrices (K, D, D) or, axis-aligned, variances (K, D).

    ln N(x | μ, Σ) = -½ [D ln 2π + ln|Σ| + (x - μ)ᵀ Σ⁻¹ (x - μ)]

Which of the two forms is meant is read off the number of axes. Deviations are formed before they are multiplied:
about a distant origin the error of a moment is eps · (distance / σ)².
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array

FEW = 6  # columns up to which small matrices are treated by loops of our own
LOG_2PI = float(np.log(2 * np.pi))


def log_density(X: Array, means: Array, covariances: Array) -> Array:
    """ln N(x_n | μ_k, Σ_k), (N, K), from X (N, D), means (K, D) and covariances (K, D, D) or variances (K, D)."""
    deviations = X[None, :, :] - means[:, None, :]
    if covariances.ndim == 2:
        squared = (deviations**2 / covariances[:, None, :]).sum(axis=2)
        log_det = np.log(covariances).sum(axis=1)
    else:
        inverses, log_det = whitening(covariances)
        whitened = deviations @ np.swapaxes(inverses, -1, -2)
        squared = (whitened**2).sum(axis=2)
    return -0.5 * (X.shape[1] * LOG_2PI + log_det[:, None] + squared).T


def whitening(covariances: Array) -> tuple[Array, Array]:
    """L⁻¹ (K, D, D) and ln|Σ| (K,): Σ = L Lᵀ, so that the quadratic form is |L⁻¹ (x - μ)|².

    Raises `numpy.linalg.LinAlgError` where a matrix is not positive definite.
    """
    if covariances.shape[1] <= FEW:
        from emvsbayes.densities.kernels import factors

        inverses, log_det = np.empty(covariances.shape), np.empty(len(covariances))
        if not factors.whitening(covariances, inverses, log_det):
            raise np.linalg.LinAlgError("a covariance is not positive definite.")
        return inverses, log_det
    roots = np.linalg.cholesky(covariances)
    return np.linalg.inv(roots), 2 * np.log(np.diagonal(roots, axis1=-2, axis2=-1)).sum(axis=1)


def moments(X: Array, mass: Array, origin: Array, *, matrices: bool) -> tuple[Array, Array]:
    """First and second moments about `origin` (K, D), weighted by `mass` (N, K).

    Returns Σ_n m_nk (x_n - o_k), (K, D), and Σ_n m_nk (x_n - o_k)(x_n - o_k)ᵀ, (K, D, D), or its diagonal (K, D).
    """
    deviations = X[None, :, :] - origin[:, None, :]
    weighted = deviations * mass.T[:, :, None]
    first = weighted.sum(axis=1)
    second = np.swapaxes(weighted, 1, 2) @ deviations if matrices else (weighted * deviations).sum(axis=1)
    return first, second


def moved_second_moment(second: Array, first: Array, n: Array, shift: Array) -> Array:
    """Second moment about o + shift, from the moments about o:

    Σ m (y - s)(y - s)ᵀ = Σ m y yᵀ - (Σ m y) sᵀ - s (Σ m y)ᵀ + (Σ m) s sᵀ,   y = x - o.
    """
    if second.ndim == 3 and second.shape[1] <= FEW:
        from emvsbayes.densities.kernels import factors

        return factors.moved_second_moment(second, first, n, shift)
    if second.ndim == 2:
        return second - 2 * first * shift + n[:, None] * shift**2
    cross = first[:, :, None] * shift[:, None, :]
    outer = shift[:, :, None] * shift[:, None, :]
    return second - cross - np.swapaxes(cross, 1, 2) + n[:, None, None] * outer


def log_det(covariances: Array) -> Array:
    """ln|Σ_k|, (K,)."""
    if covariances.ndim == 2:
        return np.log(covariances).sum(axis=1)
    return np.linalg.slogdet(covariances).logabsdet


def trace_solve(covariances: Array, second: Array) -> Array:
    """tr(Σ_k⁻¹ S_k), (K,)."""
    if covariances.ndim == 2:
        return (second / covariances).sum(axis=1)
    return np.trace(np.linalg.solve(covariances, second), axis1=1, axis2=2)


def mixture_density(at: Array, weights: Array, means: Array, covariances: Array) -> Array:
    """Σ_k π_k N(x_g | μ_k, Σ_k), (G,), from places (G, d), weights (K,), means (K, d) and covariances (K, d, d)."""
    return np.exp(log_density(at, means, covariances)) @ weights
