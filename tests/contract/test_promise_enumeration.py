"""Promise 5: E-step and log-likelihood equal a sum over every z, with densities written from scipy.stats alone.

Where the latent is Gaussian there is nothing to enumerate: the oracle is the joint Gaussian of t and w, conditioned.
"""

from itertools import product

import numpy as np
import pytest
from cases import CASES, posed, random_params, rows, run, starting, those_that
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
    }.get(settings["covariance"], lambda c: c[k])(params.covariances)
    unit = np.sqrt(np.diag(covariance))  # columns in their own units, or scipy takes a covariance for singular
    z, correlation = (data.X[n] - params.means[k]) / unit, covariance / np.outer(unit, unit)
    return stats.multivariate_normal.logpdf(z, np.zeros(d), correlation) - np.log(unit).sum()


def bernoulli_mixture(params, data, n, k, settings):
    seen = np.ones(data.X.shape[1], dtype=bool) if data.observed is None else data.observed[n] == 1
    x, p = data.X[n][seen], params.probs[k][seen]
    return (x * np.log(p) + (1 - x) * np.log(1 - p)).sum()  # scipy.stats.bernoulli takes no grey levels


def kmeans(params, data, n, k, settings):
    return stats.norm.logpdf(data.X[n], params.centers[k], np.sqrt(settings["variance"])).sum()


DENSITY = {
    "coins": coins,
    "gaussian_mixture": gaussian_mixture,
    "bernoulli_mixture": bernoulli_mixture,
    "kmeans": kmeans,
}


def test_every_family_has_a_density_of_its_own():
    assert set(DENSITY) | {"linear_evidence"} == set(FAMILIES)


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
    name
    for name in those_that("components")
    if CASES[name].sample_weight is None and CASES[name].k <= 5 and "thin-offset" not in name
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


def by_conditioning(params, data, design):
    """ln p(t), E[w | t] and Cov[w | t] from the joint covariance of (w, t), each row as often as its weight says."""
    n, m = design.shape
    joint = np.block(
        [
            [np.eye(m) / params.alpha, design.T / params.alpha],
            [design / params.alpha, np.eye(n) / params.beta + design @ design.T / params.alpha],
        ]
    )
    across, own = joint[:m, m:], joint[m:, m:]
    gain = np.linalg.solve(own, across.T).T
    log_likelihood = stats.multivariate_normal(np.zeros(n), own).logpdf(data.t)
    return log_likelihood, gain @ data.t, joint[:m, :m] - gain @ across.T


CONDITIONED = [
    name
    for name in CASES
    if CASES[name].family == "linear_evidence"
    and CASES[name].sample_weight is None
    and not any(word in name for word in ("offset", "units"))  # a dense covariance has no digits left there
]


@pytest.mark.parametrize("name", CONDITIONED)
def test_evidence_and_posterior_are_those_of_a_joint_gaussian(name):
    problem = posed(name)[0]
    family, data = problem.family, problem.data
    design, rng = family.design(data), np.random.default_rng(0)
    for params in (starting(name), run(name).params, random_params(name, rng)):
        log_likelihood, mean, covariance = by_conditioning(params, data, design)
        assert family.log_likelihood(params, data) == pytest.approx(log_likelihood, rel=1e-9)
        q = family.e_step(params, data)
        np.testing.assert_allclose(q.mean, mean, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(q.covariance, covariance, rtol=1e-7, atol=1e-8)
        new = random_params(name, rng)
        w = stats.multivariate_normal(mean, covariance, allow_singular=True).rvs(20_000, random_state=1)
        joint = -0.5 * new.alpha * (w**2).sum(axis=1) - 0.5 * new.beta * ((data.t - w @ design.T) ** 2).sum(axis=1)
        joint += 0.5 * w.shape[1] * np.log(new.alpha / (2 * np.pi)) + 0.5 * len(data.t) * np.log(new.beta / (2 * np.pi))
        ours = family.expected_log_joint(new, family.expect(q, data, params))
        assert ours == pytest.approx(joint.mean(), abs=6 * joint.std() / np.sqrt(len(joint)))
