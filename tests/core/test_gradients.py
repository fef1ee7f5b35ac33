"""Derivatives by differences, against closed forms; and Fisher's identity, against the likelihood."""

import numpy as np
import pytest
from cases import posed, run
from scipy.differentiate import jacobian

from emvsbayes.core.gradients import curvature, derivatives, gradient, lengths, posterior_stats, score


def test_derivatives_of_a_known_function():
    """Sixth order with steps of a third: eight digits of exp and sin, whatever the units of a coordinate."""
    at = np.array([0.3, 2e6])

    def function(x):
        return np.array([np.exp(x[0]) * np.sin(x[1] / 1e6), x[0] * x[1]])

    expected = [[np.exp(0.3) * np.sin(2.0), 2e6], [np.exp(0.3) * np.cos(2.0) / 1e6, 0.3]]
    np.testing.assert_allclose(derivatives(function, at, np.array([0.3, 3e5])), expected, rtol=1e-8)


def test_curvature_of_a_known_function():
    at = np.array([0.3, 2e6, 1.0])
    found = curvature(lambda x: np.exp(x[0]) * np.sin(x[1] / 1e6) + x[2], at, np.array([0.3, 3e5, np.nan]))
    e, s, c = np.exp(0.3), np.sin(2.0), np.cos(2.0) / 1e6
    np.testing.assert_allclose(found[:2, :2], e * np.array([[s, c], [c, -s / 1e12]]), rtol=1e-8)
    assert np.isnan(found[2]).all()


def test_a_step_that_leaves_the_domain_is_shortened():
    found = derivatives(lambda x: np.log(x[0]), np.array([0.1]), np.array([0.5]))
    assert found[0] == pytest.approx(10, rel=1e-9)


def test_a_coordinate_without_a_step_has_no_derivative():
    found = derivatives(lambda x: x**2, np.array([1.0, 3.0]), np.array([np.nan, 0.1]))
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], [0, 6], atol=1e-9)


@pytest.mark.parametrize(
    "name",
    ["coins-plain-ml", "coins-informative", "gaussian_mixture-full-weighted-map", "linear_evidence-gaussian-map"],
)
def test_the_e_step_is_the_gradient_of_the_likelihood(name):
    """Fisher's identity, off the optimum, against SciPy's differences of ln p(X | θ) + ln p(θ)."""
    problem, prior = posed(name)
    family = problem.family
    at = family.to_vector(run(name).params) + 0.05
    params = family.from_vector(at, run(name).params)
    steps = lengths(family, params, posterior_stats(family, params, problem.data, prior))

    def objective(v):
        flat = v.reshape(len(at), -1).T
        found = [family.from_vector(x, params) for x in flat]
        priors = [0.0 if prior is None else family.log_prior(p, prior) for p in found]
        return np.reshape([family.log_likelihood(p, problem.data) for p in found], v.shape[1:]) + np.reshape(
            priors, v.shape[1:]
        )

    expected = jacobian(objective, at, initial_step=0.02).df
    scale = np.abs(expected).max()
    np.testing.assert_allclose(score(family, params, problem.data, prior, steps), expected, atol=1e-7 * scale)
    quick = gradient(family, params, posterior_stats(family, params, problem.data, prior))
    np.testing.assert_allclose(quick, expected, atol=1e-6 * scale)
