"""What each variant promises beyond the contract: fixed points, temperatures, draws, blocks, gradient steps."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from cases import assert_close, posed, starting

from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.esteps import Annealed, Exact, MeanField, Stochastic, Truncated, read_e_step
from emvsbayes.core.msteps import ascended, conditional
from emvsbayes.core.records import record_fields
from emvsbayes.core.schedules import Batch, Incremental, Stepwise
from emvsbayes.plan import read_plan

NAMES = ["coins-plain-ml", "gaussian_mixture-full-ml", "bernoulli_mixture-plain-map"]
FULL = "gaussian_mixture-full-ml"


@pytest.mark.parametrize("name", NAMES)
def test_incremental_has_the_fixed_points_of_batch(name):
    problem, prior = posed(name)
    stop = Stop(tol=1e-15, max_passes=3000)
    batch = run_em(problem.family, problem.data, starting(name), prior=prior, stop=stop, record=False)
    for blocks in (1, 3, 10):
        run = run_em(
            problem.family,
            problem.data,
            batch.params,
            prior=prior,
            schedule=Incremental(min(blocks, problem.data.n_rows)),
            stop=Stop(tol=0.0, max_passes=3),
        )
        assert_close(run.params, batch.params, rtol=1e-5, atol=1e-5)
        assert run.objective == pytest.approx(batch.objective, abs=1e-9)


def test_incremental_with_one_block_is_batch():
    """One block is all rows: the same parameters after every pass."""
    problem, _ = posed(FULL)
    stop = Stop(tol=0.0, max_passes=5)
    batch = run_em(problem.family, problem.data, starting(FULL), stop=stop)
    block = run_em(problem.family, problem.data, starting(FULL), schedule=Incremental(1), stop=stop)
    assert_close(block.params, batch.params, rtol=1e-9)


def test_within_a_pass_blocks_are_scored_only_when_asked():
    problem, _ = posed(FULL)
    stop, schedule = Stop(tol=0.0, max_passes=2), Incremental(4)
    passes = [
        s.passes for s in run_em(problem.family, problem.data, starting(FULL), schedule=schedule, stop=stop).trace
    ]
    assert set(passes) == {0, 1, 2}
    every = run_em(problem.family, problem.data, starting(FULL), schedule=schedule, stop=stop, record="blocks")
    assert [s.passes for s in every.trace if s.half == "E"] == [i / 4 for i in range(9)]
    open_ = [s.kl for s in every.trace if s.half == "E" and s.passes % 1]
    assert min(open_) > 0  # the gap is still open in the rows whose turn is to come


@pytest.mark.parametrize("size", [1, 2, 3])
def test_truncated_q_is_the_best_of_its_kind(size):
    """Over every choice of `size` components a row, renormalised, KL(q ‖ posterior) = -ln Σ r_nk over the choice."""
    problem, _ = posed("gaussian_mixture-full-three-components-ml")
    exact = problem.family.e_step(starting("gaussian_mixture-full-three-components-ml"), problem.data)
    q = Truncated(size).choose(exact, 0)
    kept = np.sort(exact.responsibilities, axis=1)[:, ::-1][:, :size].sum(axis=1)
    assert q.kl(exact, problem.data.row_weights) == pytest.approx(-np.log(kept).sum(), rel=1e-12, abs=1e-12)
    assert (np.isfinite(q.log_r).sum(axis=1) <= size).all()


def test_mean_field_q_is_the_best_factorised_gaussian():
    """No other product of normals is nearer: means and variances moved a little raise KL."""
    name = "linear_evidence-identity-ml"
    problem, _ = posed(name)
    exact = problem.family.e_step(starting(name), problem.data)
    q = MeanField().choose(exact, 0)
    weights = problem.data.row_weights
    best, rng = q.kl(exact, weights), np.random.default_rng(0)
    assert best > 1e-3
    mean, variances = q.mean, np.diagonal(q.covariance)
    np.testing.assert_allclose(q.covariance, np.diag(variances), atol=1e-12 * variances.max())
    for _ in range(20):
        spread = variances * np.exp(0.05 * rng.normal(size=len(mean)))
        moved = replace(
            q,
            center=q.axes.T @ (mean + 0.05 * np.sqrt(variances) * rng.normal(size=len(mean))),
            root=np.linalg.cholesky((q.axes.T * spread) @ q.axes),
        )
        assert moved.kl(exact, weights) > best


def test_annealing_raises_the_tempered_objective_at_a_fixed_temperature():
    """E_q[ln p(X, Z | θ)] + H(q)/β, q at temperature β: both half-steps raise it; the elbo itself may fall."""
    problem, _ = posed(FULL)
    family, data, params = problem.family, problem.data, starting(FULL)
    for beta in (0.3, 0.7):
        values = []
        for _ in range(15):
            q = family.e_step(params, data).tempered(beta)
            stats, entropy = family.expect(q, data, params), q.entropy(data.row_weights) / beta
            values.append(family.expected_log_joint(params, stats) + entropy)
            params = family.m_step(stats, params)
            values.append(family.expected_log_joint(params, stats) + entropy)
        assert min(b - a for a, b in pairwise(values)) > -1e-9


def test_annealing_ends_as_plain_em():
    problem, _ = posed(FULL)
    annealed = Annealed(0.5, 7)
    assert [annealed.beta(t) for t in (7, 8, 100)] == [1.0, 1.0, 1.0]
    assert annealed.beta(0) == 0.5
    run = run_em(
        problem.family, problem.data, starting(FULL), schedule=Batch(annealed), stop=Stop(tol=1e-13, max_passes=5000)
    )
    after = run_em(problem.family, problem.data, run.params, stop=Stop(tol=0.0, max_passes=1))
    assert run.passes > 7
    assert after.log_likelihood == pytest.approx(run.log_likelihood, abs=1e-9)
    assert run.trace[-1].kl == 0


def test_drawn_q_has_the_posterior_as_its_mean_and_follows_its_seed():
    problem, _ = posed(FULL)
    exact = problem.family.e_step(starting(FULL), problem.data)
    drawn = Stochastic(1, 3).choose(exact, 5)
    assert set(np.unique(drawn.responsibilities)) <= {0.0, 1.0}
    assert (Stochastic(1, 3).choose(exact, 5).log_r == drawn.log_r).all()
    assert (Stochastic(1, 3).choose(exact, 6).log_r != drawn.log_r).any()
    r = exact.responsibilities
    many = Stochastic(4000, 0).choose(exact, 0).responsibilities
    assert np.abs(many - r).max() < 5 * np.sqrt(0.25 / 4000)


def test_the_end_of_a_random_path_is_its_average():
    """The mean of free coordinates over the second half, found again from the same seed pass by pass."""
    problem, _ = posed(FULL)
    family, data, start = problem.family, problem.data, starting(FULL)
    schedule = Batch(Stochastic(1, 2))
    run = run_em(family, data, start, schedule=schedule, stop=Stop(max_passes=20))
    params, path = start, []
    for turn in range(20):
        q = schedule.e_step.choose(family.e_step(params, data), turn)
        params = family.m_step(family.expect(q, data, params), params)
        path.append(family.to_vector(params))
    np.testing.assert_allclose(family.to_vector(run.params), np.mean(path[10:], axis=0), rtol=1e-8)
    assert "average" in run.stopped_by


@pytest.mark.parametrize("name", [*NAMES, "linear_evidence-gaussian-map"])
def test_a_gradient_step_raises_the_bound_and_stays_at_its_top(name):
    problem, prior = posed(name)
    family, data, params = problem.family, problem.data, starting(name)
    stats = family.expect(family.e_step(params, data), data, params)
    if prior is not None:
        stats = stats + family.pseudo_stats(prior, params)
    before, moved = family.expected_log_joint(params, stats), ascended(family, stats, params)
    assert family.expected_log_joint(moved, stats) > before
    top = family.m_step(stats, params)
    height = family.expected_log_joint(top, stats)
    assert family.expected_log_joint(ascended(family, stats, top), stats) >= height
    assert_close(ascended(family, stats, top), top, rtol=1e-3, atol=1e-3)


def test_conditional_steps_move_one_field_at_a_time():
    problem, _ = posed(FULL)
    family, data, params = problem.family, problem.data, starting(FULL)
    stats = family.expect(family.e_step(params, data), data, params)
    heights = [family.expected_log_joint(params, stats)]
    for field, moved in zip(("weights", "means", "covariances"), conditional(family, stats, params), strict=True):
        changed = [n for n in ("weights", "means", "covariances") if (getattr(moved, n) != getattr(params, n)).any()]
        assert changed == [field]
        heights.append(family.expected_log_joint(moved, stats))
        params = moved
    assert min(b - a for a, b in pairwise(heights)) > 0


@pytest.mark.parametrize(
    "name",
    [
        "gaussian_mixture-full-informative",
        "coins-plain-ml",
        "bernoulli_mixture-plain-map",
        "linear_evidence-gaussian-map",
    ],
)
def test_each_conditional_step_is_the_top_over_its_field(name):
    """No random change of that field alone raises the expected log joint, pseudo-statistics included."""
    problem, prior = posed(name)
    family, data, params = problem.family, problem.data, starting(name)
    stats = family.expect(family.e_step(params, data), data, params)
    if prior is not None:
        stats = stats + family.pseudo_stats(prior, params)
    fields = [field for field in record_fields(params) if field not in family.fixed]
    rng = np.random.default_rng(4)
    for field, moved in zip(fields, conditional(family, stats, params), strict=True):
        alone = replace(family, fixed=family.fixed | (set(fields) - {field}))
        origin, top = alone.to_vector(moved), family.expected_log_joint(moved, stats)
        for scale in (1e-3, 1e-2, 0.3):
            nudged = alone.from_vector(origin + scale * rng.normal(size=len(origin)), moved)
            assert family.expected_log_joint(nudged, stats) <= top + 1e-10 * (1 + abs(top))


def test_stepwise_scores_an_exact_e_step_once_a_pass_and_nothing_else():
    problem, _ = posed(FULL)
    run = run_em(problem.family, problem.data, starting(FULL), schedule=Stepwise(6), stop=Stop(tol=0.0, max_passes=3))
    assert [(s.half, s.passes) for s in run.trace if s.half == "E"] == [("E", i) for i in range(4)]
    assert all(step.kl == 0 for step in run.trace if step.half == "E")


@pytest.mark.parametrize(
    ("text", "kind"), [("exact", Exact()), ("truncated:3", Truncated(3)), ("annealed:0.2,5", Annealed(0.2, 5))]
)
def test_e_steps_by_name(text, kind):
    assert read_e_step(text) == kind


@pytest.mark.parametrize(
    "axes",
    [
        {"e_step": "soft"},
        {"e_step": "truncated:0"},
        {"e_step": "truncated:x"},
        {"e_step": "annealed:2,5"},
        {"e_step": "annealed:0.5,x"},
        {"e_step": "monte-carlo:-1"},
        {"m_step": "half"},
        {"schedule": "incremental:0"},
        {"schedule": "online"},
        {"accelerate": "aitken"},
        {"accelerate": "anderson", "e_step": "stochastic"},
        {"accelerate": "squarem", "schedule": "stepwise"},
    ],
)
def test_axes_that_cannot_be(axes):
    with pytest.raises(InputError):
        read_plan(posed(FULL)[0], **axes)


def test_more_blocks_than_rows():
    problem, _ = posed("coins-plain-ml")
    with pytest.raises(InputError, match="at least as many rows"):
        run_em(problem.family, problem.data, starting("coins-plain-ml"), schedule=Incremental(50))
