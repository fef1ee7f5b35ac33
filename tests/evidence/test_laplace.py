"""Laplace's method where it has a closed form, where it is exact, and where copies overlap."""

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs
from scipy import stats
from scipy.special import betaln

import emvsbayes as eb
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.laplace import laplace
from emvsbayes.evidence.unconstrained import unconstrained
from emvsbayes.problem import pose


def test_one_coin_in_closed_form():
    """Of a Beta(A, B): at p̂ = (A-1)/(A+B-2) by p, at A/(A+B) by the logit."""
    data = {"heads": [7], "tosses": [11]}
    problem = pose("coins", data, n_components=1)
    prior = {"probs": {"a": 1.3, "b": 4.0}}
    found = laplace(unconstrained(problem, prior), eb.fit("coins", data, n_components=1, prior=prior).params)
    A, B = 1.3 + 7, 4.0 + 4
    base = stats.binom(11, 0.5).logpmf(7) + 11 * np.log(2) - betaln(1.3, 4.0)
    p = (A - 1) / (A + B - 2)
    curved = (A - 1) / p**2 + (B - 1) / (1 - p) ** 2
    natural = base + (A - 1) * np.log(p) + (B - 1) * np.log(1 - p) + 0.5 * np.log(2 * np.pi / curved)
    assert found.natural == pytest.approx(natural, abs=1e-7)
    p = A / (A + B)
    free = base + A * np.log(p) + B * np.log(1 - p) + 0.5 * np.log(2 * np.pi / ((A + B) * p * (1 - p)))
    assert found.free == pytest.approx(free, abs=1e-7)
    assert found.overlap == 0
    assert found.log_copies == 0


def test_a_normal_posterior_is_exact():
    X, covariance = blobs(n=12), np.array([[1.2, 0.3], [0.3, 0.8]])
    prior = {"means": {"location": [0.5, 1.0], "strength": 0.4}}
    joint = np.kron(np.eye(12) + 1 / 0.4, covariance)
    exact = stats.multivariate_normal(np.tile([0.5, 1.0], 12), joint).logpdf(X.ravel())
    problem = pose("gaussian_mixture", X, n_components=1, fixed={"covariances": [covariance]})
    target = unconstrained(problem, prior)
    found = laplace(target, problem.random_params(0))
    assert found.free == pytest.approx(exact, abs=1e-7)
    assert found.natural == pytest.approx(exact, abs=1e-7)


def test_copies_that_are_apart_count_twice():
    X = np.r_[blobs(n=5, d=1, k=1) * 0.3, blobs(n=5, d=1, k=1, seed=2) * 0.3 + 9]
    prior = {
        "means": {"location": [4.5], "strength": 0.05},
        "covariances": {"dof": 20, "scale": 4.0},
        "weights": {"concentration": 20},
    }
    problem = pose("gaussian_mixture", X, n_components=2)
    target, exact = unconstrained(problem, prior), exact_posterior(problem, prior)
    found = laplace(target, eb.fit("gaussian_mixture", X, n_components=2, prior=prior).params)
    assert found.separate
    assert found.log_copies == pytest.approx(np.log(2))
    assert found.free + found.log_copies == pytest.approx(exact.log_evidence, abs=0.1)
    assert found.natural + found.log_copies == pytest.approx(exact.log_evidence, abs=0.5)


def test_copies_that_overlap_do_not():
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, prior="default")
    found = laplace(unconstrained(problem), fit.params)
    assert not found.separate
    assert found.log_copies == 0
    assert 0.01 < found.overlap < np.log(2)


def test_copies_on_one_another_overlap_by_all_their_number():
    """Trials that are all alike: the mode on free coordinates has equal coins."""
    data = {"heads": [5, 5, 5], "tosses": [10, 10, 10]}
    problem = pose("coins", data, n_components=2, settings={"weights": "fixed"})
    found = laplace(unconstrained(problem), problem.start({"probs": [0.48, 0.52]}))
    assert found.overlap == pytest.approx(np.log(2), abs=1e-6)
    assert found.log_copies == 0
    assert found.free == pytest.approx(exact_posterior(problem).log_evidence, abs=0.3)  # with ln 2 it would be 0.5 off


def test_a_mode_on_the_boundary_is_refused():
    data = {"heads": [10, 10, 10], "tosses": [10, 10, 10]}
    prior = {"probs": {"a": 1, "b": 1}}
    problem = pose("coins", data, n_components=1)
    with pytest.raises(eb.InputError, match="boundary"):
        laplace(unconstrained(problem, prior), eb.fit("coins", data, n_components=1, prior=prior).params)
