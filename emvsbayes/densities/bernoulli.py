"""The Bernoulli density of independent entries, ln p(x | μ) = Σ_d [x_d ln μ_d + (1 - x_d) ln(1 - μ_d)], 0 · ln 0 = 0.

Fractional entries are expected bits: the same formula, without a normaliser. Entries that are not observed are absent.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array


def log_density(X: Array, observed: Array | None, probs: Array) -> Array:
    """(N, K) from entries X (N, D) in [0, 1], a mask (N, D) of ones and zeros or None, and probabilities (K, D)."""
    with np.errstate(divide="ignore"):
        log_p, log_q = np.log(probs), np.log1p(-probs)
    return weighted_logs(X, observed, log_p, log_q)


def weighted_logs(X: Array, observed: Array | None, log_p: Array, log_q: Array) -> Array:
    """Σ_d [x_nd log_p_kd + (1 - x_nd) log_q_kd] over observed entries, (N, K); the logs (K, D) may be expectations."""
    ones = X if observed is None else X * observed
    zeros = 1 - X if observed is None else (1 - X) * observed
    return _dot_log(ones, log_p) + _dot_log(zeros, log_q)


def _dot_log(counts: Array, logs: Array) -> Array:
    """Σ_d counts_nd logs_kd, (N, K), with 0 · -inf = 0: two products where a probability is on its boundary."""
    impossible = np.isneginf(logs)
    if not impossible.any():
        return counts @ logs.T
    finite = counts @ np.where(impossible, 0.0, logs).T
    return np.where(counts @ impossible.T.astype(np.float64) > 0, -np.inf, finite)
