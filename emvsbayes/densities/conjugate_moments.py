"""Means and standard deviations of the conjugate densities, parametrised as in `priors`.

A moment that does not exist, because the tail is too heavy, is infinite.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array

Moments = tuple[Array, Array]


def beta(a: Array, b: Array) -> Moments:
    """a/(a+b), and √{m (1-m) / (a+b+1)}."""
    mean = a / (a + b)
    return mean, np.sqrt(mean * (1 - mean) / (a + b + 1))


def dirichlet(alpha: Array) -> Moments:
    """α_k/Σα, and √{m (1-m) / (Σα+1)}: each share is a Beta(α_k, Σα - α_k)."""
    return beta(alpha, alpha.sum() - alpha)


def gamma(shape: Array, rate: Array) -> Moments:
    """a/b, and √a/b."""
    return shape / rate, np.sqrt(shape) / rate


def inverse_gamma(dof: Array, scale: Array) -> Moments:
    """σ² ~ IG(ν/2, ψ/2): ψ/(ν-2), and mean · √{2/(ν-4)}."""
    mean = _over(scale, dof - 2)
    with np.errstate(invalid="ignore"):
        return mean, np.where(dof > 4, mean * np.sqrt(_over(2.0, dof - 4)), np.inf)


def inverse_wishart(dof: Array, scale: Array) -> Moments:
    """Σ ~ IW(ν, Ψ), D x D: Ψ/(ν-D-1), and with c = ν - D

    Var[Σ_ij] = {(c+1) ψ_ij² + (c-1) ψ_ii ψ_jj} / {c (c-1)² (c-3)}
    """
    c = (np.asarray(dof) - scale.shape[-1])[..., None, None]
    variances = np.diagonal(scale, axis1=-2, axis2=-1)
    across = (c + 1) * scale**2 + (c - 1) * variances[..., :, None] * variances[..., None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = np.where(c > 3, np.sqrt(np.abs(across / (c * (c - 1) ** 2 * (c - 3)))), np.inf)
    return np.where(c > 1, scale / np.where(c > 1, c - 1, 1.0), np.inf), sd


def _over(numerator: Array | float, denominator: Array) -> Array:
    """The quotient where the denominator is above 0, infinity elsewhere."""
    exists = denominator > 0
    return np.where(exists, numerator / np.where(exists, denominator, 1.0), np.inf)
