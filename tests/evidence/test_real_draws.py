"""Bridge sampling from NUTS: beside enumeration, quadrature and SMC, on every family."""

import arviz as az
import numpy as np
import pytest
from cases import FIVE_TRIALS, OLD_FAITHFUL, blobs
from scipy import stats

import emvsbayes as eb
from emvsbayes.bayes.sampling import sample_problem
from emvsbayes.evidence.bridge import bridge_sampling
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.rows import bridge_row
from emvsbayes.evidence.unconstrained import tree_vectors, unconstrained
from emvsbayes.problem import pose

pytestmark = pytest.mark.sampling


def drawn(problem, **asked):
    target = unconstrained(problem)
    tree = sample_problem(problem, target.prior, say=lambda line: None, **asked)
    return target, tree


@pytest.mark.parametrize("settings", [{"weights": "fixed"}, {}], ids=["fixed", "free"])
@pytest.mark.parametrize("seed", [41, 42, 43])
def test_two_coins(settings, seed):
    """The evidence within 0.02 nats, and within 4 of its standard errors; means within 4 MCSE of the exact ones."""
    problem = pose("coins", FIVE_TRIALS, n_components=2, settings=settings)
    exact = exact_posterior(problem)
    target, tree = drawn(problem, draws=4000, seed=seed)
    found = bridge_sampling(target, tree_vectors(target, tree), seed=seed)
    error = abs(found.log_evidence - exact.log_evidence)
    assert error < 0.02
    assert error < 4 * found.se < 0.025
    for name, draws in tree["posterior"].data_vars.items():
        mcse = az.mcse(draws, method="mean")
        gap = np.abs(draws.values.mean(axis=(0, 1)) - getattr(exact.means, name))
        assert (gap < 4 * np.asarray(mcse)).all(), name


@pytest.mark.parametrize("name", ["gaussian", "bits"])
def test_mixtures_of_few_rows(name):
    bits = (np.random.default_rng(6).random((10, 4)) < np.where(np.arange(10) % 2, 0.9, 0.1)[:, None]).astype(float)
    problem = {
        "gaussian": lambda: pose("gaussian_mixture", blobs(n=10, d=1, seed=21), n_components=2),
        "bits": lambda: pose("bernoulli_mixture", bits, n_components=2),
    }[name]()
    target, tree = drawn(problem, draws=2000, seed=1)
    found = bridge_sampling(target, tree_vectors(target, tree))
    assert abs(found.log_evidence - exact_posterior(problem).log_evidence) < 4 * found.se < 0.2


def test_one_component_of_old_faithful():
    problem = pose("gaussian_mixture", OLD_FAITHFUL, n_components=1)
    target, tree = drawn(problem, seed=1)
    found = bridge_sampling(target, tree_vectors(target, tree))
    assert abs(found.log_evidence - exact_posterior(problem).log_evidence) < 4 * found.se < 0.04


def test_three_components_of_old_faithful_agree_between_seeds():
    """No exact number: two sets of chains, each with its error; the copies of a third component overlap."""
    found = []
    for seed in (1, 2):
        problem = pose("gaussian_mixture", OLD_FAITHFUL, n_components=3)
        target, tree = drawn(problem, seed=seed)
        found.append(bridge_sampling(target, tree_vectors(target, tree), seed=seed))
    first, second = found
    assert abs(first.log_evidence - second.log_evidence) < 4 * np.hypot(first.se, second.se) < 1.0


def test_a_line_by_its_quadrature():
    x = np.linspace(-1, 1, 12)
    t = 0.8 * x + 0.3 * np.random.default_rng(2).normal(size=12)
    problem = pose("linear_evidence", {"X": x, "t": t})
    target, tree = drawn(problem, seed=3)
    found = bridge_sampling(target, tree_vectors(target, tree))
    design, prior = problem.family.design(problem.data), target.prior
    gram = design @ design.T
    la, lb = np.linspace(-25, 12, 260), np.linspace(-6, 8, 160)
    height = np.empty((len(la), len(lb)))
    values, axes = np.linalg.eigh(gram)
    for i, a in enumerate(la):
        for j, b in enumerate(lb):
            sd = np.sqrt(np.exp(-b) + np.maximum(values, 0) * np.exp(-a))
            height[i, j] = stats.norm(0, sd).logpdf(axes.T @ t).sum()
    for grid, group, axis in ((la, prior.alpha, 0), (lb, prior.beta, 1)):
        log_prior = stats.gamma(group.shape, scale=1 / group.rate).logpdf(np.exp(grid)) + grid
        height += log_prior[:, None] if axis == 0 else log_prior
    exact = np.logaddexp.reduce(height.ravel()) + np.log((la[1] - la[0]) * (lb[1] - lb[0]))
    assert abs(found.log_evidence - exact) < 4 * found.se + 0.005 < 0.2


def test_chains_in_different_modes_are_named():
    """Two chains put into modes that are no relabellings of one another, as a sampler that does not mix leaves them."""
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    target, tree = drawn(problem, draws=1000, chains=2, seed=1)
    draws = tree_vectors(target, tree)
    heights = np.array([target.many(chain) for chain in draws])
    low, high = draws.reshape(-1, target.size), heights.ravel()
    order = np.argsort(high)
    apart = np.array([low[order[:1000]], low[order[1000:]]])[:, np.random.default_rng(0).permutation(1000)]
    _, row = bridge_row(target, apart, 0)
    assert "different modes that are no relabellings" in row.remark
    assert "use SMC" in row.remark
    _, row = bridge_row(target, draws, 0)
    assert not row.remark


def test_the_whole_way_from_the_public_functions():
    draws = eb.sample("kmeans", blobs(n=40), n_components=2, seed=1)
    found = eb.log_evidence("kmeans", blobs(n=40), n_components=2, posterior=draws)
    laplace, bridge = found.row("laplace_free"), found.row("bridge")
    assert found.reference == bridge
    assert found.gap("laplace_free") == pytest.approx(0, abs=0.15)  # the posterior of centres is nearly normal
    assert laplace.log_copies == pytest.approx(np.log(2))
