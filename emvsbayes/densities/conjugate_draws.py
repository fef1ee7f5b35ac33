"""Draws from the conjugate densities, parametrised as in `priors`; one for each set of hyperparameters.

    Σ ~ IW(ν, Ψ):   Σ = L A⁻ᵀ A⁻¹ Lᵀ,   L Lᵀ = Ψ,   A lower triangular, A_ii² ~ χ²(ν + 1 - i), A_ij ~ N(0, 1)

for A Aᵀ ~ Wishart(ν, I), Bartlett's decomposition, i from 1.

Source: Bartlett (1933), Proceedings of the Royal Society of Edinburgh 53, 260-283.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array


def beta(a: Array, b: Array, rng: np.random.Generator) -> Array:
    """p ~ Beta(a, b), of their shape."""
    return rng.beta(a, b)


def dirichlet(alpha: Array, rng: np.random.Generator) -> Array:
    """π ~ Dirichlet(α), (K,)."""
    return rng.dirichlet(alpha)


def gamma(shape: Array, rate: Array, rng: np.random.Generator) -> Array:
    """Of mean shape/rate."""
    return np.asarray(rng.gamma(shape) / rate)


def inverse_gamma(dof: Array, scale: Array, rng: np.random.Generator) -> Array:
    """σ² ~ IG(ν/2, ψ/2), of the shape of `scale`."""
    return np.asarray(0.5 * scale / rng.gamma(0.5 * dof, size=scale.shape))


def inverse_wishart(dof: Array, scale: Array, rng: np.random.Generator) -> Array:
    """Σ ~ IW(ν, Ψ): dof (…), scale (…, D, D)."""
    d = scale.shape[-1]
    root = np.tril(rng.normal(size=scale.shape), -1)
    root[..., np.arange(d), np.arange(d)] = np.sqrt(rng.chisquare(np.asarray(dof)[..., None] - np.arange(d)))
    outer = np.linalg.cholesky(scale) @ np.swapaxes(np.linalg.inv(root), -1, -2)
    return outer @ np.swapaxes(outer, -1, -2)
