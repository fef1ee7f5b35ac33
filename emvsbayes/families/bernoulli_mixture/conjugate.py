"""The Bernoulli mixture with a distribution over its parameters: the conjugate pieces of variational Bayes.

    q(π) = Dirichlet(α_k + n_k),    q(μ_kd) = Beta(a + ones_kd, b + zeros_kd)

    ln r_nk = E[ln π_k] + Σ_d {x_nd E[ln μ_kd] + (1 - x_nd) E[ln(1 - μ_kd)]} + const      over observed entries

An unobserved entry adds to no count and to no sum. Fractional entries count as expected bits, without a normaliser:
the ELBO then bounds the integral of that formula, which is no density of x, but still ranks priors and K on the same
entries. See `core.variational`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.latents.categorical import Categorical, clamp_labels, log_sum_exp, posterior, weighted_sum
from emvsbayes.core.priors import BetaPrior, DirichletPrior
from emvsbayes.densities import bernoulli, rate_posteriors
from emvsbayes.families.bernoulli_mixture.em import BernoulliMixture, BernoulliStats, one_pass
from emvsbayes.families.bernoulli_mixture.records import BernoulliData, BernoulliParams, BernoulliPrior


@dataclass(frozen=True, slots=True)
class ConjugateBernoulli:
    """Beta and Dirichlet posteriors; `held` are the values of the fields in `family.fixed`."""

    family: BernoulliMixture
    prior: BernoulliPrior
    held: Mapping[str, Array]

    def _prior(self) -> tuple[BetaPrior | None, DirichletPrior | None]:
        """The two groups, hyperparameters of the entries shaped to broadcast against (K, D)."""
        probs = self.prior.probs
        if probs is not None:
            probs = BetaPrior(_by_entry(probs.a), _by_entry(probs.b))
        return probs, self.prior.weights

    def posterior(self, stats: BernoulliStats) -> BernoulliPrior:
        """Counts added to the prior's."""
        return BernoulliPrior(*rate_posteriors.updated(self._prior(), stats.ones, stats.zeros, stats.n))

    def _log_joint(self, post: BernoulliPrior, data: BernoulliData) -> Array:
        """E[ln p(x_n, z_n = k | θ)] of the observed entries, (N, K)."""
        weights, ones, zeros = rate_posteriors.expected_logs((post.probs, post.weights), self.held)
        return clamp_labels(weights + bernoulli.weighted_logs(data.X, data.observed, ones, zeros), data.labels)

    def e_step(self, post: BernoulliPrior, data: BernoulliData) -> Categorical:
        """r_nk ∝ exp E[ln p(x_n, z_n = k | θ)]."""
        return posterior(self._log_joint(post, data))

    def accumulate(
        self, post: BernoulliPrior, data: BernoulliData, about: BernoulliParams
    ) -> tuple[BernoulliStats, float] | None:
        """The statistics of `e_step`, and `log_normaliser`, in one pass; None as for `BernoulliMixture.accumulate`."""
        weights, ones, zeros = rate_posteriors.expected_logs((post.probs, post.weights), self.held)
        return one_pass(data, weights, ones, zeros)

    def log_normaliser(self, post: BernoulliPrior, data: BernoulliData) -> float:
        """Σ_n w_n ln Σ_k exp E[ln p(x_n, z_n = k | θ)]."""
        return weighted_sum(data.row_weights, log_sum_exp(self._log_joint(post, data)))

    def expected_log_joint(self, post: BernoulliPrior, stats: BernoulliStats) -> float:
        """Σ_k n_k E[ln π_k] + Σ_kd {ones_kd E[ln μ_kd] + zeros_kd E[ln(1 - μ_kd)]}, with 0 · ln 0 = 0."""
        logs = rate_posteriors.expected_logs((post.probs, post.weights), self.held)
        counts = (stats.n, stats.ones, stats.zeros)
        return float(sum(rate_posteriors.dot(c, log) for c, log in zip(counts, logs, strict=True)))

    def kl(self, post: BernoulliPrior) -> float:
        """KL(q(π) ‖ p(π)) + Σ_kd KL(q(μ_kd) ‖ p(μ_kd))."""
        return rate_posteriors.kl((post.probs, post.weights), self._prior())

    def means(self, post: BernoulliPrior) -> BernoulliParams:
        """E[π], E[μ]."""
        return BernoulliParams(*rate_posteriors.moments((post.probs, post.weights), self.held, 0))

    def sds(self, post: BernoulliPrior) -> BernoulliParams:
        """Standard deviations of π and μ; 0 where held."""
        return BernoulliParams(*rate_posteriors.moments((post.probs, post.weights), self.held, 1))

    def draw(self, post: BernoulliPrior, rng: np.random.Generator) -> BernoulliParams:
        """θ ~ q(θ)."""
        return BernoulliParams(*rate_posteriors.draw((post.probs, post.weights), self.held, rng))


def _by_entry(hyper: Array) -> Array:
    """A hyperparameter, (), (K,) or (K, D), shaped to broadcast against (K, D)."""
    return hyper[:, None] if hyper.ndim == 1 else hyper
