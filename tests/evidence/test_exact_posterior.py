"""Posterior moments by enumeration beside integrals of another kind: quadrature, closed forms, draws."""

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs
from exact_draws import exact_draws, sds_agree, stacked
from scipy import stats

import emvsbayes as eb
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.problem import pose

HEADS, TOSSES = np.array(FIVE_TRIALS["heads"]), np.array(FIVE_TRIALS["tosses"])


def test_two_coins_by_quadrature():
    """Evidence and moments of p and of π on a grid of 80³ Gauss-Legendre nodes."""
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    prior = {"probs": {"a": 2, "b": 3}, "weights": {"concentration": [2, 1.5]}}
    exact = exact_posterior(problem, prior)
    x, w = np.polynomial.legendre.leggauss(80)
    x, w = (x + 1) / 2, w / 2
    pi, p, q = np.meshgrid(x, x, x, indexing="ij")
    density = stats.beta(2, 1.5).pdf(pi) * stats.beta(2, 3).pdf(p) * stats.beta(2, 3).pdf(q)
    for h, m in zip(HEADS, TOSSES, strict=True):
        density *= pi * stats.binom(m, p).pmf(h) + (1 - pi) * stats.binom(m, q).pmf(h)
    density *= w[:, None, None] * w[:, None] * w
    assert exact.log_evidence == pytest.approx(np.log(density.sum()), abs=1e-4)  # √(1 - π) is not smooth at its end
    density /= density.sum()
    for mine, grid in ((("weights", 0), pi), (("probs", 0), p), (("probs", 1), q)):
        mean = (density * grid).sum()
        sd = np.sqrt((density * (grid - mean) ** 2).sum())
        assert getattr(exact.means, mine[0])[mine[1]] == pytest.approx(mean, abs=1e-4)
        assert getattr(exact.sds, mine[0])[mine[1]] == pytest.approx(sd, abs=1e-4)


def test_components_that_cannot_be_told_apart_have_equal_moments():
    exact = exact_posterior(pose("coins", FIVE_TRIALS, n_components=3))
    np.testing.assert_allclose(exact.means.weights, 1 / 3)
    np.testing.assert_allclose(exact.means.probs, exact.means.probs[0])
    np.testing.assert_allclose(exact.sds.probs, exact.sds.probs[0])
    assert np.logaddexp.reduce(exact.log_weights) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_gaussian_moments_are_those_of_exact_draws(covariance):
    prior = {
        "means": {"location": [0.5, 1.0], "strength": 0.5},
        "covariances": {"dof": 12, "scale": 6.0},
        "weights": {"concentration": 2},
    }
    problem = pose("gaussian_mixture", blobs(n=6), n_components=2, settings={"covariance": covariance})
    exact = exact_posterior(problem, prior)
    draws = stacked(exact_draws(problem, exact, 2000, np.random.default_rng(1)))
    for name, values in draws.items():
        mean, sd = getattr(exact.means, name), getattr(exact.sds, name)
        assert (np.abs(values.mean(axis=0) - mean) < 4 * sd / np.sqrt(2000)).all(), name
        assert sds_agree(values, sd), name


def test_moments_that_do_not_exist_are_infinite():
    """Under the default prior an empty component has a variance without a second moment."""
    exact = exact_posterior(pose("gaussian_mixture", blobs(n=6, d=1), n_components=2))
    assert np.isfinite(exact.means.covariances).all()
    assert np.isinf(exact.sds.covariances).all()
    assert np.isfinite(exact.sds.means).all()


def test_one_component_and_known_labels_are_one_allocation():
    one = exact_posterior(pose("coins", FIVE_TRIALS, n_components=1))
    a, b = 2 + HEADS.sum(), 2 + (TOSSES - HEADS).sum()
    assert one.means.probs[0] == pytest.approx(a / (a + b))
    assert one.sds.probs[0] == pytest.approx(stats.beta(a, b).std())
    known = exact_posterior(pose("coins", FIVE_TRIALS, n_components=2, labels=[0, 1, 1, 0, 1]))
    assert len(known.parts) == 1


@pytest.mark.parametrize(
    "asked", [{"X": blobs(n=13)}, {"X": blobs(n=5), "sample_weight": np.full(5, 2.0)}], ids=["rows", "weights"]
)
def test_too_many_allocations_are_refused(asked):
    problem = pose("gaussian_mixture", n_components=2, **asked)
    with pytest.raises(eb.InputError, match="bridge sampling"):
        exact_posterior(problem)


def test_a_family_without_components_is_told_so():
    line = pose("linear_evidence", {"X": np.arange(9.0), "t": np.sin(np.arange(9.0))})
    with pytest.raises(eb.InputError, match="linear_evidence has no components"):
        exact_posterior(line)
