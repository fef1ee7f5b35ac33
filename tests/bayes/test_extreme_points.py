"""The compiled posteriors far from where anybody would be: the first steps of a chain, and its rejected points.

Beside the PyMC model as far as that has digits left, and beyond by differences of the value, which on its own terms is
summed from logarithms of the coordinates.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import pytensor
import pytest
from cases import FIVE_TRIALS, blobs
from scipy.special import expit, gammaln, log_expit, logsumexp

from emvsbayes.bayes.targets import functions, value_and_gradient
from emvsbayes.bayes.twins import INTERPRETED
from emvsbayes.densities.kernels.calls import words_of
from emvsbayes.problem import pose

RNG = np.random.default_rng(0)
X, BITS = blobs(n=20), (RNG.random((15, 3)) < 0.4).astype(float)
SPARSE = {"probs": {"a": [0.3, 2.0], "b": [[1.0, 0.5, 2.0], [1.0, 1.0, 1.0]]}, "weights": {"concentration": 0.2}}
SPREAD: dict[str, Any] = {
    "means": {"location": [[0.0, 0.0], [1.0, 1.0]], "strength": 0.01},
    "covariances": {"dof": 2.5, "scale": [[2.0, 0.5], [0.5, 1.0]]},
    "weights": {"concentration": [0.2, 0.9]},
}
PROBLEMS: dict[str, tuple[Any, ...]] = {
    "sparse rates": ("bernoulli_mixture", np.where(RNG.random(BITS.shape) < 0.2, np.nan, BITS), SPARSE, {}),
    "full, concentration below 1": ("gaussian_mixture", X, SPREAD, {"sample_weight": np.r_[0, 0.25, np.ones(18)]}),
    "diagonal, a million from 0": ("gaussian_mixture", X + 1e6, "default", {"settings": {"covariance": "diag"}}),
    "held whole numbers": ("gaussian_mixture", X, "default", {"fixed": {"means": [[0, 1], [4, 5]]}}),
}

EXACT = np.array([[0, 1, 1], [0, 1, np.nan], [1, 0, 1], [1, np.nan, 0], [0, 1, 0]])
PROBS = {"probs": [[0.0, 1.0, 0.4], [1.0, 0.3, 0.5]]}
EVEN = {"weights": {"concentration": 1.0}}
HELD: dict[str, tuple[Any, ...]] = {
    "held rates": ("bernoulli_mixture", EXACT, EVEN, {"fixed": PROBS}),
    "held rates, labels": ("bernoulli_mixture", EXACT, EVEN, {"fixed": PROBS, "labels": [0, -1, 1, -1, -1]}),
}


@cache
def posterior(name):
    """(compiled posterior, the PyMC model's density and gradient by the same flat point)."""
    family, data, prior, more = {**PROBLEMS, **HELD}[name]
    problem = pose(family, data, n_components=2, **more)
    record, about = problem.family.proper_prior(problem.prior(prior)), problem.random_params(0)
    target = problem.twin.compiled_target(problem.family, problem.data, record, about)
    model = problem.twin.build(problem.family, problem.data, record, about)
    height, values = model.logp(), [model.rvs_to_values[rv] for rv in model.free_RVs]
    outputs = [height, *pytensor.grad(height, values)]
    found = model.compile_fn(outputs, inputs=values, mode=INTERPRETED, on_unused_input="ignore", point_fn=False)
    shapes = [np.shape(model.initial_point()[value.name]) for value in values]

    def plain(point):
        parts = np.split(point, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1])
        value, *gradients = found(*(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))
        return float(value), np.concatenate([np.ravel(g) for g in gradients])

    return target, plain


@pytest.mark.parametrize("name", PROBLEMS)
def test_far_out_it_is_the_models_still(name):
    target, plain = posterior(name)
    rng, compared = np.random.default_rng(1), 0
    matrices = PROBLEMS[name][0] == "gaussian_mixture" and "settings" not in PROBLEMS[name][3]
    for scale in (0.5, 1.5, 2.5 if matrices else 8.0):  # covariances further out: below
        for point in (scale * rng.normal(size=target.size), scale * rng.choice([-1.0, 1.0], size=target.size)):
            expected, found = plain(point), value_and_gradient(target, point)
            assert found[0] == pytest.approx(expected[0], rel=1e-10)
            np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-8 * np.abs(expected[1]).max())
            compared += 1
    assert compared == 6


@pytest.mark.parametrize("name", HELD)
def test_rates_held_at_0_and_1(name):
    """Bug: PyMC's twin had 0 ln 0 = NaN there, in pointwise log-likelihoods and the certificate too. By hand."""
    target, plain = posterior(name)
    density = np.array([[0.4, 0], [1, 0], [0, 0.7 * 0.5], [0, 0.5], [0.6, 0]])
    for y in (-2.0, 0.3):
        weights = expit(2 * np.array([y, -y]))
        value = np.log(density @ weights).sum() + np.log(2 * weights.prod())  # a uniform prior, and the Jacobian
        found, expected = value_and_gradient(target, np.array([y])), plain(np.array([y]))
        assert found[0] == pytest.approx(value, rel=1e-12)
        assert expected[0] == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-10)


@pytest.mark.parametrize("size", [30.0, 100.0, 700.0])
def test_rates_next_to_0_and_1_keep_their_digits(size):
    """PyMC's 1 - p has none left there. By hand, from ln p = -ln(1 + e^-u), and the gradient by Fisher's identity."""
    heads, tosses = (np.array(FIVE_TRIALS[name], dtype=float) for name in ("heads", "tosses"))
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    prior = problem.prior({"probs": {"a": 2.0, "b": 3.0}, "weights": {"concentration": 1.5}})
    target = problem.twin.compiled_target(problem.family, problem.data, prior, problem.random_params(0))
    for u in (np.array([size, -size]), np.array([size, 0.3]), np.array([-size, -0.7])):
        y = 0.01 * size
        log_weights = np.array([y, -y]) - logsumexp([y, -y])
        log_p, log_q = log_expit(u), log_expit(-u)
        base = gammaln(tosses + 1) - gammaln(heads + 1) - gammaln(tosses - heads + 1)
        joint = log_weights + heads[:, None] * log_p + (tosses - heads)[:, None] * log_q
        constant = gammaln(3.0) - 2 * gammaln(1.5) + np.log(2) + 2 * (gammaln(5.0) - gammaln(2.0) - gammaln(3.0))
        value = (base + logsumexp(joint, axis=1)).sum() + constant
        value += 1.5 * log_weights.sum() + (2 * log_p + 3 * log_q).sum()
        share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        counts, ones, all_ = share.sum(0) + 1.5, share.T @ heads + 2, share.T @ tosses + 5
        by_z = counts - np.exp(log_weights) * counts.sum()
        found = value_and_gradient(target, np.r_[y, u])
        assert found[0] == pytest.approx(value, rel=1e-12)
        gradient = np.r_[by_z[0] - by_z[1], ones * expit(-u) - (all_ - ones) * expit(u)]
        np.testing.assert_allclose(found[1], gradient, rtol=1e-9, atol=1e-9)


def test_the_gradient_at_a_nearly_singular_covariance_is_that_of_the_models_value():
    """A condition number of e^16: PyMC's own gradient has lost four digits of some entries, its value none."""
    target, plain = posterior("held whole numbers")
    point = np.array([1.7, -2.4, 3.1, 3.6, -3.9, 2.2, -3.8])
    steps, h = np.eye(target.size), 1e-3
    near, far = (
        np.array([plain(point + m * h * step)[0] - plain(point - m * h * step)[0] for step in steps]) for m in (1, 2)
    )
    numeric = (8 * near - far) / (12 * h)
    _, found = value_and_gradient(target, point)
    np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-12 * np.abs(found).max())


def test_the_gradient_of_an_enormous_covariance_is_that_of_its_value():
    """ln L_11 of 590 and 700, where PyMC's gradient is another number than the slope of its value."""
    problem = pose("gaussian_mixture", X, n_components=1)
    prior = problem.family.proper_prior(problem.prior("default"))
    target = problem.twin.compiled_target(problem.family, problem.data, prior, problem.random_params(0))
    for point in (np.array([590.6, 815.4, 551.3, 590.9, 52.9]), np.array([700.0, 1.4, 1.15, -2.4, 1.2])):
        steps = 1e-3 * np.eye(len(point))
        sides = [[value_and_gradient(target, point + sign * step)[0] for sign in (1, -1)] for step in steps]
        numeric = -np.diff(sides, axis=1)[:, 0] / 2e-3
        assert np.abs(numeric).max() > 10
        np.testing.assert_allclose(value_and_gradient(target, point)[1], numeric, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("entry", [np.nan, np.inf, -np.inf, 1e4, -1e4, 1e308])
@pytest.mark.parametrize("name", PROBLEMS)
def test_a_point_that_is_none_is_refused_and_no_crash(name, entry):
    """0 with a finite value and gradient, or the code for which a sampler leaves the point."""
    target, _ = posterior(name)
    words, kind = words_of(target.arrays), ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *(ctypes.c_void_p,) * 4)
    call = kind(functions(target)[0].address)
    for place in range(target.size):
        point, gradient, value = np.zeros(target.size), np.zeros(target.size), np.zeros(1)
        point[place] = entry
        code = call(target.size, *(array.ctypes.data for array in (point, gradient, value, words)))
        assert code in (0, 3, 4)
        assert (code == 0) == (np.isfinite(value[0]) and bool(np.isfinite(gradient).all()))
        if not np.isfinite(entry):
            assert code != 0
