"""The iterative algorithms: relabel every draw towards a target, renew the target from the relabelled draws, repeat.

    p(s)   <- argmax_p Σ_k gains(target)[s, p_k, k]        for every draw
    target <- what the relabelled draws have in common

until no permutation changes. Where the new target lowers the same cost that the assignment lowers, the cost never rises
and the end is a local minimum: hence several starts, each from the allocation of one draw (or from a pivot), and the
cheapest end is kept. A start from one draw does not depend on how the other draws happen to be labelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.relabelling.assignments import assignments, attained

MAX_PASSES = 100


@dataclass(frozen=True)
class Descent:
    """Permutations (S, K), the cost after each pass of the start that was kept, and the last cost of every start."""

    permutations: Integers
    costs: Array
    start_costs: Array


def alternate(
    starts: Iterable[Array], renew: Callable[[Integers], Array], constant: float, classes: Integers
) -> Descent:
    """Alternate from every start and keep the cheapest end.

    starts: gains (S, K, K) towards a first target; renew(permutations): gains towards the target of the draws so
    relabelled; cost = constant - Σ_s Σ_k gains[s, p_k, k].
    """
    ends: list[tuple[Integers, list[float]]] = []
    for gains in starts:
        permutations = assignments(gains, classes)
        costs = [constant - attained(gains, permutations)]
        for _ in range(MAX_PASSES):
            gains = renew(permutations)
            renewed = assignments(gains, classes)
            costs.append(constant - attained(gains, renewed))
            settled = (renewed == permutations).all()
            permutations = renewed
            if settled:
                break
        ends.append((permutations, costs))
    last = np.array([costs[-1] for _, costs in ends])
    permutations, costs = ends[cheapest(last)]
    return Descent(permutations, np.array(costs), last)


def cheapest(costs: Array) -> int:
    """The first start that ended at the lowest cost, ends that differ by rounding counting as one."""
    return int(np.argmax(costs <= costs.min() + 1e-9 * (1 + np.abs(costs.min()))))
