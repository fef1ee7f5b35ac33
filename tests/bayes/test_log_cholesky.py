"""Covariance matrices in the twin: the transform, its Jacobian by numerical differentiation, the inverse-Wishart."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from cases import blobs
from scipy import stats

from emvsbayes.families.gaussian_mixture.bayes import LogCholesky, inverse_wishart_logp
from emvsbayes.problem import pose


@pytest.fixture(autouse=True)
def _little_compiling():
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        yield


def random_vector(d, rng):
    return rng.normal(scale=0.7, size=d * (d + 1) // 2)


def lower(matrix):
    rows, columns = np.tril_indices(len(matrix))
    return matrix[rows, columns]


def log_jacobian(function, vector, step=1e-5):
    """ln|det| of the derivative of `function`, central differences."""
    columns = []
    for i in range(len(vector)):
        e = np.zeros(len(vector))
        e[i] = step
        columns.append((function(vector + e) - function(vector - e)) / (2 * step))
    return np.linalg.slogdet(np.array(columns).T).logabsdet


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_forward_and_backward_are_inverses(d):
    rng, transform = np.random.default_rng(d), LogCholesky(d)
    v = pt.tensor("v", shape=(2, d * (d + 1) // 2))
    back = pytensor.function([v], transform.backward(v))
    s = pt.tensor("s", shape=(2, d, d))
    forward = pytensor.function([s], transform.forward(s))
    vectors = np.array([random_vector(d, rng) for _ in range(2)])
    matrices = back(vectors)
    assert matrices.shape == (2, d, d)
    assert (matrices == np.swapaxes(matrices, 1, 2)).all()
    assert (np.linalg.eigvalsh(matrices) > 0).all()
    np.testing.assert_allclose(forward(matrices), vectors, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_the_jacobian_is_that_of_the_lower_triangle(d):
    transform = LogCholesky(d)
    v = pt.tensor("v", shape=(d * (d + 1) // 2,))
    back = pytensor.function([v], transform.backward(v))
    stated = pytensor.function([v], transform.log_jac_det(v))
    rng = np.random.default_rng(d)
    for _ in range(3):
        vector = random_vector(d, rng)
        found = log_jacobian(lambda at: lower(back(at)), vector)
        np.testing.assert_allclose(stated(vector), found, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("covariance", ["full", "tied"])
def test_the_model_counts_the_jacobian_once_a_matrix(covariance, d):
    k = 2
    problem = pose(
        "gaussian_mixture",
        blobs(n=20, d=d),
        n_components=k,
        settings={"covariance": covariance},
        fixed={"weights": [0.4, 0.6], "means": blobs(n=2, d=d)},
    )
    prior = problem.family.proper_prior(problem.prior("default"))
    about = problem.hold(problem.family.init(problem.data, np.random.default_rng(0), "k-means++"))
    model = problem.twin.build(problem.family, problem.data, prior, about)
    (value,) = model.value_vars
    assert value.name == "covariances_logcholesky__"
    size, rng, transform = d * (d + 1) // 2, np.random.default_rng(d), LogCholesky(d)
    at = rng.normal(scale=0.5, size=(k, size) if covariance == "full" else size)
    difference = model.compile_logp(jacobian=True)({value.name: at}) - model.compile_logp(jacobian=False)(
        {value.name: at}
    )
    v = pt.tensor("v", shape=(size,))
    back = pytensor.function([v], transform.backward(v))
    expected = sum(log_jacobian(lambda x: lower(back(x)), row) for row in at.reshape(-1, size))
    np.testing.assert_allclose(difference, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_the_inverse_wishart_of_scipy(d):
    value, dof, scale = pt.tensor("s", shape=(3, d, d)), pt.scalar("nu"), pt.tensor("psi", shape=(d, d))
    log_density = pytensor.function([value, dof, scale], inverse_wishart_logp(value, dof, scale))
    rng = np.random.default_rng(d)
    for nu in (d - 1 + 1e-3, d + 2.0, 57.3):
        psi = np.atleast_2d(stats.wishart(d + 3, np.eye(d)).rvs(random_state=rng))
        sigma = stats.invwishart(d + 3, psi).rvs(size=3, random_state=rng).reshape(3, d, d)
        expected = [stats.invwishart(nu, psi).logpdf(s) for s in sigma]
        np.testing.assert_allclose(log_density(sigma, nu, psi), expected, rtol=1e-11, atol=1e-11)


def test_the_inverse_wishart_of_one_column_is_the_inverse_gamma():
    value = pt.tensor("s", shape=(4, 1, 1))
    found = inverse_wishart_logp(value, pt.as_tensor(5.5), pt.as_tensor([[1.7]]))
    variances = np.array([0.01, 0.4, 1.3, 80.0])
    expected = stats.invgamma(5.5 / 2, scale=1.7 / 2).logpdf(variances)
    np.testing.assert_allclose(found.eval({value: variances[:, None, None]}), expected, rtol=1e-12)


@pytest.mark.parametrize("covariance", ["EII", "VII", "EEI", "VVI", "EEE"])
def test_covariances_that_repeat_are_sampled_once(covariance):
    """The Jacobian is that of the distinct entries: (K, D, D) in, as many coordinates out as the structure has."""
    k, d = 2, 3
    problem = pose(
        "gaussian_mixture",
        blobs(n=20, d=d),
        n_components=k,
        settings={"covariance": covariance},
        fixed={"weights": [0.4, 0.6], "means": blobs(n=2, d=d)},
    )
    prior = problem.family.proper_prior(problem.prior("default"))
    about = problem.hold(problem.family.init(problem.data, np.random.default_rng(0), "k-means++"))
    model = problem.twin.build(problem.family, problem.data, prior, about)
    (value,) = model.value_vars
    size = {"EII": 1, "VII": k, "EEI": d, "VVI": k * d, "EEE": d * (d + 1) // 2}[covariance]
    v = pt.tensor("v", shape=(size,))
    transform = model.rvs_to_transforms[model["covariances"]]
    back = pytensor.function([v], transform.backward(v))
    at = np.random.default_rng(1).normal(scale=0.5, size=size)
    matrices = back(at)
    assert matrices.shape == (k, d, d)
    forward = transform.forward(pt.as_tensor(matrices)).eval()
    np.testing.assert_allclose(forward, at, rtol=1e-10, atol=1e-12)
    rows, columns = np.tril_indices(d)
    entries = matrices[:, rows, columns].ravel()
    kept = np.sort(np.unique(np.round(entries, 9), return_index=True)[1])
    kept = kept[entries[kept] != 0]
    assert len(kept) == size
    difference = model.compile_logp(jacobian=True)({value.name: at}) - model.compile_logp(jacobian=False)(
        {value.name: at}
    )
    expected = log_jacobian(lambda x: back(x)[:, rows, columns].ravel()[kept], at)
    np.testing.assert_allclose(difference, expected, rtol=1e-6, atol=1e-6)
    assert model.initial_point()[value.name].shape == (size,)
