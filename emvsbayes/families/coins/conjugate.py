"""Coins with a distribution over their parameters: the conjugate pieces of variational Bayes (`core.variational`).

    q(π) = Dirichlet(α_k + n_k),    q(p_k) = Beta(a + heads_k, b + tails_k)

    ln r_nk = E[ln π_k] + h_n E[ln p_k] + (m_n - h_n) E[ln(1 - p_k)] + const,    E[ln p] = ψ(a) - ψ(a + b)

The binomial coefficients are in the ELBO.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.latents.categorical import Categorical, clamp_labels, log_sum_exp, posterior, weighted_sum
from emvsbayes.densities import binomial, rate_posteriors
from emvsbayes.families.coins.em import Coins, CoinsStats, one_pass
from emvsbayes.families.coins.records import CoinsData, CoinsParams, CoinsPrior


@dataclass(frozen=True, slots=True)
class ConjugateCoins:
    """Beta and Dirichlet posteriors; `held` are the values of the fields in `family.fixed`."""

    family: Coins
    prior: CoinsPrior
    held: Mapping[str, Array]

    def posterior(self, stats: CoinsStats) -> CoinsPrior:
        """Counts added to the prior's."""
        prior = (self.prior.probs, self.prior.weights)
        return CoinsPrior(*rate_posteriors.updated(prior, stats.heads, stats.tails, stats.n))

    def _log_joint(self, post: CoinsPrior, data: CoinsData) -> Array:
        """E[ln p(h_n, z_n = k | θ)], (N, K)."""
        weights, heads, tails = rate_posteriors.expected_logs((post.probs, post.weights), self.held)
        tosses = _times(data.heads, heads) + _times(data.tosses - data.heads, tails)
        base = binomial.log_coefficient(data.heads, data.tosses)
        return clamp_labels(weights + tosses + base[:, None], data.labels)

    def e_step(self, post: CoinsPrior, data: CoinsData) -> Categorical:
        """r_nk ∝ exp E[ln p(h_n, z_n = k | θ)]."""
        return posterior(self._log_joint(post, data))

    def accumulate(self, post: CoinsPrior, data: CoinsData, about: CoinsParams) -> tuple[CoinsStats, float]:
        """The statistics of `e_step`, and `log_normaliser`, in one pass."""
        return one_pass(data, *rate_posteriors.expected_logs((post.probs, post.weights), self.held))

    def log_normaliser(self, post: CoinsPrior, data: CoinsData) -> float:
        """Σ_n w_n ln Σ_k exp E[ln p(h_n, z_n = k | θ)]."""
        return weighted_sum(data.row_weights, log_sum_exp(self._log_joint(post, data)))

    def expected_log_joint(self, post: CoinsPrior, stats: CoinsStats) -> float:
        """Σ_k {n_k E[ln π_k] + heads_k E[ln p_k] + tails_k E[ln(1 - p_k)]} + base, with 0 · ln 0 = 0."""
        logs = rate_posteriors.expected_logs((post.probs, post.weights), self.held)
        counts = (stats.n, stats.heads, stats.tails)
        return stats.base + sum(rate_posteriors.dot(c, log) for c, log in zip(counts, logs, strict=True))

    def kl(self, post: CoinsPrior) -> float:
        """KL(q(π) ‖ p(π)) + Σ_k KL(q(p_k) ‖ p(p_k))."""
        return rate_posteriors.kl((post.probs, post.weights), (self.prior.probs, self.prior.weights))

    def means(self, post: CoinsPrior) -> CoinsParams:
        """E[π], E[p]."""
        return CoinsParams(*rate_posteriors.moments((post.probs, post.weights), self.held, 0))

    def sds(self, post: CoinsPrior) -> CoinsParams:
        """Standard deviations of π and p; 0 where held."""
        return CoinsParams(*rate_posteriors.moments((post.probs, post.weights), self.held, 1))

    def draw(self, post: CoinsPrior, rng: np.random.Generator) -> CoinsParams:
        """θ ~ q(θ)."""
        return CoinsParams(*rate_posteriors.draw((post.probs, post.weights), self.held, rng))


def _times(counts: Array, logs: Array) -> Array:
    """counts_n logs_k, (N, K), with 0 · -inf = 0: a held probability may be 0 or 1."""
    with np.errstate(invalid="ignore"):
        return np.where(counts[:, None] > 0, counts[:, None] * logs, 0.0)
