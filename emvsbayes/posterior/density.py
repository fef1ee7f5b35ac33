"""The predictive density: p(x | X) = E[p(x | θ) | X], which has no labels.

    p(x | X) ≈ (1/S) Σ_s p(x | θ_s)        band: pointwise quantiles of p(x | θ_s)

Renaming components changes no p(x | θ), so that this summary stands where component-wise ones mean nothing. A plug-in
density p(x | θ̂) takes one θ for known, and is narrower or bumpier where the data leave θ open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, whole_number
from emvsbayes.core.errors import InputError
from emvsbayes.core.views import View, pair_view
from emvsbayes.posterior.draws import Draws
from emvsbayes.posterior.record import LEVEL, PredictiveDensity, PredictiveView

GRID, PAIR_GRID = 200, 40  # places along a column; along each side of a pair of columns
DRAWS = 1000


def predictive_density(
    draws: Draws,
    estimates: Mapping[str, Any] | None = None,
    *,
    columns: tuple[int, int] | None = None,
    grid: int | None = None,
    most: int = DRAWS,
    seed: int = 0,
) -> PredictiveDensity:
    """The predictive density with its band, and the plug-in densities of estimates beside it.

    Parameters
    ----------
    draws : Draws
        From `read_draws`; relabelled or not makes no difference.
    estimates : mapping of a name to a Fit or to parameters, optional
        Such as {"ML": fit, "MAP": map_fit}.
    columns : (int, int), optional
        The joint density of two columns, of families whose views are densities of columns; without it every view that
        the family has, such as the densities of the first columns one by one.
    grid : int, optional
        Places along an axis: 200, and 40 for each of two columns.
    most : int
        Draws to average over, evenly spaced.
    seed : int
        Of the latent that all rows share, where there is one (the curve of a regression).

    Returns
    -------
    PredictiveDensity

    References
    ----------
    Gelman et al. (2013), Bayesian Data Analysis, chapter 22 (mixtures), for summaries that labels cannot change.
    """
    family, data = draws.family, draws.data
    if columns is None:
        views = family.views(data, whole_number(GRID if grid is None else grid, 2, "grid"))
    else:
        views = (_pair(family, data, columns, whole_number(PAIR_GRID if grid is None else grid, 2, "grid")),)
    if not isinstance(estimates, Mapping | None):
        raise InputError(f"estimates must be named, such as {{'MAP': fit}}; this is a {type(estimates).__name__}.")
    at, plugged = draws.some(most), {name: draws.estimate(e) for name, e in (estimates or {}).items()}
    shared = "rowwise" not in family.capabilities
    rngs = np.random.default_rng(seed).spawn(len(views))
    found = []
    for view, rng in zip(views, rngs, strict=True):
        values = np.array([family.profile(p, data, view, rng if shared else None) for p in draws.records(at)])
        found.append(_summary(view, values, {n: family.profile(p, data, view) for n, p in plugged.items()}))
    return PredictiveDensity(found, len(at))


def _pair(family: Any, data: Any, columns: tuple[int, int], grid: int) -> View:
    first = family.views(data, 2)[0]
    if first.kind != "density":
        raise InputError(f"{family.name} has no density of two columns; leave columns out.")
    d = data.X.shape[1]
    if len(set(columns)) != 2 or not all(isinstance(c, int | np.integer) and 0 <= c < d for c in columns):
        raise InputError(f"columns must be two different numbers from 0 to {d - 1}; they are {columns!r}.")
    return pair_view(data.X, data.row_weights, data.columns, columns, grid)


def _summary(view: View, values: Array, plugged: Mapping[str, Array]) -> PredictiveView:
    """Mean, band and distances from values (S, G)."""
    mean, tails = values.mean(axis=0), np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    cells = _cells(view)
    mass = np.full(len(mean), 1 / len(mean)) if view.kind == "mean" else mean * cells / (mean * cells).sum()
    distance, outside = {}, {}
    for name, value in plugged.items():
        gaps = np.abs(value - mean)
        distance[name] = float(gaps.max() if view.kind == "mean" else 0.5 * (gaps * cells).sum())
        outside[name] = float(mass[(value < tails[0]) | (value > tails[1])].sum())
    return PredictiveView(
        view.name,
        view.kind,
        list(view.labels),
        view.at.tolist(),
        mean.tolist(),
        tails[0].tolist(),
        tails[1].tolist(),
        {name: value.tolist() for name, value in plugged.items()},
        distance,
        outside,
        view.trials,
    )


def _cells(view: View) -> Array:
    """The length or area that each place of a regular grid stands for, (G,), by the trapezoidal rule; else 1."""
    if view.kind != "density":
        return np.ones(len(view.at))
    cells = np.ones(len(view.at))
    for coordinate in view.at.T:
        places = np.unique(coordinate)
        step = np.gradient(places)
        step[[0, -1]] *= 0.5
        cells *= step[np.searchsorted(places, coordinate)]
    return cells
