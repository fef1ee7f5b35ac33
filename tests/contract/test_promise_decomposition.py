"""Promises 1 and 2: ln p(X | θ) = ELBO(q, θ) + KL(q ‖ posterior) for every q and θ, and the objective never falls."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from cases import CASES, PASSES, assert_identical, posed, random_params, random_q, run, starting, those_that

from emvsbayes.core.latents.categorical import Categorical
from emvsbayes.core.trace import Status
from emvsbayes.families.gaussian_mixture import structures

RESIDUAL = 1e-10


def residual(problem, params, q, about, scale=lambda kl: 0.0):
    """elbo + kl - log-likelihood, relative, with nothing taken from the loop."""
    family, data = problem.family, problem.data
    stats = family.expect(q, data, about)
    elbo = family.expected_log_joint(params, stats) + q.entropy(data.row_weights)
    kl = q.kl(family.e_step(params, data), data.row_weights)
    log_likelihood = family.log_likelihood(params, data)
    assert np.isfinite([elbo, kl, log_likelihood]).all()
    assert kl >= -RESIDUAL * max(1, abs(log_likelihood))
    return (elbo + kl - log_likelihood) / max(1, abs(log_likelihood), scale(kl))


@pytest.mark.parametrize("name", CASES)
def test_decomposition_at_every_half_step(name):
    trace = run(name).trace
    assert len(trace) >= 3
    assert trace.largest_residual < RESIDUAL
    assert [step.half for step in trace] == ["E", *["M", "E"] * run(name).passes]


@pytest.mark.parametrize("name", CASES)
def test_exact_e_steps_close_the_gap(name):
    for step in run(name).trace:
        scale = max(1, abs(step.log_likelihood))
        assert step.kl == 0 if step.half == "E" else step.kl > -1e-12 * scale


@pytest.mark.parametrize("name", CASES)
def test_no_case_is_singular(name):
    """The promise holds away from a collapse, so the cases must be away from one."""
    assert run(name).status in (Status.CONVERGED, Status.MAX_PASSES, Status.EMPTY_COMPONENT)
    problem, family = posed(name)[0], posed(name)[0].family
    if family.name == "gaussian_mixture" and "covariances" not in family.fixed:
        covariances = run(name).params.covariances
        relative = structures.relative_eigenvalues(family.covariance, covariances, problem.data.covariance)
        assert relative.min() > 1e-6 / 2


@pytest.mark.parametrize("covariance", ["full", "diag", "spherical"])
def test_the_thin_cases_are_thin(covariance):
    name = f"gaussian_mixture-{covariance}-thin-offset-ml"
    relative = structures.relative_eigenvalues(covariance, run(name).params.covariances, posed(name)[0].data.covariance)
    assert relative.min() < 5e-6


@pytest.mark.parametrize("name", CASES)
def test_decomposition_for_random_q(name):
    problem = posed(name)[0]
    rng = np.random.default_rng(5)
    visited = [starting(name), run(name).params, random_params(name, rng), random_params(name, rng)]
    for params in visited:
        exact = problem.family.e_step(params, problem.data)
        q = random_q(exact, rng)
        # a q that gives a thin component distant rows has a KL of 1e7 nats, which doubles cannot hold to 1e-10
        relative_to = (lambda kl: 1e-3 * kl) if "thin" in name else (lambda kl: 0.0)
        assert abs(residual(problem, params, q, params, relative_to)) < RESIDUAL


@pytest.mark.parametrize("name", [name for name in CASES if "thin" not in name])
def test_decomposition_wherever_moments_are_measured(name):
    """About the start's means, some standard deviations away: rounding grows by the squared distance, no more."""
    problem, params = posed(name)[0], run(name).params
    q = random_q(problem.family.e_step(params, problem.data), np.random.default_rng(5))
    assert abs(residual(problem, params, q, starting(name))) < RESIDUAL


@pytest.mark.parametrize("name", those_that("components"))
def test_decomposition_for_one_hot_q(name):
    """q may put all its mass on any component that the posterior allows."""
    problem = posed(name)[0]
    rng = np.random.default_rng(6)
    params = starting(name)
    exact = problem.family.e_step(params, problem.data)
    scores = np.where(np.isneginf(exact.log_r), -np.inf, rng.normal(size=exact.log_r.shape))
    one_hot = np.where(scores == scores.max(axis=1, keepdims=True), 0.0, -np.inf)
    assert Categorical(one_hot).entropy(problem.data.row_weights) == 0
    assert abs(residual(problem, params, Categorical(one_hot), params)) < RESIDUAL


@pytest.mark.parametrize(
    "impossible", [{"probs": np.array([1.0, 0.4])}, {"probs": np.array([0.0, 0.4])}, {"weights": np.array([0.0, 1.0])}]
)
def test_decomposition_where_the_posterior_is_exactly_zero(impossible):
    problem = posed("coins-plain-ml")[0]
    params = replace(starting("coins-plain-ml"), **impossible)
    exact = problem.family.e_step(params, problem.data)
    assert np.isneginf(exact.log_r).any()
    rng = np.random.default_rng(7)
    for _ in range(5):
        assert abs(residual(problem, params, random_q(exact, rng), params)) < RESIDUAL


def test_kl_is_infinite_where_q_has_mass_and_the_posterior_none():
    weights = np.ones(1)
    with np.errstate(divide="ignore"):
        certain, open_ = Categorical(np.log([[1.0, 0.0]])), Categorical(np.log([[0.5, 0.5]]))
    assert open_.kl(certain, weights) == np.inf
    assert certain.kl(open_, weights) == pytest.approx(np.log(2))


def test_underflow_in_q_is_no_warning():
    """Bug: r = exp(-800) = 0 met a posterior of exactly 0, and 0 · inf was formed."""
    q, posterior = Categorical(np.array([[0.0, -800.0]])), Categorical(np.array([[0.0, -np.inf]]))
    assert q.kl(posterior, np.ones(1)) == 0


@pytest.mark.parametrize("name", CASES)
def test_objective_never_falls(name):
    objective = [step.objective for step in run(name).trace]
    smallest = min((b - a) / (1 + abs(a)) for a, b in pairwise(objective))
    assert smallest > -1e-12
    assert objective[-1] > objective[0] or len(objective) <= 3 or run(name).passes < PASSES
    assert run(name).status is not Status.DECREASED


@pytest.mark.parametrize("name", CASES)
def test_scores_belong_to_the_parameters_beside_them(name):
    problem, prior = posed(name)
    result, last = run(name), run(name).trace[-1]
    assert result.log_likelihood == last.log_likelihood
    assert result.log_likelihood == problem.family.log_likelihood(result.params, problem.data)
    expected = 0.0 if prior is None else problem.family.log_prior(result.params, prior)
    assert result.log_prior == last.log_prior == expected
    exact = problem.family.e_step(result.params, problem.data)
    assert_identical(result.q, exact)
