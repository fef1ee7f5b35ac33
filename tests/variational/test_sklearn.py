"""Scikit-learn's variational mixture with the same prior ends in the same posterior.

Only where the model is the same: full covariances, and a single column for `diag` (with several, scikit-learn takes the
expected log-determinant of a Wishart for independent variances; its `tied` shares out the counts N/K).
"""

import warnings

import numpy as np
import pytest
from cases import blobs
from sklearn.mixture import BayesianGaussianMixture

import emvsbayes as eb


@pytest.mark.parametrize(("covariance", "d"), [("full", 2), ("full", 3), ("diag", 1)])
def test_the_same_posterior(covariance, d):
    X, k = blobs(n=80, d=d), 3
    scale = {"full": np.eye(d) + 0.2, "diag": np.ones(d)}[covariance]
    theirs = BayesianGaussianMixture(
        n_components=k,
        covariance_type=covariance,
        weight_concentration_prior_type="dirichlet_distribution",
        weight_concentration_prior=1.5,
        mean_prior=np.full(d, 0.5),
        mean_precision_prior=0.3,
        degrees_of_freedom_prior=d + 3.0,
        covariance_prior=scale,
        reg_covar=0.0,
        tol=0.0,
        max_iter=3000,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tol=0 never converges
        theirs.fit(X)
    prior = {
        "means": {"location": np.full(d, 0.5), "strength": 0.3},
        "covariances": {"dof": d + 3.0, "scale": scale},
        "weights": {"concentration": 1.5},
    }
    start = {"weights": theirs.weights_, "means": theirs.means_, "covariances": theirs.covariances_}
    ours = eb.variational(
        "gaussian_mixture",
        X,
        n_components=k,
        settings={"covariance": covariance},
        prior=prior,
        start=start,
        stop={"tol": 0, "max_passes": 3000},
    )
    post = ours.posterior
    np.testing.assert_allclose(ours.responsibilities, theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(post.weights.concentration, theirs.weight_concentration_, rtol=1e-6)
    np.testing.assert_allclose(post.means.strength, theirs.mean_precision_, rtol=1e-6)
    np.testing.assert_allclose(post.means.location, theirs.means_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(post.covariances.dof, theirs.degrees_of_freedom_, rtol=1e-6)
    dof = post.covariances.dof.reshape(-1, *[1] * (post.covariances.scale.ndim - 1))
    np.testing.assert_allclose(post.covariances.scale / dof, theirs.covariances_, rtol=1e-5, atol=1e-6)
