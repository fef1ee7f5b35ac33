"""Statuses and events: each way a run can end, reached on purpose."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from cases import COVARIANCES, posed, starting

import emvsbayes as eb
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.trace import Status
from emvsbayes.families.coins import Coins

CLOUD = np.random.default_rng(0).normal(size=(40, 2))
COINS = "coins-plain-ml"


@dataclass(frozen=True, slots=True)
class Falling(Coins):
    """Coins whose M-step walks away from the maximum."""

    def m_step(self, stats, params):
        return replace(params, probs=params.probs * 0.9)


@dataclass(frozen=True, slots=True)
class Wandering(Coins):
    """Coins whose bound is scored wrongly after an M-step, so that only the recorded bound falls."""

    def expected_log_joint(self, params, stats):
        return Coins.expected_log_joint(self, params, stats) - 1e4 * params.probs.max()


@dataclass(frozen=True, slots=True)
class Vanishing(Coins):
    """Coins whose third M-step gives every row probability zero."""

    def m_step(self, stats, params):
        probs = np.ones_like(params.probs) if params.probs[0] > 0.25 else params.probs + 0.05
        return replace(params, probs=probs)


def on_coins(family, **options):
    return run_em(family, posed(COINS)[0].data, starting(COINS), **options)


def collapsing(extra, covariance, at):
    """A fit of two components, the second started narrow at `at`."""
    X = np.r_[CLOUD, extra]
    narrow = {"full": 1e-4 * np.eye(2), "diag": np.full(2, 1e-4), "spherical": np.array(1e-4)}[covariance]
    wide = {"full": np.eye(2), "diag": np.ones(2), "spherical": np.array(1.0)}[covariance]
    start = {"means": [[0, 0], at], "covariances": np.array([wide, narrow])}
    return eb.fit("gaussian_mixture", X, n_components=2, start=start, settings={"covariance": covariance})


def test_converged_and_max_passes():
    family = Coins(2)
    assert on_coins(family).status is Status.CONVERGED
    assert on_coins(family, stop=Stop(max_passes=2)).status is Status.MAX_PASSES


def assert_singular(fit, component, rows):
    assert fit.status is Status.SINGULAR
    (event,) = [event for event in fit.events if event.kind == "singular"]
    assert (event.component, event.rows) == (component, rows)
    assert 0 <= event.value < 1e-10
    assert event.half_step == len(fit.trace)  # the M half-step that was not taken
    assert str(component) in event.sentence or component == -1
    assert all(str(row) in event.sentence for row in rows[:8])
    # the parameters are the last finite ones, and everything printed beside them belongs to them
    assert all(np.isfinite(field).all() for field in (fit.params.weights, fit.params.means, fit.params.covariances))
    assert np.isfinite([fit.log_likelihood, fit.bic]).all()
    assert fit.trace[-1].log_likelihood == fit.log_likelihood
    assert np.isfinite(fit.responsibilities).all()
    assert "Singular" in fit.summary()


@pytest.mark.parametrize("covariance", ["full", "diag", "spherical"])
def test_singular_on_one_row(covariance):
    assert_singular(collapsing([[9.0, 9.0]], covariance, [9, 9]), 1, (40,))


@pytest.mark.parametrize("covariance", ["full", "diag", "spherical"])
def test_singular_on_tied_rows(covariance):
    assert_singular(collapsing([[9.0, 9.0]] * 4, covariance, [9, 9]), 1, (40, 41, 42, 43))


def test_singular_on_a_line():
    """Rows on a line have a covariance of rank 1; spherical variances do not mind."""
    line = np.c_[np.linspace(20, 24, 7), np.linspace(30, 38, 7)]
    start = {"means": [[0, 0], [22, 34]]}
    X = np.r_[CLOUD, line]
    fit = eb.fit("gaussian_mixture", X, n_components=2, start=start)
    assert_singular(fit, 1, tuple(range(40, 47)))
    round_ = eb.fit("gaussian_mixture", X, n_components=2, start=start, settings={"covariance": "spherical"})
    assert round_.status is Status.CONVERGED


def test_singular_in_one_coordinate():
    """Rows that share one coordinate collapse a diagonal covariance."""
    flat = np.c_[np.linspace(20, 24, 7), np.full(7, 30.0)]
    start = {"means": [[0, 0], [22, 30]]}
    diag = eb.fit("gaussian_mixture", np.r_[CLOUD, flat], n_components=2, start=start, settings={"covariance": "diag"})
    assert_singular(diag, 1, tuple(range(40, 47)))


def test_singular_tied_covariance():
    """Two parallel lines, one component on each: the common covariance has rank 1."""
    along = np.linspace(-1, 1, 12)
    X = np.r_[np.c_[along, 2 * along], np.c_[along, 2 * along + 9]]
    start = {"means": [[0, 0], [0, 9]], "covariances": [[1, 0], [0, 1]]}
    fit = eb.fit("gaussian_mixture", X, n_components=2, start=start, settings={"covariance": "tied"})
    assert_singular(fit, -1, tuple(range(24)))


@pytest.mark.parametrize("units", [[1e-8, 1e7], [1e5, 1e5]])
def test_singularity_has_no_units(units):
    X = np.r_[CLOUD, [[9.0, 9.0]] * 3] * units
    start = {"means": [[0, 0], [9 * units[0], 9 * units[1]]]}
    covariances = [np.diag(np.square(units)), 1e-4 * np.diag(np.square(units))]
    fit = eb.fit("gaussian_mixture", X, n_components=2, start={**start, "covariances": covariances})
    assert_singular(fit, 1, (40, 41, 42))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_prior_cures_the_collapse(covariance):
    X = np.r_[CLOUD, [[9.0, 9.0]] * 4]
    fit = eb.fit("gaussian_mixture", X, n_components=2, prior="default", settings={"covariance": covariance})
    assert fit.status is Status.CONVERGED
    assert all(r.run.status is Status.CONVERGED for r in fit.restarts)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_tight_cluster_is_not_singular(covariance):
    """Relative eigenvalue about 1e-6, far above the threshold of 1e-10."""
    X = np.r_[CLOUD, 9 + 1e-2 * np.random.default_rng(1).normal(size=(15, 2))]
    fit = eb.fit("gaussian_mixture", X, n_components=2, settings={"covariance": covariance})
    assert fit.status is Status.CONVERGED
    assert not fit.events


@pytest.mark.parametrize("covariance", ["full", "diag", "spherical"])
def test_no_run_near_a_collapse_is_called_a_fall(covariance):
    """Rounding near a singularity must end as SINGULAR, never as an objective that fell."""
    X = np.round(np.r_[CLOUD, 5 + CLOUD[:10]], 1) + 1000.0
    fit = eb.fit("gaussian_mixture", X, n_components=10, settings={"covariance": covariance}, n_starts=30, record=False)
    statuses = {r.run.status for r in fit.restarts}
    assert statuses <= {Status.CONVERGED, Status.SINGULAR, Status.MAX_PASSES}
    assert Status.SINGULAR in statuses


def test_empty_component():
    trials = {"heads": [5, 9, 8, 4, 7], "tosses": [10] * 5}
    fit = eb.fit("coins", trials, n_components=2, start={"probs": [0.6, 0.5], "weights": [1.0, 0.0]})
    assert fit.status is Status.EMPTY_COMPONENT
    (event,) = fit.events
    assert (event.kind, event.component, event.value) == ("empty", 1, 0.0)
    assert fit.params.probs[1] == 0.5  # it keeps its value
    assert fit.params.probs[0] == pytest.approx(33 / 50)
    assert fit.trace.largest_residual < 1e-10


def test_empty_gaussian_component_keeps_mean_and_covariance():
    start = {"means": [[0, 0], [2, 1]], "weights": [1.0, 0.0]}
    fit = eb.fit("gaussian_mixture", CLOUD, n_components=2, start=start)
    assert fit.status is Status.EMPTY_COMPONENT
    assert np.array_equal(fit.params.means[1], [2, 1])
    assert np.array_equal(fit.params.covariances[1], fit.start.covariances[1])
    assert np.allclose(fit.params.means[0], CLOUD.mean(axis=0))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_component_out_of_reach_is_empty_and_no_warning(covariance):
    """Bug: responsibilities underflow to 0 there, and 0 · inf was formed in the divergence."""
    start = {"means": [[0, 0], [1e4, 1e4]]}
    fit = eb.fit("gaussian_mixture", CLOUD, n_components=2, start=start, settings={"covariance": covariance})
    assert fit.status is Status.EMPTY_COMPONENT
    assert [event.component for event in fit.events] == [1]


def test_boundary_estimates_are_flagged_and_no_failure():
    trials = {"heads": [10, 10, 3, 2, 4], "tosses": [10] * 5}
    fit = eb.fit("coins", trials, n_components=2, start={"probs": [1.0, 0.2]})
    assert fit.status is Status.CONVERGED
    (event,) = fit.events
    assert (event.kind, event.component, event.value) == ("boundary", 0, 1.0)
    assert fit.params.probs[0] == 1
    assert np.isfinite(fit.log_likelihood)


def test_nonfinite_start():
    family = Coins(2)
    start = replace(starting(COINS), probs=np.ones(2))
    run = run_em(family, posed(COINS)[0].data, start)
    assert (run.status, run.passes) == (Status.NONFINITE, 0)
    assert run.params is start


def test_nonfinite_later_keeps_the_last_finite_parameters():
    start = replace(starting(COINS), probs=np.array([0.2, 0.5]))
    run = run_em(Vanishing(2), posed(COINS)[0].data, start)
    assert run.status is Status.NONFINITE
    assert run.params.probs == pytest.approx([0.3, 0.6])
    assert np.isfinite(run.log_likelihood)
    assert np.isfinite(run.q.log_r).all()


def test_decreased_is_reported():
    run = on_coins(Falling(2))
    assert run.status is Status.DECREASED
    assert run.passes < 10
    assert on_coins(Falling(2), record=False).status is Status.DECREASED


def test_a_fall_of_the_bound_alone_is_reported():
    run = on_coins(Wandering(2), stop=Stop(tol=0, max_passes=50))
    assert run.status is Status.DECREASED
    assert run.trace.largest_residual > 1e-3


def test_statuses_are_sentences_with_a_remedy():
    assert {status.name for status in Status} == {
        "CONVERGED",
        "MAX_PASSES",
        "SINGULAR",
        "EMPTY_COMPONENT",
        "DECREASED",
        "NONFINITE",
    }
    assert all(status.value[0].isupper() and status.value.endswith(".") for status in Status)
    assert [s for s in Status if not s.usable] == [Status.SINGULAR, Status.NONFINITE]


@pytest.mark.parametrize("name", ["coins", "gaussian_mixture"])
def test_events_point_into_the_trace(name):
    """Bug: the half-step of an event at the end of a run is the M half-step, which is in the trace."""
    if name == "coins":
        fit = eb.fit("coins", {"heads": [10, 10, 3], "tosses": [10] * 3}, n_components=2, start={"probs": [1.0, 0.2]})
    else:
        fit = eb.fit("gaussian_mixture", CLOUD, n_components=2, start={"means": [[0, 0], [2, 1]], "weights": [1, 0]})
    (event,) = fit.events
    assert fit.trace[event.half_step].half == "M"
