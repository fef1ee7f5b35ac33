"""Posterior draws whose labels are known, of real mixtures: what the benchmarks of relabelling start from.

Rows of K unit normals in the plane, neighbours on a ring `apart` standard deviations from one another; the MAP fit of a
Gaussian mixture with known covariances, started at the truth (with free ones, overlapping components of few rows find
shapes that tell them apart, and nothing is left to recover); and draws of the normal approximation to the posterior
at that fit, on free coordinates. They have the correlations, the skewness after transformation and the overlap of a
posterior, and no label can switch, since they come from one copy by construction. Then every draw gets a random label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import emvsbayes as eb
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.em import Stop
from emvsbayes.core.records import record_fields
from emvsbayes.evidence.laplace import mode
from emvsbayes.evidence.unconstrained import unconstrained
from emvsbayes.fitting import fit_problem
from emvsbayes.problem import Problem, pose

STOP = Stop(tol=1e-10, max_passes=5000)


@dataclass(frozen=True)
class Case:
    """Rows (N, 2), straight draws of the fields (S, K, …), probabilities (S, N, K), allocations (S, N), log posterior
    (S,), the fit, and the permutations (S, K) that scramble the draws."""

    data: Array
    straight: dict[str, Array]
    probabilities: Array
    allocations: Integers
    log_posterior: Array
    problem: Problem
    fit: Any
    turns: Integers

    def arguments(self) -> dict[str, Any]:
        """Arguments of `relabel_draws`, every draw under its random label."""
        fields = {
            name: np.stack([v[t] for v, t in zip(value, self.turns, strict=True)])
            for name, value in self.straight.items()
        }
        return {
            "draws": fields,
            "probabilities": np.take_along_axis(self.probabilities, self.turns[:, None, :], axis=2),
            "allocations": np.take_along_axis(np.argsort(self.turns, axis=1), self.allocations, axis=1),
            "data": self.data,
            "log_posterior": self.log_posterior,
        }

    def probabilities_at(self, fields: Any) -> Array:
        """p(z_n = k | x_n, θ), (N, K)."""
        params = replace(self.fit.params, **fields)
        return self.fit.family.e_step(params, self.problem.data).responsibilities


def simulate(k: int, apart: float, rows: int, *, equal: bool = True, draws: int = 400, seed: int = 0) -> Case:
    """A case whose posterior has a regular mode near the truth; seeds are tried one after another."""
    for attempt in range(20):
        try:
            return _simulate(k, apart, rows, equal, draws, np.random.default_rng([seed, attempt, k, rows]))
        except eb.InputError:
            continue
    raise RuntimeError(f"no regular posterior in 20 attempts: K = {k}, {apart} apart, {rows} rows")


def _simulate(k: int, apart: float, rows: int, equal: bool, draws: int, rng: np.random.Generator) -> Case:
    angles = 2 * np.pi * np.arange(k) / k
    means = apart / (2 * np.sin(np.pi / k)) * np.column_stack([np.cos(angles), np.sin(angles)])
    weights = np.full(k, 1 / k) if equal else np.arange(1, k + 1) / (k * (k + 1) / 2)
    x = means[rng.choice(k, rows, p=weights)] + rng.normal(size=(rows, 2))
    options = {"settings": {"covariance": "spherical"}, "fixed": {"covariances": np.ones(k)}}
    return _drawn(
        x, pose("gaussian_mixture", x, n_components=k, **options), {"weights": weights, "means": means}, draws, rng
    )


def crossed(rows: int, *, draws: int = 300, seed: int = 0) -> Case:
    """Two normals about one centre, correlated 0.9 and -0.9, all parameters free: only their shapes tell them apart."""
    rng = np.random.default_rng([seed, rows])
    shapes = np.array([[[1.0, 0.9], [0.9, 1.0]], [[1.0, -0.9], [-0.9, 1.0]]])
    x = np.stack([rng.multivariate_normal([0.0, 0.0], shapes[z]) for z in rng.integers(0, 2, rows)])
    start = {"weights": [0.5, 0.5], "means": np.zeros((2, 2)), "covariances": shapes}
    return _drawn(x, pose("gaussian_mixture", x, n_components=2), start, draws, rng)


def _drawn(x: Array, problem: Problem, start: Any, draws: int, rng: np.random.Generator) -> Case:
    """Draws of the normal approximation at the MAP fit from `start`."""
    fit = fit_problem(problem, prior=problem.prior("default"), start=start, stop=STOP)
    target = unconstrained(problem)
    at, information = mode(target, problem.family.to_vector(fit.params))
    vectors = rng.multivariate_normal(at, np.linalg.inv(information), draws)
    params = [problem.family.from_vector(v, fit.params) for v in vectors]
    free = [name for name in record_fields(fit.params) if name not in problem.family.fixed]
    straight = {name: np.stack([record_fields(p)[name] for p in params]) for name in free}
    r = np.stack([problem.family.e_step(p, problem.data).responsibilities for p in params])
    k = r.shape[2]
    z = (r.cumsum(axis=2) < rng.random((draws, len(x), 1))).sum(axis=2).clip(0, k - 1)
    turns = np.stack([rng.permutation(k) for _ in range(draws)])
    return Case(x, straight, r, z, target.many(vectors), problem, fit, turns)
