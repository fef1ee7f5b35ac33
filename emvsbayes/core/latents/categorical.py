"""q(Z) = ∏_n ∏_k r_nk^[z_n = k]: independent categorical latents, the q of every mixture.

Held as log-responsibilities, so that the KL divergence is a sum of differences of logs and never of rounded
probabilities. Throughout, 0 · log 0 = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emvsbayes.core.checks import Array, Integers


@dataclass(frozen=True)
class Categorical:
    """Responsibilities of K components for N rows.

    Attributes
    ----------
    log_r : (N, K)
        Log-responsibilities; each row is normalised, -inf is allowed.
    """

    log_r: Array

    @cached_property
    def responsibilities(self) -> Array:
        """r = exp(log_r), (N, K)."""
        return np.exp(self.log_r)

    def entropy(self, weights: Array) -> float:
        """H(q) = -Σ_n w_n Σ_k r_nk ln r_nk, in nats."""
        return -weighted_sum(weights, self._sum_r_times(self.log_r))

    def kl(self, other: Categorical, weights: Array) -> float:
        """KL(q ‖ other) = Σ_n w_n Σ_k r_nk (ln r_nk - ln r'_nk), in nats; inf where q has mass and `other` has none."""
        with np.errstate(invalid="ignore"):  # -inf - -inf, where r is 0 and the term is dropped
            difference = self.log_r - other.log_r
        return weighted_sum(weights, self._sum_r_times(difference))

    def _sum_r_times(self, logs: Array) -> Array:
        """Σ_k r_nk logs_nk, (N,), terms with r_nk = 0 dropped."""
        used = self.responsibilities > 0  # also False where exp underflows beside a posterior of exactly 0
        return np.where(used, self.responsibilities * np.where(used, logs, 0.0), 0.0).sum(axis=1)

    def mass(self, weights: Array) -> Array:
        """w_n r_nk, (N, K); exactly 0 for a row of weight 0, even one that no component can produce."""
        return np.where(weights[:, None] > 0, self.responsibilities, 0.0) * weights[:, None]

    def hardened(self) -> Categorical:
        """The one-hot q nearest to this one: all mass on the most probable component, the first of equals.

        Of all one-hot q it has the smallest KL(q ‖ this), Σ_n -w_n max_k log_r_nk.
        """
        best = self.log_r.argmax(axis=1)[:, None] == np.arange(self.log_r.shape[1])
        hard = np.where(best, 0.0, -np.inf)
        return Categorical(np.where(np.isnan(self.log_r), np.nan, hard))  # a row without posterior stays without

    def permuted(self, permutation: Integers) -> Categorical:
        """The same q with component slot k holding the old component permutation[k]."""
        return Categorical(self.log_r[:, permutation])


def log_sum_exp(log_joint: Array) -> Array:
    """ln Σ_k exp(log_joint_nk), (N,); -inf for a row that no component can produce."""
    peak = log_joint.max(axis=1)
    safe = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return safe + np.log(np.exp(log_joint - safe[:, None]).sum(axis=1))


def weighted_sum(weights: Array, logs: Array) -> float:
    """Σ_n w_n logs_n, rows of weight 0 dropped: 0 · -inf is absent, not NaN."""
    return float(weights @ np.where(weights > 0, logs, 0.0))


def posterior(log_joint: Array) -> Categorical:
    """The exact E-step, r_nk = exp(log_joint_nk) / Σ_j exp(log_joint_nj); (N, K) in, q out.

    A row that no component can produce has no posterior: its responsibilities are NaN, and the loop says so.
    """
    with np.errstate(invalid="ignore"):
        return Categorical(log_joint - log_sum_exp(log_joint)[:, None])


def clamp_labels(log_joint: Array, labels: Integers | None) -> Array:
    """Hold z_n for rows with a known label: p(x_n, z_n) is the joint at that label, and 0 elsewhere."""
    if labels is None:
        return log_joint
    known = labels[:, None] >= 0
    here = labels[:, None] == np.arange(log_joint.shape[1])
    return np.where(known & ~here, -np.inf, log_joint)
