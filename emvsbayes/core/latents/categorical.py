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

    def truncated(self, size: int) -> Categorical:
        """The `size` most probable components of each row, renormalised: the smallest KL of all q with so few."""
        k = self.log_r.shape[1]
        if size >= k:
            return self
        kept = np.argsort(-self.log_r, axis=1, kind="stable")[:, :size]
        logs = np.full_like(self.log_r, -np.inf)
        np.put_along_axis(logs, kept, np.take_along_axis(self.log_r, kept, axis=1), axis=1)
        return posterior(logs)

    def tempered(self, beta: float) -> Categorical:
        """q ∝ r^β, which maximises E_q[ln p(X, Z)] + H(q)/β."""
        return posterior(self.log_r * beta)

    def drawn(self, rng: np.random.Generator, draws: int = 1) -> Categorical:
        """The shares of `draws` independent draws of z for each row; one-hot for a single one."""
        counts = np.zeros_like(self.log_r)
        edges, rows = np.cumsum(self.responsibilities, axis=1), np.arange(len(self.log_r))
        edges /= edges[:, -1:]
        for _ in range(draws):
            counts[rows, (edges < rng.random(len(rows))[:, None]).sum(axis=1)] += 1
        with np.errstate(divide="ignore"):
            logs = np.log(counts / draws)
        return Categorical(np.where(np.isnan(self.log_r), np.nan, logs))

    @classmethod
    def joined(cls, parts: list[Categorical], rows: list[Integers]) -> Categorical:
        """The q of all rows from those of blocks of rows."""
        logs = np.empty((sum(map(len, rows)), parts[0].log_r.shape[1]))
        for part, where in zip(parts, rows, strict=True):
            logs[where] = part.log_r
        return cls(logs)

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
