"""q(θ) alone: draws of it have its moments, and its bound is that of the density of scipy, or of quadrature."""

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs
from scipy import stats
from scipy.special import logsumexp

import emvsbayes as eb
from emvsbayes.core.records import record_fields
from emvsbayes.densities import conjugate_draws
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.problem import pose
from emvsbayes.vb.collapsed import collapsed

BITS = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 0], [0, 0, 1]], dtype=float)
CASES = {
    "coins": ("coins", FIVE_TRIALS, 2, {}),
    "one weight": ("coins", FIVE_TRIALS, 2, {"weights": "fixed"}),
    "bits": ("bernoulli_mixture", BITS, 2, {}),
    **{
        name: ("gaussian_mixture", blobs(n=40), 2, {"covariance": name})
        for name in ("full", "tied", "diag", "spherical", "EII", "EEI", "VVV")
    },
    "line": ("linear_evidence", {"X": np.arange(9.0), "t": np.sin(np.arange(9.0))}, None, {}),
}


def fitted(name, **more):
    family, X, k, settings = CASES[name]
    problem = pose(family, X, n_components=k, settings=settings)
    return problem, eb.variational(family, X, n_components=k, settings=settings, n_starts=3, **more)


@pytest.mark.parametrize("name", CASES)
def test_draws_of_q_have_its_moments(name):
    """Means of 1500 draws within 4.5 standard errors of those in closed form, and standard deviations within theirs."""
    _, fit = fitted(name)
    rng = np.random.default_rng(5)
    draws = [record_fields(fit.conjugate.draw(fit.posterior, rng)) for _ in range(1500)]
    means, sds = record_fields(fit.means), record_fields(fit.sds)
    assert draws[0].keys() == means.keys()
    for field, mean in means.items():
        values, sd = np.array([draw[field] for draw in draws]), sds[field]
        assert values.shape[1:] == np.shape(mean)
        assert (np.abs(values.mean(axis=0) - mean) <= 4.5 * sd / np.sqrt(1500) + 1e-12).all(), field
        centred = values - values.mean(axis=0)
        kurtosis = (centred**4).mean(axis=0) / np.maximum((centred**2).mean(axis=0) ** 2, 1e-300)
        error = sd * np.sqrt(np.maximum(kurtosis - 1, 0) / (4 * 1500))  # of a standard deviation
        assert (np.abs(values.std(axis=0) - sd) <= 4.5 * error + 1e-12).all(), field


def test_matrices_are_drawn_as_by_scipy():
    """The log-determinant and the correlation of 4000 draws, by Kolmogorov and Smirnov's test."""
    scale, rng = np.array([[2.0, 0.6], [0.6, 1.0]]), np.random.default_rng(0)
    ours = np.array([conjugate_draws.inverse_wishart(np.array(5.0), scale, rng) for _ in range(4000)])
    theirs = stats.invwishart(5.0, scale).rvs(4000, random_state=1)
    for read in (lambda m: np.linalg.slogdet(m).logabsdet, lambda m: m[:, 0, 1] / np.sqrt(m[:, 0, 0] * m[:, 1, 1])):
        assert stats.ks_2samp(read(ours), read(theirs)).pvalue > 1e-3


def test_the_bound_of_two_coins_by_quadrature():
    """ELBO of q(p1) q(p2) on a grid, latents summed out row by row: nothing of the package but q's parameters."""
    problem, fit = fitted("one weight")
    found = collapsed(problem, fit, draws=4000, seed=1)
    x, w = np.polynomial.legendre.leggauss(120)
    x, w = (x + 1) / 2, w / 2
    p = np.meshgrid(x, x, indexing="ij")
    post = fit.posterior.probs
    log_q = sum(stats.beta(post.a[k], post.b[k]).logpdf(p[k]) for k in range(2))
    log_p = sum(stats.beta(2, 2).logpdf(p[k]) for k in range(2))
    for heads in FIVE_TRIALS["heads"]:
        log_p = log_p + logsumexp([stats.binom(10, p[k]).logpmf(heads) + np.log(0.5) for k in range(2)], axis=0)
    mass = np.exp(log_q) * w[:, None] * w
    assert mass.sum() == pytest.approx(1, abs=1e-8)
    exact = (mass * (log_p - log_q)).sum()
    assert abs(found.elbo - exact) < 4 * found.se < 0.1
    log_evidence = exact_posterior(problem).log_evidence
    assert fit.elbo < found.elbo < log_evidence
    assert found.elbo - fit.elbo == pytest.approx(found.latents)


def test_nothing_is_given_away_where_the_latents_are_known():
    fit = eb.variational("coins", FIVE_TRIALS, n_components=2, labels=[0, 1, 1, 0, 1])
    problem = pose("coins", FIVE_TRIALS, n_components=2, labels=[0, 1, 1, 0, 1])
    found = collapsed(problem, fit)
    assert found.latents == pytest.approx(0, abs=1e-12)
    assert found.elbo == pytest.approx(exact_posterior(problem).log_evidence, abs=1e-9)


def test_held_fields_are_no_part_of_q():
    X = blobs(n=9)
    held = {"means": [[0.0, 0.0], [2.0, 2.0]]}
    fit = eb.variational("gaussian_mixture", X, n_components=2, fixed=held, n_starts=2)
    problem = pose("gaussian_mixture", X, n_components=2, fixed=held)
    drawn = fit.conjugate.draw(fit.posterior, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.means, held["means"])
    found = collapsed(problem, fit)
    assert fit.elbo <= found.elbo < exact_posterior(problem).log_evidence + 4 * found.se


def test_a_fit_without_latents_is_refused():
    problem, fit = fitted("coins")
    with pytest.raises(eb.InputError, match="holds no q"):
        collapsed(problem, eb.VariationalFit.from_json(fit.to_json()))
    with pytest.raises(eb.InputError, match="draws"):
        collapsed(problem, fit, draws=1)
