"""Predictive checks: uniform p where θ is known, an alarm where the model is wrong, replicates of the right kind."""

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs
from made import APART, exact_setting, still, tree_of
from scipy import stats

import emvsbayes as eb
from emvsbayes.densities.statistics import column_statistics
from emvsbayes.posterior import predictive_checks, replicated_tree
from emvsbayes.posterior.checks import replicated, written_out
from emvsbayes.posterior.draws import tree_draws
from emvsbayes.problem import pose


def test_p_is_uniform_where_theta_is_known():
    """80 data sets of one θ, each held against 40 replicates of the same θ."""
    base = pose("gaussian_mixture", blobs(n=12, d=1), n_components=2)
    params = base.start({"means": [[0.0], [3.0]], "covariances": [[[1.0]], [[2.0]]], "weights": [0.3, 0.7]})
    rng, found = np.random.default_rng(1), {}
    for seed in range(80):
        data, _ = base.family.simulate(params, base.data, rng)
        draws = type(still(base, params))(base.family, data, still(base, params, 40).values, params, 4)
        for check in predictive_checks(draws, seed=seed).checks:
            found.setdefault(check.name, []).append(check.p)
    assert len(found) == 6
    for name, ps in found.items():
        assert stats.kstest(ps, "uniform").pvalue > 1e-3, name


def test_p_and_its_error_are_those_of_the_normal_mean():
    """T = the mean of 25 standard normals, 0.3 in the data: p = 1 - Φ(1.5)."""
    X = stats.norm.ppf((np.arange(25) + 0.5) / 25)[:, None]
    X = X - X.mean() + 0.3
    problem = pose("gaussian_mixture", X, n_components=1)
    params = problem.start({"means": [[0.0]], "covariances": [[[1.0]]]})
    (check,) = predictive_checks(
        still(problem, params, 2000), lambda data: {"mean": data.X.mean()}, most=2000, seed=3
    ).checks
    expected = 1 - stats.norm.cdf(1.5)
    assert check.observed == pytest.approx(0.3)
    assert check.se == pytest.approx(np.sqrt(expected * (1 - expected) / 2000), rel=0.1)
    assert abs(check.p - expected) < 4 * check.se
    assert not check.extreme
    assert check.upper == pytest.approx(1.96 / 5, rel=0.1)


def test_skewed_data_are_flagged_under_a_symmetric_model():
    X = np.random.default_rng(0).exponential(size=80)[:, None]
    problem = pose("gaussian_mixture", X, n_components=1)
    params = problem.start({"means": [[X.mean()]], "covariances": [[[X.var()]]]})
    found = {check.name: check for check in predictive_checks(still(problem, params)).checks}
    for name in ("skewness of x0", "smallest of x0", "excess kurtosis of x0"):
        assert found[name].extreme, name
        assert found[name].p < 0.025
    assert not found["mean of x0"].extreme
    assert not found["sd of x0"].extreme


def test_column_statistics_are_scipys():
    X = np.random.default_rng(0).gamma(2, size=(30, 2))
    found = column_statistics(X, ("a", "b"))
    assert found["skewness of a"] == pytest.approx(stats.skew(X[:, 0]))
    assert found["excess kurtosis of b"] == pytest.approx(stats.kurtosis(X[:, 1]))
    assert found["correlation of a, b"] == pytest.approx(np.corrcoef(X.T)[0, 1])
    constant = column_statistics(np.ones((5, 1)), ("c",))
    assert constant["skewness of c"] == constant["excess kurtosis of c"] == 0


def test_chi_square_of_coins_has_the_variance_of_the_mixture():
    """Drawn under θ the expectation of X² is the number of trials."""
    problem = pose("coins", {"heads": [5] * 40, "tosses": [10] * 20 + [5] * 20}, n_components=2)
    params = problem.start({"probs": [0.2, 0.7], "weights": [0.4, 0.6]})
    rng, family = np.random.default_rng(2), problem.family
    name = "χ² of the counts"
    drawn = [family.discrepancies(params, replicated(family, params, problem.data, rng)[0])[name] for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(40, abs=4 * np.std(drawn) / np.sqrt(2000))
    p = {check.name: check for check in predictive_checks(still(problem, params)).checks}
    assert p[name].observed == pytest.approx(family.discrepancies(params, problem.data)[name])


def test_residuals_of_a_regression_are_standard_normal_under_the_model():
    x = np.linspace(0, 1, 30)
    problem = pose("linear_evidence", {"X": x, "t": np.sin(6 * x)}, settings={"n_basis": 4})
    params, rng = problem.start({"alpha": 1.0, "beta": 25.0}), np.random.default_rng(4)
    chi = []
    for _ in range(300):
        data, w = replicated(problem.family, params, problem.data, rng)
        found = problem.family.discrepancies(params, data, w)
        chi.append(found["χ² of the residuals"])
        assert -1 <= found["lag-1 autocorrelation of the residuals"] <= 1
    assert stats.kstest(chi, stats.chi2(30).cdf).pvalue > 1e-3


def test_a_replicated_curve_is_one_of_the_posterior():
    """β E‖t - Φw‖² of the data over draws of w is that of the E-step, and so are the moments of w."""
    x = np.linspace(0, 1, 30)
    problem = pose("linear_evidence", {"X": x, "t": np.sin(6 * x)}, settings={"n_basis": 4})
    params, rng, family = problem.start({"alpha": 1.0, "beta": 25.0}), np.random.default_rng(4), problem.family
    ws = np.array([replicated(family, params, problem.data, rng)[1] for _ in range(1000)])
    q = family.e_step(params, problem.data)
    assert (np.abs(ws.mean(axis=0) - q.mean) < 4 * np.sqrt(np.diag(q.covariance) / 1000)).all()
    chi = [family.discrepancies(params, problem.data, w)["χ² of the residuals"] for w in ws]
    expected = 25 * family.expect(q, problem.data, params).rss
    assert np.mean(chi) == pytest.approx(expected, abs=4 * np.std(chi) / np.sqrt(1000))


def test_a_curve_that_the_basis_cannot_follow_is_flagged():
    x = np.linspace(0, 1, 60)
    t = np.sin(12 * x) + 0.1 * np.random.default_rng(0).normal(size=60)
    settings = {"basis": "polynomial", "degree": 1}
    fit = eb.fit("linear_evidence", {"X": x, "t": t}, prior="default", settings=settings)
    problem = pose("linear_evidence", {"X": x, "t": t}, settings=settings)
    found = {check.name: check for check in predictive_checks(still(problem, fit.params)).checks}
    lag = found["lag-1 autocorrelation of the residuals"]
    assert lag.extreme
    assert lag.p < 0.01


def test_replicated_bits_are_seen_where_the_data_are():
    rng = np.random.default_rng(5)
    X = (rng.random((30, 4)) < 0.5).astype(float)
    X[rng.random(X.shape) < 0.3] = np.nan
    X[np.isnan(X).all(axis=1), 0] = 1
    problem = pose("bernoulli_mixture", X, n_components=2)
    params = problem.random_params(1)
    data, shared = replicated(problem.family, params, problem.data, rng)
    assert shared is None
    assert (data.observed == problem.data.observed).all()
    ours = problem.family.discrepancies(params, problem.data)
    assert ours["mean of x1"] == pytest.approx(np.nanmean(X[:, 1]))
    both = np.isfinite(X[:, 0]) & np.isfinite(X[:, 1])
    assert ours["both x0 and x1"] == pytest.approx((X[both, 0] * X[both, 1]).mean())
    garbage = type(problem.data)(np.where(np.isnan(X), 0.77, X), problem.data.observed, *_rest(problem.data))
    assert problem.family.discrepancies(params, garbage) == pytest.approx(
        {name: ours[name] for name in ours if name.startswith("mean")}
    )


def _rest(data):
    return data.columns, data.row_weights, data.labels


def test_whole_weights_are_written_out_and_others_refused():
    data = pose("coins", FIVE_TRIALS, n_components=2, sample_weight=[1, 0, 3, 1, 2]).data
    out = written_out(data)
    assert out.heads.tolist() == [5, 8, 8, 8, 4, 7, 7]
    assert (out.row_weights == 1).all()
    assert data.row_weights.tolist() == [1, 0, 3, 1, 2]
    for weights, words in (([1, 0.5, 1, 1, 1], "row 1 counts 0.5 times"), ([1e9, 1, 1, 1, 1], "too many")):
        with pytest.raises(eb.InputError, match=words):
            written_out(pose("coins", FIVE_TRIALS, n_components=2, sample_weight=weights).data)


def test_histograms_count_every_row_and_leave_out_what_is_not_replicated():
    _, _, draws = exact_setting("coins", FIVE_TRIALS, APART, n=200, n_components=2)
    found = predictive_checks(draws, most=50)
    assert [h.name for h in found.histograms] == ["heads"]  # not tosses
    (h,) = found.histograms
    assert sum(h.observed) == 5
    assert h.centers[0] == 2
    assert all(low <= mid <= high for low, mid, high in zip(h.lower, h.center, h.upper, strict=True))
    assert found.n_draws == 50
    again = predictive_checks(draws, most=50)
    assert found == again
    assert predictive_checks(draws, most=50, seed=1) != found


def test_single_tosses_and_columns_of_zeros_and_ones_are_no_bits():
    once = {"heads": [0, 1, 1, 1, 0], "tosses": [1, 1, 1, 1, 1]}
    _, _, draws = exact_setting("coins", once, APART, n=80, n_components=2)
    (h,) = predictive_checks(draws, most=20).histograms
    assert (h.name, h.observed) == ("heads", [0, 0, 2, 3, 0, 0])


def test_arviz_gets_its_group():
    X = blobs(n=12)
    problem = pose("gaussian_mixture", X, n_components=2)
    params = problem.random_params(0)
    values = {n: np.repeat(getattr(params, n)[None], 40, axis=0) for n in ("weights", "means", "covariances")}
    tree = tree_of(values, problem.family)
    draws = tree_draws(tree, problem.family, problem.data, params)
    import xarray as xr

    with pytest.raises(eb.InputError, match="observed_data"):
        replicated_tree(tree, draws)
    tree["observed_data"] = xr.Dataset({"X": (("obs_id", "feature"), X)})
    found = replicated_tree(tree, draws, most=3)
    assert found["posterior_predictive"]["X"].shape == (4, 3, 12, 2)
    assert "posterior_predictive" not in tree.children
    assert found["posterior_predictive"]["draw"].values.tolist() == [0, 4, 9]
    tree["observed_data"] = xr.Dataset({"X": (("obs_id", "feature"), X + 1)})
    with pytest.raises(eb.InputError, match="is not X of the data"):
        replicated_tree(tree, draws)
