"""Strengths of a prior, reweighted draws, and the ladder, beside conjugate answers."""

import numpy as np
import pytest
from cases import WITH_PRIOR, assert_close, blobs, posed, starting
from scipy import stats

import emvsbayes as eb
from emvsbayes.core.stats import VectorSpace
from emvsbayes.fitting import fit_problem
from emvsbayes.posterior import ladder
from emvsbayes.posterior.draws import Draws
from emvsbayes.posterior.ladder import ladder_of, scaled_prior
from emvsbayes.posterior.reweighting import Weighted, reweighted
from emvsbayes.problem import pose

TRIALS = {"heads": [7, 3, 9], "tosses": [10, 5, 12]}
HEADS, TAILS = 19, 8
A, B = 3.0, 6.0
STRENGTHS = (0.1, 1.0, 2.0, 1000.0)


def coin(n=2000):
    """One coin under Beta(3, 6), and quantiles of its exact posterior in the place of draws."""
    problem = pose("coins", TRIALS, n_components=1)
    fit = fit_problem(problem, prior=problem.prior({"probs": {"a": A, "b": B}}))
    values = stats.beta(A + HEADS, B + TAILS).ppf((np.arange(n) + 0.5) / n)
    values = np.random.default_rng(0).permutation(values)[:, None]
    return (
        problem,
        fit,
        Draws(problem.family, problem.data, {"weights": np.ones((n, 1)), "probs": values}, fit.params, 4),
    )


def exact(strength):
    return stats.beta(1 + strength * (A - 1) + HEADS, 1 + strength * (B - 1) + TAILS)


@pytest.mark.parametrize("name", [n for n in WITH_PRIOR if "default" in n or "informative" in n or "map" in n][::7])
@pytest.mark.parametrize("strength", [0.01, 7.0])
def test_a_strength_multiplies_the_pseudo_statistics(name, strength):
    """Exactly, but for the count of a covariance's prior: degrees of freedom are scaled from where they must end."""
    problem, prior = posed(name)
    scaled, about = scaled_prior(problem.family, prior, strength), problem.hold(starting(name))
    ours, theirs = problem.family.pseudo_stats(scaled, about), strength * problem.family.pseudo_stats(prior, about)
    assert isinstance(ours, VectorSpace)
    if problem.family.name == "gaussian_mixture":
        np.testing.assert_allclose(ours.n_weight, theirs.n_weight, atol=1e-12)
        np.testing.assert_allclose(ours.n_mean, theirs.n_mean)
        np.testing.assert_allclose(ours.first, theirs.first, atol=1e-9 * np.abs(theirs.second).max())
        np.testing.assert_allclose(ours.second, theirs.second, rtol=1e-9)
    else:
        assert_close(ours, theirs)
    assert problem.family.check_prior(scaled, problem.data) is not None
    one = scaled_prior(problem.family, prior, 1.0)
    assert problem.family.log_prior(about, one) == pytest.approx(problem.family.log_prior(about, prior))


def test_strengths_of_an_inverse_wishart_stay_proper():
    problem = pose("gaussian_mixture", blobs(n=20), n_components=2)
    prior = problem.prior("default")
    weak, strong = (scaled_prior(problem.family, prior, s).covariances for s in (1e-6, 1e4))
    assert 1 < weak.dof < 1 + 1e-5
    np.testing.assert_allclose(strong.scale / strong.dof, prior.covariances.scale / 3, rtol=1e-3)  # ν - D + 1 = 3


def test_the_weak_end_is_maximum_likelihood_and_the_strong_end_the_prior():
    apart = 6.0 * (np.arange(60) % 2)[:, None]
    problem = pose("gaussian_mixture", blobs(n=60) + apart, n_components=2)
    fit = fit_problem(problem, prior=problem.prior("default"), seed=1)
    ml = fit_problem(problem, start=fit.params)
    found = ladder_of(problem, fit, None, strengths=(1e-9, 1e9))
    weak, strong = (rung.mode for rung in found.rungs)
    assert weak["means[0, x0]"] == pytest.approx(float(ml.params.means[0, 0]), abs=1e-4)
    assert strong["means[0, x0]"] == pytest.approx(float(problem.data.mean[0]), abs=1e-6)
    assert strong["means[1, x1]"] == pytest.approx(float(problem.data.mean[1]), abs=1e-6)
    assert found.rungs[1].met == [[0, 1]]
    assert found.rungs[0].met == []
    assert {rung.source for rung in found.rungs} == {""}


def test_modes_means_and_intervals_of_one_coin_are_exact():
    _, fit, draws = coin()
    found = ladder(draws, fit, strengths=STRENGTHS)
    assert [rung.strength for rung in found.rungs] == list(STRENGTHS)
    for rung in found.rungs:
        a, b = exact(rung.strength).args
        assert rung.mode["probs[0]"] == pytest.approx((a - 1) / (a + b - 2), rel=1e-9)
        assert rung.status == "CONVERGED"
        if rung.strength > 100:  # too far: said so, and left open
            assert rung.khat is not None
            assert rung.khat > 0.7
            assert rung.mean == {}
            assert rung.source == ""
            continue
        assert rung.source == ("NUTS" if rung.strength == 1 else "λ = 1 reweighted")
        assert rung.mean["probs[0]"] == pytest.approx(exact(rung.strength).mean(), abs=2e-3)
        assert rung.lower["probs[0]"] == pytest.approx(exact(rung.strength).ppf(0.025), abs=6e-3)
        assert rung.upper["probs[0]"] == pytest.approx(exact(rung.strength).ppf(0.975), abs=6e-3)


def test_a_rung_out_of_reach_is_drawn_and_serves_its_neighbours():
    problem, fit, draws = coin()
    asked = []

    def draw_at(prior):
        asked.append(float(prior.probs.a))
        a, b = prior.probs.a + HEADS, prior.probs.b + TAILS
        values = np.random.default_rng(1).beta(a, b, size=(2000, 1))
        return Draws(problem.family, problem.data, {**draws.values, "probs": values}, fit.params, 4)

    found = {r.strength: r for r in ladder(draws, fit, strengths=(1, 1000, 1200), draw_at=draw_at).rungs}
    assert asked == [1 + 1000 * (A - 1)]
    assert found[1000].source == "NUTS"
    assert found[1000].khat > 0.7
    assert found[1200].source == "λ = 1e+03 reweighted"
    assert found[1200].mean["probs[0]"] == pytest.approx(exact(1200).mean(), abs=1e-3)


def test_reweighted_draws_are_draws_of_the_other_posterior():
    """Weighted means of normal draws moved to another normal; k̂ tells the near from the far."""
    x = np.random.default_rng(0).normal(size=4000)
    near = reweighted(stats.norm(0.3, 0.9).logpdf(x) - stats.norm.logpdf(x))
    assert near.trusted
    assert near.weights.sum() == pytest.approx(1)
    assert near.mean(x) == pytest.approx(0.3, abs=0.05)
    assert near.quantile(x, 0.975) == pytest.approx(0.3 + 0.9 * 1.96, abs=0.1)
    assert near.ess == pytest.approx(1 / (near.weights**2).sum())
    assert not reweighted(stats.norm(8, 1).logpdf(x) - stats.norm.logpdf(x)).trusted
    same = reweighted(np.full(4000, -1e3))
    assert Weighted(near.weights, 0.1, 101.0).trusted  # a small k̂ is not enough where few draws carry the weight
    assert not Weighted(near.weights, 0.1, 40.0).trusted
    assert same.khat == 0
    np.testing.assert_allclose(same.weights, 1 / 4000)
    assert same.quantile(x, 0.5) == pytest.approx(np.quantile(x, 0.5), abs=1e-2)


def test_what_cannot_be_scaled_is_refused():
    problem, fit, draws = coin(100)
    for strengths in ((0.0,), (-1,), (np.inf,)):
        with pytest.raises(eb.InputError, match="strength of a prior must be a number above 0"):
            ladder(draws, fit, strengths=strengths)
    with pytest.raises(eb.InputError, match="at least one strength"):
        ladder(draws, fit, strengths=())
    with pytest.raises(eb.InputError, match="this fit has none"):
        ladder(draws, fit_problem(problem))
    line = pose("linear_evidence", {"X": np.arange(9.0), "t": np.arange(9.0) ** 2}, settings={"n_basis": 3})
    prior = line.prior({"alpha": {"shape": 0.5, "rate": 1}, "beta": {"shape": 2, "rate": 1}})
    assert scaled_prior(line.family, prior, 1.5).alpha.shape == 0.25
    with pytest.raises(eb.InputError, match="strengths below 2"):
        scaled_prior(line.family, prior, 2.0)
    with pytest.raises(eb.InputError, match="at least 25 draws"):
        reweighted(np.zeros(10))
    with pytest.raises(eb.InputError, match="no finite density"):
        reweighted(np.full(100, -np.inf))
