"""How close a call each draw's labelling was: the gap to the second-best permutation, and what it is worth.

    loss(s, p) = Σ_k gains[s, p̂_k, k] - Σ_k gains[s, p_k, k] >= 0        p̂(s) is the best permutation
    margin(s)  = min over p ≠ p̂(s) of loss(s, p)

Seen from p̂ every other permutation is a set of disjoint cycles of slots, each of which costs its own share and none of
which gains; so the second-best permutation is one cycle, the shortest of the complete graph of slots with lengths

    length(k -> l) = gains[s, p̂_k, k] - gains[s, p̂_l, k]        slot k takes what slot l holds

which Floyd's and Warshall's recursion finds for all draws at once in K³ steps, without listing K! permutations (Murty
1968 forbids each assigned cell in turn instead: K more assignment problems a draw). The shortest cycle through slot k
is the margin of that slot.

A margin has no unit of its own, and grows with the number of rows. It gets its meaning from how margins vary from draw
to draw: with names at random, the signed margin δ = loss of the one labelling minus loss of the other is, with two
copies, ±μ on average with variance σ² about either. Under normality

    |δ| is a folded normal,   and   P(the other labelling | margin) = 1 / (1 + exp(2 μ margin / σ²))   =: doubt

with μ, σ by maximum likelihood. The mean doubt is the share of draws that must be expected to bear a wrong label at the
least: an algorithm that has cut one cloud in two has made its own margins look cleaner than they are, and on simulated
draws of known labels the share was several times the doubt. A draw with doubt above 0.1 is called a tie. Well separated
copies have μ >> σ and no doubt.

Sources: Floyd (1962), Algorithm 97, Comm. ACM 5, 345; Murty (1968), An algorithm for ranking all the assignments in
order of increasing cost, Operations Research 16, 682-687; Leone, Nelson and Nottingham (1961), The folded normal
distribution, Technometrics 3, 543-550.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from emvsbayes.core.checks import Array, Integers

TIE = 0.1  # doubt: the other labelling is as likely as one in nine
GRID = 60


@dataclass(frozen=True)
class Margins:
    """margin (S,) and slots (S, K), the margin of each slot, in the unit of the gains; doubt of both, in [0, 1/2]."""

    margin: Array
    slots: Array
    doubt: Array
    slot_doubts: Array


def margins(gains: Array, permutations: Integers, classes: Integers) -> Margins:
    """Margins of permutations (S, K) that maximise Σ_k gains[s, p_k, k] within classes; gains (S, component, slot)."""
    slots = shortest_cycles(gains, permutations, classes)
    margin = slots.min(axis=1)
    return Margins(margin, slots, doubts(margin), np.stack([doubts(column) for column in slots.T], axis=1))


def shortest_cycles(gains: Array, permutations: Integers, classes: Integers) -> Array:
    """The loss of the best permutation that moves slot k, (S, K); infinite for a slot alone in its class."""
    held = np.take_along_axis(gains, permutations[:, :, None], axis=1)  # [s, l, k]: slot k takes what slot l holds
    length = np.einsum("skk->sk", held)[:, :, None] - np.swapaxes(held, 1, 2)
    length[:, classes[:, None] != classes[None, :]] = np.inf
    k = len(classes)
    length[:, np.arange(k), np.arange(k)] = np.inf  # a cycle has two slots or more
    for via in range(k):
        length = np.minimum(length, length[:, :, via, None] + length[:, None, via, :])
    return np.maximum(np.einsum("skk->sk", length), 0.0)  # no cycle gains but by rounding


def doubts(margin: Array) -> Array:
    """P(the other labelling | margin) for margins (S,), by a folded normal fitted to them."""
    finite = np.isfinite(margin)
    if not finite.any():
        return np.zeros(margin.shape)
    mu, variance = folded_normal(margin[finite])
    if mu == 0:
        return np.where(finite, 0.5, 0.0)
    if variance <= 0:
        return np.where(finite & (margin <= 0), 0.5, 0.0)
    return np.where(finite, expit(-2 * mu * margin / variance), 0.0)


def folded_normal(values: Array) -> tuple[float, float]:
    """Maximum likelihood (μ, σ²) of |δ| for δ ~ N(±μ, σ²), values (S,) not negative.

    At the maximum σ² + μ² is the mean square, which leaves one number: the grid finds the right hill, the search its
    top. (EM for the sign would do, but creeps where μ is near 0.)
    """
    square = float(np.mean(values**2))
    if square == 0:
        return 0.0, 0.0
    d = values / np.sqrt(square)
    if np.var(d) <= 1e-12:  # no spread but rounding
        return float(values.mean()), 0.0

    def minus(log_variance: float) -> float:
        variance = np.exp(log_variance)
        slope = np.sqrt(1 - variance) * d / variance
        return 0.5 * log_variance + (1 - variance / 2) / variance - np.logaddexp(slope, -slope).mean()

    grid = np.linspace(
        np.log(np.var(d) / 2), 0.0, GRID
    )  # σ² is the variance of |δ| or more, and the mean square at most
    at = int(np.argmin([minus(point) for point in grid]))
    around = (grid[max(at - 1, 0)], grid[min(at + 1, GRID - 1)])
    found: Any = minimize_scalar(minus, bounds=around, method="bounded", options={"xatol": 1e-9})
    variance = float(np.exp(found.x)) if found.fun < minus(0.0) else 1.0
    return float(np.sqrt((1 - variance) * square)), variance * square
