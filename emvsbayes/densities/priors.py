"""Log-densities of the conjugate priors, with every constant; parametrised as in scipy.stats."""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, gammaln, xlog1py, xlogy

from emvsbayes.core.checks import Array
from emvsbayes.densities.gaussian import LOG_2PI, log_det, trace_solve


def beta(probs: Array, a: Array, b: Array) -> float:
    """Σ ln Beta(p | a, b) over the entries of `probs`."""
    return float(np.sum(xlogy(a - 1, probs) + xlog1py(b - 1, -probs) - betaln(a, b)))


def gamma(precisions: Array, shape: Array, rate: Array) -> float:
    """Σ ln Gamma(v | shape, rate) over the entries of `precisions`."""
    return float(np.sum(shape * np.log(rate) - gammaln(shape) + (shape - 1) * np.log(precisions) - rate * precisions))


def dirichlet(weights: Array, concentration: Array) -> float:
    """ln Dirichlet(w | α), the density on the first K-1 weights; both (K,)."""
    constant = gammaln(concentration.sum()) - gammaln(concentration).sum()
    return float(constant + xlogy(concentration - 1, weights).sum())


def inverse_wishart(covariances: Array, dof: float, scale: Array) -> float:
    """Σ_k ln IW(Σ_k | ν, Ψ): covariances (K, D, D), scale (D, D)."""
    k, d = covariances.shape[:2]
    scales = np.broadcast_to(scale, covariances.shape)
    log_gamma = gammaln(0.5 * (dof - np.arange(d))).sum() + 0.25 * d * (d - 1) * np.log(np.pi)  # ln Γ_D(ν/2)
    constant = 0.5 * dof * (np.linalg.slogdet(scale).logabsdet - d * np.log(2)) - log_gamma
    kernel = (dof + d + 1) * log_det(covariances) + trace_solve(covariances, scales)
    return float(k * constant - 0.5 * kernel.sum())


def inverse_gamma(variances: Array, dof: Array, scale: Array) -> float:
    """Σ ln IG(v | ν/2, ψ/2) over the entries of `variances`; `dof` and `scale` broadcast."""
    shape, rate = np.broadcast_arrays(0.5 * dof, 0.5 * scale, variances)[:2]
    return float(np.sum(shape * np.log(rate) - gammaln(shape) - (shape + 1) * np.log(variances) - rate / variances))


def normal(means: Array, location: Array, strength: float, covariances: Array) -> float:
    """Σ_k ln N(μ_k | m0, Σ_k / κ0): means (K, D), covariances (K, D, D) or variances (K, D)."""
    k, d = means.shape
    deviation = means - location
    second = deviation**2 if covariances.ndim == 2 else deviation[:, :, None] * deviation[:, None, :]
    quadratic = strength * trace_solve(covariances, second)
    return float(-0.5 * (k * d * (LOG_2PI - np.log(strength)) + log_det(covariances).sum() + quadratic.sum()))
