"""The distribution over all K! permutations of a draw, summed over sets of components instead of permutations.

    P_s(p) = exp(Σ_k G_s[p_k, k]) / Σ_p' exp(Σ_k G_s[p'_k, k])

The denominator is the permanent of exp(G_s). Slots are filled one after another, and what counts is only the set A of
components already used, as in the recursion of Bellman (1962) and of Held and Karp (1962) over subsets:

    forward(A)  = ln Σ_{j in A} exp( forward(A without j) + G[j, |A|-1] )        slots 0 … |A|-1 hold the set A
    backward(A) = ln Σ_{j not in A} exp( G[j, |A|] + backward(A with j) )        the other slots hold the rest
    P(slot k takes j) = Σ_{|A|=k, j not in A} exp( forward(A) + G[j, k] + backward(A with j) - ln permanent )

K 2^(K-1) sums in place of K!: 1024 in place of 40320 for K = 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.relabelling.assignments import assignments

COMPONENTS_AT_MOST = 12
BLOCK = 2**22  # numbers held at a time


@dataclass(frozen=True)
class Weighed:
    """P_s in short: log permanent (S,), P(slot k takes j) (S, K, K), the best permutation (S, K) and its P (S,)."""

    log_total: Array
    marginals: Array
    best: Integers
    certainty: Array


def weigh(gains: Array, classes: Integers) -> Weighed:
    """The distribution over the permutations within the classes for every draw, from gains (S, raw component, slot)."""
    s, k, _ = gains.shape
    allowed = np.where(classes[:, None] == classes[None, :], gains, -np.inf)
    log_total, marginals = np.empty(s), np.empty((s, k, k))
    step = max(1, BLOCK // 2**k)
    for start in range(0, s, step):
        block = slice(start, start + step)
        log_total[block], marginals[block] = _sum_over_sets(np.moveaxis(allowed[block], 0, 2))
    best = assignments(gains, classes)
    attained = np.take_along_axis(gains, best[:, None, :], axis=1).sum(axis=(1, 2))
    return Weighed(log_total, marginals, best, np.minimum(np.exp(attained - log_total), 1.0))


def _sum_over_sets(gains: Array) -> tuple[Array, Array]:
    """Log permanent (S,) and marginals (S, K, K) from gains (K, K, S); a set is the bits of a whole number."""
    k, _, s = gains.shape
    sets = sorted(range(2**k), key=int.bit_count)
    forward, backward = np.full((2**k, s), -np.inf), np.full((2**k, s), -np.inf)
    forward[0] = backward[-1] = 0.0
    for a in sets[1:]:
        terms = [forward[a ^ 1 << j] + gains[j, a.bit_count() - 1] for j in range(k) if a >> j & 1]
        forward[a] = np.logaddexp.reduce(terms, axis=0)
    for a in sets[-2::-1]:
        terms = [gains[j, a.bit_count()] + backward[a | 1 << j] for j in range(k) if not a >> j & 1]
        backward[a] = np.logaddexp.reduce(terms, axis=0)
    total = forward[-1]
    marginals = np.zeros((s, k, k))
    for a in sets[:-1]:
        size = a.bit_count()
        for j in range(k):
            if not a >> j & 1:
                marginals[:, j, size] += np.exp(forward[a] + gains[j, size] + backward[a | 1 << j] - total)
    return total, marginals
