"""The stopping rules: their units, and what `tol=0` and `max_passes=0` mean."""

from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, FIVE_TRIALS, posed, slow_coins, starting

import emvsbayes as eb
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.starts import SAME_OPTIMUM
from emvsbayes.core.trace import Status
from emvsbayes.problem import pose

NAME = "gaussian_mixture-full-ml"


def climb(**stop):
    problem = posed(NAME)[0]
    return run_em(problem.family, problem.data, starting(NAME), stop=Stop(**stop))


def gains(run):
    objective = [step.objective for step in run.trace if step.half == "E"]
    return np.diff(objective)


@pytest.mark.parametrize("name", ["coins-five-trials", "coins-plain-ml", NAME, "gaussian_mixture-diag-default"])
def test_tol_zero_runs_exactly_max_passes(name):
    """Bug: at the optimum rounding makes the gain negative, and negative is less than a tolerance of 0."""
    problem, prior = posed(name)
    for passes in (1, 7, 300):
        stop = Stop(tol=0, max_passes=passes)
        run = run_em(problem.family, problem.data, starting(name), prior=prior, stop=stop)
        assert (run.passes, run.status, run.stopped_by) == (passes, Status.MAX_PASSES, "")


def test_no_passes_scores_the_start():
    run = climb(max_passes=0)
    problem = posed(NAME)[0]
    assert run.passes == 0
    assert run.params is starting(NAME)
    assert run.log_likelihood == problem.family.log_likelihood(starting(NAME), problem.data)
    assert [step.half for step in run.trace] == ["E"]


def test_the_closing_evaluation_is_no_pass():
    run = climb(tol=0, max_passes=4)
    assert run.passes == 4
    assert [step.passes for step in run.trace] == [0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
def test_tol_is_a_change_per_observation(tol):
    run = climb(tol=tol)
    per_row = gains(run) / posed(NAME)[0].data.n_rows
    assert run.status is Status.CONVERGED
    assert per_row[-1] < tol <= per_row[:-1].min()
    assert f"{tol:g}" in run.stopped_by


def test_tol_is_per_unit_of_weight():
    """A thousandfold weight multiplies objective and observations alike: the same passes. Half the rows absent too."""
    problem = posed(NAME)[0]
    passes = set()
    for factor in (1e-3, 1.0, 1e3):
        data = replace(problem.data, row_weights=np.full(problem.data.n_rows, factor))
        passes.add(run_em(problem.family, data, starting(NAME), stop=Stop(tol=1e-5)).passes)
    assert len(passes) == 1
    X, absent = CASES[NAME].X, np.full_like(CASES[NAME].X, 1e3)
    padded = eb.fit(
        "gaussian_mixture",
        np.r_[X, absent],
        n_components=2,
        start=starting(NAME),
        sample_weight=np.repeat([1.0, 0.0], len(X)),
        stop={"tol": 1e-5},
    )
    assert padded.passes == passes.pop()


@pytest.fixture(scope="module", params=[None, "default"])
def slow(request):
    """A slow problem, where the tolerance stops far from the optimum; and the optimum, by many more passes."""
    X, weights = slow_coins()
    problem = pose("coins", X, n_components=2, sample_weight=weights)
    prior = problem.prior(request.param)
    fit = eb.fit("coins", X, n_components=2, sample_weight=weights, prior=request.param, n_starts=6)
    far = run_em(
        problem.family, problem.data, fit.params, prior=prior, stop=Stop(tol=1e-15, max_passes=100_000), record=False
    )
    return problem, prior, fit, far.objective


def test_what_remains_is_close_to_the_true_gap(slow):
    problem, prior, fit, top = slow
    for tol in (1e-8, 1e-9):
        run = run_em(problem.family, problem.data, fit.start, prior=prior, stop=Stop(tol=tol), record=False)
        assert run.status is Status.CONVERGED
        assert run.remaining == pytest.approx(top - run.objective, rel=0.15)
        assert run.remaining > 20 * tol * fit.total_weight  # the last gain alone says nothing of the gap
    assert f"still to gain: about {fit.run.remaining:.1g} nats" in fit.summary()
    assert eb.Fit.from_json(fit.to_json()).run.remaining == fit.run.remaining


def test_restarts_of_a_slow_problem_reach_one_optimum(slow):
    """They stop further apart than optima may be, each as far from the top as it says."""
    _, _, fit, top = slow
    heights = [r.run.objective for r in fit.restarts]
    assert np.ptp(heights) > SAME_OPTIMUM
    for r in fit.restarts:
        assert r.run.remaining == pytest.approx(top - r.run.objective, rel=0.5)
    assert [r.optimum for r in fit.restarts] == [0] * 6
    assert fit.optima == [(heights[0], 6)]


def test_what_remains_where_em_is_fast():
    run = climb(tol=1e-12)
    assert 0 <= run.remaining < 1e-8
    assert climb(max_passes=0).remaining is climb(max_passes=1).remaining is None


@pytest.mark.parametrize("param_tol", [1e-2, 1e-5])
def test_param_tol_is_a_relative_change_of_free_coordinates(param_tol):
    run = climb(tol=0, param_tol=param_tol)
    assert run.status is Status.CONVERGED
    assert "coordinate" in run.stopped_by
    family = posed(NAME)[0].family
    trail = [climb(tol=0, max_passes=run.passes - back).params for back in (0, 1, 2)]
    last, before, earlier = (family.to_vector(params) for params in trail)
    assert (np.abs(last - before) <= param_tol * (1 + np.abs(before))).all()
    assert not (np.abs(before - earlier) <= param_tol * (1 + np.abs(earlier))).all()


def test_param_tol_at_a_boundary_estimate():
    """Bug: logit(1) - logit(1) is inf - inf: a warning, and the rule is never satisfied."""
    trials = {"heads": [10, 10, 3], "tosses": [10, 10, 10]}
    start = {"probs": [1.0, 0.2]}
    fit = eb.fit("coins", trials, n_components=2, start=start, stop={"tol": 0, "param_tol": 1e-6, "max_passes": 200})
    assert fit.params.probs[0] == 1
    assert fit.status is Status.CONVERGED


@pytest.mark.parametrize(
    ("stop", "named"),
    [
        ({"tol": -1e-8}, "tol"),
        ({"tol": np.nan}, "tol"),
        ({"tol": np.inf}, "tol"),
        ({"max_passes": -1}, "max_passes"),
        ({"max_passes": 2.5}, "max_passes"),
        ({"param_tol": 0.0}, "param_tol"),
        ({"param_tol": -1.0}, "param_tol"),
        ({"param_tol": np.nan}, "param_tol"),
        ({"max_pases": 3}, "max_passes"),
    ],
)
def test_impossible_rules_are_refused(stop, named):
    with pytest.raises(eb.InputError, match=named):
        eb.fit("coins", FIVE_TRIALS, n_components=2, stop=stop)


@pytest.mark.parametrize("stop", [{"tol": "small"}, {"param_tol": "small"}, {"max_passes": "many"}, 5, "tol"])
def test_rules_of_the_wrong_type_are_refused(stop):
    """Bug: a TypeError from numpy in the place of a sentence."""
    with pytest.raises(eb.InputError, match="stop"):
        eb.fit("coins", FIVE_TRIALS, n_components=2, stop=stop)


def test_numpy_whole_numbers_are_whole_numbers():
    """Bug: np.int64(3) was refused as no whole number."""
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, start={"probs": [0.6, 0.5]}, stop={"max_passes": np.int64(3)})
    assert fit.passes == 3


def test_stop_fields_left_out_keep_their_defaults():
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, start={"probs": [0.6, 0.5]}, stop={"max_passes": 3})
    assert fit.stop == Stop(max_passes=3)
    assert (Stop().tol, Stop().max_passes, Stop().param_tol) == (1e-8, 1000, None)


def test_weights_that_add_up_to_infinity_are_refused():
    """Bug: the draw of a starting row failed with NumPy's own words on probabilities."""
    X = (np.random.default_rng(0).random((700, 3)) < 0.5).astype(float)
    with pytest.raises(eb.InputError, match="sample_weight adds up to more than a number can be; divide"):
        eb.fit("bernoulli_mixture", X, n_components=2, sample_weight=np.full(700, 1e306))


def test_labels_that_are_names_are_refused_with_a_remedy():
    with pytest.raises(eb.InputError, match=r"labels must be whole numbers, and they are text.*pandas\.factorize"):
        eb.fit("coins", {"heads": [1, 2], "tosses": [3, 3]}, n_components=1, labels=["a", "b"])
