"""EII, one variance for all components; and covariances that are held, such as the identity."""

import numpy as np
import pytest
from cases import blobs
from scipy.special import softmax

import emvsbayes as eb
from emvsbayes.core.trace import Status
from emvsbayes.problem import pose

X = blobs(n=90, k=3)
EII = {"covariance": "EII"}
START = {"means": X[:3], "weights": [0.2, 0.5, 0.3]}
ONE_PASS = {"tol": 0, "max_passes": 1}


def squares(means):
    return ((X[:, None] - means) ** 2).sum(axis=2)


def test_one_pass_as_it_is_taught():
    """P(k | x) ∝ exp(-‖x - μ_k‖² / 2σ²) P(k), then weighted means, weighted shares and the mean square."""
    fit = eb.fit(
        "gaussian_mixture", X, n_components=3, settings=EII, start={**START, "covariances": 0.7}, stop=ONE_PASS
    )
    r = softmax(-squares(X[:3]) / (2 * 0.7) + np.log(START["weights"]), axis=1)
    means = r.T @ X / r.sum(axis=0)[:, None]
    np.testing.assert_allclose(fit.params.weights, r.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fit.params.means, means, rtol=1e-12)
    np.testing.assert_allclose(
        fit.params.covariances, [(r * squares(means)).sum() / X.size * np.eye(2)] * 3, rtol=1e-12
    )
    assert fit.n_parameters == 2 + 6 + 1


@pytest.mark.parametrize("prior", [None, "default"])
def test_in_one_column_it_is_the_tied_covariance(prior):
    """With other code on either side: matrices there, variances here. IW(ν, ψ) is IG(ν/2, ψ/2) where D = 1."""
    ours, tied = (
        eb.fit("gaussian_mixture", blobs(n=80, d=1), n_components=2, settings={"covariance": c}, prior=prior)
        for c in ("EII", "tied")
    )
    assert ours.log_likelihood + ours.log_prior == pytest.approx(tied.log_likelihood + tied.log_prior, rel=1e-12)
    np.testing.assert_allclose(ours.params.covariances, [tied.params.covariances] * 2, rtol=1e-9)
    np.testing.assert_allclose(ours.params.means, tied.params.means, rtol=1e-9)


def test_it_cannot_collapse_on_some_of_the_rows():
    far = np.r_[X, [[50.0, 50.0]] * 3]
    fit = eb.fit("gaussian_mixture", far, n_components=3, settings=EII, start="random_scales", n_starts=30)
    assert "bounded" in fit.family.capabilities
    assert {r.run.status for r in fit.restarts} <= {Status.CONVERGED, Status.MAX_PASSES}


def test_it_collapses_where_every_row_has_a_mean_of_its_own():
    corners = [[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]]
    fit = eb.fit(
        "gaussian_mixture", np.repeat(corners, 4, axis=0), n_components=3, settings=EII, start={"means": corners}
    )
    assert fit.status is Status.SINGULAR
    assert "the shared variance collapsed on" in fit.events[0].sentence


@pytest.mark.parametrize(
    ("covariance", "one", "all_"),
    [
        ("full", np.eye(2), [np.eye(2)] * 3),
        ("tied", np.eye(2), np.eye(2)),
        ("diag", [1.0, 1.0], np.ones((3, 2))),
        ("spherical", 1.0, np.ones(3)),
        ("EII", 1.0, [np.eye(2)] * 3),
        ("VEV", np.eye(2), [np.eye(2)] * 3),
    ],
)
def test_unit_covariances_are_held_in_every_structure(covariance, one, all_):
    """N(μ_k, I) five times over: one component's covariance stands for all, and every structure says the same."""
    found = [
        eb.fit(
            "gaussian_mixture", X, n_components=3, settings={"covariance": c}, start=START, fixed={"covariances": held}
        )
        for c, held in ((covariance, one), (covariance, all_), ("full", [np.eye(2)] * 3))
    ]
    assert found[0].params.covariances.shape == np.shape(all_)
    assert np.array_equal(found[0].params.covariances, all_)
    for fit in found:
        assert fit.status is Status.CONVERGED
        assert fit.n_parameters == 2 + 6
        assert fit.log_likelihood == pytest.approx(found[2].log_likelihood, rel=1e-12)
        np.testing.assert_allclose(fit.params.means, found[2].params.means, rtol=1e-9)


@pytest.mark.parametrize(
    ("covariance", "held", "named"),
    [
        ("full", 1.0, r"\(3, 2, 2\)"),
        ("tied", 1.0, r"\(2, 2\)"),
        ("diag", 1.0, r"\(3, 2\)"),
        ("spherical", [1.0, 1.0], r"\(3,\)"),
        ("EII", [1.0, 1.0, 1.0], r"\(3, 2, 2\)"),
        ("EII", [[1.0, 0.0], [0.0, 2.0]], "structure EII"),
        ("EII", 0.0, "greater than 0"),
        ("spherical", -1.0, "greater than 0"),
        ("full", [[1.0, 2.0], [2.0, 1.0]], "positive definite"),
    ],
)
def test_a_covariance_that_cannot_be_is_named(covariance, held, named):
    with pytest.raises(eb.InputError, match=f"covariances.*{named}"):
        pose("gaussian_mixture", X, n_components=3, settings={"covariance": covariance}, fixed={"covariances": held})
