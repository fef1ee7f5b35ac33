"""The predictive density beside SciPy's mixtures, beside sums over every allocation, and under renaming."""

import json

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs
from made import APART, exact_setting, still, tree_of
from scipy import stats

import emvsbayes as eb
from emvsbayes.core.records import plain
from emvsbayes.posterior import predictive_density, read_draws
from emvsbayes.posterior.draws import tree_draws
from emvsbayes.problem import pose

SPREAD = {
    "means": {"location": [0.5, 1.0], "strength": 0.5},
    "covariances": {"dof": 12, "scale": 6.0},
    "weights": {"concentration": 2},
}


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_gaussian_views_are_averages_of_scipy_mixtures(covariance):
    settings = {"covariance": covariance}
    _, _, draws = exact_setting("gaussian_mixture", blobs(n=6), SPREAD, n=200, n_components=2, settings=settings)
    found = predictive_density(draws, grid=30)
    for c, view in enumerate(found.views):
        x = np.array(view.at)[:, 0]
        values = []
        for w, m, s in zip(*(draws.values[name] for name in ("weights", "means", "covariances")), strict=True):
            sd = np.sqrt(s[:, c, c] if covariance == "full" else s[:, c])
            values.append(sum(w[k] * stats.norm(m[k, c], sd[k]).pdf(x) for k in range(2)))
        np.testing.assert_allclose(view.mean, np.mean(values, axis=0), rtol=1e-12)
        np.testing.assert_allclose(view.lower, np.quantile(values, 0.025, axis=0), rtol=1e-10)
        np.testing.assert_allclose(view.upper, np.quantile(values, 0.975, axis=0), rtol=1e-10)


def test_two_coins_by_a_sum_over_every_allocation():
    """p(h | X) = Σ_z p(z | X) Σ_k E[π_k] BetaBinomial(h | a_k, b_k), exactly."""
    _, exact, draws = exact_setting("coins", FIVE_TRIALS, APART, n=8000, n_components=2)
    (view,) = predictive_density(draws, most=8000).views
    h = np.arange(11)
    expected = np.zeros(11)
    for weight, part in zip(np.exp(exact.log_weights), exact.parts, strict=True):
        pi = part.weights.concentration / part.weights.concentration.sum()
        expected += weight * sum(pi[k] * stats.betabinom(10, part.probs.a[k], part.probs.b[k]).pmf(h) for k in range(2))
    assert expected.sum() == pytest.approx(1)
    assert [row[0] for row in view.at] == h.tolist()
    width = np.array(view.upper) - np.array(view.lower)  # about 4 sds
    assert (np.abs(np.array(view.mean) - expected) < width / np.sqrt(8000)).all()


def test_densities_integrate_to_one_and_a_pair_has_its_columns_for_marginals():
    _, _, draws = exact_setting("gaussian_mixture", blobs(n=6), SPREAD, n=40, n_components=2)
    tight = {name: v * (0.02 if name == "covariances" else 1) for name, v in draws.values.items()}
    draws = type(draws)(draws.family, draws.data, tight, draws.like, draws.chains)
    draws.values["means"][:] = draws.data.X[:2]  # inside the grid
    pair = predictive_density(draws, columns=(0, 1), grid=160).views[0]
    places, density = np.array(pair.at), np.reshape(pair.mean, (160, 160))
    x, y = (np.unique(p) for p in places.T)
    assert np.trapezoid(np.trapezoid(density, y, axis=1), x) == pytest.approx(1, abs=1e-3)
    single = predictive_density(draws, grid=160).views[0]
    np.testing.assert_allclose([row[0] for row in single.at], x)
    np.testing.assert_allclose(np.trapezoid(density, y, axis=1), single.mean, atol=1e-3 * max(single.mean))


def test_renaming_components_draw_by_draw_changes_nothing():
    _, _, draws = exact_setting("coins", FIVE_TRIALS, APART, n=400, n_components=2)
    order = np.random.default_rng(1).permuted(np.tile([0, 1], (400, 1)), axis=1)
    moved = {name: np.take_along_axis(v, order, axis=1) for name, v in draws.values.items()}
    renamed = type(draws)(draws.family, draws.data, moved, draws.like, draws.chains)
    ours, theirs = (predictive_density(d).views[0] for d in (draws, renamed))
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-12)
    np.testing.assert_allclose(ours.lower, theirs.lower, rtol=1e-12)


def test_estimates_have_their_distance_from_the_average():
    """Total variation of two normals a standard deviation apart: 2 Φ(½) - 1."""
    problem = pose("gaussian_mixture", np.linspace(-4, 4, 30)[:, None], n_components=1)
    center = problem.start({"means": [[0.0]], "covariances": [[[1.0]]]})
    moved = problem.start({"means": [[1.0]], "covariances": [[[1.0]]]})
    (view,) = predictive_density(still(problem, center), {"ML": center, "MAP": moved}, grid=2000).views
    assert view.distance["ML"] == pytest.approx(0, abs=1e-12)
    assert view.distance["MAP"] == pytest.approx(2 * stats.norm.cdf(0.5) - 1, abs=1e-4)
    assert view.outside["MAP"] == pytest.approx(1, abs=1e-2)
    wide = problem.start({"means": [[0.0]], "covariances": [[[9.0]]]})  # beyond the grid: what is on it counts
    (view,) = predictive_density(still(problem, center), {"ML": wide}, grid=30).views
    x = np.array(view.at)[:, 0]
    gap = np.abs(stats.norm(0, 3).pdf(x) - stats.norm.pdf(x))
    assert view.distance["ML"] == pytest.approx(0.5 * np.trapezoid(gap, x), rel=1e-12)


def test_the_curve_of_a_regression_is_that_of_its_weights():
    """With (α, β) known, w is normal, and so is the curve: mean and quantiles of `predictive`."""
    x = np.linspace(0, 1, 12)
    problem = pose("linear_evidence", {"X": x, "t": np.sin(6 * x)}, settings={"n_basis": 4})
    params = problem.start({"alpha": 1.3, "beta": 20.0})
    (view,) = predictive_density(still(problem, params, 4000), {"ML": params}, grid=9, most=4000).views
    mean, variance = problem.family.predictive(params, problem.data, np.array(view.at)[:, 0], noise=False)
    sd = np.sqrt(variance)
    assert (np.abs(np.array(view.mean) - mean) < 4 * sd / np.sqrt(4000)).all()
    np.testing.assert_allclose(np.array(view.upper) - mean, 1.96 * sd, rtol=0.1)
    np.testing.assert_allclose(view.plugged["ML"], mean)


def test_a_tree_and_a_fit_are_read_together_and_the_record_is_plain():
    X = blobs(n=40)
    fit = eb.fit("gaussian_mixture", X, n_components=2, prior="default", seed=1)
    values = {n: np.repeat(getattr(fit.params, n)[None], 8, axis=0) for n in ("weights", "means", "covariances")}
    draws = read_draws(tree_of(values, fit.family), fit, X)
    assert draws.size == 8
    assert draws.shape == (4, 2)
    assert draws.kept(1).size == 4
    found = predictive_density(draws, {"MAP": fit})
    assert max(view.distance["MAP"] for view in found.views) < 1e-12
    assert json.loads(json.dumps(plain(found)))["views"][0]["kind"] == "density"


def test_what_cannot_be_read_is_refused_in_a_sentence():
    X = blobs(n=40)
    fit = eb.fit("gaussian_mixture", X, n_components=2, prior="default", seed=1)
    values = {n: np.repeat(getattr(fit.params, n)[None], 8, axis=0) for n in ("weights", "means", "covariances")}

    def refused(tree, fit=fit, words=""):
        with pytest.raises(eb.InputError, match=words) as caught:
            read_draws(tree, fit, X)
        assert str(caught.value).endswith(".")

    refused({}, words="group posterior")
    refused(tree_of(values, fit.family), "no fit", "read with a Fit")
    refused(tree_of({n: values[n] for n in ("weights", "means")}, fit.family), words="hold no covariances")
    three = {**values, "means": np.zeros((8, 2, 3))}
    refused(tree_of(three, fit.family), words="a draw of means has the shape")
    pooled = tree_of(values, fit.family)
    pooled["posterior"] = pooled["posterior"].to_dataset().rename(draw="sample")
    refused(pooled, words="has no dimension draw; give draws as ArviZ keeps them")
    broken = {n: v.copy() for n, v in values.items()}
    broken["means"][5, 1, 0] = np.nan
    refused(tree_of(broken, fit.family), words="draw 1 of chain 2 has a means that is no number")
    draws = tree_draws(tree_of(values, fit.family), fit.family, fit.data_of(X), fit.params)
    for columns in ((0, 0), (0, 2), (0.5, 1)):
        with pytest.raises(eb.InputError, match="two different numbers from 0 to 1"):
            predictive_density(draws, columns=columns)
    _, _, coins = exact_setting("coins", FIVE_TRIALS, APART, n=8, n_components=2)
    with pytest.raises(eb.InputError, match="no density of two columns"):
        predictive_density(coins, columns=(0, 1))
    with pytest.raises(eb.InputError, match="grid"):
        predictive_density(draws, grid=1)
