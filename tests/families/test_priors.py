"""Log-priors against scipy.stats with every constant, and the default priors as published."""

from dataclasses import replace

import numpy as np
import pytest
from cases import CONJUGATE, COVARIANCES, blobs, posed, random_params
from scipy import stats

import emvsbayes as eb
from emvsbayes.problem import pose

K, D = 3, 2
X = blobs(n=60, d=D, k=K)
PSI = np.array([[2.0, 0.4], [0.4, 1.0]])
NU, KAPPA, M0, ALPHA = 6.5, 0.7, np.array([0.5, -1.0]), np.array([1.5, 2.0, 4.0])
SCALE = {"full": PSI, "tied": PSI, "diag": np.array([2.0, 1.0]), "spherical": 1.5}
SCALE |= {"EII": 1.5, "VII": 1.5, "EEI": SCALE["diag"], "VVI": SCALE["diag"], "EEE": PSI, "VVV": PSI}
STRUCTURES = (*COVARIANCES, *CONJUGATE)


def matrices(params, covariance):
    return {
        "full": lambda c: list(c),
        "tied": lambda c: [c] * K,
        "diag": lambda c: [np.diag(v) for v in c],
        "spherical": lambda c: [v * np.eye(D) for v in c],
    }.get(covariance, list)(params.covariances)


def by_scipy(params, covariance, location, groups):
    """Group by group, from scipy.stats alone."""
    total = 0.0
    if "weights" in groups:
        total += stats.dirichlet.logpdf(params.weights, ALPHA)
    if "means" in groups:
        total += sum(
            stats.multivariate_normal.logpdf(mean, m0, matrix / KAPPA)
            for mean, m0, matrix in zip(
                params.means, np.broadcast_to(location, (K, D)), matrices(params, covariance), strict=True
            )
        )
    if "covariances" in groups:
        if covariance in ("full", "VVV"):
            total += sum(stats.invwishart.logpdf(matrix, NU, PSI) for matrix in params.covariances)
        elif covariance == "tied":
            total += stats.invwishart.logpdf(params.covariances, NU, PSI)
        elif covariance == "EEE":
            total += stats.invwishart.logpdf(params.covariances[0], NU, PSI)
        else:
            variances = params.covariances
            if covariance in CONJUGATE:  # each variance once
                variances = np.diagonal(variances, axis1=1, axis2=2)[: 1 if covariance[0] == "E" else None]
                variances = variances[:, :1] if covariance[1] == "I" else variances
            rate = np.broadcast_to(SCALE[covariance], variances.shape) / 2
            total += stats.invgamma.logpdf(variances, NU / 2, scale=rate).sum()
    return total


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("location", [M0, np.arange(6.0).reshape(K, D)], ids=["shared", "by component"])
@pytest.mark.parametrize(
    "groups", [("weights",), ("means",), ("covariances",), ("weights", "means", "covariances")], ids="+".join
)
def test_gaussian_log_prior(covariance, location, groups):
    problem = pose("gaussian_mixture", X, n_components=K, settings={"covariance": covariance})
    hyper = {
        "weights": {"concentration": ALPHA},
        "means": {"location": location, "strength": KAPPA},
        "covariances": {"dof": NU, "scale": SCALE[covariance]},
    }
    prior = problem.prior({group: hyper[group] for group in groups})
    start = problem.family.init(problem.data, np.random.default_rng(0), "k-means++")
    rng = np.random.default_rng(1)
    for _ in range(10):
        params = problem.family.from_vector(rng.normal(size=len(problem.family.to_vector(start))), start)
        expected = by_scipy(params, covariance, location, groups)
        assert problem.family.log_prior(params, prior) == pytest.approx(expected, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("held", [("weights",), ("means",), ("covariances",), ("weights", "covariances")], ids="+".join)
def test_held_fields_have_no_prior_factor(covariance, held):
    groups = ("weights", "means", "covariances")
    hyper = {
        "weights": {"concentration": ALPHA},
        "means": {"location": M0, "strength": KAPPA},
        "covariances": {"dof": NU, "scale": SCALE[covariance]},
    }
    free = pose("gaussian_mixture", X, n_components=K, settings={"covariance": covariance})
    params = free.family.init(free.data, np.random.default_rng(0), "kmeans")
    fixed = {field: getattr(params, field) for field in held}
    problem = pose("gaussian_mixture", X, n_components=K, settings={"covariance": covariance}, fixed=fixed)
    left = [group for group in groups if group not in held]
    expected = by_scipy(params, covariance, M0, left)
    assert problem.family.log_prior(params, problem.prior(hyper)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("a", "b"), [(2.0, 2.0), (0.5, 3.0), ([1.0, 2.0], [4.0, 0.7])])
def test_coins_log_prior(a, b):
    problem = posed("coins-plain-ml")[0]
    prior = problem.prior({"probs": {"a": a, "b": b}, "weights": {"concentration": [2.0, 3.5]}})
    rng = np.random.default_rng(0)
    for _ in range(10):
        params = random_params("coins-plain-ml", rng)
        expected = stats.beta.logpdf(params.probs, a, b).sum() + stats.dirichlet.logpdf(params.weights, [2.0, 3.5])
        assert problem.family.log_prior(params, prior) == pytest.approx(expected, rel=1e-10)


def test_flat_groups_are_density_one():
    problem, params = posed("coins-plain-ml")[0], random_params("coins-plain-ml", np.random.default_rng(0))
    flat, uniform = problem.prior({}), problem.prior({"probs": {"a": 1, "b": 1}})
    assert problem.family.log_prior(params, flat) == problem.family.log_prior(params, uniform) == 0.0
    proper = problem.family.proper_prior(flat)
    assert proper.probs.a == proper.probs.b == proper.weights.concentration == 1


@pytest.mark.parametrize("covariance", STRUCTURES)
def test_default_prior_of_fraley_and_raftery(covariance):
    data = X * [1.0, 1000.0]
    problem = pose("gaussian_mixture", data, n_components=K, settings={"covariance": covariance})
    prior = problem.prior("default")
    S = np.cov(data.T) / K ** (2 / D)
    mean = np.diag(S).mean()
    scale = {"full": S, "tied": S, "diag": np.diag(S), "spherical": mean}
    scale |= {"EII": mean, "VII": mean, "EEI": np.diag(S), "VVI": np.diag(S), "EEE": S, "VVV": S}
    scale = scale[covariance]
    np.testing.assert_allclose(prior.covariances.scale, scale)
    np.testing.assert_allclose(prior.means.location, data.mean(axis=0))
    assert (prior.means.strength, prior.covariances.dof, prior.weights.concentration) == (0.01, D + 2, 1)


@pytest.mark.parametrize("covariance", STRUCTURES)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_map_of_one_component_in_closed_form(covariance, d):
    """K = 1: the normal-inverse-Wishart mode, from the textbook and not from pseudo-counts."""
    data = blobs(n=30, d=d)
    n, mean = len(data), data.mean(axis=0)
    fit = eb.fit("gaussian_mixture", data, n_components=1, prior="default", settings={"covariance": covariance})
    # m0 is the column mean, so that the posterior mean is too, and the prior on means adds one count and no scatter
    scatter, psi, nu = (data - mean).T @ (data - mean), np.cov(data.T).reshape(d, d), d + 2
    round_ = (np.trace(scatter) + np.trace(psi) / d) / (d * n + nu + d + 2)
    expected = {
        "full": lambda: (scatter + psi)[None] / (n + nu + d + 2),
        "tied": lambda: (scatter + psi) / (n + nu + d + 2),
        "diag": lambda: np.diag(scatter + psi)[None] / (n + nu + 3),
        "spherical": lambda: np.array([round_]),
        "EII": lambda: round_ * np.eye(d)[None],
        "VII": lambda: round_ * np.eye(d)[None],
        "EEI": lambda: np.diag(np.diag(scatter + psi))[None] / (n + nu + 3),
        "VVI": lambda: np.diag(np.diag(scatter + psi))[None] / (n + nu + 3),
        "EEE": lambda: (scatter + psi)[None] / (n + nu + d + 2),
        "VVV": lambda: (scatter + psi)[None] / (n + nu + d + 2),
    }[covariance]()
    np.testing.assert_allclose(fit.params.means[0], mean)
    np.testing.assert_allclose(fit.params.covariances, expected, rtol=1e-9)


def test_coins_default_prior():
    prior = posed("coins-plain-ml")[0].prior("default")
    assert (prior.probs.a, prior.probs.b, prior.weights.concentration) == (2, 2, 1)


def test_map_of_known_coins_in_closed_form():
    trials = {"heads": [5, 9, 8, 4, 7], "tosses": [10] * 5}
    prior = {"probs": {"a": 3, "b": 2}, "weights": {"concentration": 2}}
    fit = eb.fit("coins", trials, n_components=2, labels=[1, 0, 0, 1, 0], prior=prior)
    np.testing.assert_allclose(fit.params.probs, [(24 + 2) / (30 + 3), (9 + 2) / (20 + 3)])
    np.testing.assert_allclose(fit.params.weights, [(3 + 1) / (5 + 2), (2 + 1) / (5 + 2)])


def test_means_on_a_flat_prior_refuse_to_be_sampled():
    problem = posed("gaussian_mixture-full-ml")[0]
    with pytest.raises(eb.InputError, match="means"):
        problem.family.proper_prior(problem.prior({"covariances": {"dof": 5, "scale": 1.0}}))
    with pytest.raises(eb.InputError, match="covariances"):
        problem.family.proper_prior(problem.prior({"means": {"location": 0, "strength": 1}}))
    held = replace(problem.family, fixed=frozenset({"means", "covariances"}))
    assert held.proper_prior(problem.prior({})).weights.concentration == 1
