"""The sides: ours, and each peer brought to the same start, the same number of passes and the same objective.

A peer that cannot be imported is an `Absent`, with the reason. scikit-learn takes weights, means and precisions; mixle
takes a whole model as its previous estimate; StepMix takes no start but a seed, from which it draws responsibilities:
they are drawn again here and give ours its start. scikit-learn's variational mixture starts at rows drawn from a seed,
likewise. What each of them adds to variances or clips is set to nothing where it can be.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from bench.harness import Absent, Entrant
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.priors import DirichletPrior, InverseWishartPrior, NormalPrior
from emvsbayes.families.gaussian_mixture.em import GaussianStats
from emvsbayes.families.gaussian_mixture.records import GaussianPrior
from emvsbayes.problem import Problem

OURS, SKLEARN, MIXLE, STEPMIX = "emvsbayes", "scikit-learn", "mixle", "StepMix"
# added to variances by mixle, which takes no 0 for the second
NOTHING: dict[str, Any] = {"ridge": 0.0, "min_covar": 1e-300}
MODULES = {SKLEARN: "sklearn", MIXLE: "mixle", STEPMIX: "stepmix"}


@cache
def missing(name: str) -> str:
    """Why a peer is not here; empty where it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module(MODULES[name])
    except ImportError as error:
        return f"not installed ({error})"
    return ""


def absent() -> dict[str, str]:
    """Every peer that is not here, and why."""
    return {name: missing(name) for name in MODULES if missing(name)}


def present(name: str, build: Callable[[], Entrant]) -> Entrant | Absent:
    """The side that `build` makes, or the reason why there is none."""
    return Absent(name, missing(name)) if missing(name) else build()


def quietly(work: Callable[[], Any]) -> Callable[[], Any]:
    """The same work without the warning that so few passes did not converge; what it costs is part of no pass."""

    def called() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return work()

    return called


def ours(problem: Problem, start: Any, passes: int, **options: Any) -> Entrant:
    """So many passes from this start, no trace."""
    stop = Stop(tol=0, max_passes=passes)

    def work() -> Any:
        return run_em(problem.family, problem.data, start, stop=stop, record=False, **options)

    return Entrant(OURS, work, lambda run: run.log_likelihood)


def sklearn_mixture(X: np.ndarray, start: Any, covariance: str, passes: int) -> Entrant | Absent:
    """GaussianMixture from the same start, nothing added to the variances."""

    def build() -> Entrant:
        from sklearn.mixture import GaussianMixture

        model = GaussianMixture(
            len(start.weights),
            covariance_type=covariance,
            reg_covar=0.0,
            tol=0.0,
            max_iter=passes,
            weights_init=start.weights,
            means_init=start.means,
            precisions_init=inverse(start.covariances, covariance),
            init_params="random_from_data",  # of no consequence, and the cheapest
        )
        return Entrant(SKLEARN, quietly(lambda: model.fit(X)), lambda m: len(X) * m.score(X))

    return present(SKLEARN, build)


def inverse(covariances: np.ndarray, covariance: str) -> np.ndarray:
    """Precisions in scikit-learn's shape, which is ours."""
    return np.linalg.inv(covariances) if covariance in ("full", "tied") else 1 / covariances


def mixle_mixture(X: np.ndarray, start: Any, passes: int) -> Entrant | Absent:
    """optimize() with the start as its previous estimate, full covariances, no ridge; data encoded beforehand."""

    def build() -> Entrant:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mixle.inference.estimation import optimize  # pyright: ignore[reportMissingImports]
            from mixle.stats import seq_encode  # pyright: ignore[reportMissingImports]
            from mixle.stats.latent.mixture import (  # pyright: ignore[reportMissingImports]
                MixtureDistribution,
                MixtureEstimator,
            )
            from mixle.stats.multivariate.multivariate_gaussian import (  # pyright: ignore[reportMissingImports]
                MultivariateGaussianDistribution,
                MultivariateGaussianEstimator,
            )
        parts = [MultivariateGaussianDistribution(m, c) for m, c in zip(start.means, start.covariances, strict=True)]
        model = MixtureDistribution(parts, start.weights)
        estimator = MixtureEstimator([MultivariateGaussianEstimator(dim=X.shape[1], **NOTHING) for _ in parts])
        rows = seq_encode(X, model=model)

        def work() -> Any:
            return optimize(None, estimator, max_its=passes, delta=None, prev_estimate=model, enc_data=rows)

        return Entrant(MIXLE, quietly(work), lambda m: float(m.seq_log_density(rows[0][1]).sum()))

    return present(MIXLE, build)


def sklearn_variational(
    X: np.ndarray, problem: Problem, adapter: Any, prior: GaussianPrior, passes: int, seed: int
) -> tuple[Any, Entrant | Absent]:
    """Our start, q(θ) after K rows were given to a component each, and BayesianGaussianMixture from the same rows."""
    rows = np.random.RandomState(seed).choice(len(X), problem.family.n_components, replace=False)
    k, d = len(rows), X.shape[1]
    one, flat = np.ones(k), np.zeros((k, d))
    start = adapter.conjugate.posterior(GaussianStats(one, one, one, flat, np.zeros((k, d, d)), X[rows]))

    def build() -> Entrant:
        from sklearn.mixture import BayesianGaussianMixture

        assert prior.means is not None
        assert prior.covariances is not None
        assert prior.weights is not None
        model = BayesianGaussianMixture(
            n_components=k,
            reg_covar=0.0,
            tol=0.0,
            max_iter=passes,
            init_params="random_from_data",
            random_state=seed,
            weight_concentration_prior_type="dirichlet_distribution",
            weight_concentration_prior=float(prior.weights.of_size(k)[0]),
            mean_precision_prior=float(prior.means.strength),
            mean_prior=np.broadcast_to(prior.means.location, (d,)),
            degrees_of_freedom_prior=float(prior.covariances.dof),
            covariance_prior=prior.covariances.scale,
        )

        def elbo(m: Any) -> float:
            """Theirs leaves constants out: their q(θ) is scored by ours."""
            dof = m.degrees_of_freedom_
            spread = InverseWishartPrior(dof, m.covariances_ * dof[:, None, None])
            q = GaussianPrior(NormalPrior(m.means_, m.mean_precision_), spread, DirichletPrior(m.weight_concentration_))
            return adapter.log_likelihood(q, problem.data)

        return Entrant(SKLEARN, quietly(lambda: model.fit(X)), elbo)

    return start, present(SKLEARN, build)


def stepmix_start(X: np.ndarray, k: int, seed: int) -> np.ndarray:
    """probs (K, D): one M-step at the responsibilities that StepMix draws from this seed; its weights start equal."""
    given = np.random.RandomState(seed).uniform(size=(len(X), k))
    given /= given.sum(axis=1)[:, None]
    return np.clip((X.T @ given / given.sum(axis=0)).T, 1e-15, 1 - 1e-15)


def stepmix_bernoulli(X: np.ndarray, k: int, passes: int, seed: int) -> Entrant | Absent:
    """A latent class model of binary indicators."""

    def build() -> Entrant:
        from stepmix.stepmix import StepMix  # pyright: ignore[reportMissingImports]

        def work() -> Any:
            model = StepMix(
                k, measurement="binary", max_iter=passes, abs_tol=0.0, rel_tol=0.0, random_state=seed, progress_bar=0
            )
            return model.fit(X)

        return Entrant(STEPMIX, quietly(work), lambda m: len(X) * m.score(X))

    return present(STEPMIX, build)


def sklearn_kmeans(X: np.ndarray, centers: np.ndarray, passes: int, algorithm: str) -> Entrant | Absent:
    """KMeans from the same centres; it stops where no row moves, so that `passes` should be fewer than that."""

    def build() -> Entrant:
        from sklearn.cluster import KMeans

        start: dict[str, Any] = {"init": centers, "n_init": 1}
        model = KMeans(len(centers), max_iter=passes, tol=0.0, algorithm=algorithm, **start)
        return Entrant(f"{SKLEARN}, {algorithm}", quietly(lambda: model.fit(X)), lambda m: float(m.inertia_))

    made = present(SKLEARN, build)
    return Absent(f"{SKLEARN}, {algorithm}", made.why) if isinstance(made, Absent) else made


def sides(*entrants: Entrant | Absent | None) -> Sequence[Entrant | Absent]:
    """Those that are asked for."""
    return [e for e in entrants if e is not None]
