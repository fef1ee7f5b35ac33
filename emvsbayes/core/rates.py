"""Probabilities of a one against a zero: what coins and Bernoulli mixtures do with them, written once.

M-step         p = ones / (ones + zeros)
boundary       p = 0 only where there are no ones, p = 1 only where there are no zeros
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from emvsbayes.core.checks import Array
from emvsbayes.core.priors import BetaPrior, DirichletPrior, short
from emvsbayes.core.weights import weights_from_vector, weights_log_jacobian, weights_to_vector

INSIDE = (np.nextafter(0, 1), np.nextafter(1, 0))  # the smallest and the largest probability that are neither 0 nor 1
BOUNDARY = 1e-12  # an estimate this near to 0 or 1 is a boundary estimate


def update_rates(ones: Array, zeros: Array, held: Array) -> Array:
    """ones / (ones + zeros), `held` where nothing was seen.

    A quotient that only rounds to 0 or 1 would make zeros · ln(1 - p) infinite: it is kept inside.
    """
    seen = ones + zeros
    rates = np.divide(ones, seen, out=held.copy(), where=seen > 0)
    return np.where((ones > 0) & (zeros > 0), np.clip(rates, *INSIDE), rates)


def on_boundary(rates: Array) -> np.ndarray:
    """Which estimates lie on 0 or 1, to rounding."""
    return np.abs(rates - 0.5) >= 0.5 - BOUNDARY


def to_vector(weights: Array, probs: Array, fixed: frozenset[str]) -> Array:
    """Free coordinates of weights and probabilities: (ln π_k/π_K for k < K, logit p); held fields have none."""
    parts = [] if "weights" in fixed else [weights_to_vector(weights)]
    parts += [] if "probs" in fixed else [logit(probs).ravel()]
    return np.concatenate(parts) if parts else np.empty(0)


def from_vector(vector: Array, weights: Array, probs: Array, fixed: frozenset[str]) -> tuple[Array, Array]:
    """The inverse: weights and probabilities, held fields as given."""
    if "weights" not in fixed:
        free = len(weights) - 1
        weights, vector = weights_from_vector(vector[:free]), vector[free:]
    return weights, probs if "probs" in fixed else expit(vector).reshape(probs.shape)


def log_jacobian(weights: Array, probs: Array, fixed: frozenset[str]) -> float:
    """ln |∂(weights, probs) / ∂ free coordinates|: Σ_k ln π_k of the first K-1 weights, Σ ln p (1 - p)."""
    found = 0.0 if "weights" in fixed else weights_log_jacobian(weights)
    with np.errstate(divide="ignore"):
        return found if "probs" in fixed else found + float((np.log(probs) + np.log1p(-probs)).sum())


def proper(probs: BetaPrior | None, weights: DirichletPrior | None) -> tuple[BetaPrior, DirichletPrior]:
    """The two priors with flat ones written out as the uniform densities they are."""
    one = np.array(1.0)
    return probs or BetaPrior(one, one), weights or DirichletPrior(one)


def describe(probs: BetaPrior | None, weights: DirichletPrior | None, fixed: frozenset[str], scope: str) -> list[str]:
    """The two priors in words, one sentence a field; `scope` says what has a Beta prior of its own."""
    rates = "flat" if probs is None else f"Beta({short(probs.a)}, {short(probs.b)}) {scope}"
    mixing = "flat" if weights is None else f"Dirichlet({short(weights.concentration)})"
    said = {"probs": f"probs ~ {rates}", "weights": f"weights ~ {mixing}"}
    return [f"{name}: held fixed, no prior" if name in fixed else sentence for name, sentence in said.items()]
