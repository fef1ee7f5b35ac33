"""The ELBO beside log evidences from other sources: closed forms where it must reach them, enumeration where below."""

from itertools import product

import numpy as np
import pytest
from cases import CASES, COVARIANCES, FIVE_TRIALS, blobs, posed
from scipy import stats
from scipy.special import betaln, gammaln, logsumexp, multigammaln

import emvsbayes as eb
from emvsbayes.problem import pose
from emvsbayes.vb.enumeration import log_evidence
from emvsbayes.vb.fitting import adapt

HEADS, TOSSES = np.array(FIVE_TRIALS["heads"]), np.array(FIVE_TRIALS["tosses"])
TIGHT = {"tol": 1e-12, "max_passes": 300}


def two_coins(prior, weights):
    """ln p(heads), p and, where they are free, weights integrated out for each of the 2^5 allocations."""
    total = []
    for z in product(range(2), repeat=5):
        z = np.array(z)
        log_p = np.log(stats.binom(TOSSES, 0.5).pmf(HEADS) * 2.0**TOSSES).sum()  # the coefficients alone
        for k in range(2):
            heads, tails = HEADS[z == k].sum(), (TOSSES - HEADS)[z == k].sum()
            a, b = prior["probs"]["a"], prior["probs"]["b"]
            log_p += betaln(a + heads, b + tails) - betaln(a, b)
        if weights == "fixed":
            log_p += 5 * np.log(0.5)
        else:
            alpha = np.full(2, prior["weights"]["concentration"])
            n = np.array([(z == 0).sum(), (z == 1).sum()])
            log_p += gammaln(alpha.sum()) - gammaln(alpha.sum() + 5) + (gammaln(alpha + n) - gammaln(alpha)).sum()
        total.append(log_p)
    return logsumexp(total)


@pytest.mark.parametrize("weights", ["fixed", "free"])
@pytest.mark.parametrize(("a", "b", "concentration"), [(2, 2, 1), (1, 1, 1), (20, 5, 3), (0.4, 0.7, 0.3)])
def test_two_coins_stay_below_the_evidence(weights, a, b, concentration):
    prior = {"probs": {"a": a, "b": b}, "weights": {"concentration": concentration}}
    fit = eb.variational(
        "coins", FIVE_TRIALS, n_components=2, settings={"weights": weights}, prior=prior, stop=TIGHT, n_starts=3
    )
    exact = two_coins(prior, weights)
    problem = pose("coins", FIVE_TRIALS, n_components=2, settings={"weights": weights})
    assert log_evidence(adapt(problem, prior), problem.data) == pytest.approx(exact, abs=1e-10)
    assert exact - 3 < fit.elbo < exact
    assert all(step.elbo < exact for step in fit.trace)
    assert fit.elbo_relabelled == pytest.approx(fit.elbo + np.log(2), abs=1e-12)


def test_the_enumeration_knows_the_known_coins():
    """With every coin known there is one allocation, and q is exact."""
    fit = eb.variational("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"}, labels=[1, 0, 0, 1, 0])
    exact = 5 * np.log(0.5) + np.log(stats.binom(TOSSES, 0.5).pmf(HEADS) * 2.0**TOSSES).sum()
    for heads, tails in ((24, 6), (9, 11)):
        exact += betaln(2 + heads, 2 + tails) - betaln(2, 2)
    assert fit.elbo == pytest.approx(exact, abs=1e-10)
    assert fit.log_symmetry == 0


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_gaussian_mixtures_stay_below_the_evidence(covariance):
    """Seven rows in two components: 128 allocations; the symmetric sum of both labellings."""
    problem = pose("gaussian_mixture", blobs(n=7), n_components=2, settings={"covariance": covariance})
    exact = log_evidence(adapt(problem), problem.data)
    fit = eb.variational(problem.family, blobs(n=7), n_starts=5)
    assert exact is not None
    assert all(step.elbo < exact for step in fit.trace)
    assert fit.elbo > exact - 5


def test_no_sum_where_there_are_too_many_allocations_or_rows_count_twice():
    for n, weight in ((13, None), (5, np.full(5, 2.0))):
        problem = pose("gaussian_mixture", blobs(n=n), n_components=2, sample_weight=weight)
        assert log_evidence(adapt(problem), problem.data) is None


def test_one_coin_is_beta_binomial():
    fit = eb.variational("coins", {"heads": [7], "tosses": [11]}, n_components=1, prior={"probs": {"a": 1.3, "b": 4}})
    assert fit.elbo == pytest.approx(stats.betabinom(11, 1.3, 4).logpmf(7), abs=1e-10)


def test_one_bernoulli_component():
    """Column by column a beta-Bernoulli sequence; unobserved entries are absent."""
    rng = np.random.default_rng(2)
    X = (rng.random((12, 3)) < [0.2, 0.5, 0.9]).astype(float)
    X[rng.random(X.shape) < 0.2] = np.nan
    X[np.isnan(X).all(axis=1)] = 1.0
    fit = eb.variational("bernoulli_mixture", X, n_components=1, prior={"probs": {"a": 0.6, "b": 2}})
    ones, zeros = np.nansum(X, axis=0), np.nansum(1 - X, axis=0)
    assert fit.elbo == pytest.approx((betaln(0.6 + ones, 2 + zeros) - betaln(0.6, 2)).sum(), abs=1e-10)


def normal_inverse_wishart(X, m0, strength, dof, scale):
    """ln p(X), the matrix-variate t of Murphy (2007), eq. 266, by the ratio of normalisers."""
    n, d = X.shape
    centred = X - X.mean(axis=0)
    away = np.outer(X.mean(axis=0) - m0, X.mean(axis=0) - m0)
    after = scale + centred.T @ centred + strength * n / (strength + n) * away
    return (
        -0.5 * n * d * np.log(np.pi)
        + multigammaln(0.5 * (dof + n), d)
        - multigammaln(0.5 * dof, d)
        + 0.5 * dof * np.linalg.slogdet(scale).logabsdet
        - 0.5 * (dof + n) * np.linalg.slogdet(after).logabsdet
        + 0.5 * d * np.log(strength / (strength + n))
    )


def shared_variance(X, m0, strength, dof, scale):
    """ln p(X) where one σ² ~ IG(dof/2, scale/2) belongs to every column, from the multivariate t of all entries."""
    n, d = X.shape
    block = np.eye(n) + 1 / strength
    covariance = np.kron(block, np.eye(d)) * scale / dof
    return stats.multivariate_t(np.tile(m0, n), covariance, df=dof).logpdf(X.ravel())


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_one_gaussian_component_is_exact(covariance):
    X, m0, strength, dof = blobs(n=9), np.array([0.3, -0.4]), 0.7, 3.5
    psi = np.array([[2.0, 0.4], [0.4, 1.0]])
    scale = {"full": psi, "tied": psi, "diag": np.diag(psi)}.get(covariance, 1.5)
    if covariance in ("full", "tied"):
        exact = normal_inverse_wishart(X, m0, strength, dof, psi)
    elif covariance == "diag":
        parts = zip(X.T, m0, np.diag(psi), strict=True)
        exact = sum(shared_variance(x[:, None], [m], strength, dof, s) for x, m, s in parts)
    else:
        exact = shared_variance(X, m0, strength, dof, scale)
    prior = {"means": {"location": m0, "strength": strength}, "covariances": {"dof": dof, "scale": scale}}
    fit = eb.variational("gaussian_mixture", X, n_components=1, settings={"covariance": covariance}, prior=prior)
    assert fit.elbo == pytest.approx(exact, abs=1e-10)


def test_one_gaussian_component_with_held_fields():
    X, covariance = blobs(n=6), np.array([[1.2, 0.3], [0.3, 0.8]])
    prior = {"means": {"location": [0.5, 1.0], "strength": 0.4}, "covariances": {"dof": 4, "scale": covariance}}
    joint = np.kron(np.eye(6) + 1 / 0.4, covariance)
    exact = stats.multivariate_normal(np.tile([0.5, 1.0], 6), joint).logpdf(X.ravel())
    fit = eb.variational("gaussian_mixture", X, n_components=1, prior=prior, fixed={"covariances": [covariance]})
    assert fit.elbo == pytest.approx(exact, abs=1e-10)
    near_known = {**prior, "means": {"location": [0.5, 1.0], "strength": 1e12}}  # a mean all but known
    free = eb.variational("gaussian_mixture", X, n_components=1, prior=near_known)
    held = eb.variational("gaussian_mixture", X, n_components=1, prior=prior, fixed={"means": [[0.5, 1.0]]})
    assert held.elbo == pytest.approx(free.elbo, abs=1e-6)


def test_linear_model_with_known_variances_is_exact():
    """The log evidence from the dense covariance of t; q(w) from the normal equations."""
    name = "linear_evidence-gaussian-map"
    problem, case = posed(name)[0], CASES[name]
    held = {"alpha": 1.5, "beta": 8.0}
    fit = eb.variational("linear_evidence", case.X, settings=case.settings, fixed=held)
    design, t = problem.family.design(problem.data), problem.data.t
    dense = np.eye(len(t)) / 8 + design @ design.T / 1.5
    assert fit.elbo == pytest.approx(stats.multivariate_normal(np.zeros(len(t)), dense).logpdf(t), abs=1e-10)
    precision = 1.5 * np.eye(design.shape[1]) + 8 * design.T @ design
    np.testing.assert_allclose(fit.q.mean, np.linalg.solve(precision, 8 * design.T @ t), rtol=1e-9)
    np.testing.assert_allclose(fit.q.covariance, np.linalg.inv(precision), rtol=1e-8, atol=1e-12)


def test_linear_model_stays_below_the_evidence():
    """The evidence by quadrature over (ln α, ln β), of the dense density of t."""
    case = CASES["linear_evidence-informative"]
    problem, prior = posed(case.name)
    fit = eb.variational("linear_evidence", case.X, settings=case.settings, prior=prior, stop=TIGHT, n_starts=3)
    design, t = problem.family.design(problem.data), problem.data.t
    eigenvalues, axes = np.linalg.eigh(design @ design.T)
    turned = axes.T @ t
    la, lb = np.meshgrid(np.linspace(-9, 6, 220), np.linspace(-3, 6, 180), indexing="ij")
    variances = np.exp(-lb)[..., None] + np.maximum(eigenvalues, 0) * np.exp(-la)[..., None]
    height = stats.norm(0, np.sqrt(variances)).logpdf(turned).sum(axis=-1)
    for grid, group in ((la, prior.alpha), (lb, prior.beta)):
        height += stats.gamma(group.shape, scale=1 / group.rate).logpdf(np.exp(grid)) + grid
    exact = logsumexp(height) + np.log((la[1, 0] - la[0, 0]) * (lb[0, 1] - lb[0, 0]))
    assert exact - 1 < fit.elbo < exact
