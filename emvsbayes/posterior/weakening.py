"""A Gaussian mixture near a singularity, as the prior on its covariances fades: the scale Ψ → 0, ν as it was.

A component with the mean on one row x_i and the covariance v S, v → 0, has

    ln p(X | θ) = -½ D ln v + …  → ∞
    ln p(θ)     = -½ (ν + D + 2) D ln v - {tr S⁻¹Ψ + κ0 (x_i - m0)ᵀ S⁻¹ (x_i - m0)} / 2v + …  → -∞ faster

so that the posterior density is bounded for every Ψ > 0 (and, away from m0, by the prior of the mean alone, whose
covariance shrinks with v): a spike rises as Ψ falls, and is narrow. Its mass is another matter. Summed over every
allocation z (few rows), with a conjugate posterior for each,

    P(σ²_k < t for some k | X) = Σ_z p(z | X) {1 - ∏_k [1 - F_kz(t)]},    F_kz the inverse-gamma distribution of σ²_k

A small Ψ is no weak prior: it puts the variance of every component near 0. A component that the data hold open pays
for being wide, |Ψ|^(ν/2), and an empty one, as narrow as the prior likes, pays nothing. Mass moves to rows that lie
close together, and in the end to allocations that leave a component empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree
from scipy.stats import invgamma

from emvsbayes.core.checks import Array, real_array
from emvsbayes.core.errors import InputError
from emvsbayes.core.priors import InverseWishartPrior
from emvsbayes.core.starts import restarts
from emvsbayes.core.trace import Status
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.families.gaussian_mixture import structures
from emvsbayes.families.gaussian_mixture.records import LAYOUTS, GaussianParams
from emvsbayes.fitting import fit_problem
from emvsbayes.posterior.draws import Draws, data_of, problem_of
from emvsbayes.posterior.record import Faded, Weakening
from emvsbayes.problem import Problem
from emvsbayes.vb.enumeration import MOST

FACTORS = (1.0, 1e-2, 1e-4, 1e-6, 1e-8)
THRESHOLDS = (1e-2, 1e-4, 1e-6)
WIDTHS = 10.0 ** np.linspace(0, -14, 57)
DrawAt = Callable[[Any], Draws | None]
STARTS, HOW = 20, ("random_scales", "k-means++")


def weakening(
    fit: Any,
    X: Any,
    *,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    factors: Sequence[float] = FACTORS,
    thresholds: Sequence[float] = THRESHOLDS,
    draw_at: DrawAt | None = None,
    seed: int = 0,
) -> Weakening:
    """Modes, the density near a spike, evidence and the mass of spikes, at every factor of the prior's scale.

    Parameters
    ----------
    fit : Fit
        MAP, of a Gaussian mixture of two components or more, each with a covariance of its own and a conjugate prior.
    X, labels, sample_weight : the data it was fitted to
    factors : numbers above 0
        Of the scale of its prior on the covariances.
    thresholds : numbers above 0
        Of the smallest eigenvalue relative to the data's covariance.
    draw_at : callable, optional
        A prior record -> `Draws` under it, or None to leave that prior out; used where the allocations are too many to
        be summed.
    seed : int
        Of the starts of EM.

    Raises
    ------
    InputError
        For another model: its likelihood cannot collapse, or there is no prior to fade.
    """
    problem = problem_of(fit.family, data_of(fit, X, labels, sample_weight), fit.params)
    return weakening_of(problem, fit.prior, factors=factors, thresholds=thresholds, draw_at=draw_at, seed=seed)


def weakening_of(
    problem: Problem,
    prior: Any,
    *,
    factors: Sequence[float] = FACTORS,
    thresholds: Sequence[float] = THRESHOLDS,
    draw_at: DrawAt | None = None,
    seed: int = 0,
) -> Weakening:
    """`weakening` of a problem that is already posed, and a prior record."""
    _require_spikes(problem, prior)
    prior = problem.family.proper_prior(prior)
    for name, value in (("factors", factors), ("thresholds", thresholds)):
        listed = real_array(value, name, ndim=1)
        if not listed.size or listed.min() <= 0:
            raise InputError("factors and thresholds must be numbers above 0, at least one of each.")
    row = _closest(problem.data.X)
    path = _path(problem, prior, row, seed)
    likelihood = [problem.family.log_likelihood(params, problem.data) for params in path]
    faded = [
        _faded(problem, with_scale(prior, factor), factor, path, likelihood, thresholds, draw_at, seed)
        for factor in sorted(factors, reverse=True)
    ]
    return Weakening([float(t) for t in thresholds], WIDTHS.tolist(), likelihood, row, faded)


def with_scale(prior: Any, factor: float) -> Any:
    """The prior with the scale of its covariances multiplied."""
    group = prior.covariances
    return replace(prior, covariances=InverseWishartPrior(group.dof, group.scale * factor))


def _require_spikes(problem: Problem, prior: Any) -> None:
    family = problem.family
    if family.name != "gaussian_mixture" or "bounded" in family.capabilities or family.n_components < 2:
        raise InputError(
            "a spike is one of several Gaussian components with covariances of their own; this likelihood is bounded."
        )
    if getattr(prior, "covariances", None) is None or family.fixed or LAYOUTS[family.covariance].shared:
        raise InputError("there is no prior on the covariances to fade; give one, and hold no field.")


def _closest(X: Array) -> int:
    """The row whose nearest neighbour is nearest, in column standard deviations."""
    scaled = X / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    order = np.lexsort(scaled.T[::-1])  # of two that are each other's nearest, the first along the columns
    gaps = KDTree(scaled[order]).query(scaled[order], k=2)[0][:, 1]
    return int(order[gaps.argmin()])


def _path(problem: Problem, prior: Any, row: int, seed: int) -> list[GaussianParams]:
    """One component on a row, shrinking; the others at their own mode."""
    family, data = problem.family, problem.data
    rest = replace(problem, family=replace(family, n_components=family.n_components - 1))
    others = fit_problem(rest, prior=prior, n_starts=STARTS, seed=seed, record=False).params
    share = 1 / data.n_rows
    found = []
    for width in WIDTHS:
        spike = structures.compress(family.covariance, width * data.covariance, 1)
        found.append(
            GaussianParams(
                np.append(share, (1 - share) * others.weights),
                np.concatenate([data.X[row][None], others.means]),
                np.concatenate([np.atleast_1d(spike), others.covariances]),
            )
        )
    return found


def _faded(
    problem: Problem,
    prior: Any,
    factor: float,
    path: list[GaussianParams],
    likelihood: list[float],
    thresholds: Sequence[float],
    draw_at: DrawAt | None,
    seed: int,
) -> Faded:
    family, data = problem.family, problem.data
    runs = restarts(family, data, STARTS, seed, methods=HOW, prior=prior)
    runs += restarts(family, data, 1, seed, given=_narrowest(path, family, prior, likelihood), prior=prior)
    best = max((r.run for r in runs if np.isfinite(r.run.objective)), key=lambda run: run.objective)
    spike = [level + family.log_prior(params, prior) for level, params in zip(likelihood, path, strict=True)]
    found = Faded(
        float(factor),
        best.status.name,
        len(runs),
        sum(r.run.status is Status.SINGULAR for r in runs),
        float(best.objective),
        float(_widths(problem, best.params.covariances).min()),
        spike,
    )
    if data.n_rows * np.log(family.n_components) <= np.log(MOST) + 1e-9:
        return _summed(found, problem, prior, thresholds)
    draws = None if draw_at is None else draw_at(prior)
    if draws is None:
        return found
    smallest = np.array([_widths(problem, covariances).min() for covariances in draws.values["covariances"]])
    return replace(found, mass=[float((smallest < t).mean()) for t in thresholds], source="NUTS")


def _narrowest(path: list[GaussianParams], family: Any, prior: Any, likelihood: list[float]) -> GaussianParams:
    """The highest point of the path among its narrower half: where EM starts to find the spike."""
    heights = [level + family.log_prior(params, prior) for level, params in zip(likelihood, path, strict=True)]
    half = len(path) // 2
    return path[half + int(np.argmax(heights[half:]))]


def _widths(problem: Problem, covariances: Array) -> Array:
    """The smallest eigenvalue of each component relative to the data's covariance, (K,)."""
    return structures.relative_eigenvalues(problem.family.covariance, covariances, problem.data.covariance)


def _summed(found: Faded, problem: Problem, prior: Any, thresholds: Sequence[float]) -> Faded:
    """With evidence and masses by a sum over allocations; masses of one column only, where they have a closed form."""
    exact = exact_posterior(problem, prior)
    weights, prior_counts = np.exp(exact.log_weights), prior.weights.of_size(problem.family.n_components)
    counts = np.array([part.weights.concentration - prior_counts for part in exact.parts])
    empty = float(weights @ (counts < 0.5).any(axis=1))
    found = replace(found, log_evidence=exact.log_evidence, empty=empty)
    if problem.data.X.shape[1] > 1:
        return found
    shape = np.array([part.covariances.dof for part in exact.parts]) / 2
    rate = np.array([part.covariances.scale for part in exact.parts]).reshape(shape.shape) / 2
    variance, mass, occupied = float(problem.data.covariance[0, 0]), [], []
    for t in thresholds:
        below = invgamma.cdf(t * variance, shape, scale=rate)
        mass.append(float(weights @ (1 - np.prod(1 - below, axis=1))))
        occupied.append(float(weights @ (1 - np.prod(np.where(counts < 0.5, 1.0, 1 - below), axis=1))))
    return replace(found, mass=mass, occupied=occupied, source="exact")
