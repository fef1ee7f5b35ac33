"""The evidence of the families without an allocation to sum over, or with several columns of ones and zeros."""

import numpy as np
import pytest
from cases import CASES, blobs, posed
from exact_draws import exact_draws, stacked
from scipy import stats
from scipy.special import logsumexp

import emvsbayes as eb
from emvsbayes.evidence.bridge import bridge_sampling
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.laplace import laplace
from emvsbayes.evidence.unconstrained import unconstrained, vectors
from emvsbayes.problem import pose


def test_the_linear_model_by_quadrature():
    """Of (ln α, ln β) on a grid: the evidence from dense densities of t, draws by picking cells of the same grid."""
    problem, prior = posed("linear_evidence-informative")
    target = unconstrained(problem, prior)
    design, t = problem.family.design(problem.data), problem.data.t
    eigenvalues, axes = np.linalg.eigh(design @ design.T)
    la, lb = np.meshgrid(np.linspace(-9, 6, 300), np.linspace(-3, 6, 180), indexing="ij")
    variances = np.exp(-lb)[..., None] + np.maximum(eigenvalues, 0) * np.exp(-la)[..., None]
    height = stats.norm(0, np.sqrt(variances)).logpdf(axes.T @ t).sum(axis=-1)
    for grid, group in ((la, prior.alpha), (lb, prior.beta)):
        height += stats.gamma(group.shape, scale=1 / group.rate).logpdf(np.exp(grid)) + grid
    widths = np.array([la[1, 0] - la[0, 0], lb[0, 1] - lb[0, 0]])
    exact = logsumexp(height) + np.log(widths.prod())
    rng = np.random.default_rng(0)
    cells = rng.choice(height.size, size=2000, p=np.exp(height - logsumexp(height)).ravel())
    points = np.stack([la.ravel()[cells], lb.ravel()[cells]], axis=1) + (rng.random((2000, 2)) - 0.5) * widths
    found = bridge_sampling(target, points[None])
    assert found.log_evidence == pytest.approx(exact, abs=0.02)
    fit = eb.fit(problem.family, CASES["linear_evidence-informative"].X, prior=prior)
    assert laplace(target, fit.params).free == pytest.approx(exact, abs=0.1)


def test_bernoulli_columns():
    bits = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 0], [0, 0, 1]], dtype=float)
    problem = pose("bernoulli_mixture", bits, n_components=2)
    target, exact = unconstrained(problem), exact_posterior(problem)
    draws = stacked(exact_draws(problem, exact, 4000, np.random.default_rng(0)))
    found = bridge_sampling(target, vectors(target, {name: value[None] for name, value in draws.items()}))
    assert abs(found.log_evidence - exact.log_evidence) < 4 * found.se < 0.2


def test_centres_of_known_variance():
    """K-means with one centre: rows are jointly normal."""
    X = blobs(n=7, k=1)
    prior = {"centers": {"location": [0.5, -1.0], "scale": [0.7, 3.0]}}
    problem = pose("kmeans", X, n_components=1, settings={"variance": 1.3})
    parts = zip(X.T, [0.5, -1.0], [0.7, 3.0], strict=True)
    exact = sum(stats.multivariate_normal(np.full(7, m), 1.3 * np.eye(7) + s**2).logpdf(x) for x, m, s in parts)
    found = laplace(unconstrained(problem, prior), problem.random_params(0))
    assert found.free == pytest.approx(exact, abs=1e-7)
