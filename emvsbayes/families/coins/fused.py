"""The coins' log-likelihood and its gradient from one pass over the trials, compiled: what a sampler can use.

Fisher's identity, ∇_θ ln p(X | θ) = ∇_θ' E[ln p(X, Z | θ') | X, θ] at θ' = θ, with EM's own statistics:

    ∂/∂π_k = n_k / π_k,      ∂/∂p_k = heads_k / p_k - tails_k / (1 - p_k)

Nothing is derived from the PyMC model, and a test holds the two equal.
Source: Dempster, Laird and Rubin (1977), JRSS B 39, 1-38, eq. 2.13.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.twin import Fused
from emvsbayes.densities.kernels.binomial import sweep
from emvsbayes.densities.kernels.calls import FIRST
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.families.coins.records import CoinsData


def fused(family: Any, data: CoinsData) -> Fused:
    """All data are taken; the log binomial coefficients are computed once."""
    counts = {"fused_heads": data.heads, "fused_tosses": data.tosses, "log_coefficients": data.log_coefficients}
    return Fused("emvsbayes.families.coins.fused:of_counts", 2, (*counts, "row_weights", "labels"), counts)


@compiled
def of_counts(
    weights: Array, probs: Array, heads: Array, tosses: Array, base: Array, row_weights: Array, labels: Integers
) -> tuple[float, Array, Array]:
    """ln p(X | θ) and its derivatives by weights and probs, (K,) each."""
    k_all = len(weights)
    n, of_heads, of_tails = np.zeros(k_all), np.zeros(k_all), np.zeros(k_all)
    value = sweep(
        heads, tosses, base, row_weights, labels, np.log(weights), np.log(probs), np.log1p(-probs), FIRST, len(heads),
        n, of_heads, of_tails,
    )  # fmt: skip
    return value, n / weights, of_heads / probs - of_tails / (1 - probs)
