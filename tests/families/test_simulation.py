"""Simulated data have the moments of the model, and its parameters are found again."""

import numpy as np
import pytest
from cases import COVARIANCES, posed, run, starting

from emvsbayes.families.gaussian_mixture import structures


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_gaussian_moments(covariance):
    name = f"gaussian_mixture-{covariance}-ml"
    problem, params = posed(name)[0], run(name).params
    rng = np.random.default_rng(0)
    draws = [problem.family.simulate(params, problem.data, rng) for _ in range(300)]
    X, z = np.concatenate([d.X for d, _ in draws]), np.concatenate([z for _, z in draws])
    expanded = structures.expand(covariance, params.covariances, 2, 2)
    for k in range(2):
        covariances = expanded[k] if expanded.ndim == 3 else np.diag(expanded[k])
        error = np.sqrt(np.diag(covariances) / (z == k).sum())
        assert (np.abs(X[z == k].mean(axis=0) - params.means[k]) < 4 * error).all()
        np.testing.assert_allclose(np.cov(X[z == k].T), covariances, atol=0.06 * np.diag(covariances).max())
        assert (z == k).mean() == pytest.approx(params.weights[k], abs=0.02)


def test_coins_moments():
    problem, params = posed("coins-plain-ml")[0], run("coins-plain-ml").params
    rng = np.random.default_rng(0)
    draws = [problem.family.simulate(params, problem.data, rng) for _ in range(300)]
    heads, z = np.concatenate([d.heads for d, _ in draws]), np.concatenate([z for _, z in draws])
    tosses = np.tile(problem.data.tosses, 300)
    for k in range(2):
        assert heads[z == k].sum() / tosses[z == k].sum() == pytest.approx(params.probs[k], abs=0.01)
        assert (z == k).mean() == pytest.approx(params.weights[k], abs=0.02)


@pytest.mark.parametrize("name", ["coins-weighted-ml", "gaussian_mixture-full-labelled-ml"])
def test_simulated_rows_count_once_and_have_no_labels(name):
    problem = posed(name)[0]
    data, z = problem.family.simulate(starting(name), problem.data, np.random.default_rng(0))
    assert data.n_rows == len(z) == problem.data.n_rows
    assert (data.row_weights == 1).all()
    assert data.labels is None
    again, _ = problem.family.simulate(starting(name), problem.data, np.random.default_rng(0))
    assert problem.family.log_likelihood(starting(name), data) == problem.family.log_likelihood(starting(name), again)
