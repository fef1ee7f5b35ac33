"""Promise 6 and sample weights: statistics add over rows; weight 0 is an absent row, weight 2 the row twice."""

from dataclasses import fields

import numpy as np
import pytest
from cases import CASES, assert_close, posed, random_q, rows, run, starting, those_that

import emvsbayes as eb
from emvsbayes.core.em import Stop, run_em

UNWEIGHTED = [name for name, case in CASES.items() if case.sample_weight is None]
TWO = Stop(tol=0, max_passes=8)  # all of them: whether a gain is 0 or rounding depends on the order of a sum


def row_log_r(q, index):
    return type(q)(q.log_r[index])


@pytest.mark.parametrize("name", those_that("rowwise"))
def test_statistics_add_over_row_blocks(name):
    problem = posed(name)[0]
    family, data = problem.family, problem.data
    vector = problem.family.to_vector(starting(name))
    about = family.from_vector(vector + 0.1 * (1 + abs(vector)), starting(name))  # off the means, where sums vanish
    order = np.random.default_rng(1).permutation(data.n_rows)
    exact = family.e_step(about, data)
    q = random_q(exact, np.random.default_rng(2))
    whole = family.expect(q, data, about)
    blocks = [block for block in np.array_split(order, 3) if len(block) > 1]
    blocks = blocks if sum(map(len, blocks)) == data.n_rows else np.array_split(order, 2)
    parts = [family.expect(row_log_r(q, block), rows(data, block), about) for block in blocks]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert_close(total, whole)
    assert_close(whole - total + parts[0], parts[0], atol=1e-10)
    scores = [family.log_likelihood(about, rows(data, block)) for block in blocks]
    assert sum(scores) == pytest.approx(family.log_likelihood(about, data), rel=1e-12)
    for block in blocks:
        np.testing.assert_allclose(family.e_step(about, rows(data, block)).log_r, exact.log_r[block], rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_statistics_are_a_vector_space(name):
    family, data, about = posed(name)[0].family, posed(name)[0].data, starting(name)
    exact, rng = family.e_step(about, data), np.random.default_rng(3)
    a, b, c = (family.expect(random_q(exact, rng), data, about) for _ in range(3))
    assert_close(a + b, b + a)
    assert_close((a + b) + c, a + (b + c))
    assert_close(a * 2.0, a + a)
    assert_close(2.0 * a, a * 2.0)
    assert_close((a + b) * 0.3, a * 0.3 + b * 0.3)
    assert_close(a + a.zeros_like(), a)
    assert_close((a + b) - b, a, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", UNWEIGHTED)
def test_weight_zero_is_absent_and_whole_weights_are_repeats(name):
    (problem, _), case = posed(name), CASES[name]
    family, data = problem.family, problem.data
    # every row at least once, so that no component loses its data and every default prior exists
    times = np.random.default_rng(4).choice([0, 1, 2, 3], p=[0.1, 0.4, 0.3, 0.2], size=data.n_rows)
    times[: max(2 * case.k, 5)] = 1
    weighted, repeated = (
        rows(data, slice(None), row_weights=times.astype(float)),
        rows(data, np.repeat(np.arange(data.n_rows), times)),
    )
    assert repeated.row_weights.sum() == times.sum() == repeated.n_rows
    params = starting(name)
    assert family.log_likelihood(params, weighted) == pytest.approx(family.log_likelihood(params, repeated), rel=1e-12)
    stats = [family.expect(family.e_step(params, d), d, params) for d in (weighted, repeated)]
    assert_close(*stats)
    assert_close(family.m_step(stats[0], params), family.m_step(stats[1], params), rtol=1e-9)

    priors = [None if case.prior is None else problem.prior(case.prior)] * 2
    if case.prior == "default":
        priors = [family.default_prior(d) for d in (weighted, repeated)]
        assert_close(*priors, rtol=1e-9)
    runs = [
        run_em(family, d, params, prior=prior, stop=TWO) for d, prior in zip((weighted, repeated), priors, strict=True)
    ]
    assert runs[0].status == runs[1].status
    assert runs[0].objective == pytest.approx(runs[1].objective, rel=1e-10)
    assert_close(runs[0].params, runs[1].params, rtol=1e-6, atol=1e-8)
    assert max(runs[0].trace.largest_residual, runs[1].trace.largest_residual) < 1e-10


@pytest.mark.parametrize(
    "name", ["coins-plain-ml", "coins-plain-map", "gaussian_mixture-full-ml", "gaussian_mixture-diag-default"]
)
def test_public_fit_with_weights_equals_fit_with_repeated_rows(name):
    case, (problem, _) = CASES[name], posed(name)
    data = problem.data
    times = np.random.default_rng(4).choice([0, 1, 2], size=data.n_rows)
    columns = {"heads": data.heads, "tosses": data.tosses} if case.family == "coins" else {"X": data.X}
    repeated = {field: np.repeat(value, times, axis=0) for field, value in columns.items()}
    same = {"n_components": case.k, "settings": case.settings, "prior": case.prior, "start": starting(name)}
    one = eb.fit(case.family, columns, sample_weight=times, **same)
    other = eb.fit(case.family, repeated, **same)
    assert one.status == other.status
    assert one.total_weight == other.total_weight == times.sum()
    assert one.log_posterior == pytest.approx(other.log_posterior, rel=1e-9)
    assert one.bic == pytest.approx(other.bic, rel=1e-9)
    assert_close(one.params, other.params, rtol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_absent_rows_may_hold_anything_possible(name):
    """A row of weight 0 changes no number, wherever it lies."""
    problem, prior = posed(name)
    family, data = problem.family, problem.data
    weights = np.where(np.arange(data.n_rows) == data.n_rows - 1, 0.0, np.maximum(data.row_weights, 0.1))
    present = rows(data, np.arange(data.n_rows - 1), row_weights=weights[:-1])
    moved = {
        f.name: np.r_[value[:-1], value[:1] * 3]
        for f in fields(data)
        if isinstance(value := getattr(data, f.name), np.ndarray) and f.name in ("X", "tosses")
    }
    absent = rows(data, slice(None), row_weights=weights, **moved)
    assert absent.row_weights[-1] == 0
    if case_default := CASES[name].prior == "default":
        assert_close(family.default_prior(absent), family.default_prior(present), rtol=1e-12)
    runs = [run_em(family, d, starting(name), prior=prior, stop=TWO) for d in (absent, present)]
    assert runs[0].status == runs[1].status
    assert runs[0].objective == pytest.approx(runs[1].objective, rel=1e-11), case_default
    assert_close(runs[0].params, runs[1].params, rtol=1e-7, atol=1e-9)


def test_an_absent_row_that_cannot_happen_changes_nothing():
    """Bug: 0 · ln 0 of an absent row made the whole log-likelihood NaN."""
    trials = {"heads": [10, 10, 0], "tosses": [10, 10, 10]}
    given = {"n_components": 1, "start": {"probs": [0.5]}}
    with_row = eb.fit("coins", trials, sample_weight=[1, 1, 0], **given)
    without = eb.fit("coins", {"heads": [10, 10], "tosses": [10, 10]}, **given)
    assert with_row.status == without.status
    assert with_row.log_likelihood == without.log_likelihood
    assert with_row.params.probs[0] == 1


def test_extreme_weights_keep_the_decomposition():
    for name in CASES:
        if "extreme" in name:
            weights = posed(name)[0].data.row_weights
            assert weights.max() / weights.min() > 1e9
            assert run(name).trace.largest_residual < 1e-10
