"""Beta posteriors of probabilities and a Dirichlet posterior of weights: what coins and Bernoulli mixtures share.

    q(π) = Dirichlet(α_k + n_k),    q(p) = Beta(a + ones, b + zeros)

A group is None where its field is held; `held` then has its value. Arrays of the Beta group are (K,) or (K, D), in the
posterior and, to broadcast, in the prior.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.priors import BetaPrior, DirichletPrior
from emvsbayes.core.weights import log_weights
from emvsbayes.densities import conjugate_draws, conjugate_moments, divergences

Groups = tuple[BetaPrior | None, DirichletPrior | None]


def updated(prior: Groups, ones: Array, zeros: Array, n: Array) -> Groups:
    """The prior with expected counts added."""
    probs, weights = prior
    if probs is not None:
        probs = BetaPrior(probs.a + ones, probs.b + zeros)
    if weights is not None:
        weights = DirichletPrior(weights.of_size(len(n)) + n)
    return probs, weights


def expected_logs(post: Groups, held: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """E[ln π] (K,), E[ln p] and E[ln(1 - p)]; of held fields, the logs themselves, which may be -inf."""
    probs, weights = post
    if probs is None:
        with np.errstate(divide="ignore"):
            ones, zeros = np.log(held["probs"]), np.log1p(-held["probs"])
    else:
        ones, zeros = divergences.log_odds(probs.a, probs.b)
    shares = log_weights(held["weights"]) if weights is None else divergences.log_shares(weights.concentration)
    return shares, ones, zeros


def kl(post: Groups, prior: Groups) -> float:
    """KL(q(π) ‖ p(π)) + Σ KL(q(p) ‖ p(p)); held fields have none."""
    total = 0.0
    if post[0] is not None and prior[0] is not None:
        total += divergences.beta(post[0].a, post[0].b, prior[0].a, prior[0].b)
    if post[1] is not None and prior[1] is not None:
        alpha = post[1].concentration
        total += divergences.dirichlet(alpha, prior[1].of_size(len(alpha)))
    return total


def moments(post: Groups, held: Mapping[str, Array], which: int) -> tuple[Array, Array]:
    """Means (which = 0) or standard deviations (which = 1) of weights and probabilities; a held field has no spread."""
    found = {name: (value, np.zeros(value.shape)) for name, value in held.items()}
    if post[0] is not None:
        found["probs"] = conjugate_moments.beta(post[0].a, post[0].b)
    if post[1] is not None:
        found["weights"] = conjugate_moments.dirichlet(post[1].concentration)
    return found["weights"][which], found["probs"][which]


def draw(post: Groups, held: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array]:
    """Weights and probabilities ~ q, held ones as they are."""
    found = dict(held)
    if post[0] is not None:
        found["probs"] = conjugate_draws.beta(post[0].a, post[0].b, rng)
    if post[1] is not None:
        found["weights"] = conjugate_draws.dirichlet(post[1].concentration, rng)
    return found["weights"], found["probs"]


def dot(counts: Array, logs: Array) -> float:
    """Σ counts · logs, with 0 · -inf = 0."""
    used = counts != 0
    return float(counts[used] @ logs[used])
