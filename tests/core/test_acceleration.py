"""SQUAREM and Anderson: never below EM, the same optimum in fewer passes, every sweep counted."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cases import posed, slow_coins, starting

from emvsbayes.core.acceleration import ACCELERATORS, Anderson, Squarem, reflected
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.esteps import Truncated
from emvsbayes.core.schedules import Incremental
from emvsbayes.problem import pose

TIGHT = Stop(tol=1e-15, max_passes=20_000)


class Counting:
    """A family that counts its E-steps over all rows."""

    def __init__(self, family):
        self.family, self.sweeps = family, 0

    def __getattr__(self, name):
        return getattr(self.family, name)

    def e_step(self, params, data):
        self.sweeps += 1
        return self.family.e_step(params, data)

    def accumulate(self, params, data, about=None):
        self.sweeps += 1
        return self.family.accumulate(params, data, about)


@pytest.fixture(scope="module")
def slow():
    data, frequencies = slow_coins()
    problem = pose("coins", data, n_components=2, settings={"weights": "free"}, sample_weight=frequencies)
    return problem, problem.start({"weights": [0.5, 0.5], "probs": [0.3, 0.6]})


def arrival(run, top):
    return next(step.passes for step in run.trace if step.half == "E" and step.log_likelihood >= top - 1e-8)


def test_on_a_slow_problem_the_same_optimum_in_far_fewer_passes(slow):
    problem, start = slow
    plain = run_em(problem.family, problem.data, start, stop=TIGHT)
    runs = {kind: run_em(problem.family, problem.data, start, accelerate=kind, stop=TIGHT) for kind in ACCELERATORS}
    top = max(run.log_likelihood for run in runs.values())
    assert plain.log_likelihood <= top + 1e-9
    assert arrival(runs["squarem"], top) <= arrival(plain, top) / 3
    assert arrival(runs["anderson"], top) <= arrival(plain, top) / 20
    for run in runs.values():
        np.testing.assert_allclose(np.sort(run.params.probs), np.sort(plain.params.probs), atol=1e-5)


@pytest.mark.parametrize("kind", ACCELERATORS)
def test_it_never_falls_and_counts_every_sweep(slow, kind):
    problem, start = slow
    counting = Counting(problem.family)
    stop = Stop(tol=0.0, max_passes=60)
    run = run_em(counting, problem.data, start, accelerate=kind, stop=stop, record=False)
    assert run.passes == counting.sweeps - 1  # the start is scored, which is no pass
    recorded = run_em(problem.family, problem.data, start, accelerate=kind, stop=stop)
    heights = [step.objective for step in recorded.trace if step.half == "E"]
    assert min(b - a for a, b in pairwise(heights)) >= -1e-12 * abs(heights[0])
    assert any(step.half == "A" for step in recorded.trace)


def test_a_guess_that_would_fall_is_dropped(slow, monkeypatch):
    """An accelerator that always guesses badly costs a pass a time, and changes nothing else."""
    problem, start = slow

    class Backwards:
        def propose(self, x, gx):
            return np.array([0.0, -5.0, 5.0])

        def judge(self, kept):
            assert not kept

    monkeypatch.setitem(ACCELERATORS, "backwards", Backwards)
    bad = run_em(problem.family, problem.data, start, accelerate="backwards", stop=Stop(tol=0.0, max_passes=40))
    plain = run_em(problem.family, problem.data, start, stop=Stop(tol=0.0, max_passes=20))
    assert bad.log_likelihood == plain.log_likelihood
    assert not any(step.half == "A" for step in bad.trace)


def linear(eigenvalues, seed=0):
    """A linear map with these eigenvalues around a fixed point."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(len(eigenvalues), len(eigenvalues))))[0]
    fixed = rng.normal(size=len(eigenvalues))
    return fixed, lambda x: fixed + basis @ (np.asarray(eigenvalues) * (basis.T @ (x - fixed)))


def test_anderson_solves_a_linear_map_in_as_many_steps_as_dimensions():
    fixed, map_ = linear([0.99, 0.9, 0.5, 0.1])
    anderson, x = Anderson(), np.zeros(4)
    for _ in range(7):
        guess = anderson.propose(x, map_(x))
        x = map_(x) if guess is None else guess
    np.testing.assert_allclose(x, fixed, atol=1e-6)


def test_squarem_solves_a_map_with_one_eigenvalue():
    fixed, map_ = linear([0.99, 0.99])
    squarem, x = Squarem(), np.zeros(2)
    squarem.longest = np.inf
    assert squarem.propose(x, map_(x)) is None
    np.testing.assert_allclose(squarem.propose(map_(x), map_(map_(x))), fixed, atol=1e-9)


def test_near_a_saddle_the_guess_runs_away_from_it():
    """One direction grows by 1.3 a pass, as off a saddle of the likelihood: no guess goes back to the saddle."""
    fixed, map_ = linear([1.3, 0.5])
    anderson = Anderson()
    rng = np.random.default_rng(1)
    x = fixed + 1e-3 * rng.normal(size=2)
    guess = None
    for _ in range(3):
        gx = map_(x)
        guess = anderson.propose(x, gx)
        last, x = x, gx
    assert np.linalg.norm(guess - fixed) > np.linalg.norm(map_(last) - fixed)


def test_reflection_changes_nothing_where_all_eigenvalues_are_negative():
    rng = np.random.default_rng(2)
    dX, gamma = rng.normal(size=(5, 3)), rng.normal(size=3)
    assert reflected(gamma, dX, -0.5 * dX) is gamma
    np.testing.assert_allclose(reflected(gamma, dX, 0.5 * dX), -gamma)


@pytest.mark.parametrize("kind", ACCELERATORS)
def test_around_an_incremental_schedule(kind):
    problem, prior = posed("gaussian_mixture-full-default")
    start = starting("gaussian_mixture-full-default")
    stop, schedule = Stop(tol=1e-13, max_passes=3000), Incremental(5)
    plain = run_em(problem.family, problem.data, start, prior=prior, stop=stop)
    fast = run_em(
        problem.family, problem.data, start, prior=prior, schedule=schedule, accelerate=kind, stop=stop, record="blocks"
    )
    assert fast.objective == pytest.approx(plain.objective, abs=1e-7)
    assert fast.trace.largest_residual < 1e-10


@pytest.mark.parametrize("kind", ACCELERATORS)
@pytest.mark.parametrize("blocks", [1, 4])
def test_passes_end_at_max_passes_and_the_last_score_is_that_of_the_result(kind, blocks):
    problem, _ = posed("gaussian_mixture-full-three-components-ml")
    start = starting("gaussian_mixture-full-three-components-ml")
    for most in (5, 12):
        run = run_em(
            problem.family,
            problem.data,
            start,
            schedule=Incremental(blocks, Truncated(2)),
            accelerate=kind,
            stop=Stop(tol=0.0, max_passes=most),
        )
        assert run.passes == most
        assert run.elbo == run.trace[-1].elbo
        assert (run.q.responsibilities > 0).sum(axis=1).max() == 2


@pytest.mark.sampling
@pytest.mark.parametrize(("kind", "times"), [("squarem", 3), ("anderson", 20)])
def test_saxony(kind, times):
    """In `make test-all` only: EMVSBAYES_DATA names the folder that holds saxony.csv."""
    folder = os.environ.get("EMVSBAYES_DATA")
    assert folder, "set EMVSBAYES_DATA to the folder that holds saxony.csv, and run this again."
    boys, families = np.loadtxt(Path(folder) / "saxony.csv", delimiter=",", skiprows=1, usecols=(1, 2)).T
    data = {"heads": boys, "tosses": np.full(len(boys), 12)}
    problem = pose("coins", data, n_components=2, settings={"weights": "free"}, sample_weight=families)
    counts = []
    for child in np.random.SeedSequence(0).spawn(10):
        start = problem.family.init(problem.data, np.random.default_rng(child), "k-means++")
        fast = run_em(problem.family, problem.data, start, accelerate=kind, stop=TIGHT)
        plain = run_em(problem.family, problem.data, start, stop=TIGHT)
        top = -12492.406222133  # the optimum that every start reaches
        assert fast.log_likelihood == pytest.approx(top, abs=1e-8)
        counts.append((arrival(plain, top), arrival(fast, top)))
    slow, quick = np.median(counts, axis=0)
    assert quick <= slow / times
