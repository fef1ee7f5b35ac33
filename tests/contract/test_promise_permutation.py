"""Promise 7: relabelling components permutes everything and changes no number."""

from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, assert_close, posed, random_params, run, starting

from emvsbayes.core.alignment import permute
from emvsbayes.core.em import Stop, run_em

SEVERAL = [name for name, case in CASES.items() if case.k > 1]


def permuted_prior(prior, permutation):
    """A prior whose hyperparameters carry the component axis, permuted; exchangeable groups are untouched."""
    if prior is None:
        return None
    k, changes = len(permutation), {}
    for group, names in {
        "probs": ("a", "b"),
        "weights": ("concentration",),
        "means": ("location",),
        "centers": ("location",),
    }.items():
        record = getattr(prior, group, None)
        for name in names if record is not None else ():
            value = getattr(record, name)
            if value.ndim == 2 or (value.ndim == 1 and name != "location"):
                assert len(value) == k
                record = replace(record, **{name: value[permutation]})
        if record is not None:
            changes[group] = record
    return replace(prior, **changes)


def permuted_data(data, permutation):
    """The same rows with known components renamed: slot k holds the old component permutation[k]."""
    if data.labels is None:
        return data
    inverse = np.argsort(permutation)
    return replace(data, labels=np.where(data.labels >= 0, inverse[data.labels], -1))


@pytest.mark.parametrize("name", SEVERAL)
def test_relabelling_changes_no_number(name):
    (problem, prior), rng = posed(name), np.random.default_rng(6)
    family, data, axes = problem.family, problem.data, problem.family.component_axes
    permutation = np.roll(np.arange(family.n_components), 1)
    data_p, prior_p = permuted_data(data, permutation), permuted_prior(prior, permutation)
    for params in (starting(name), random_params(name, rng)):
        other = permute(params, permutation, axes)
        assert not np.array_equal(other.weights, params.weights) or len(set(params.weights)) == 1
        assert family.log_likelihood(other, data_p) == pytest.approx(family.log_likelihood(params, data), rel=1e-13)
        if prior is not None:
            assert family.log_prior(other, prior_p) == pytest.approx(family.log_prior(params, prior), rel=1e-12)
        q, q_p = family.e_step(params, data), family.e_step(other, data_p)
        np.testing.assert_allclose(q_p.log_r, q.permuted(permutation).log_r, rtol=1e-12, atol=1e-10)
        stats, stats_p = family.expect(q, data, params), family.expect(q_p, data_p, other)
        if prior is not None:
            stats = stats + family.pseudo_stats(prior, params)
            stats_p = stats_p + family.pseudo_stats(prior_p, other)
        moved = permute(family.m_step(stats, params), permutation, axes)
        assert_close(family.m_step(stats_p, other), moved, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", SEVERAL)
def test_a_run_from_relabelled_starts_is_the_same_run(name):
    problem, prior = posed(name)
    family, axes = problem.family, problem.family.component_axes
    permutation = np.roll(np.arange(family.n_components), 1)
    start, stop = permute(starting(name), permutation, axes), Stop(tol=1e-300, max_passes=5)
    data, relabelled = problem.data, permuted_data(problem.data, permutation)
    one = run_em(family, data, starting(name), prior=prior, stop=stop)
    other = run_em(family, relabelled, start, prior=permuted_prior(prior, permutation), stop=stop)
    assert one.passes == other.passes
    assert one.status == other.status
    for a, b in zip(one.trace, other.trace, strict=True):
        np.testing.assert_allclose([a.elbo, a.log_likelihood], [b.elbo, b.log_likelihood], rtol=1e-11)
    assert_close(other.params, permute(one.params, permutation, axes), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", SEVERAL)
def test_inspection_follows_the_labels(name):
    problem = posed(name)[0]
    family, axes, params = problem.family, problem.family.component_axes, run(name).params
    permutation = np.roll(np.arange(family.n_components), 1)
    data = permuted_data(problem.data, permutation)
    seen = []
    for p, d in ((params, problem.data), (permute(params, permutation, axes), data)):
        stats = family.expect(family.e_step(p, d), d, p)
        seen.append({(event.kind, event.component) for event in family.inspect(p, stats, d, p)})
    inverse = np.argsort(permutation)
    assert seen[1] == {(kind, int(inverse[k])) for kind, k in seen[0]}
