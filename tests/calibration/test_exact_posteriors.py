"""The whole check without a sampler: truths, data, orders and tests of the package, draws from exact posteriors.

Two coins in five trials have a posterior that is a sum over 2^5 allocations, each conjugate; one Gaussian has the
conjugate normal-inverse-Wishart posterior. Both are written out here. Their draws must pass, spoiled ones must fail.
"""

from itertools import product

import numpy as np
import pytest
from scipy.special import betaln, gammaln, xlog1py, xlogy
from scipy.stats import invwishart

from emvsbayes.calibration.ordering import ordered_draws, ordered_params
from emvsbayes.calibration.ranks import KEPT, narrowed, ranks
from emvsbayes.calibration.simulation import ranked
from emvsbayes.calibration.truths import draw_truth
from emvsbayes.calibration.uniformity import chi_square, ecdf_test
from emvsbayes.problem import pose

TOSSES = np.array([3.0, 4, 5, 6, 7])
ALLOCATIONS = np.array(list(product((0, 1), repeat=5)))
A, B, C = 2.0, 3.0, 1.5


def coins(k):
    problem = pose("coins", {"heads": [0] * 5, "tosses": TOSSES}, n_components=k)
    return problem, problem.prior({"probs": {"a": A, "b": B}, "weights": {"concentration": C}})


def coin_draws(heads, k, rng, a=A, b=B):
    """Draws (99, …) of weights and probs: an allocation by its weight, then Dirichlet and Beta."""
    z = ALLOCATIONS if k == 2 else np.zeros((1, 5), dtype=int)
    one_hot = np.eye(k)[z]  # (allocations, 5, K)
    n, h, m = one_hot.sum(axis=1), heads @ one_hot, TOSSES @ one_hot
    log_joint = (betaln(a + h, b + m - h) + gammaln(C + n)).sum(axis=1)
    weights = np.exp(log_joint - log_joint.max())
    picked = rng.choice(len(z), size=KEPT, p=weights / weights.sum())
    probs = rng.beta(a + h[picked], b + (m - h)[picked])
    gammas = rng.gamma(C + n[picked])
    return {"weights": gammas / gammas.sum(axis=1, keepdims=True), "probs": probs}


def coin_log_likelihood(weights, probs, heads):
    """ln p(H | θ) without the binomial coefficients, (S,): a constant of a rank."""
    terms = xlogy(heads, probs[..., None]) + xlog1py(TOSSES - heads, -probs[..., None])
    return np.log((weights[..., None] * np.exp(terms)).sum(axis=-2)).sum(axis=-1)


def of_coins(k, simulations, *, order="probs", a=A, b=B, factor=1.0, match=False):
    """The smallest p-value of any quantity, by chi-square or ECDF."""
    problem, prior = coins(k)
    axes, listed, found = problem.family.component_axes, ranked(problem), []
    for index in range(simulations):
        rng = np.random.default_rng([k, index])
        truth = draw_truth(problem, prior, rng)
        heads = problem.family.simulate(truth, problem.data, rng)[0].heads
        draws = coin_draws(heads, k, rng, a, b)
        likelihoods = coin_log_likelihood(draws["weights"], draws["probs"], heads)
        at = [coin_log_likelihood(truth.weights, truth.probs, heads)]
        if match:  # what must not be done: each draw takes the names that bring it nearest to the truth
            toward = sum((value * getattr(truth, name)).sum(axis=1) for name, value in draws.items())
            across = sum((value[:, ::-1] * getattr(truth, name)).sum(axis=1) for name, value in draws.items())
            swap = across > toward  # the nearer one has the larger inner product
            draws = {name: np.where(swap[:, None], value[:, ::-1], value) for name, value in draws.items()}
        else:
            draws, truth = ordered_draws(draws, axes, order), ordered_params(truth, axes, order)
        table = np.column_stack([*(draws[s.field][(slice(None), *s.index)] for s in listed), likelihoods])
        found.append(ranks(np.array([*(s.of(truth) for s in listed), *at]), narrowed(table, factor), rng))
    return smallest(found)


def of_gaussian(simulations, scale=1.0):
    """One Gaussian in the plane; the posterior is that under a prior scale matrix `scale` times the true one."""
    problem = pose("gaussian_mixture", np.random.default_rng(0).normal(size=(6, 2)), n_components=1)
    location, strength, dof, psi = np.array([0.0, 1.0]), 0.5, 6.0, np.array([[3.0, 1.0], [1.0, 2.0]])
    covariances = {"dof": dof, "scale": psi}
    means = {"location": location, "strength": strength}
    prior = problem.prior({"means": means, "covariances": covariances, "weights": {"concentration": 1.0}})
    family, listed, found = problem.family, ranked(problem), []
    for index in range(simulations):
        rng = np.random.default_rng([9, index])
        truth = draw_truth(problem, prior, rng)
        data, _ = family.simulate(truth, problem.data, rng)
        x, n = data.X, len(data.X)
        centred, away = x - x.mean(axis=0), x.mean(axis=0) - location
        after = scale * psi + centred.T @ centred + strength * n / (strength + n) * np.outer(away, away)
        sigma = invwishart(dof + n, after).rvs(KEPT, random_state=rng)
        noise = np.einsum("sij,sj->si", np.linalg.cholesky(sigma), rng.standard_normal((KEPT, 2)))
        mu = (strength * location + n * x.mean(axis=0)) / (strength + n) + noise / np.sqrt(strength + n)
        draws = {"weights": np.ones((KEPT, 1)), "means": mu[:, None], "covariances": sigma[:, None]}
        table = np.column_stack([draws[s.field][(slice(None), *s.index)] for s in listed])
        found.append(ranks(np.array([s.of(truth) for s in listed]), table, rng))
    return smallest(found)


def smallest(found):
    columns = np.array(found).T
    return min(min(chi_square(column), ecdf_test(column)) for column in columns)


def test_one_coin_passes():
    assert of_coins(1, 400) > 0.001


def test_two_coins_pass():
    """Named by the order of probs alone, although five trials can hardly tell the coins apart."""
    assert of_coins(2, 600) > 0.001


def test_two_coins_pass_under_another_order_and_under_none():
    """Exact draws visit both labellings, so that no order is needed; a sampler need not visit both."""
    assert of_coins(2, 400, order="weights") > 0.001
    assert of_coins(2, 400, order="") > 0.001


def test_one_gaussian_passes():
    assert of_gaussian(400) > 0.001


def test_a_wrong_prior_is_rejected():
    assert of_coins(1, 200, a=1.0, b=6.0) < 0.001
    assert of_gaussian(200, scale=2.0) < 0.001


@pytest.mark.parametrize(("factor", "simulations"), [(0.8, 400), (0.87, 400)])
def test_draws_that_are_too_narrow_are_rejected(factor, simulations):
    assert of_coins(1, simulations, factor=factor) < 0.001


def test_draws_matched_to_the_truth_are_rejected():
    """The nearest names in weights and probs together. (In one dimension the nearest names are the sorted ones.)"""
    assert of_coins(2, 600, match=True) < 0.001
