"""Probabilistic relabelling: EM in which the permutation of every draw is the missing datum.

    E    P_s(p) = exp(Σ_k G_s[p_k, k]) / Σ_p' exp(Σ_k G_s[p'_k, k]),   G_s[j, k] = Σ_n w_n z_nj(s) ln f_k(x_n; θ̂)
    M    θ̂_k = (1/S) Σ_s Σ_p P_s(p) θ_p(k)(s)

with f_k(x_n; θ̂) = p(x_n, z_n = k | θ̂), of which only p(z_n = k | x_n, θ̂) matters: a factor common to all k cancels.
All K! permutations of a draw are summed (`permanents`), not only the best one. At the end a draw takes its most
probable permutation, and `certainty` is that probability (the source draws a permutation from P_s, which adds noise and
no information).

Two descriptions of a slot are known here: the parameters of the draws, averaged as above (then p(z | x, θ̂) must be
given as a function); or the moments of the rows in the slot, with f_k normal in independent coordinates (then the data
are enough, M maximises, and the cost - Σ_s ln Σ_p exp(Σ_k G_s[p_k, k]) never rises). Averages of parameters maximise
nothing exactly, so in the first case the cost may rise a little near the end.

Source: Sperrin, Jaki and Wit (2010), Probabilistic relabelling strategies for the label switching problem in Bayesian
mixture models, Statistics and Computing 20, 357-366.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.alternating import MAX_PASSES, Descent, cheapest
from emvsbayes.relabelling.moments import features, group_moments, log_densities
from emvsbayes.relabelling.permanents import COMPONENTS_AT_MOST, Weighed, weigh
from emvsbayes.relabelling.rows import Rows, logarithm

TOLERANCE = 1e-9

Probabilities = Callable[[Mapping[str, Array]], Array]


def sjw_by_parameters(
    rows: Rows,
    draws: Mapping[str, Array],
    probabilities: Probabilities,
    references: Sequence[Array],
    classes: Integers,
) -> tuple[Descent, Array]:
    """Slots are described by averaged draws; probabilities(θ̂) is p(z_n = k | x_n, θ̂), (N, K)."""

    def renew(marginals: Array) -> Array:
        averages = {name: np.einsum("sjk,sj...->k...", marginals, v) / len(v) for name, v in draws.items()}
        return rows.gains(logarithm(probabilities(averages)))

    return _expect_and_average([rows.gains(logarithm(reference)) for reference in references], renew, classes)


def sjw_by_moments(rows: Rows, data: Array, references: Sequence[Array], classes: Integers) -> tuple[Descent, Array]:
    """Slots are described by the moments of the rows of data (N, D) in them."""
    columns = features(data, rows.row_weights)
    moments = group_moments(rows, columns)

    def towards(totals: Array) -> Array:
        return moments @ log_densities(totals, weights=True)

    def renew(marginals: Array) -> Array:
        return towards(np.einsum("sjk,sjc->kc", marginals, moments))

    weighted = columns * rows.row_weights[:, None]
    return _expect_and_average([towards(reference.T @ weighted) for reference in references], renew, classes)


def summable(k: int) -> None:
    """Raise where there are too many sets of components to sum over."""
    if k > COMPONENTS_AT_MOST:
        raise InputError(
            f"sjw sums over the 2^K sets of K = {k} components, and stops at {COMPONENTS_AT_MOST}; take stephens or "
            "ecr-iterative-1, which solve assignment problems."
        )


def _expect_and_average(
    starts: Sequence[Array], renew: Callable[[Array], Array], classes: Integers
) -> tuple[Descent, Array]:
    """EM from every start; the descent of the cheapest end, and the certainty of each draw's permutation (S,)."""
    summable(len(classes))
    ends: list[tuple[Weighed, list[float]]] = []
    for gains in starts:
        found = weigh(gains, classes)
        costs: list[float] = []
        for _ in range(MAX_PASSES):
            found = weigh(renew(found.marginals), classes)
            costs.append(-float(found.log_total.sum()))
            if len(costs) > 1 and abs(costs[-2] - costs[-1]) <= TOLERANCE * (1 + abs(costs[-1])):
                break
        ends.append((found, costs))
    last = np.array([costs[-1] for _, costs in ends])
    found, costs = ends[cheapest(last)]
    return Descent(found.best, np.array(costs), last), found.certainty
