"""Gaussian mixtures, a pass: full covariances at five sizes, the other structures, and variational Bayes."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import peers
from bench.harness import contest
from bench.records import Row, Table
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.priors import DirichletPrior, InverseWishartPrior, NormalPrior
from emvsbayes.families.gaussian_mixture.records import GaussianPrior
from emvsbayes.problem import Problem, pose
from emvsbayes.report import format as fmt
from emvsbayes.vb.fitting import adapt

SHAPES = ((1, 2), (2, 3), (8, 8), (16, 10), (64, 10))
PASSES = 5


def clouds(n: int, d: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of K unit Gaussians about centres 2 sd across, and means a little off the centres."""
    rng = np.random.default_rng(seed)
    centres = 2.0 * rng.normal(size=(k, d))
    return rng.normal(size=(n, d)) + centres[rng.integers(0, k, n)], centres + 0.3 * rng.normal(size=(k, d))


def posed(X: np.ndarray, means: np.ndarray, covariance: str = "full") -> tuple[Problem, Any]:
    """The problem, and the start: these means, equal weights, the covariance of all rows."""
    problem = pose("gaussian_mixture", X, n_components=len(means), settings={"covariance": covariance})
    return problem, problem.family.complete_start({"means": means}, problem.data)


def race_em(n: int, d: int, k: int, *, passes: int = PASSES, covariance: str = "full", single: bool = True) -> Row:
    """Ours, scikit-learn and, where covariances are full, mixle."""
    X, means = clouds(n, d, k, seed=d)
    problem, start = posed(X, means, covariance)
    return contest(
        f"{covariance}, D = {d}, K = {k}",
        {"N": n, "D": d, "K": k},
        peers.sides(
            peers.ours(problem, start, passes),
            peers.sklearn_mixture(X, start, covariance, passes),
            peers.mixle_mixture(X, start, passes) if covariance == "full" else None,
        ),
        passes,
        single=single,
    )


def vague(X: np.ndarray) -> GaussianPrior:
    """A prior that both variational mixtures take."""
    return GaussianPrior(
        NormalPrior(X.mean(axis=0), np.asarray(0.01)),
        InverseWishartPrior(np.asarray(X.shape[1] + 2.0), np.cov(X.T)),
        DirichletPrior(np.asarray(1.0)),
    )


def gaussian(quick: bool) -> Table:
    """The goal's five sizes."""
    n = 10_000 if quick else 100_000
    rows = [race_em(n, d, k, passes=PASSES if d < 64 else 3) for d, k in SHAPES]
    text = [
        f"N = {fmt.count(n)} rows, full covariances, the same start on every side, {PASSES} passes (3 at D = 64). The "
        "time is that of a whole fit over its passes: each side makes one E-step more than it makes passes."
    ]
    return Table("gaussian", "Gaussian mixtures, full covariances", text, rows)


def structures(quick: bool) -> Table:
    """Diagonal, spherical and tied covariances."""
    n = 10_000 if quick else 100_000
    rows = [race_em(n, 8, 8, covariance=c) for c in ("diag", "spherical", "tied")]
    text = ["The same with fewer covariance parameters; mixle has full and diagonal ones only, and is left out here."]
    return Table("structures", "Gaussian mixtures, other covariances", text, rows)


def variational(quick: bool) -> Table:
    """Conjugate coordinate ascent, the same prior and the same first q."""
    n, k, d = (5_000 if quick else 50_000), 8, 8
    X, _ = clouds(n, d, k, seed=d)
    prior = vague(X)
    problem = pose("gaussian_mixture", X, n_components=k)
    adapter: Any = adapt(problem, prior)
    start, theirs = peers.sklearn_variational(X, problem, adapter, prior, PASSES, seed=0)
    stop = Stop(tol=0, max_passes=PASSES)
    entrant = peers.Entrant(
        peers.OURS,
        lambda: run_em(adapter, problem.data, start, stop=stop, record=False),
        lambda run: run.log_likelihood,
    )
    row = contest(f"full, D = {d}, K = {k}", {"N": n, "D": d, "K": k}, [entrant, theirs], PASSES)
    text = [
        f"N = {fmt.count(n)}; the prior and the first q are those of scikit-learn's BayesianGaussianMixture, started "
        "at eight rows. Its lower bound leaves constants out, so both posteriors are scored by our ELBO."
    ]
    return Table("variational", "Variational Bayes of a Gaussian mixture", text, [row])
