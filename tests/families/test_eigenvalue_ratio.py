"""A bound on the ratio of eigenvalues: the exact constrained M-step, and fits that can no longer collapse."""

from itertools import pairwise

import numpy as np
import pytest
from cases import OLD_FAITHFUL, blobs
from scipy.optimize import LinearConstraint, minimize, minimize_scalar

import emvsbayes as eb
from emvsbayes.core.records import record_fields
from emvsbayes.core.starts import ALL_METHODS
from emvsbayes.core.trace import Status
from emvsbayes.families.gaussian_mixture import structures
from emvsbayes.families.gaussian_mixture.records import COVARIANCES
from emvsbayes.families.gaussian_mixture.structures.ratio import truncated_values
from emvsbayes.problem import pose

SEPARATE = ("full", "diag", "spherical", "VVV", "VVI", "VII")
TIED = np.r_[np.random.default_rng(3).normal(size=(50, 2)), [[4.0, 4.0]] * 5]  # five equal rows
ON_THEM = {"means": [[0.0, 0.0], [4.0, 4.0]]}


def cost(values, d, n):
    return float((n[:, None] * (np.log(values) + d / values)).sum())


def spread(fit):
    """max λ / min λ over all components."""
    k, columns = fit.params.means.shape
    expanded = structures.expand(fit.family.covariance, fit.params.covariances, k, columns)
    values = expanded if expanded.ndim == 2 else np.linalg.eigvalsh(expanded)
    return values.max() / values.min()


@pytest.mark.parametrize("ratio", [1.0, 1.5, 4.0, 30.0, 1e4])
@pytest.mark.parametrize("seed", range(6))
def test_the_truncation_is_the_best_interval(ratio, seed):
    """Against a scan of m with a scalar optimiser in every cell, zeros and unequal counts included."""
    rng = np.random.default_rng(seed)
    d, n = 10 ** rng.uniform(-3, 2, size=(4, 3)), rng.uniform(0.5, 30, size=4)
    d[0, 0] = 0.0 if seed % 2 else d[0, 0]
    ours = truncated_values(d, n, ratio)
    assert ours.max() <= ratio * ours.min() * (1 + 1e-12)

    def at(log_m):
        m = np.exp(log_m)
        return cost(np.clip(d, m, ratio * m), d, n)

    cells = np.linspace(np.log(1e-9), np.log(1e3), 120)
    best = min(minimize_scalar(at, bounds=cell, method="bounded").fun for cell in pairwise(cells))
    assert cost(ours, d, n) <= best + 1e-9 * abs(best)
    assert cost(ours, d, n) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_no_eigenvalues_within_the_bound_do_better(seed):
    """Not only no interval: SLSQP over all eigenvalues, ln λ_i - ln λ_j <= ln c for every pair."""
    rng = np.random.default_rng(seed)
    d, n, ratio = 10 ** rng.uniform(-2, 2, size=(2, 2)), rng.uniform(1, 20, size=2), 5.0
    pairs = np.array([np.eye(4)[i] - np.eye(4)[j] for i in range(4) for j in range(4) if i != j])
    bound = LinearConstraint(pairs, -np.inf, np.log(ratio))

    def loss(logs):
        return cost(np.exp(logs).reshape(2, 2), d, n)

    middle = np.full(4, np.log(d.mean()))
    found = minimize(loss, middle, method="SLSQP", constraints=bound, options={"ftol": 1e-14, "maxiter": 500})
    ours = truncated_values(d, n, ratio)
    assert loss(np.log(ours).ravel()) <= found.fun + 1e-9
    np.testing.assert_allclose(np.log(ours).ravel(), found.x, atol=1e-4)


@pytest.mark.parametrize("covariance", SEPARATE)
def test_the_m_step_is_the_constrained_maximiser(covariance):
    """No covariances near or far that obey the bound have a higher expected log joint."""
    settings = {"covariance": covariance, "eigenvalue_ratio": 3.0}
    problem = pose("gaussian_mixture", blobs(n=60, d=3, k=3) * [1, 2, 1], n_components=3, settings=settings)
    family, data, rng = problem.family, problem.data, np.random.default_rng(0)
    before = family.init(data, rng, "random_rows")
    stats = family.expect(family.e_step(before, data), data, before)
    after = family.m_step(stats, before)
    best = family.expected_log_joint(after, stats)
    free = pose("gaussian_mixture", data.X, n_components=3, settings={"covariance": covariance}).family
    assert family.expected_log_joint(free.m_step(stats, before), stats) > best + 1e-3  # the bound is at work
    vector = family.to_vector(after)
    for step in (1.0, 1e-1, 1e-2, 1e-4):
        for _ in range(60):
            moved = family.from_vector(vector + step * rng.normal(size=len(vector)), after)
            assert family.expected_log_joint(moved, stats) <= best + 1e-11 * abs(best)


@pytest.mark.parametrize("covariance", SEPARATE)
def test_tied_rows_are_no_singularity_under_the_bound(covariance):
    """The third cure: without it the component on five equal rows collapses, with it EM converges."""
    settings = {"covariance": covariance}
    collapsed = eb.fit("gaussian_mixture", TIED, n_components=2, settings=settings, start=ON_THEM)
    assert collapsed.status is Status.SINGULAR
    for ratio in (1.0, 100.0):
        bounded = {**settings, "eigenvalue_ratio": ratio}
        fit = eb.fit("gaussian_mixture", TIED, n_components=2, settings=bounded, start=ON_THEM)
        assert fit.status is Status.CONVERGED
        assert "bounded" in fit.family.capabilities
        assert spread(fit) == pytest.approx(ratio, rel=1e-9)
        objective = [step.objective for step in fit.trace]
        assert min(b - a for a, b in pairwise(objective)) > -1e-10 * (1 + abs(objective[-1]))
        every = eb.fit("gaussian_mixture", TIED, n_components=2, settings=bounded, start="random_scales", n_starts=6)
        assert {r.run.status for r in every.restarts} <= {Status.CONVERGED, Status.MAX_PASSES, Status.EMPTY_COMPONENT}


def test_a_wide_bound_changes_nothing():
    X = np.loadtxt(OLD_FAITHFUL, delimiter=",", skiprows=1)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    one, other = (
        eb.fit("gaussian_mixture", X, n_components=2, settings=settings, n_starts=4)
        for settings in ({}, {"eigenvalue_ratio": 1e3})
    )
    assert spread(one) < 1e3
    assert other.log_likelihood == one.log_likelihood
    assert np.array_equal(other.params.covariances, one.params.covariances)


def test_the_tightest_bound_is_one_round_variance():
    """c = 1 leaves one eigenvalue for all: EII, by another way."""
    X = blobs(n=90, k=3)
    start = {"means": X[:3]}
    one, other = (
        eb.fit("gaussian_mixture", X, n_components=3, settings=settings, start=start, stop={"tol": 1e-13})
        for settings in ({"covariance": "VVV", "eigenvalue_ratio": 1}, {"covariance": "EII"})
    )
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-10)
    np.testing.assert_allclose(one.params.covariances, other.params.covariances, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("accelerate", ["squarem", "anderson"])
def test_no_guess_leaves_the_bound(accelerate):
    settings = {"eigenvalue_ratio": 2.0}
    fit = eb.fit("gaussian_mixture", TIED, n_components=2, settings=settings, start=ON_THEM, accelerate=accelerate)
    assert fit.status is Status.CONVERGED
    assert spread(fit) <= 2 * (1 + 1e-9)


@pytest.mark.parametrize("covariance", [name for name in COVARIANCES if name not in SEPARATE])
def test_structures_that_tie_components_refuse_it(covariance):
    settings = {"covariance": covariance, "eigenvalue_ratio": 10}
    with pytest.raises(eb.InputError, match=f"eigenvalue_ratio bounds .* leave it out for {covariance}"):
        eb.fit("gaussian_mixture", TIED, n_components=2, settings=settings)


@pytest.mark.parametrize("value", [0.5, 0, -1, float("inf"), float("nan"), "ten", True, [2.0]])
def test_impossible_bounds(value):
    with pytest.raises(eb.InputError, match="eigenvalue_ratio must be a finite number >= 1"):
        eb.fit("gaussian_mixture", TIED, n_components=2, settings={"eigenvalue_ratio": value})


def test_it_is_no_prior_and_takes_none():
    settings = {"eigenvalue_ratio": 10}
    with pytest.raises(eb.InputError, match="maximum likelihood"):
        eb.fit("gaussian_mixture", TIED, n_components=2, settings=settings, prior="default")
    prior = {"weights": {"concentration": 2.0}}
    assert eb.fit("gaussian_mixture", TIED, n_components=2, settings=settings, prior=prior).status is Status.CONVERGED


def test_given_covariances_must_obey_it():
    settings, wide = {"eigenvalue_ratio": 10}, [np.diag([1.0, 11.0]), np.eye(2)]
    with pytest.raises(eb.InputError, match="further apart than eigenvalue_ratio = 10"):
        eb.fit("gaussian_mixture", TIED, n_components=2, settings=settings, start={**ON_THEM, "covariances": wide})
    with pytest.raises(eb.InputError, match="further apart"):
        eb.fit("gaussian_mixture", TIED, n_components=2, settings=settings, fixed={"covariances": wide})


@pytest.mark.parametrize("covariance", SEPARATE)
def test_every_start_obeys_it(covariance):
    """Columns in other units, so that the data's own covariance does not."""
    X, settings = blobs(n=60, d=3, k=3) * [1.0, 50.0, 0.1], {"covariance": covariance, "eigenvalue_ratio": 5.0}
    problem = pose("gaussian_mixture", X, n_components=3, settings=settings)
    for how in ALL_METHODS:
        for seed in range(3):
            start = problem.family.init(problem.data, np.random.default_rng(seed), how)
            problem.family.complete_start(record_fields(start), problem.data)  # which refuses what does not
    problem.family.complete_start({"means": X[:3]}, problem.data)
