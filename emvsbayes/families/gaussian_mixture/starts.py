"""Starting values of a Gaussian mixture: completed from what a user gives, or drawn (methods in `core.starts`).

The hierarchical start is a small one: Ward's method in standard units on at most SUBSAMPLE rows, cut at K clusters,
every other row to the nearest cluster mean, one M-step. (mclust merges by the likelihood of the Gaussian model itself,
Fraley 1998; Ward's sum of squares is that likelihood for EII.) It draws nothing unless there are more rows than that.

Source: Ward (1963), JASA 58, 236-244.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.core.alignment import assignment
from emvsbayes.core.checks import Array, Integers, above, real_array, shaped
from emvsbayes.core.errors import InputError
from emvsbayes.core.latents.categorical import Categorical
from emvsbayes.core.starts import choose_rows, labelled_centers, lloyd, random_responsibilities
from emvsbayes.families.gaussian_mixture import structures
from emvsbayes.families.gaussian_mixture.records import PLAIN, GaussianData, GaussianParams

SUBSAMPLE = 2000  # rows that the hierarchical start merges: their distances take 16 MB
THIN = 1e-3  # relative eigenvalue below which a K-means cluster is too flat to start from


def complete(given: Mapping[str, Any], data: GaussianData, family: Any) -> GaussianParams:
    """Checked starting values: uniform weights and the data's covariance where none are given; means are needed.

    One component's covariance, given alone, stands for every component's, and under mclust's names a number for that
    number in every column.
    """
    k, covariance = family.n_components, family.covariance
    if "means" not in given:
        raise InputError("a start for a Gaussian mixture needs means: equal means are a saddle EM cannot leave.")
    d = data.X.shape[1]
    means = real_array(given["means"], "means")
    means = shaped(means[:, None] if means.ndim == 1 and d == 1 else means, (k, d), "means")
    weights = shaped(real_array(given.get("weights", np.full(k, 1 / k)), "weights"), (k,), "weights")
    wide = _within(structures.compress(covariance, data.covariance, k), family, d)
    covariances = real_array(given.get("covariances", wide), "covariances")
    if covariances.ndim == 0 and covariance not in PLAIN:
        covariances = above(covariances, 0, "covariances") * np.eye(d)
    if covariances.shape == wide.shape[1:] and covariance != "tied":
        covariances = np.broadcast_to(covariances, wide.shape).copy()
    params = GaussianParams(weights, means, covariances).checked(covariance)
    if structures.strays(covariance, params.covariances):
        raise InputError(
            f"covariances are not of the structure {covariance}; give such matrices, or one for every component."
        )
    if not np.allclose(_within(covariances, family, d), covariances, rtol=1e-8, atol=1e-12 * covariances.max()):
        raise InputError(
            f"the eigenvalues of covariances are further apart than eigenvalue_ratio = {family.eigenvalue_ratio:g}; "
            "bring them closer, or leave covariances out."
        )
    return params


def draw(family: Any, data: GaussianData, rng: np.random.Generator, how: str) -> GaussianParams:
    """Means at chosen rows and wide covariances, or those of a partition; distances in standard units."""
    (k, d), covariance = (family.n_components, data.X.shape[1]), family.covariance
    scale = np.where(data.scale > 0, data.scale, 1.0)
    points = (data.X - data.mean) / scale
    if how in ("random_responsibilities", "hierarchical"):
        neutral = GaussianParams(
            np.full(k, 1 / k), np.tile(data.mean, (k, 1)), _within(_wide(data, k, covariance), family, d)
        )
        if how == "random_responsibilities":
            return random_responsibilities(family, data, rng, neutral)
        return _of_partition(family, data, ward(points, data.row_weights, data.labels, k, rng), neutral)
    rows = choose_rows(points, data.row_weights, k, rng, "k-means++" if how == "kmeans" else how)
    centers = labelled_centers(data.X[rows].astype(np.float64), data.X, data.labels, data.row_weights)
    seeds = GaussianParams(np.full(k, 1 / k), centers, _within(_wide(data, k, covariance), family, d))
    if how == "random_scales":
        factors = 10.0 ** -rng.uniform(0, 4, size=() if structures.one_volume(covariance) else k)
        spread = seeds.covariances * _along(factors, seeds.covariances)
        return replace(seeds, covariances=_within(spread, family, d))
    if how != "kmeans":
        return seeds

    return _of_partition(family, data, lloyd(points, data.row_weights, (centers - data.mean) / scale), seeds)


def ward(points: Array, weights: Array, labels: Integers | None, k: int, rng: np.random.Generator) -> Integers:
    """The partition (N,) of K of Ward's clusters; rows left out of the subsample go to the nearest cluster mean.

    The subsample is drawn ∝ weight; Ward's method itself takes its rows as equals. Clusters are numbered so that they
    share as much weight as possible with the components of the same number whose rows are known.
    """
    from scipy.cluster.hierarchy import cut_tree, linkage  # 40 ms that only this start pays

    rows = np.flatnonzero(weights > 0)
    if len(rows) > SUBSAMPLE:
        rows = rng.choice(rows, size=SUBSAMPLE, replace=False, p=weights[rows] / weights[rows].sum())
    if len(rows) == 1:
        return np.zeros(len(points), dtype=np.int64)
    chosen = cut_tree(linkage(points[rows], "ward"), n_clusters=k)[:, 0]
    means = np.array([points[rows][chosen == j].mean(axis=0) for j in range(k)])
    partition = ((means**2).sum(axis=1) - points @ (2 * means.T)).argmin(axis=1)
    partition[rows] = chosen
    if labels is None:
        return partition
    known = labels >= 0
    shared = np.zeros((k, k))
    np.add.at(shared, (partition[known], labels[known]), weights[known])
    return np.argsort(assignment(shared))[partition]


def _of_partition(family: Any, data: GaussianData, partition: Integers, seeds: GaussianParams) -> GaussianParams:
    """The M-step on a partition (N,), known labels in their place; clusters too flat keep the covariance of `seeds`."""
    k, covariance = family.n_components, family.covariance
    if data.labels is not None:
        partition = np.where(data.labels >= 0, data.labels, partition)
    one_hot = np.where(partition[:, None] == np.arange(k), 0.0, -np.inf)
    free = replace(family, fixed=frozenset())
    solution = free.m_step(free.expect(Categorical(one_hot), data, seeds), seeds)
    thin = structures.relative_eigenvalues(covariance, solution.covariances, data.covariance) < THIN
    if not thin.any():
        return solution
    if covariance not in structures.SEPARATE:  # one component's covariance cannot be replaced alone
        return replace(solution, covariances=seeds.covariances)
    thin = _along(thin, seeds.covariances)
    mixed = np.where(thin, seeds.covariances, solution.covariances)
    return replace(solution, covariances=_within(mixed, family, data.X.shape[1]))


def _within(covariances: Array, family: Any, d: int) -> Array:
    """The field `covariances` brought within the family's bound on the ratio of eigenvalues, if it has one."""
    if family.eigenvalue_ratio is None:
        return covariances
    k, covariance = family.n_components, family.covariance
    expanded = structures.expand(covariance, covariances, k, d)
    return structures.field(covariance, structures.truncated(expanded, np.ones(k), family.eigenvalue_ratio))


def _wide(data: GaussianData, k: int, covariance: str) -> Array:
    """The data's covariance shrunk by K^(2/D), so that K components fill its volume."""
    return structures.compress(covariance, data.covariance / k ** (2 / data.X.shape[1]), k)


def _along(values: np.ndarray, covariances: Array) -> np.ndarray:
    """One value a component (or one in all), shaped to multiply the field `covariances`."""
    return values.reshape(values.shape + (1,) * (covariances.ndim - values.ndim))
