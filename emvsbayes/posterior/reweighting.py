"""Draws under one prior as weighted draws under another, where the two are near enough.

    p_1(θ | X) / p_0(θ | X) ∝ p_1(θ) / p_0(θ) = r(θ),    w_s = r(θ_s) / Σ r(θ_s)

The largest ratios are replaced by order statistics of a generalised Pareto distribution fitted to them (PSIS); its
shape k̂ says how heavy the tail is. Above 0.7 the weights are not to be trusted, however many draws there are (Vehtari,
Simpson, Gelman, Yao and Gabry 2024, JMLR 25, 1-58).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError

TRUSTED = 0.7  # largest k̂
WORTH = 100  # draws that the weights are worth at least: towards a narrow density k̂ is small, and few draws lie there
LEAST = 25  # draws, below which there is no tail to fit


@dataclass(frozen=True)
class Weighted:
    """Normalised importance weights (S,), k̂ (0 where the ratios are all alike), and 1 / Σ w²."""

    weights: Array
    khat: float
    ess: float

    @property
    def trusted(self) -> bool:
        """Whether k̂ is at most 0.7, and the weights are worth a hundred draws."""
        return bool(self.khat <= TRUSTED and self.ess >= WORTH)

    def mean(self, values: Array) -> float:
        """Σ w_s v_s."""
        return float(self.weights @ values)

    def quantile(self, values: Array, probability: float) -> float:
        """The smallest value up to which there is so much weight."""
        order = np.argsort(values)
        at = np.searchsorted(np.cumsum(self.weights[order]), probability * (1 - 1e-12))
        return float(values[order][min(int(at), len(values) - 1)])


def reweighted(log_ratios: Array) -> Weighted:
    """PSIS weights from ln r(θ_s), (S,), in nats; what is added to all of them does not matter."""
    from arviz_stats.base.array import array_stats

    n = len(log_ratios)
    if n < LEAST:
        raise InputError(f"reweighting needs at least {LEAST} draws; there are {n}.")
    if not np.isfinite(log_ratios).all():
        raise InputError("a draw has no finite density under one of the two priors; drop it, or draw anew.")
    spread = np.ptp(log_ratios)
    if spread <= 1e-12 * max(1.0, float(np.abs(log_ratios).max())):
        return Weighted(np.full(n, 1 / n), 0.0, float(n))
    with np.errstate(over="ignore"):  # a tail of a few ratios, the rest next to nothing: k̂ is large, and that is all
        logs, khat = array_stats.psislw(-log_ratios)  # ArviZ negates them: it was written for 1 / p(x_n | θ)
    weights = np.exp(logs - logs.max())
    weights = weights / weights.sum()
    return Weighted(weights, float(khat), float(1 / (weights**2).sum()))
