"""Summaries without labels, against enumeration: of all allocations, of all partitions, of all pairs."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product
from math import log

import numpy as np
import pytest

import emvsbayes as eb
from emvsbayes.relabelling import coclustering, occupied, point_partition


def partitions(n):
    """All partitions of n rows, groups numbered by their first row."""
    if n == 1:
        yield (0,)
        return
    for first in partitions(n - 1):
        for label in range(max(first) + 2):
            yield (*first, label)


def binder(c, z):
    return sum((c[i] == c[j]) != (z[i] == z[j]) for i, j in combinations(range(len(c)), 2))


def variation(c, z):
    """2 H(c, z) - H(c) - H(z), from the joint distribution of a random row's two groups."""

    def entropy(values):
        shares = [count / len(c) for count in Counter(values).values()]
        return -sum(p * log(p) for p in shares)

    return 2 * entropy(zip(c, z, strict=True)) - entropy(c) - entropy(z)


def some(k, n, draws, seed, blur):
    """Allocations around one partition, each draw under its own names, and their probabilities."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, k, n)
    r = rng.dirichlet(np.full(k, 0.7), (draws, n)) * blur + (1 - blur) * np.eye(k)[base]
    r = np.stack([one[:, rng.permutation(k)] for one in r])
    return r, (r.cumsum(axis=2) < rng.random((draws, n, 1))).sum(axis=2).clip(0, k - 1)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_coclustering_is_the_share_of_allocations_that_put_two_rows_together(k):
    r, z = some(k, 4, 5, k, 0.8)
    exact = np.zeros((4, 4))
    for one in r:
        for labels in product(range(k), repeat=4):
            exact += np.equal.outer(labels, labels) * np.prod(one[np.arange(4), labels]) / 5
    np.testing.assert_allclose(coclustering(probabilities=r), exact, atol=1e-14)
    counted = np.mean([np.equal.outer(one, one) for one in z], axis=0)
    np.testing.assert_allclose(coclustering(allocations=z), counted, atol=1e-14)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_occupied_components_by_enumeration(k):
    r, z = some(k, 4, 3, k, 0.8)
    exact = np.zeros(k + 1)
    for one in r:
        for labels in product(range(k), repeat=4):
            exact[len(set(labels))] += np.prod(one[np.arange(4), labels]) / 3
    np.testing.assert_allclose(occupied(probabilities=r), exact, atol=1e-13)
    counted = [np.mean([len(set(one)) == j for one in z.tolist()]) for j in range(z.max() + 2)]
    np.testing.assert_allclose(occupied(allocations=z), counted)


@pytest.mark.parametrize("loss", ["vi", "binder"])
@pytest.mark.parametrize("blur", [0.3, 0.9])
@pytest.mark.parametrize("k", [2, 3])
def test_the_point_partition_is_the_best_of_all(k, blur, loss):
    for seed in range(3):
        _, z = some(k, 6, 15, seed, blur)
        measure = variation if loss == "vi" else binder
        everything = {c: np.mean([measure(c, one) for one in z.tolist()]) for c in partitions(6)}
        found = point_partition(z, loss=loss, max_groups=6)
        assert found.expected_loss == pytest.approx(everything[tuple(found.labels)], abs=1e-12)
        assert found.expected_loss == pytest.approx(min(everything.values()), abs=1e-12)
        fewer = point_partition(z, loss=loss)
        assert fewer.labels.max() < k
        assert fewer.expected_loss == pytest.approx(min(v for c, v in everything.items() if max(c) < k), abs=1e-12)


def test_binder_takes_the_matrix_of_probabilities():
    r, z = some(3, 6, 20, 1, 0.8)
    together = coclustering(probabilities=r)
    found = point_partition(z, loss="binder", coclustering=together, max_groups=6)
    pairs = list(combinations(range(6), 2))
    everything = [sum(abs((c[i] == c[j]) - together[i, j]) for i, j in pairs) for c in partitions(6)]
    assert found.expected_loss == pytest.approx(min(everything))


def test_two_crossed_partitions_are_two_ln_2_apart():
    """Meila (2007): the largest distance of two halvings; and 0 of a partition from itself under other names."""
    assert variation([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(2 * np.log(2))
    found = point_partition([[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]])
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.expected_loss == pytest.approx(0.0, abs=1e-14)


def test_names_change_nothing():
    r, z = some(4, 30, 40, 3, 0.4)
    rng = np.random.default_rng(0)
    names = np.stack([rng.permutation(4) for _ in z])
    renamed, moved = np.take_along_axis(names, z, axis=1), np.take_along_axis(r, np.argsort(names)[:, None, :], axis=2)
    np.testing.assert_allclose(coclustering(probabilities=r), coclustering(probabilities=moved))
    np.testing.assert_allclose(occupied(probabilities=r), occupied(probabilities=moved), atol=1e-12)
    for loss in ("vi", "binder"):
        one, two = point_partition(z, loss=loss), point_partition(renamed, loss=loss)
        np.testing.assert_array_equal(one.labels, two.labels)
        assert one.expected_loss == pytest.approx(two.expected_loss)


def test_names_that_do_not_occur_are_no_components():
    z = np.array([[0, 0, 1, 1], [0, 0, 0, 1], [1, 1, 0, 0]])
    plain = point_partition(z)
    for names in ([1, 2], [7, 10**9]):
        other = point_partition(np.array(names)[z])
        np.testing.assert_array_equal(plain.labels, other.labels)
        assert plain.expected_loss == other.expected_loss
    crossed = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])  # of three groups the best has less loss, but there are two
    assert point_partition(crossed + 1).expected_loss == point_partition(crossed).expected_loss


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: coclustering(), ["probabilities", "allocations"]),
        (lambda: coclustering(allocations=np.zeros((0, 3))), ["at least one draw"]),
        (lambda: coclustering(allocations=[[0.5]]), ["whole"]),
        (lambda: coclustering(allocations=[[-1, 0]]), ["between 0"]),
        (lambda: coclustering(probabilities=np.full((1, 2, 2), 0.4)), ["add to 1"]),
        (lambda: coclustering(probabilities=np.zeros((1, 0, 2))), ["at least one draw"]),
        (lambda: occupied(probabilities=np.full((1, 2, 13), 1 / 13)), ["13", "allocations"]),
        (lambda: point_partition([[0, 1]], loss="bindr"), ["bindr", "binder"]),
        (lambda: point_partition([[0, 1]], loss="binder", coclustering=np.ones((3, 3))), ["coclustering", "(2, 2)"]),
        (lambda: point_partition([0, 1]), ["allocations", "2 axes"]),
        (lambda: point_partition([[0, 1]], max_groups=0), ["max_groups", "0"]),
    ],
)
def test_bad_input_is_told_in_one_sentence(call, words):
    with pytest.raises(eb.InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value), str(caught.value)
