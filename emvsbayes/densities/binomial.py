"""The binomial density, ln p(h | m, p) = ln C(m, h) + h ln p + (m - h) ln(1 - p), with 0 · ln 0 = 0."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, xlog1py, xlogy

from emvsbayes.core.checks import Array


def log_coefficient(heads: Array, tosses: Array) -> Array:
    """ln C(m, h), the base measure; same shape as the counts."""
    return gammaln(tosses + 1) - gammaln(heads + 1) - gammaln(tosses - heads + 1)


def log_density(heads: Array, tosses: Array, probs: Array) -> Array:
    """(N, K) from counts (N,) and probabilities (K,), base measure included."""
    heads, tails = heads[:, None], (tosses - heads)[:, None]
    with np.errstate(divide="ignore"):
        kernel = xlogy(heads, probs) + xlog1py(tails, -probs)
    return kernel + log_coefficient(heads, heads + tails)
