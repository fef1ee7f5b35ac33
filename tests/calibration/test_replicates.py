"""One data set of the coverage study: rows gathered, components matched, errors by Louis; and runs with a sampler."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm

import emvsbayes as eb
from emvsbayes.calibration.replicate import compared, curvature, gathered, matched
from emvsbayes.calibration.sbc import sbc
from emvsbayes.calibration.settings import find_setting
from emvsbayes.core.alignment import permute
from emvsbayes.fitting import fit_problem


def simulated(name, n, seed=0):
    setting = find_setting(name)
    problem = setting.pose(n)
    truth = setting.params(problem)
    data, _ = problem.family.simulate(truth, problem.data, np.random.default_rng(seed))
    return setting, replace(problem, data=data), truth


def test_equal_trials_are_counted_once():
    _, problem, truth = simulated("coins", 500)
    data = gathered(problem.data)
    assert data.n_rows <= 11
    assert data.row_weights.sum() == 500
    there = problem.family.log_likelihood(truth, problem.data)
    assert problem.family.log_likelihood(truth, data) == pytest.approx(there, rel=1e-12)


def test_rows_that_differ_stay():
    _, problem, _ = simulated("separated", 40)
    data = gathered(problem.data)
    np.testing.assert_array_equal(np.sort(problem.data.X, axis=0), data.X)
    np.testing.assert_array_equal(data.row_weights, 1)


@pytest.mark.parametrize("name", ["separated", "coins"])
def test_errors_are_those_of_the_public_function_under_the_names_of_the_truth(name):
    """A fit with its components exchanged gives the same intervals for the same component of the truth."""
    _, problem, truth = simulated(name, 300)
    listed = compared(problem)
    fit = fit_problem(problem, n_starts=5, record=False, seed=0)
    found = curvature(fit, problem.data, truth, listed)
    run = replace(fit.run, params=permute(fit.params, np.array([1, 0]), problem.family.component_axes))
    exchanged = curvature(replace(fit, run=run), problem.data, truth, listed)
    np.testing.assert_allclose(found.estimates, exchanged.estimates, rtol=1e-5)
    np.testing.assert_allclose(found.se, exchanged.se, rtol=1e-4)
    assert (found.status, found.reason) == ("CONVERGED", "")
    X = problem.data.X if name == "separated" else {"heads": problem.data.heads, "tosses": problem.data.tosses}
    errors = eb.standard_errors(eb.fit(problem.family, X, n_starts=5, seed=0), X)
    theirs = [se for name, se in errors.se().items() if not name.startswith("weights")]
    assert sorted(found.se[1:]) == pytest.approx(sorted(theirs), rel=1e-3)
    assert found.se[0] == pytest.approx(errors.se()["weights[0]"], rel=1e-3)
    for scalar, value in zip(listed, found.estimates, strict=True):
        assert abs(value - scalar.of(truth)) < 0.6


def test_components_are_matched_by_the_rows_they_share():
    _, problem, truth = simulated("separated", 100)
    swapped = permute(truth, np.array([1, 0]), problem.family.component_axes)
    assert matched(problem.family, problem.data, truth, truth).tolist() == [0, 1]
    assert matched(problem.family, problem.data, swapped, truth).tolist() == [1, 0]


def test_a_singular_fit_has_a_reason_and_no_interval():
    _, problem, truth = simulated("separated", 30)
    tied = replace(problem.data, X=np.r_[np.zeros((5, 1)), problem.data.X[5:]])
    here = replace(problem, data=tied)
    start = {"weights": [0.2, 0.8], "means": [[0.0], [1.0]], "covariances": [[1e-4], [3.0]]}
    fit = fit_problem(here, start=start, record=False)
    found = curvature(fit, tied, truth, compared(here))
    assert found.status == "SINGULAR"
    assert found.se == found.lower == found.upper == [None] * 5
    assert found.reason.startswith("there are no standard errors: the fit is singular")


@pytest.mark.parametrize(("effective", "coverage"), [(100, 0.946), (30, 0.931)])
def test_what_the_page_says_that_few_effective_draws_cost(effective, coverage):
    """Autoregressive chains of 1000 normal draws: how often the interval of their quantiles holds a further draw."""
    rng, tau = np.random.default_rng(effective), 1000 / effective
    rho = (tau - 1) / (tau + 1)
    noise = rng.standard_normal((4000, 1300))
    chains = lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise, axis=1)[:, 300:]
    lower, upper = np.quantile(chains, [0.025, 0.975], axis=1)
    assert (norm.cdf(upper) - norm.cdf(lower)).mean() == pytest.approx(coverage, abs=0.003)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path / "cache"))


@pytest.mark.sampling
@pytest.mark.usefixtures("own_cache")
def test_the_regression_is_calibrated_and_the_same_twice():
    found = sbc("linear-evidence", simulations=25)
    assert not found.rejected
    assert found.models[0].ess > 297
    again = sbc("linear-evidence", simulations=25, fresh=True)
    assert [h.ranks for _, h in again.histograms] == [h.ranks for _, h in found.histograms]


@pytest.mark.sampling
@pytest.mark.usefixtures("own_cache")
def test_two_coins_are_covered():
    found = eb.coverage("coins", replicates=20)
    size = found["coins"].sizes[-1]
    assert size.rows == 1000
    assert size.mean_coverage("posterior") > 0.8
    assert size.mean_coverage("ml") > 0.8
    assert size.cell("probs[0]", "posterior").width < found["coins"].sizes[0].cell("probs[0]", "posterior").width / 2
