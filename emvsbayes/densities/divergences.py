"""KL divergences between conjugate densities of one kind, KL(q ‖ p) in nats, every normaliser included.

    KL(q ‖ p) = E_q[ln q(θ) - ln p(θ)] >= 0, and 0 only where q = p

Parametrised as the densities in `priors`. Each returns the sum over the entries of its arrays, which broadcast.
Sources: Bishop (2006), appendix B, for the expectations; Penny (2001), KL-divergences of Normal, Gamma, Dirichlet and
Wishart densities, Wellcome Department of Cognitive Neurology.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, digamma, gammaln

from emvsbayes.core.checks import Array


def beta(a: Array, b: Array, a0: Array, b0: Array) -> float:
    """Σ KL(Beta(a, b) ‖ Beta(a0, b0)): ln B(a0, b0)/B(a, b) + (a-a0) E[ln p] + (b-b0) E[ln(1-p)]."""
    ones, zeros = log_odds(a, b)
    return float(np.sum(betaln(a0, b0) - betaln(a, b) + (a - a0) * ones + (b - b0) * zeros))


def dirichlet(alpha: Array, alpha0: Array) -> float:
    """KL(Dirichlet(α) ‖ Dirichlet(α0)), both (K,)."""

    def log_normaliser(concentration: Array) -> float:
        return gammaln(concentration.sum()) - gammaln(concentration).sum()

    return float(log_normaliser(alpha) - log_normaliser(alpha0) + (alpha - alpha0) @ log_shares(alpha))


def gamma(shape: Array, rate: Array, shape0: Array, rate0: Array) -> float:
    """Σ KL(Gamma(a, b) ‖ Gamma(a0, b0)); of inverse gammas with the same parameters it is the same."""
    shapes = (shape - shape0) * digamma(shape) - gammaln(shape) + gammaln(shape0)
    return float(np.sum(shapes + shape0 * np.log(rate / rate0) + shape * (rate0 / rate - 1)))


def inverse_wishart(dof: Array, scale: Array, dof0: float, scale0: Array) -> float:
    """Σ_k KL(IW(ν_k, Ψ_k) ‖ IW(ν0, Ψ0)): dof (K,), scale (K, D, D), scale0 (D, D).

    ν0/2 ln|Ψ|/|Ψ0| - ln Γ_D(ν/2) + ln Γ_D(ν0/2) + (ν-ν0)/2 ψ_D(ν/2) + ν/2 (tr(Ψ0 Ψ⁻¹) - D)
    """
    d = scale.shape[-1]
    log_dets = np.linalg.slogdet(scale).logabsdet - np.linalg.slogdet(scale0).logabsdet
    traces = np.trace(np.linalg.solve(scale, np.broadcast_to(scale0, scale.shape)), axis1=-2, axis2=-1)
    halves = 0.5 * np.arange(d)  # the powers of π in Γ_D cancel
    gammas = gammaln(0.5 * dof0 - halves).sum() - gammaln(0.5 * dof[..., None] - halves).sum(axis=-1)
    kernel = 0.5 * (dof - dof0) * multivariate_digamma(0.5 * dof, d) + 0.5 * dof * (traces - d)
    return float(np.sum(0.5 * dof0 * log_dets + gammas + kernel))


def normal(strength: Array, strength0: float, squared: Array, d: int) -> float:
    """Σ_k E_Λ KL(N(m_k, (κ_k Λ_k)⁻¹) ‖ N(m0, (κ0 Λ_k)⁻¹)) in D dimensions, `squared` (K,) the E[(m-m0)ᵀ Λ (m-m0)]."""
    ratio = strength0 / strength
    return 0.5 * float(np.sum(d * (ratio - 1 - np.log(ratio)) + strength0 * squared))


# expectations of logarithms


def log_odds(a: Array, b: Array) -> tuple[Array, Array]:
    """E[ln p] = ψ(a) - ψ(a + b) and E[ln(1 - p)] = ψ(b) - ψ(a + b) under Beta(a, b)."""
    both = digamma(a + b)
    return digamma(a) - both, digamma(b) - both


def log_shares(alpha: Array) -> Array:
    """E[ln π_k] = ψ(α_k) - ψ(Σ α) under Dirichlet(α), (K,)."""
    return digamma(alpha) - digamma(alpha.sum())


def multivariate_digamma(half_dof: Array, d: int) -> Array:
    """ψ_D(ν/2) = Σ_i ψ((ν + 1 - i)/2), i = 1 … D; the shape of `half_dof`."""
    return digamma(np.asarray(half_dof)[..., None] - 0.5 * np.arange(d)).sum(axis=-1)
