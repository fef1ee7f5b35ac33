"""Rules that combine tolerances, and Aitken's estimate: against geometric series and true gaps."""

import numpy as np
import pytest
from cases import FIVE_TRIALS, OLD_FAITHFUL, posed, slow_coins, starting

import emvsbayes as eb
from emvsbayes.core import em
from emvsbayes.core.em import run_em
from emvsbayes.core.stopping import Stop, still_to_gain
from emvsbayes.core.trace import Status
from emvsbayes.problem import pose

NAME = "gaussian_mixture-full-ml"


def test_the_loop_stops_by_this_stop():
    assert em.Stop is Stop


@pytest.mark.parametrize("rate", [0.1, 0.9, 0.999])
def test_aitken_sums_a_geometric_series(rate):
    """F_i = 1 - ρ^i: after pass i exactly ρ^i is still to come."""
    heights = 1 - rate ** np.arange(6)
    gains = np.diff(heights)
    for i in range(1, 5):
        assert still_to_gain(gains[i - 1], gains[i], 0.0) == pytest.approx(rate ** (i + 1), rel=1e-9)


def test_aitken_says_nothing_while_gains_grow():
    assert still_to_gain(1.0, 2.0, 0.0) is None
    assert still_to_gain(1.0, 1.0, 0.0) is None
    assert still_to_gain(np.inf, 1.0, 0.0) is None
    assert Stop(tol=1.0, aitken=True).reason(1e-12, 1.0, None, None, None) == ""


def test_aitken_bounds_the_true_gap():
    """On a slow problem the last gain per observation is below tol, the gap is not; with Aitken's estimate both are."""
    X, weights = slow_coins()
    problem = pose("coins", X, n_components=2, sample_weight=weights)
    start = problem.start({"probs": [0.3, 0.5]})
    top = run_em(problem.family, problem.data, start, stop=Stop(tol=1e-14, max_passes=20_000), record=False).objective
    gaps = {}
    for aitken in (False, True):
        stop = Stop(tol=1e-8, max_passes=20_000, aitken=aitken)
        run = run_em(problem.family, problem.data, start, stop=stop, record=False)
        assert run.status is Status.CONVERGED
        assert ("Aitken" in run.stopped_by) == aitken
        gaps[aitken] = (top - run.objective) / weights.sum()
    assert gaps[False] > 1e-6
    assert 0.8e-8 < gaps[True] < 1.2e-8


def test_aitken_does_not_stop_on_the_way_off_a_saddle():
    """Two coins that start almost equal: the first gains are tiny, and grow."""
    X = {"heads": [2, 8, 3, 7, 2, 9], "tosses": [10] * 6}
    start = {"probs": [0.5166, 0.5167]}
    near, off = (
        eb.fit("coins", X, n_components=2, start=start, stop={"tol": 1e-4, "aitken": a}) for a in (False, True)
    )
    assert near.status is off.status is Status.CONVERGED
    assert near.passes < 5 < off.passes
    assert off.log_likelihood > near.log_likelihood + 1


def test_both_waits_for_the_later_rule():
    problem = posed(NAME)[0]

    def climb(**stop):
        return run_em(problem.family, problem.data, starting(NAME), stop=Stop(**stop), record=False)

    for tol, param_tol in ((1e-4, 1e-7), (1e-9, 1e-2)):
        alone = [climb(tol=tol).passes, climb(tol=0, param_tol=param_tol).passes]
        assert alone[0] != alone[1]
        both, either = (climb(tol=tol, param_tol=param_tol, rule=rule) for rule in ("both", "either"))
        assert (both.passes, either.passes) == (max(alone), min(alone))
        assert "objective" in both.stopped_by
        assert "coordinate" in both.stopped_by
        assert " and " not in either.stopped_by


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        ({"rule": "bth", "param_tol": 1e-3}, "did you mean 'both'"),
        ({"rule": 3}, "stop.rule"),
        ({"rule": "both"}, "give a tol and a param_tol"),
        ({"rule": "both", "param_tol": 1e-3, "tol": 0}, "give a tol and a param_tol"),
        ({"aitken": 1e-3}, "stop.aitken must be true or false"),
        ({"aitken": True, "tol": 0}, "give a tol greater than 0"),
        ({"aitkin": True}, "did you mean 'aitken'"),
    ],
)
def test_impossible_rules_are_refused(stop, words):
    with pytest.raises(eb.InputError, match=words):
        eb.fit("coins", FIVE_TRIALS, n_components=2, stop=stop)


@pytest.mark.parametrize("plan", [{"accelerate": "squarem"}, {"e_step": "stochastic"}, {"schedule": "stepwise:2"}])
def test_aitken_is_refused_where_gains_keep_no_rate(plan):
    with pytest.raises(eb.InputError, match=r"stop\.aitken.*leave it out"):
        eb.fit("coins", FIVE_TRIALS, n_components=2, stop={"aitken": True}, **plan)


def test_rules_survive_json():
    stop = {"tol": 1e-5, "param_tol": 1e-3, "rule": "both", "aitken": True}
    fit = eb.fit("gaussian_mixture", OLD_FAITHFUL, n_components=2, stop=stop, n_starts=1)
    assert eb.Fit.from_json(fit.to_json()).stop == fit.stop == Stop(**stop)
    assert "Aitken" in fit.run.stopped_by
    assert "coordinate" in fit.run.stopped_by
