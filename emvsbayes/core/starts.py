"""Starting values, and restarts from many of them.

A likelihood of a mixture has many local maxima, so one start is an anecdote. Restarts cycle through three methods, each
from its own child of one seed:

    kmeans        the K-means solution, seeded by k-means++ (Lloyd 1982)
    k-means++     K rows, each drawn ∝ squared distance to the nearest so far (Arthur and Vassilvitskii 2007)
    random_rows   K distinct rows, drawn uniformly

A fourth is for looking at singularities on purpose, and no part of the cycle:

    random_scales K rows, with spreads drawn log-uniformly from the data's own down to a hundredth of it

Ranking: by the objective that was climbed; singular and non-finite runs last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emvsbayes.core.checks import Array
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.errors import unknown
from emvsbayes.core.protocol import Family
from emvsbayes.core.trace import Run

METHODS = ("kmeans", "k-means++", "random_rows")
ALL_METHODS = (*METHODS, "random_scales")
SAME_OPTIMUM = 0.01  # nats: runs closer than this, up to what they had still to gain, reached the same optimum


@dataclass(frozen=True, slots=True)
class Restart:
    """One start among several and where it led.

    `optimum` numbers the distinct optima from the best (0) down; singular and non-finite runs have -1.
    """

    index: int
    how: str
    run: Run
    optimum: int = -1


def choose_rows(points: Array, weights: Array, k: int, rng: np.random.Generator, how: str) -> NDArray[np.int64]:
    """Row numbers (k,) of the starting centres; rows of weight 0 are never drawn."""
    candidates = np.flatnonzero(weights > 0)
    distinct = candidates[np.unique(points[candidates], axis=0, return_index=True)[1]]
    if len(distinct) >= k:  # two equal centres would stay equal for ever
        candidates = distinct
    if how not in ALL_METHODS:
        raise unknown("starting method", how, ALL_METHODS)
    if how.startswith("random"):
        return rng.choice(candidates, size=k, replace=False)
    chosen = [int(rng.choice(candidates, p=weights[candidates] / weights[candidates].sum()))]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < k:
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        mass = weights * nearest
        if mass.sum() == 0:  # fewer distinct rows than components: ties are unavoidable
            mass = weights.copy()
            mass[chosen] = 0.0
        chosen.append(int(rng.choice(len(points), p=mass / mass.sum())))
    return np.array(chosen)


def lloyd(points: Array, weights: Array, centers: Array, max_passes: int = 100) -> NDArray[np.int64]:
    """The K-means partition (N,) reached from `centers` (K, D); an empty cluster keeps its centre.

    ‖x_n - c_k‖² = ‖x_n‖² - 2 x_n·c_k + ‖c_k‖², of which the first term is the same for every k.
    """
    origin = points.mean(axis=0)  # far from the origin the products would lose the digits that tell centres apart
    points, centers, labels = points - origin, centers - origin, None
    for _ in range(max_passes):
        moved = ((centers**2).sum(axis=1) - points @ (2 * centers.T)).argmin(axis=1)
        if labels is not None and (moved == labels).all():
            break
        labels = moved
        one_hot = (labels[:, None] == np.arange(len(centers))) * weights[:, None]
        mass = one_hot.sum(axis=0)
        full = mass > 0
        centers[full] = (one_hot.T @ points)[full] / mass[full, None]
    assert labels is not None
    return labels


def labelled_centers(centers: Array, points: Array, labels: NDArray[np.int64] | None, weights: Array) -> Array:
    """Centres (K, D) with those of labelled components moved to the mean of their labelled rows."""
    if labels is None:
        return centers
    centers = centers.copy()
    for k in range(len(centers)):
        mass = weights * (labels == k)
        if mass.sum() > 0:
            centers[k] = mass @ points / mass.sum()
    return centers


def restarts(
    family: Family,
    data: Any,
    n: int,
    seed: int,
    *,
    given: Any = None,
    methods: Sequence[str] = METHODS,
    complete: Callable[[Any], Any] = lambda params: params,
    prior: Any = None,
    options: Mapping[str, Any] | None = None,
    stop: Stop | None = None,
) -> list[Restart]:
    """`n` runs without a trace, best first.

    `options` are keywords of `run_em`. `given` starting values are the first start; `complete` puts held values into
    drawn ones. Each start has a child of `seed` of its own, so that the first ten of twenty starts are those of a call
    with ten.
    """
    found = []
    for index, child in enumerate(np.random.SeedSequence(seed).spawn(n)):
        if index == 0 and given is not None:
            how, start = "given", given
        else:
            how = methods[index % len(methods)]
            start = complete(family.init(data, np.random.default_rng(child), how))
        run = run_em(family, data, start, prior=prior, stop=stop, record=False, **(options or {}))
        found.append(Restart(index, how, run))
    return ranked(found)


def ranked(found: Sequence[Restart]) -> list[Restart]:
    """Best objective first, unusable runs last; distinct optima numbered from the best."""
    ordered = sorted(found, key=lambda r: (not r.run.status.usable, -r.run.objective, r.index))
    numbered, optimum, level = [], -1, np.inf
    for restart in ordered:
        if not restart.run.status.usable:
            numbered.append(restart)
            continue
        if level - restart.run.objective > SAME_OPTIMUM + (restart.run.remaining or 0.0):
            optimum, level = optimum + 1, restart.run.objective
        numbered.append(Restart(restart.index, restart.how, restart.run, optimum))
    return numbered
