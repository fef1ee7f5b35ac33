"""The mixture's log-likelihood and its gradient from one pass over bits, compiled: what a sampler can use.

Fisher's identity, ∇_θ ln p(X | θ) = ∇_θ' E[ln p(X, Z | θ') | X, θ] at θ' = θ, with EM's own statistics:

    ∂/∂π_k = n_k / π_k,      ∂/∂μ_kd = ones_kd / μ_kd - zeros_kd / (1 - μ_kd)

Missing entries are in neither count. Grey levels are no bits; they are left to the PyMC model, whose matrix products
are as good. Nothing is derived from that model, and a test holds the two equal.
Source: Dempster, Laird and Rubin (1977), JRSS B 39, 1-38, eq. 2.13.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.twin import Fused
from emvsbayes.densities.kernels.bernoulli import sweep_bits, tables
from emvsbayes.densities.kernels.calls import FIRST
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.families.bernoulli_mixture.records import BernoulliData


def fused(family: Any, data: BernoulliData) -> Fused | None:
    """None for grey levels."""
    if data.bits is None:
        return None
    bits: dict[str, Any] = dict(zip(("fused_ones", "fused_zeros"), data.bits, strict=True))
    return Fused("emvsbayes.families.bernoulli_mixture.fused:of_bits", 2, (*bits, "row_weights", "labels"), bits)


@compiled
def of_bits(
    weights: Array, probs: Array, ones: np.ndarray, zeros: np.ndarray, row_weights: Array, labels: Integers
) -> tuple[float, Array, Array]:
    """ln p(X | θ) and its derivatives by weights (K,) and probs (K, D); bits as in `kernels.bernoulli`."""
    log_p, log_q = np.log(probs), np.log1p(-probs)
    nothing = np.zeros_like(log_p)
    missing = zeros.shape[0] > 0
    one_tables = tables(log_p, nothing if missing else log_q, ones.shape[0])
    zero_tables = tables(log_q, nothing, zeros.shape[0])
    n, of_ones, of_zeros = np.zeros(len(weights)), np.zeros_like(probs), np.zeros_like(probs)
    value = sweep_bits(
        ones, zeros, row_weights, labels, np.log(weights), one_tables, zero_tables, FIRST, len(row_weights),
        n, of_ones, of_zeros,
    )  # fmt: skip
    return value, n / weights, of_ones / probs - of_zeros / (1 - probs)
