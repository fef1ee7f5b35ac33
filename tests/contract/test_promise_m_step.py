"""Promises 3 and 4: each M-step maximises, and pseudo-statistics are the prior up to a constant. Held fields hold."""

from dataclasses import fields

import numpy as np
import pytest
from cases import CASES, WITH_PRIOR, assert_close, posed, random_params, random_q, run, starting

from emvsbayes.problem import pose

HELD = [name for name, case in CASES.items() if case.fixed]
STEPS = (1e-1, 1e-3, 1e-5, 1e-7)


def perturbed(vector, rng):
    """Neighbours of a point in free coordinates: along each coordinate, and in random directions."""
    size = 1 + np.abs(vector)
    for step in STEPS:
        for i in range(len(vector)):
            for sign in (-1, 1):
                shift = np.zeros(len(vector))
                shift[i] = sign * step
                yield vector + shift * size
                yield vector + shift
        for _ in range(10):
            yield vector + step * rng.normal(size=len(vector))


@pytest.mark.parametrize("name", CASES)
def test_m_step_maximises(name):
    (problem, prior), rng = posed(name), np.random.default_rng(2)
    family, data = problem.family, problem.data
    before = starting(name)
    exact = family.e_step(before, data)
    for q in (exact, random_q(exact, rng)):
        stats = family.expect(q, data, before)
        totals = [stats] if prior is None else [stats, stats + family.pseudo_stats(prior, before)]
        for total in totals:
            after = family.m_step(total, before)
            best = family.expected_log_joint(after, total)
            assert best >= family.expected_log_joint(before, total) - 1e-12 * (1 + abs(best))
            vector = family.to_vector(after)
            assert np.isfinite(vector).all()
            for neighbour in perturbed(vector, rng):
                value = family.expected_log_joint(family.from_vector(neighbour, after), total)
                assert value <= best + 1e-11 * (1 + abs(best))


@pytest.mark.parametrize("name", CASES)
def test_m_step_does_not_depend_on_where_moments_are_measured(name):
    """`about` is a matter of rounding only; the old parameters serve held fields and empty components."""
    problem, prior = posed(name)
    family, data = problem.family, problem.data
    before = starting(name)
    elsewhere = run(name).params
    q = family.e_step(before, data)
    results = []
    for about in (before, elsewhere):
        stats = family.expect(q, data, about)
        total = stats if prior is None else stats + family.pseudo_stats(prior, about)
        results.append(family.m_step(total, before))
    assert_close(*results, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", WITH_PRIOR)
def test_pseudo_statistics_are_the_prior_up_to_a_constant(name):
    (problem, prior), rng = posed(name), np.random.default_rng(4)
    family, data = problem.family, problem.data
    about = starting(name)
    stats = family.expect(family.e_step(about, data), data, about)
    pseudo = family.pseudo_stats(prior, about)
    visited = [about, run(name).params, *(random_params(name, rng) for _ in range(6))]
    if len(family.to_vector(about)) == 0:
        assert [family.log_prior(params, prior) for params in visited] == [0.0] * len(visited)
        assert [family.expected_log_joint(params, pseudo) for params in visited] == [0.0] * len(visited)
        return
    gaps, scales = [], []
    for params in visited:
        log_prior = family.log_prior(params, prior)
        alone = family.expected_log_joint(params, pseudo)
        both, data_only = family.expected_log_joint(params, stats + pseudo), family.expected_log_joint(params, stats)
        assert both - data_only == pytest.approx(alone, rel=1e-10, abs=1e-11 * (1 + abs(data_only)))
        gaps.append(alone - log_prior)
        scales.append(1 + abs(log_prior))
    assert np.ptp(gaps) <= 1e-9 * max(scales)
    assert abs(gaps[0] - gaps[1]) <= 1e-9 * max(scales[:2])  # the near ones agree on their own, smaller scale


@pytest.mark.parametrize("name", WITH_PRIOR)
def test_pseudo_statistics_may_be_measured_from_anywhere(name):
    problem, prior = posed(name)
    family, params = problem.family, run(name).params
    here = family.expected_log_joint(params, family.pseudo_stats(prior, params))
    there = family.expected_log_joint(params, family.pseudo_stats(prior, starting(name)))
    assert there == pytest.approx(here, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_expected_log_joint_is_linear_in_the_statistics(name):
    problem, rng = posed(name)[0], np.random.default_rng(3)
    family, data = problem.family, problem.data
    about = starting(name)
    exact = family.e_step(about, data)
    a, b = (family.expect(random_q(exact, rng), data, about) for _ in range(2))
    for params in (about, run(name).params):
        one, other = family.expected_log_joint(params, a), family.expected_log_joint(params, b)
        mixed = family.expected_log_joint(params, a * 0.3 + b * 2.0)
        assert mixed == pytest.approx(0.3 * one + 2.0 * other, rel=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_free_coordinates_round_trip(name):
    family, rng = posed(name)[0].family, np.random.default_rng(1)
    like = starting(name)
    size = len(family.to_vector(like))
    for params in (like, run(name).params):
        assert_close(family.from_vector(family.to_vector(params), like), params, rtol=1e-9, atol=1e-12)
    for _ in range(3):
        vector = rng.normal(size=size)
        np.testing.assert_allclose(family.to_vector(family.from_vector(vector, like)), vector, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", HELD)
def test_held_fields_hold_to_the_letter(name):
    case, (problem, _) = CASES[name], posed(name)
    family, rng = problem.family, np.random.default_rng(0)
    result = run(name)
    free = {f.name for f in fields(result.params)} - set(case.fixed)
    for params in (starting(name), result.params, random_params(name, rng)):
        for field, value in case.fixed.items():
            assert getattr(params, field).tobytes() == np.asarray(value, dtype=float).tobytes()
    assert all(not np.array_equal(getattr(result.params, f), getattr(starting(name), f)) for f in free)
    assert family.fixed == set(case.fixed)


def test_held_fields_have_no_coordinates():
    sizes = {"weights": 1, "means": 4, "covariances": 6}
    everything = {"weights": [0.5, 0.5], "means": [[0, 0], [3, 3]], "covariances": [np.eye(2), np.eye(2)]}
    X = CASES["gaussian_mixture-full-ml"].X
    for held in ([], ["weights"], ["means", "covariances"], list(everything)):
        problem = pose("gaussian_mixture", X, n_components=2, fixed={field: everything[field] for field in held})
        params = problem.hold(problem.family.init(problem.data, np.random.default_rng(0), "kmeans"))
        assert len(problem.family.to_vector(params)) == 11 - sum(sizes[field] for field in held)
