"""Numbers from the literature and from another implementation, reached before anything is believed."""

import numpy as np
import pytest
from cases import COVARIANCES, FIVE_TRIALS, OLD_FAITHFUL, blobs
from sklearn.mixture import GaussianMixture as TheirMixture

import emvsbayes as eb
from emvsbayes.core.alignment import assignment
from emvsbayes.core.trace import Status

DO_AND_BATZOGLOU = {"start": {"probs": [0.6, 0.5]}, "settings": {"weights": "fixed"}}
LONG = {"tol": 1e-14, "max_passes": 20_000}


@pytest.mark.parametrize(("passes", "probs"), [(1, (0.71, 0.58)), (10, (0.80, 0.52))])
def test_two_coins(passes, probs):
    stop = {"tol": 0, "max_passes": passes}
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, stop=stop, **DO_AND_BATZOGLOU)
    assert fit.passes == passes
    assert tuple(np.round(fit.params.probs, 2)) == probs
    assert list(fit.params.weights) == [0.5, 0.5]


def test_two_coins_first_responsibilities():
    """Figure 1b: trial 0 belongs to coin A with 0.45, trial 1 with 0.80, and so on."""
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, stop={"max_passes": 0}, **DO_AND_BATZOGLOU)
    assert list(np.round(fit.responsibilities[:, 0], 2)) == [0.45, 0.80, 0.73, 0.35, 0.65]


def test_two_known_coins():
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, labels=[1, 0, 0, 1, 0])
    assert fit.status is Status.CONVERGED
    np.testing.assert_allclose(fit.params.probs, [0.80, 0.45], rtol=1e-14)
    np.testing.assert_allclose(fit.params.weights, [0.6, 0.4], rtol=1e-14)
    assert np.array_equal(fit.responsibilities, np.eye(2)[[1, 0, 0, 1, 0]])


def test_old_faithful_mclust_vvv():
    fit = eb.fit("gaussian_mixture", OLD_FAITHFUL, n_components=2, stop=LONG)
    assert fit.status is Status.CONVERGED
    assert fit.columns == ("eruptions", "waiting")
    assert fit.log_likelihood == pytest.approx(-1130.2640, abs=5e-5)
    assert fit.n_parameters == 11
    assert -fit.bic == pytest.approx(-2322.192, abs=2e-3)  # mclust prints 2 log-likelihood - p ln N


def theirs_in_our_order(X, fit, covariance):
    precisions = fit.start.covariances
    precisions = 1 / precisions if covariance in ("diag", "spherical") else np.linalg.inv(precisions)
    theirs = TheirMixture(
        fit.family.n_components,
        covariance_type=covariance,
        reg_covar=0,
        tol=1e-13,
        max_iter=20_000,
        weights_init=fit.start.weights,
        means_init=fit.start.means,
        precisions_init=precisions,
    ).fit(X)
    order = assignment(-((theirs.means_[:, None] - fit.params.means[None]) ** 2).sum(axis=2))
    return theirs, order


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize(("data", "k"), [("faithful", 2), ("blobs", 3), ("one column", 2)])
def test_scikit_learn_agrees(covariance, data, k):
    X = {
        "faithful": lambda: np.loadtxt(OLD_FAITHFUL, delimiter=",", skiprows=1),
        "blobs": lambda: blobs(n=150, d=3, k=3, seed=7),
        "one column": lambda: blobs(n=80, d=1),
    }[data]()
    fit = eb.fit(
        "gaussian_mixture", X, n_components=k, settings={"covariance": covariance}, stop=LONG, n_starts=5, record=False
    )
    assert fit.status is Status.CONVERGED
    theirs, order = theirs_in_our_order(X, fit, covariance)
    assert theirs.converged_
    assert len(X) * theirs.score(X) == pytest.approx(fit.log_likelihood, rel=1e-9)
    np.testing.assert_allclose(theirs.weights_[order], fit.params.weights, rtol=1e-4)
    np.testing.assert_allclose(theirs.means_[order], fit.params.means, rtol=1e-4, atol=1e-5)
    covariances = theirs.covariances_ if covariance == "tied" else theirs.covariances_[order]
    np.testing.assert_allclose(covariances, fit.params.covariances, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(theirs.predict_proba(X)[:, order], fit.predict(X), atol=1e-4)
    assert theirs.bic(X) == pytest.approx(fit.bic, rel=1e-8)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_first_pass_equals_scikit_learn(covariance):
    """One M-step from the same start, before any optimum can hide a difference."""
    X = blobs(n=150, d=3, k=3, seed=7)
    fit = eb.fit(
        "gaussian_mixture",
        X,
        n_components=3,
        settings={"covariance": covariance},
        start="random_rows",
        n_starts=1,
        stop={"tol": 0, "max_passes": 1},
    )
    precisions = fit.start.covariances
    precisions = 1 / precisions if covariance in ("diag", "spherical") else np.linalg.inv(precisions)
    theirs = TheirMixture(
        3,
        covariance_type=covariance,
        reg_covar=0,
        tol=1e9,
        max_iter=1,
        weights_init=fit.start.weights,
        means_init=fit.start.means,
        precisions_init=precisions,
    )
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one iteration does not converge
        theirs.fit(X)
    np.testing.assert_allclose(theirs.means_, fit.params.means, rtol=1e-9)
    np.testing.assert_allclose(theirs.weights_, fit.params.weights, rtol=1e-9)
    np.testing.assert_allclose(theirs.covariances_, fit.params.covariances, rtol=1e-9, atol=1e-12)


def test_equal_coins_are_one_coin():
    fit = eb.fit("coins", {"heads": [5.0, 5.0, 5.0], "tosses": [10.0, 10.0, 10.0]}, n_components=2)
    assert "the data cannot tell their weights" in fit.summary()
    two = {"heads": [9.0, 8.0, 2.0, 1.0], "tosses": [10.0] * 4}
    assert "cannot tell" not in eb.fit("coins", two, n_components=2).summary()
