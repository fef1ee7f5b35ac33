"""Mixtures of rates on free coordinates: what coins and Bernoulli rows share of the density that a sampler climbs.

Coordinates (simplex of π, log odds of p), without held fields; priors Dirichlet(α) and Beta(a, b), as in
`kernels.coordinates`. A family's own part is its sweep over the rows: n (K,), ones and zeros (K, D).
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from scipy.special import betaln, gammaln

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels import coordinates as free
from emvsbayes.densities.kernels.calls import integers, matrix, vector
from emvsbayes.densities.kernels.elementary import compiled

FLAGS, ALPHA, WEIGHTS, A, B, PROBS, CONSTANT = range(7)  # the first arrays of a target; a family's own come after
OWN = 7


def shared_arrays(prior: Any, weights: Array, probs: Array, fixed: Set[str]) -> tuple[Any, ...]:
    """The arrays 0 to 6; probs (K, D), and the hyperparameters of a group are numbers, (K,) or (K, D)."""
    k, (a, b), constant = len(weights), np.ones((2, *probs.shape)), 0.0
    alpha = np.ones(k)
    if "weights" not in fixed:
        alpha = np.asarray(prior.weights.of_size(k), dtype=np.float64)
        constant += np.log(k) + gammaln(alpha.sum()) - gammaln(alpha).sum()
    if "probs" not in fixed:
        a, b = (
            np.array(np.broadcast_to(h[:, None] if h.ndim == 1 else h, probs.shape), dtype=np.float64)
            for h in (np.asarray(prior.probs.a), np.asarray(prior.probs.b))
        )
        constant -= betaln(a, b).sum()
    flags = np.array(["weights" not in fixed, "probs" not in fixed], dtype=np.int64)
    return flags, alpha, weights, a, b, np.ascontiguousarray(probs), np.array([constant])


@compiled
def place(x: Array, words: Integers, log_weights: Array, log_p: Array, log_q: Array) -> int:
    """ln π (K,), ln p and ln(1 - p) (K, D), free or held; returns where the log odds begin."""
    flags = integers(words[FLAGS])
    at = len(log_weights) - 1 if flags[0] else 0
    if flags[0]:
        free.simplex(x[:at], log_weights)
    if flags[1]:
        free.log_odds(x[at:], log_p, log_q)
    for k in range(len(log_weights)):
        if not flags[0]:
            log_weights[k] = np.log(vector(words[WEIGHTS])[k])
        if not flags[1]:
            for i in range(log_p.shape[1]):
                p = matrix(words[PROBS])[k, i]
                log_p[k, i], log_q[k, i] = np.log(p), np.log1p(-p)
    return at


@compiled
def prior_part(
    at: int, words: Integers, log_weights: Array, log_p: Array, log_q: Array, n: Array, ones: Array, zeros: Array,
    gradient: Array,
) -> float:  # fmt: skip
    """Prior and Jacobians, with constants; the whole gradient, from the counts of the data."""
    flags, value = integers(words[FLAGS]), vector(words[CONSTANT])[0]
    if flags[0]:
        value += free.simplex_density(log_weights, n, vector(words[ALPHA]), gradient[:at])
    if flags[1]:
        value += free.rate_density(log_p, log_q, ones, zeros, matrix(words[A]), matrix(words[B]), gradient[at:])
    return value


@compiled
def values(x: Array, out: Array, words: Integers) -> None:
    """The free fields of θ, one after the other."""
    probs = matrix(words[PROBS])
    log_weights, log_p, log_q = np.empty(len(probs)), np.empty_like(probs), np.empty_like(probs)
    place(x, words, log_weights, log_p, log_q)
    flags, (k_all, d) = integers(words[FLAGS]), probs.shape
    at = k_all if flags[0] else 0
    for k in range(k_all):
        if flags[0]:
            out[k] = np.exp(log_weights[k])
        for i in range(d if flags[1] else 0):
            out[at + k * d + i] = np.exp(log_p[k, i])
