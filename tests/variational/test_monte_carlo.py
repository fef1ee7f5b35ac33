"""The ELBO by Monte Carlo: the mean of ln p(X, Z, θ) - ln q(Z) q(θ) over draws of θ from q, densities of scipy.stats.

Nothing but scipy knows the normalisers here, so that a constant that is wrong or left out moves the mean.
"""

import numpy as np
import pytest
from cases import COVARIANCES, FIVE_TRIALS, blobs
from scipy import stats

import emvsbayes as eb

DRAWS = 4000


def close(elbo, draws):
    """Within four standard errors; and these are small enough that ln 2 would be seen."""
    error = draws.std(ddof=1) / np.sqrt(len(draws))
    assert error < 0.1
    assert abs(draws.mean() - elbo) < 4 * error


def over_z(r, log_weights, log_density):
    """Σ_n Σ_k r_nk {ln π_k + ln p(x_n | θ_k) - ln r_nk} for each draw: r (N, K), log_density (S, N, K)."""
    used = np.where(r > 0, r, 1.0)
    joint = log_weights[:, None, :] + log_density - np.log(used)
    return (r * joint).sum(axis=(1, 2))


def dirichlet(prior, post, rng):
    """Draws of the weights, and ln p - ln q of each."""
    weights = rng.dirichlet(post, size=DRAWS)
    return weights, stats.dirichlet(prior).logpdf(weights.T) - stats.dirichlet(post).logpdf(weights.T)


def beta(prior, post, rng):
    """Draws of every probability, and ln p - ln q summed over them."""
    probs = rng.beta(*post, size=(DRAWS, *post[0].shape))
    ratio = stats.beta(*prior).logpdf(probs) - stats.beta(*post).logpdf(probs)
    return probs, ratio.reshape(DRAWS, -1).sum(axis=1)


def test_coins():
    rng = np.random.default_rng(1)
    prior = {"probs": {"a": [3.0, 0.8], "b": [1.5, 2.0]}, "weights": {"concentration": [2.0, 0.7]}}
    fit = eb.variational("coins", FIVE_TRIALS, n_components=2, prior=prior, n_starts=2)
    post = fit.posterior
    weights, ratio = dirichlet([2.0, 0.7], post.weights.concentration, rng)
    probs, more = beta(([3.0, 0.8], [1.5, 2.0]), (post.probs.a, post.probs.b), rng)
    heads, tosses = (np.array(FIVE_TRIALS[name])[:, None] for name in ("heads", "tosses"))
    density = stats.binom.logpmf(heads, tosses, probs[:, None, :])
    close(fit.elbo, ratio + more + over_z(fit.responsibilities, np.log(weights), density))


def test_bernoulli_mixture():
    """Binary entries with gaps."""
    rng = np.random.default_rng(2)
    X = (rng.random((8, 3)) < 0.5).astype(float)
    X[[0, 3, 5], [1, 0, 2]] = np.nan
    prior = {"probs": {"a": 1.4, "b": 0.9}, "weights": {"concentration": 2.5}}
    fit = eb.variational("bernoulli_mixture", X, n_components=2, prior=prior, n_starts=2)
    post = fit.posterior
    weights, ratio = dirichlet([2.5, 2.5], post.weights.concentration, rng)
    probs, more = beta((1.4, 0.9), (post.probs.a, post.probs.b), rng)
    density = stats.bernoulli.logpmf(np.nan_to_num(X)[:, None, :], probs[:, None, :, :])
    density = np.where(np.isnan(X)[:, None, :], 0.0, density).sum(axis=3)
    close(fit.elbo, ratio + more + over_z(fit.responsibilities, np.log(weights), density))


def one_matrix(dof, scale, dof0, scale0, rng):
    """Draws of Σ (S, D, D) from an inverse Wishart, and ln p - ln q."""
    draws = stats.invwishart(dof, scale).rvs(DRAWS, random_state=rng)
    x = np.moveaxis(draws, 0, -1)
    return draws, stats.invwishart(dof0, scale0).logpdf(x) - stats.invwishart(dof, scale).logpdf(x)


def one_variance(dof, scale, dof0, scale0, rng):
    """Draws of σ² (S,) from an inverse gamma, and ln p - ln q."""
    q, p = stats.invgamma(dof / 2, scale=scale / 2), stats.invgamma(dof0 / 2, scale=scale0 / 2)
    draws = q.rvs(DRAWS, random_state=rng)
    return draws, p.logpdf(draws) - q.logpdf(draws)


def covariances_of(covariance, post, prior, k, rng):
    """Covariance matrices (S, K, D, D) drawn from q, and ln p - ln q: each independent covariance counted once."""
    dof, scale, dof0, scale0 = post.dof, post.scale, float(prior["dof"]), np.asarray(prior["scale"])
    eye = np.eye(2)
    if covariance == "full":
        drawn = [one_matrix(dof[j], scale[j], dof0, scale0, rng) for j in range(k)]
        return np.stack([d for d, _ in drawn], axis=1), sum(r for _, r in drawn)
    if covariance == "tied":
        draws, ratio = one_matrix(float(dof), scale, dof0, scale0, rng)
        return np.repeat(draws[:, None], k, axis=1), ratio
    if covariance == "diag":
        found, ratio = np.zeros((DRAWS, k, 2, 2)), 0.0
        for j in range(k):
            for d in range(2):
                found[:, j, d, d], more = one_variance(dof[j], scale[j, d], dof0, scale0[d], rng)
                ratio = ratio + more
        return found, ratio
    if covariance == "spherical":
        drawn = [one_variance(dof[j], scale[j], dof0, scale0, rng) for j in range(k)]
        return np.stack([d[:, None, None] * eye for d, _ in drawn], axis=1), sum(r for _, r in drawn)
    draws, ratio = one_variance(float(dof), float(scale), dof0, scale0, rng)
    return np.repeat(draws[:, None, None, None] * eye, k, axis=1).reshape(DRAWS, k, 2, 2), ratio


def log_normal(x, mean, covariance):
    """ln N(x | mean, covariance), 2 x 2: the first coordinate, then the second given the first, by scipy's norm."""
    a, b, c = covariance[..., 0, 0], covariance[..., 1, 0], covariance[..., 1, 1]
    z = x - mean
    first = stats.norm.logpdf(z[..., 0], 0, np.sqrt(a))
    return first + stats.norm.logpdf(z[..., 1], b / a * z[..., 0], np.sqrt(c - b**2 / a))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_gaussian_mixture(covariance):
    rng, X, m0 = np.random.default_rng(3), blobs(n=10), np.array([0.5, -1.0])
    psi = np.array([[2.0, 0.4], [0.4, 1.0]])
    scale = {"full": psi, "tied": psi, "diag": np.diag(psi)}.get(covariance, 1.5)
    prior = {
        "means": {"location": m0, "strength": 0.7},
        "covariances": {"dof": 5.5, "scale": scale},
        "weights": {"concentration": 1.8},
    }
    fit = eb.variational(
        "gaussian_mixture", X, n_components=2, settings={"covariance": covariance}, prior=prior, n_starts=2
    )
    post = fit.posterior
    weights, ratio = dirichlet([1.8, 1.8], post.weights.concentration, rng)
    sigmas, more = covariances_of(covariance, post.covariances, prior["covariances"], 2, rng)
    ratio = ratio + more
    density = np.empty((DRAWS, 10, 2))
    for j in range(2):
        location, strength = post.means.location[j], post.means.strength[j]
        noise = np.einsum("sij,sj->si", np.linalg.cholesky(sigmas[:, j]), rng.standard_normal((DRAWS, 2)))
        mu = location + noise / np.sqrt(strength)
        ratio = ratio + log_normal(mu, m0, sigmas[:, j] / 0.7) - log_normal(mu, location, sigmas[:, j] / strength)
        density[:, :, j] = log_normal(X, mu[:, None], sigmas[:, j][:, None])
    close(fit.elbo, ratio + over_z(fit.responsibilities, np.log(weights), density))


def test_linear_evidence():
    rng = np.random.default_rng(4)
    x = np.linspace(-1, 1, 12)
    t = np.sin(3 * x) + 0.3 * rng.normal(size=12)
    prior = {"alpha": {"shape": 2.0, "rate": 0.7}, "beta": {"shape": 1.5, "rate": 0.2}}
    settings = {"basis": "polynomial", "degree": 3}
    fit = eb.variational("linear_evidence", {"X": x, "t": t}, settings=settings, prior=prior, n_starts=2)
    post, design = fit.posterior, np.column_stack([np.ones(12), x, x**2, x**3])
    total, draws = 0.0, {}
    for name in ("alpha", "beta"):
        hyper, group = prior[name], getattr(post, name)
        q, p = (
            stats.gamma(group.shape, scale=1 / group.rate),
            stats.gamma(hyper["shape"], scale=1 / hyper["rate"]),
        )
        draws[name] = q.rvs(DRAWS, random_state=rng)
        total = total + p.logpdf(draws[name]) - q.logpdf(draws[name])
    q = stats.multivariate_normal(fit.q.mean, fit.q.covariance)
    w = q.rvs(DRAWS, random_state=rng)
    total = total + stats.norm.logpdf(w, 0, draws["alpha"][:, None] ** -0.5).sum(axis=1) - q.logpdf(w)
    total = total + stats.norm.logpdf(t, w @ design.T, draws["beta"][:, None] ** -0.5).sum(axis=1)
    close(fit.elbo, total)
