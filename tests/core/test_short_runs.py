"""Short runs first, threads, and a fit to start from: nothing but time may change."""

from dataclasses import replace

import numpy as np
import pytest
from cases import FIVE_TRIALS, OLD_FAITHFUL, assert_close, assert_identical, blobs, posed, starting

import emvsbayes as eb
from emvsbayes.core import starts
from emvsbayes.core.em import run_em
from emvsbayes.core.starts import SHORT_PASSES, Restart, go_on, ranked, read_starts, restarts, shortened
from emvsbayes.core.stopping import Stop
from emvsbayes.core.trace import Run, Status

SLOW = np.random.default_rng(5).normal(size=(60, 2))  # one cluster, so that three components are slow


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("name", ["gaussian_mixture-full-ml", "gaussian_mixture-diag-default", "coins-plain-ml"])
def test_a_run_in_two_parts_is_the_run(name, record, monkeypatch):
    """Broken off after three passes and gone on with: the same passes and half-steps, up to where moments are taken."""
    monkeypatch.setattr(starts, "SHORT_PASSES", 3)
    problem, prior = posed(name)
    stop, given = Stop(tol=1e-9), {"prior": prior, "record": record}
    whole = run_em(problem.family, problem.data, starting(name), stop=stop, **given)
    short = run_em(problem.family, problem.data, starting(name), stop=shortened(stop), **given)
    joined = go_on(problem.family, problem.data, short, stop, **given)
    assert (short.passes, joined.passes) == (3, whole.passes)
    assert_close(joined.params, whole.params)
    assert joined.start is starting(name)
    assert (joined.status, joined.stopped_by) == (whole.status, whole.stopped_by)
    assert [(s.passes, s.half) for s in joined.trace] == [(s.passes, s.half) for s in whole.trace]
    np.testing.assert_allclose([s.elbo for s in joined.trace], [s.elbo for s in whole.trace], rtol=1e-12)
    assert go_on(problem.family, problem.data, joined, stop, **given) is joined


def test_passes_left_are_those_of_the_whole_run():
    problem = posed("gaussian_mixture-full-ml")[0]
    stop = Stop(tol=0, max_passes=SHORT_PASSES + 7)
    short = run_em(problem.family, problem.data, starting("gaussian_mixture-full-ml"), stop=shortened(stop))
    assert go_on(problem.family, problem.data, short, stop).passes == SHORT_PASSES + 7
    assert shortened(Stop(max_passes=4)).max_passes == 4


@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_few_go_on_and_the_others_are_given_up(seed):
    """Against 20 runs stopped after SHORT_PASSES passes, and 20 whole ones, from the same starts."""
    call = {"n_components": 3, "seed": seed, "record": False}
    fit = eb.fit("gaussian_mixture", SLOW, n_starts="12:3", **call)
    short = eb.fit("gaussian_mixture", SLOW, n_starts=12, stop={"max_passes": SHORT_PASSES}, **call)
    whole = {r.index: r for r in eb.fit("gaussian_mixture", SLOW, n_starts=12, **call).restarts}
    assert sorted(r.index for r in fit.restarts) == list(range(12))
    usable = [r for r in short.restarts if r.run.status.usable]
    best = {r.index for r in usable[:3]}
    for r in fit.restarts:
        before = next(s for s in short.restarts if s.index == r.index)
        assert r.given_up == (r.index not in best and before.run.status is Status.MAX_PASSES)
        same = before if r.given_up else whole[r.index]
        assert_close(r.run.params, same.run.params, rtol=1e-6)
        assert (r.run.passes, r.run.status) == (same.run.passes, same.run.status)
        assert not r.given_up or r.optimum == -1
    assert sum(r.given_up for r in fit.restarts) >= 6
    assert fit.run.objective == pytest.approx(max(whole[i].run.objective for i in best), rel=1e-12)
    passes = sum(r.run.passes for r in fit.restarts)
    assert f"given up after {SHORT_PASSES} passes, {passes} passes in all" in fit.summary()
    assert [r.given_up for r in eb.Fit.from_json(fit.to_json()).restarts] == [r.given_up for r in fit.restarts]


@pytest.mark.parametrize("seed", range(3))
def test_short_runs_keep_the_best_optimum(seed):
    X = blobs(n=120, k=3)
    few, all_ = (eb.fit("gaussian_mixture", X, n_components=3, n_starts=n, seed=seed) for n in ("20:5", 20))
    assert few.log_likelihood == pytest.approx(all_.log_likelihood, abs=1e-5)
    assert sum(r.run.passes for r in few.restarts) < 0.8 * sum(r.run.passes for r in all_.restarts)
    assert few.trace[-1].passes == few.passes
    assert few.trace[-1].log_likelihood == few.log_likelihood
    assert_identical(few.params, few.restarts[0].run.params)  # the recorded run is the same run


def fake(index, status, objective):
    return Restart(index, "random_rows", Run(None, None, None, objective, 0.0, status, 1))


def test_a_start_that_collapses_gives_its_place_to_the_next():
    short = [fake(i, Status.MAX_PASSES, -float(i)) for i in range(6)] + [fake(6, Status.SINGULAR, 9.0)]
    short.append(fake(7, Status.CONVERGED, -100.0))
    asked = []

    def on(some):
        asked.append([r.index for r in some])
        collapse = {0, 2}
        return [
            replace(r, run=replace(r.run, status=Status.SINGULAR if r.index in collapse else Status.CONVERGED))
            for r in some
        ]

    found = ranked(starts._best_go_on(short, 2, on))
    assert asked == [[0, 1], [2], [3]]
    assert [r.index for r in found if r.given_up] == [4, 5]
    assert [(r.index, r.optimum) for r in found if r.optimum >= 0] == [(1, 0), (3, 1), (7, 2)]
    assert [r.index for r in found][:5] == [1, 3, 7, 4, 5]


@pytest.mark.parametrize("n_starts", [6, "6:2"])
@pytest.mark.parametrize("name", ["gaussian_mixture-full-ml", "coins-plain-ml"])
def test_threads_change_no_bit(name, n_starts):
    problem, prior = posed(name)
    n, keep = read_starts(n_starts)
    one, two, five = (
        restarts(problem.family, problem.data, n, 3, prior=prior, keep=keep, n_jobs=jobs) for jobs in (1, 2, 5)
    )
    for a, b, c in zip(one, two, five, strict=True):
        for field in ("start", "params"):
            assert_identical(getattr(a.run, field), getattr(b.run, field))
            assert_identical(getattr(a.run, field), getattr(c.run, field))
        assert (a.index, a.how, a.run.passes, a.run.objective) == (b.index, b.how, b.run.passes, b.run.objective)
        assert (a.index, a.given_up, a.optimum) == (c.index, c.given_up, c.optimum)


def test_numbers_of_starts_are_read():
    assert read_starts(20) == read_starts("20") == read_starts(np.int64(20)) == (20, None)
    assert read_starts("20:5") == (20, 5)
    assert read_starts("4:4") == (4, 4)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "many", "5:20", "20:0", "20:", ":5", "20:5:2", "", [20], "1e3"])
def test_impossible_numbers_of_starts(value):
    with pytest.raises(eb.InputError, match=r"n_starts must be a whole number >= 1, or two as in 20:5"):
        eb.fit("coins", FIVE_TRIALS, n_components=2, n_starts=value)


@pytest.mark.parametrize("n_jobs", [0, -1, 1.5, "two", None])
def test_impossible_numbers_of_threads(n_jobs):
    with pytest.raises(eb.InputError, match="n_jobs must be a whole number >= 1"):
        eb.fit("coins", FIVE_TRIALS, n_components=2, n_jobs=n_jobs)


@pytest.mark.parametrize("plan", [{"e_step": "annealed"}, {"e_step": "stochastic"}, {"schedule": "stepwise:2"}])
def test_no_short_runs_where_a_run_remembers(plan):
    with pytest.raises(eb.InputError, match="give n_starts as one number"):
        eb.fit("coins", FIVE_TRIALS, n_components=2, n_starts="8:2", **plan)


def test_a_fit_goes_on_where_it_stood():
    call = {"n_components": 3, "seed": 4}
    whole = eb.fit("gaussian_mixture", SLOW, n_starts=1, **call)
    short = eb.fit("gaussian_mixture", SLOW, n_starts=1, stop={"max_passes": 9}, **call)
    for given in (short, eb.Fit.from_json(short.to_json())):
        on = eb.fit("gaussian_mixture", SLOW, start=given, **call)
        assert len(on.restarts) == 1
        assert on.passes + 9 == whole.passes
        assert_close(on.params, whole.params, rtol=1e-6)
    more = eb.fit("gaussian_mixture", SLOW, start=short, n_starts=4, **call)
    assert {r.index: r.how for r in more.restarts}[0] == "given"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"family": "bernoulli_mixture", "X": (SLOW > 0).astype(float)}, "family 'gaussian_mixture'"),
        ({"n_components": 3}, "n_components 2, and this one asks for 3"),
        ({"settings": {"covariance": "tied"}}, "covariance 'full', and this one asks for 'tied'"),
    ],
)
def test_a_fit_of_another_model_is_refused(asked, words):
    fit = eb.fit("gaussian_mixture", OLD_FAITHFUL, n_components=2, n_starts=1)
    call = {"family": "gaussian_mixture", "X": OLD_FAITHFUL, "n_components": 2, **asked}
    with pytest.raises(eb.InputError, match=words + ".*give a start of the same model"):
        eb.fit(call.pop("family"), call.pop("X"), start=fit, **call)
