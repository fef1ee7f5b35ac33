"""Linear regression with q(w) q(α) q(β): the conjugate pieces of variational Bayes (Bishop 2006, section 10.3, where β
is known; here it is not).

    q(w) = N(m, S),   S⁻¹ = E[α] I + E[β] ΦᵀWΦ,   m = E[β] S ΦᵀWt
    q(α) = Gamma(a0 + M/2, b0 + E[wᵀw]/2)         q(β) = Gamma(c0 + N/2, d0 + E‖t - Φw‖²/2)

w is the latent, α and β are the parameters. The joint is linear in α, ln α, β and ln β:

    E[ln p(t, w | α, β)] = ln p(t, w | E α, E β) + M/2 (E[ln α] - ln E[α]) + N/2 (E[ln β] - ln E[β])

so that everything is that of evidence EM at (E α, E β), and a constant. With α and β both held, q(w) is the exact
posterior and the ELBO is the log evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from emvsbayes.core.checks import Array
from emvsbayes.core.latents.gaussian import Gaussian
from emvsbayes.core.priors import GammaPrior
from emvsbayes.densities import conjugate_draws, conjugate_moments, divergences
from emvsbayes.families.linear_evidence.em import LinearEvidence, LinearStats
from emvsbayes.families.linear_evidence.records import LinearData, LinearParams, LinearPrior


@dataclass(frozen=True, slots=True)
class ConjugateLinear:
    """Gamma posteriors; `held` are the values of the fields in `family.fixed`."""

    family: LinearEvidence
    prior: LinearPrior
    held: Mapping[str, Array]

    def posterior(self, stats: LinearStats) -> LinearPrior:
        """Half the counts to the shapes, half the sums of squares to the rates."""
        return LinearPrior(
            _updated(self.prior.alpha, stats.count, stats.ww), _updated(self.prior.beta, stats.n, stats.rss)
        )

    def _excess(self, post: LinearPrior, count: float, n: float) -> float:
        """count/2 (E[ln α] - ln E[α]) + n/2 (E[ln β] - ln E[β]), with E[ln α] = ψ(a) - ln b; 0 where held."""
        pairs = ((post.alpha, count), (post.beta, n))
        gaps = [0.5 * times * (digamma(g.shape) - np.log(g.shape)) for g, times in pairs if g is not None]
        return float(sum(gaps))

    def e_step(self, post: LinearPrior, data: LinearData) -> Gaussian:
        """q(w), the posterior of evidence EM at (E α, E β)."""
        return self.family.e_step(self.means(post), data)

    def log_normaliser(self, post: LinearPrior, data: LinearData) -> float:
        """ln ∫ exp E[ln p(t, w | α, β)] dw: the log evidence at (E α, E β), and the constant."""
        seen = self.family.spectrum(data)
        return self.family.log_likelihood(self.means(post), data) + self._excess(post, len(seen.scales), seen.total)

    def expected_log_joint(self, post: LinearPrior, stats: LinearStats) -> float:
        """½ {count (E[ln α] - ln 2π) - E[α] ww + n (E[ln β] - ln 2π) - E[β] rss}."""
        return self.family.expected_log_joint(self.means(post), stats) + self._excess(post, stats.count, stats.n)

    def kl(self, post: LinearPrior) -> float:
        """KL(q(α) ‖ p(α)) + KL(q(β) ‖ p(β))."""
        pairs = ((post.alpha, self.prior.alpha), (post.beta, self.prior.beta))
        found = [divergences.gamma(q.shape, q.rate, p.shape, p.rate) for q, p in pairs if q is not None and p]
        return float(sum(found))

    def means(self, post: LinearPrior) -> LinearParams:
        """E[α], E[β]."""
        return self._moments(post, 0)

    def sds(self, post: LinearPrior) -> LinearParams:
        """Standard deviations of α and β; 0 where held."""
        return self._moments(post, 1)

    def draw(self, post: LinearPrior, rng: np.random.Generator) -> LinearParams:
        """α, β ~ q."""
        found = dict(self.held)
        for name in ("alpha", "beta"):
            if (group := getattr(post, name)) is not None:
                found[name] = conjugate_draws.gamma(group.shape, group.rate, rng)
        return LinearParams(**found)

    def _moments(self, post: LinearPrior, which: int) -> LinearParams:
        found = {name: (value, np.zeros(())) for name, value in self.held.items()}
        for name in ("alpha", "beta"):
            group = getattr(post, name)
            if group is not None:
                found[name] = conjugate_moments.gamma(group.shape, group.rate)
        return LinearParams(np.asarray(found["alpha"][which]), np.asarray(found["beta"][which]))


def _updated(prior: GammaPrior | None, count: float, squares: float) -> GammaPrior | None:
    """Gamma(a + count/2, b + squares/2); a held precision has no posterior."""
    if prior is None:
        return None
    return GammaPrior(prior.shape + 0.5 * count, prior.rate + 0.5 * squares)
