"""The half-steps in the record: the largest residual is that of all of them, thinned or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs, posed, starting

import emvsbayes as eb
from emvsbayes.comparison.decomposition import compare_decomposition, teaching_start
from emvsbayes.comparison.record import MARKS
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.starts import restarts
from emvsbayes.core.trace import HalfStep, Trace
from emvsbayes.problem import pose


def climbs(name="gaussian_mixture-full-default", passes=40):
    problem, prior = posed(name)
    stop = Stop(tol=0.0, max_passes=passes)
    return [run_em(problem.family, problem.data, starting(name), prior=p, stop=stop) for p in (None, prior)]


def test_steps_are_those_of_the_traces():
    ml, map_ = climbs()
    found = compare_decomposition(ml, map_, [])
    assert [c.objective for c in found.climbs] == ["ml", "map"]
    for climb, run in zip(found.climbs, (ml, map_), strict=True):
        assert climb.n_half_steps == len(run.trace) == len(climb.steps)
        assert climb.largest_residual == run.trace.largest_residual < 1e-12
        for step, half in zip(climb.steps, run.trace, strict=True):
            assert (step.passes, step.half, step.elbo, step.kl) == (half.passes, half.half, half.elbo, half.kl)
            assert step.residual == half.residual
        assert [s.half for s in climb.steps[:3]] == ["E", "M", "E"]
    assert all(s.log_prior == 0 for s in found.climbs[0].steps)
    assert all(s.log_prior != 0 for s in found.climbs[1].steps)


def spoiled(run, index, by):
    steps = list(run.trace)
    bad = steps[index]
    steps[index] = HalfStep(bad.passes, bad.half, bad.elbo + by, bad.kl, bad.log_likelihood, bad.log_prior)
    return replace(run, trace=Trace(tuple(steps)))


@pytest.mark.parametrize("index", range(7))
def test_one_bad_half_step_anywhere_is_found(index):
    ml, map_ = climbs(passes=3)
    bad = spoiled(ml, index, 1.0)
    expected = 1.0 / abs(ml.trace[index].log_likelihood)
    assert compare_decomposition(bad, map_, []).climbs[0].largest_residual == pytest.approx(expected, rel=1e-6)
    assert compare_decomposition(ml, map_, [bad, map_]).climbs[0].largest_residual == pytest.approx(expected, rel=1e-6)
    last = compare_decomposition(ml, map_, [ml, spoiled(map_, index, -2.0)])
    assert last.climbs[1].largest_residual > 1e-4
    assert last.climbs[0].largest_residual < 1e-12


def test_a_bad_half_step_that_thinning_drops_is_still_found():
    ml, map_ = climbs("gaussian_mixture-spherical-one-column-map", passes=400)
    clean = compare_decomposition(ml, map_, [])
    assert clean.climbs[0].n_half_steps == 801
    assert len(clean.climbs[0].steps) == MARKS
    kept = {(s.passes, s.half) for s in clean.climbs[0].steps}
    dropped = next(i for i, s in enumerate(ml.trace) if (s.passes, s.half) not in kept)
    assert compare_decomposition(spoiled(ml, dropped, 1.0), map_, []).climbs[0].largest_residual > 1e-4
    assert (clean.climbs[0].steps[0].passes, clean.climbs[0].steps[-1].passes) == (0, 400)


def test_a_residual_that_is_no_number_is_no_small_residual():
    ml, map_ = climbs(passes=3)
    found = compare_decomposition(spoiled(ml, 4, np.nan), map_, []).climbs[0].largest_residual
    assert not found < 1e-10


@pytest.mark.parametrize("data", [([10, 10, 0, 0], [10] * 4), ([3, 3, 0], [3, 3, 5])])
def test_maximum_likelihood_on_its_boundary(data):
    """Probabilities that round to 0 or 1 on the way: the bound stays finite, and nothing fell."""
    fit = eb.fit("coins", dict(zip(("heads", "tosses"), data, strict=True)), n_components=2, n_starts=6)
    assert fit.status.name == "CONVERGED"
    for step in fit.trace:
        assert np.isfinite([step.elbo, step.kl, step.log_likelihood]).all()
        assert abs(step.residual) < 1e-10
    assert {event.kind for event in fit.events} == {"boundary"}
    again = eb.fit("coins", dict(zip(("heads", "tosses"), data, strict=True)), n_components=2, n_starts=6, record=False)
    assert (again.status, again.passes) == (fit.status, fit.passes)


def test_half_steps_of_the_other_runs_are_counted():
    ml, map_ = climbs(passes=5)
    long_ml, long_map = climbs(passes=9)
    found = compare_decomposition(ml, map_, [long_ml, long_map])
    assert [c.n_half_steps for c in found.climbs] == [11 + 19, 11 + 19]
    assert [len(c.steps) for c in found.climbs] == [11, 11]


def geometric(rate, passes=30):
    """A run whose objective gains `rate` times as much in every pass."""
    ml, _ = climbs(passes=1)
    heights = -500 - 10.0 * rate ** np.arange(passes + 1)
    steps = [HalfStep(i, "E", h, 0.0, h, 0.0) for i, h in enumerate(heights)]
    return replace(ml, trace=Trace(tuple(steps)))


@pytest.mark.parametrize("rate", [0.3, 0.7, 0.95])
def test_the_rate_of_convergence(rate):
    run = geometric(rate)
    found = compare_decomposition(run, run, [])
    assert found.climbs[0].rate == pytest.approx(rate, rel=1e-4)


def test_no_rate_from_too_few_passes():
    assert compare_decomposition(geometric(0.5, 1), geometric(0.5, 2), []).climbs[0].rate is None


def test_the_rate_is_that_of_em():
    """The rate of the last passes predicts how far the objective still has to go."""
    ml, map_ = climbs(passes=60)
    rate = compare_decomposition(ml, map_, []).climbs[0].rate
    heights = [s.objective for s in ml.trace if s.half == "E"]
    assert 0 < rate < 1
    far = run_em(*_again("gaussian_mixture-full-default"), stop=Stop(tol=1e-300, max_passes=3000), record=False)
    left = far.log_likelihood - heights[-1]
    gain = heights[-1] - heights[-2]
    assert left == pytest.approx(gain * rate / (1 - rate), rel=0.5, abs=1e-6)


def _again(name):
    problem, _ = posed(name)
    return problem.family, problem.data, starting(name)


def test_the_teaching_start_leads_to_both_best_optima():
    problem = pose("gaussian_mixture", blobs(n=60), n_components=2)
    prior = problem.prior("default")
    ml = restarts(problem.family, problem.data, 10, 0)
    map_ = restarts(problem.family, problem.data, 10, 0, prior=prior)
    start = teaching_start(ml, map_)
    for found, p in ((ml, None), (map_, prior)):
        run = run_em(problem.family, problem.data, start, prior=p, record=False)
        assert run.objective == pytest.approx(found[0].run.objective, abs=0.01)


def test_no_teaching_start_where_the_best_optima_are_reached_from_different_starts():
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    found = restarts(problem.family, problem.data, 4, 0)
    ml = [replace(r, optimum=r.index) for r in found]
    map_ = [replace(r, optimum=3 - r.index) for r in found]
    assert teaching_start(ml, map_) is None
