"""Which labels are arbitrary: renaming within a class changes no density, and any other renaming does."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from cases import COVARIANCES, blobs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emvsbayes.core.alignment import assignment, label_classes, permute, shuffled
from emvsbayes.problem import pose

X = blobs(n=30, k=3)
TRIALS = {"heads": [5, 9, 8, 4, 7, 2], "tosses": [10] * 6}
MIDDLE_KNOWN = np.r_[1, np.full(29, -1)]
LOCATIONS = [[0.0, 0.0], [0.0, 0.0], [4.0, 2.0]]


def classes_of(family="gaussian_mixture", data=X, prior="default", k=3, seed=0, **options):
    problem = pose(family, data, n_components=k, **options)
    record = problem.prior(prior)
    found = label_classes(problem.family, problem.data, record, problem.random_params(seed))
    assert found.shape == (k,)
    return problem, record, found


def partition(classes):
    """Classes as sets of components, whatever they are called."""
    return {frozenset(np.flatnonzero(classes == c).tolist()) for c in classes}


def sets(*groups):
    return {frozenset(group) for group in groups}


ALL, NONE = sets([0, 1, 2]), sets([0], [1], [2])
MEANS = {"location": LOCATIONS, "strength": 1.0}
COVARIANCE = {"dof": 5.0, "scale": [[2.0, 0.1], [0.1, 1.0]]}
CASES = {
    "nothing known": ({}, ALL),
    "maximum likelihood": ({"prior": None}, ALL),
    "weights of rows": ({"sample_weight": np.tile([0.0, 1.0, 2.5], 10)}, ALL),
    "one known component": ({"labels": MIDDLE_KNOWN}, sets([0, 2], [1])),
    "two known components": ({"labels": np.r_[0, 2, MIDDLE_KNOWN[2:]]}, NONE),
    "a known row without weight": ({"labels": MIDDLE_KNOWN, "sample_weight": np.r_[0.0, np.ones(29)]}, ALL),
    "held unequal weights": ({"fixed": {"weights": [0.2, 0.3, 0.5]}}, NONE),
    "two held weights equal": ({"fixed": {"weights": [0.4, 0.2, 0.4]}}, sets([0, 2], [1])),
    "held equal weights": ({"fixed": {"weights": [1 / 3] * 3}}, ALL),
    "held means": ({"fixed": {"means": [[0, 0], [1, 1], [4, 2]]}}, NONE),
    "two held means equal": ({"fixed": {"means": LOCATIONS}}, sets([0, 1], [2])),
    "prior of one component": ({"prior": {"means": MEANS, "covariances": COVARIANCE}}, sets([0, 1], [2])),
    "prior of the weights": ({"prior": {"weights": {"concentration": [2.0, 5.0, 5.0]}}}, sets([0], [1, 2])),
    "prior by component, all alike": ({"prior": {"weights": {"concentration": [2.0, 2.0, 2.0]}}}, ALL),
    "everything at once": (
        {"prior": {"means": MEANS, "covariances": COVARIANCE}, "labels": MIDDLE_KNOWN},
        NONE,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_classes(name):
    options, expected = CASES[name]
    assert partition(classes_of(**options)[2]) == expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["nothing known", "one known component", "prior of one component"])
def test_the_parameters_they_are_found_at_do_not_matter(name, seed):
    options, expected = CASES[name]
    assert partition(classes_of(**options, seed=seed)[2]) == expected


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_every_structure(covariance):
    assert partition(classes_of(settings={"covariance": covariance})[2]) == ALL
    one_known = classes_of(settings={"covariance": covariance}, labels=MIDDLE_KNOWN)[2]
    assert partition(one_known) == sets([0, 2], [1])


def test_coins():
    assert partition(classes_of("coins", TRIALS)[2]) == ALL
    assert partition(classes_of("coins", TRIALS, settings={"weights": "fixed"})[2]) == ALL
    assert partition(classes_of("coins", TRIALS, labels=[-1, -1, 0, -1, -1, -1])[2]) == sets([0], [1, 2])
    prior = {"probs": {"a": [2.0, 2.0, 9.0], "b": 2.0}}
    assert partition(classes_of("coins", TRIALS, prior)[2]) == sets([0, 1], [2])
    assert partition(classes_of("coins", TRIALS, k=1)[2]) == sets([0])


def test_where_no_component_is_free_there_is_nothing_to_rename():
    fixed = {"weights": [1 / 3] * 3, "means": [[0, 0], [1, 1], [4, 2]]}
    assert partition(classes_of(settings={"covariance": "tied"}, fixed=fixed)[2]) == NONE


@pytest.mark.parametrize("name", CASES)
def test_a_renaming_changes_no_density_exactly_where_the_classes_say_so(name):
    """All six renamings by force, at other parameters than those the classes were found at."""
    problem, prior, classes = classes_of(**CASES[name][0])
    free = {n: axes for n, axes in problem.family.component_axes.items() if n not in problem.family.fixed}
    params = problem.random_params(99)

    def objective(at):
        log_prior = 0.0 if prior is None else problem.family.log_prior(at, prior)
        return problem.family.log_likelihood(at, problem.data) + log_prior

    for permutation in permutations(range(3)):
        p = np.array(permutation)
        same = objective(permute(params, p, free)) == pytest.approx(objective(params), rel=1e-11)
        assert same == (classes[p] == classes).all(), permutation


finite = st.floats(-10, 10, allow_nan=False, width=32)


@given(
    st.integers(1, 4).flatmap(
        lambda k: st.tuples(arrays(float, (k, k), elements=finite), arrays(int, k, elements=st.integers(0, 2)))
    )
)
def test_assignment_is_the_best_of_those_within_the_classes(drawn):
    agreement, classes = drawn
    k = len(agreement)
    chosen = assignment(agreement, classes)
    assert sorted(chosen) == list(range(k))
    assert (classes[chosen] == classes).all()
    allowed = [p for p in permutations(range(k)) if (classes[list(p)] == classes).all()]
    best = max(sum(agreement[p[slot], slot] for slot in range(k)) for p in allowed)
    assert agreement[chosen, np.arange(k)].sum() == pytest.approx(best, abs=1e-9)


def test_classes_hold_against_any_agreement():
    for scale in (0.0, 1e-12, 1.0, 1e12):
        agreement = scale * np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
        assert list(assignment(agreement)) == ([2, 1, 0] if scale else [0, 1, 2])
        assert list(assignment(agreement, np.array([0, 0, 1]))) in ([0, 1, 2], [1, 0, 2])
        assert list(assignment(agreement, np.array([0, 1, 2]))) == [0, 1, 2]
        assert list(assignment(agreement, np.array([7, 3, 7]))) == ([2, 1, 0] if scale else [0, 1, 2])


def test_random_renamings_stay_within_the_classes_and_reach_all_of_them():
    classes, rng = np.array([0, 1, 0, 0, 1]), np.random.default_rng(0)
    seen = {tuple(shuffled(classes, rng).tolist()) for _ in range(500)}
    assert len(seen) == 6 * 2
    for permutation in seen:
        assert sorted(permutation) == list(range(5))
        assert (classes[list(permutation)] == classes).all()
