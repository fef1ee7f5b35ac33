"""Promise 5: E-step and log-likelihood equal a sum over every z, with densities written from scipy.stats alone."""

from itertools import product

import numpy as np
import pytest
from cases import CASES, posed, random_params, rows, run, starting
from scipy import stats

from emvsbayes.families import FAMILIES

TINY = 4  # rows: at most 3^4 configurations, or 5^4 for the coins


def coins(params, data, n, k, settings):
    return stats.binom.logpmf(int(data.heads[n]), int(data.tosses[n]), params.probs[k])


def gaussian_mixture(params, data, n, k, settings):
    d = data.X.shape[1]
    covariance = {
        "full": lambda c: c[k],
        "tied": lambda c: c,
        "diag": lambda c: np.diag(c[k]),
        "spherical": lambda c: c[k] * np.eye(d),
    }[settings["covariance"]](params.covariances)
    unit = np.sqrt(np.diag(covariance))  # columns in their own units, or scipy takes a covariance for singular
    z, correlation = (data.X[n] - params.means[k]) / unit, covariance / np.outer(unit, unit)
    return stats.multivariate_normal.logpdf(z, np.zeros(d), correlation) - np.log(unit).sum()


def bernoulli_mixture(params, data, n, k, settings):
    seen = np.ones(data.X.shape[1], dtype=bool) if data.observed is None else data.observed[n] == 1
    x, p = data.X[n][seen], params.probs[k][seen]
    return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum()  # scipy.stats.bernoulli takes no grey levels


DENSITY = {"coins": coins, "gaussian_mixture": gaussian_mixture, "bernoulli_mixture": bernoulli_mixture}


def test_every_family_has_a_density_of_its_own():
    assert set(DENSITY) == set(FAMILIES)


def by_enumeration(params, data, case, n_components):
    """ln p(X) and p(z_n = k | X), from p(X, z) at every z that agrees with the labels."""
    density = np.array(
        [
            [DENSITY[case.family](params, data, n, k, case.settings) for k in range(n_components)]
            for n in range(data.n_rows)
        ]
    )
    allowed = [
        range(n_components) if data.labels is None or data.labels[n] < 0 else [data.labels[n]]
        for n in range(data.n_rows)
    ]
    configurations = list(product(*allowed))
    joint = np.array([sum(np.log(params.weights[k]) + density[n, k] for n, k in enumerate(z)) for z in configurations])
    log_likelihood = np.logaddexp.reduce(joint)
    posterior = np.exp(joint - log_likelihood)
    responsibilities = np.zeros((data.n_rows, n_components))
    for z, p in zip(configurations, posterior, strict=True):
        for n, k in enumerate(z):
            responsibilities[n, k] += p
    return log_likelihood, responsibilities


ENUMERABLE = [
    name for name in CASES if CASES[name].sample_weight is None and CASES[name].k <= 5 and "thin-offset" not in name
]


@pytest.mark.parametrize("name", ENUMERABLE)
def test_e_step_and_log_likelihood_are_sums_over_z(name):
    problem, case = posed(name)[0], CASES[name]
    family, tiny = problem.family, rows(problem.data, np.arange(1, 1 + TINY))
    rng = np.random.default_rng(0)
    for params in (starting(name), run(name).params, random_params(name, rng)):
        log_likelihood, responsibilities = by_enumeration(params, tiny, case, family.n_components)
        assert family.log_likelihood(params, tiny) == pytest.approx(log_likelihood, rel=1e-8)
        np.testing.assert_allclose(family.e_step(params, tiny).responsibilities, responsibilities, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ENUMERABLE)
def test_expected_log_joint_is_an_expectation_over_z(name):
    """E_q ln p(X, Z | θ) for q at one θ and the joint at another, row by row from scipy.stats."""
    problem, case = posed(name)[0], CASES[name]
    family, tiny = problem.family, rows(problem.data, np.arange(1, 1 + TINY))
    old, new = starting(name), run(name).params
    _, responsibilities = by_enumeration(old, tiny, case, family.n_components)
    expected = sum(
        responsibilities[n, k] * (np.log(new.weights[k]) + DENSITY[case.family](new, tiny, n, k, case.settings))
        for n in range(TINY)
        for k in range(family.n_components)
        if responsibilities[n, k] > 0
    )
    q = family.e_step(old, tiny)
    assert family.expected_log_joint(new, family.expect(q, tiny, old)) == pytest.approx(expected, rel=1e-7)
