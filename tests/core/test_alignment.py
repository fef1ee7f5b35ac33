"""Joint assignment of components: optimal, recovers known permutations, and never sorts fields separately."""

from itertools import permutations

import numpy as np
import pytest
from cases import assert_identical, posed, run
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emvsbayes.core.alignment import align_responsibilities, assignment, permute
from emvsbayes.families.coins.records import CoinsParams

finite = st.floats(-10, 10, allow_nan=False, width=32)


@given(st.integers(1, 4).flatmap(lambda k: arrays(float, (k, k), elements=finite)))
def test_assignment_is_the_best_of_all(agreement):
    k = len(agreement)
    chosen = assignment(agreement)
    assert sorted(chosen) == list(range(k))
    best = max(sum(agreement[p[slot], slot] for slot in range(k)) for p in permutations(range(k)))
    assert agreement[chosen, np.arange(k)].sum() == pytest.approx(best)


@given(st.permutations(list(range(5))), st.integers(0, 1000))
def test_known_permutations_are_recovered(permutation, seed):
    rng = np.random.default_rng(seed)
    reference = rng.dirichlet(np.full(5, 0.2), size=60)
    reference[:5] = np.eye(5)  # each component is somewhere the best
    moving = reference[:, permutation]  # slot j of `moving` is the old component permutation[j]
    back = align_responsibilities(moving, reference, np.ones(60))
    assert np.array_equal(moving[:, back], reference)


@given(st.permutations(list(range(3))))
def test_permuting_and_aligning_gives_the_same_record(permutation):
    name = "gaussian_mixture-full-three-components-ml"
    problem, params = posed(name)[0], run(name).params
    axes = problem.family.component_axes
    shuffled = permute(params, np.array(permutation), axes)
    ours, theirs = (problem.family.e_step(p, problem.data).responsibilities for p in (shuffled, params))
    back = align_responsibilities(ours, theirs, problem.data.row_weights)
    assert_identical(permute(shuffled, back, axes), params)


def test_fields_move_together():
    """Sorting fields one by one would call these two mixtures equal; their weights sit on different means."""
    axes = {"weights": (0,), "probs": (0,)}
    truth = CoinsParams(np.array([0.3, 0.7]), np.array([0.2, 0.8]))
    other = CoinsParams(np.array([0.3, 0.7]), np.array([0.8, 0.2]))
    assert np.array_equal(np.sort(truth.weights), np.sort(other.weights))
    assert np.array_equal(np.sort(truth.probs), np.sort(other.probs))
    problem = posed("coins-plain-ml")[0]
    r, s = (problem.family.e_step(p, problem.data).responsibilities for p in (other, truth))
    aligned = permute(other, align_responsibilities(r, s, problem.data.row_weights), axes)
    assert np.array_equal(aligned.probs, truth.probs)
    assert np.array_equal(aligned.weights, [0.7, 0.3])


def test_rows_without_weight_have_no_say():
    reference = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    moving = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert list(align_responsibilities(moving, reference, np.array([1.0, 1.0, 0.0]))) == [1, 0]
    assert list(align_responsibilities(moving, reference, np.array([0.0, 0.0, 5.0]))) == [0, 1]


def test_permute_moves_every_named_axis_and_nothing_else():
    params = run("gaussian_mixture-tied-ml").params
    axes = posed("gaussian_mixture-tied-ml")[0].family.component_axes
    swapped = permute(params, np.array([1, 0]), axes)
    assert np.array_equal(swapped.means, params.means[::-1])
    assert np.array_equal(swapped.weights, params.weights[::-1])
    assert swapped.covariances is params.covariances
    both = permute(CoinsParams(np.arange(9.0).reshape(3, 3), np.zeros(3)), np.array([2, 0, 1]), {"weights": (0, 1)})
    assert np.array_equal(both.weights, np.arange(9.0).reshape(3, 3)[np.ix_([2, 0, 1], [2, 0, 1])])
