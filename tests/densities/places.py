"""Run by `test_places.py` in a process in which numba does not compile: every place of every kernel is looked at.

NumPy looks at the places of ordinary indices, and the functions below stand in for those of `kernels.vectors`, which
nobody looks at when they are compiled.
"""

from itertools import product
from typing import Any

import numpy as np
from scipy.special import logsumexp

from emvsbayes.densities.kernels import vectors


def eight(array, place, size=8):
    """Numbers from a place on, all of them inside the array."""
    assert array.flags.c_contiguous
    assert size % 8 == 0
    assert 0 <= place <= array.size - size, (array.shape, place)
    return array.reshape(-1)[place : place + size]


def add_four_to_one(out, to, table, *places):
    target = eight(out, to)
    for place in places:
        target += eight(table, place)


def add_one_to_four(out, a, b, c, d, table, at):
    for place in (a, b, c, d):
        target = eight(out, place)
        target += eight(table, at)


def sum_where_set(out, bytes_, at, apart, flip, table, from_, long, rows):
    target = eight(out, 0, 80)
    assert bytes_.flags.c_contiguous
    assert bytes_.dtype == np.uint8
    assert table.flags.c_contiguous
    for g in range(5):
        for c in range(2):
            sums = np.zeros(8)
            for r in range(rows):
                place, number = at + c * apart + r, from_ + g * long + r
                assert 0 <= place < bytes_.size
                assert 0 <= number < table.size
                mask = int(bytes_.reshape(-1)[place]) ^ int(flip)
                sums += table.reshape(-1)[number] * np.array([mask >> i & 1 for i in range(8)])
            target[16 * g + 8 * c :][:8] = sums


def copy_eight(out, to, table, at):
    eight(out, to)[:] = eight(table, at)


def squared_difference(one, at, other, from_, size):
    return float(np.square(eight(one, at, size) - eight(other, from_, size)).sum())


def add_scaled_difference(out, to, weight, one, at, other, from_, size):
    target = eight(out, to, size)
    target += weight * (eight(one, at, size) - eight(other, from_, size))


for stand_in in (
    add_four_to_one,
    add_one_to_four,
    sum_where_set,
    copy_eight,
    squared_difference,
    add_scaled_difference,
):
    assert hasattr(vectors, stand_in.__name__)
    setattr(vectors, stand_in.__name__, stand_in)

from emvsbayes.densities import passes  # noqa: E402
from emvsbayes.densities.kernels import bernoulli, tallies  # noqa: E402
from emvsbayes.families.bernoulli_mixture.records import BernoulliData  # noqa: E402

rng = np.random.default_rng(0)

for d in (1, 7, 8, 9, 17):
    for k in (1, 2, 9):
        for n in (1, 257):
            X: Any = np.round(rng.normal(size=(n, d)), 1).astype(np.float32 if d == 9 else np.float64)
            labels = np.where(rng.random(n) < 0.2, rng.integers(0, k, size=n), -1)
            centers, origin, bounds = rng.normal(size=(k, d)), rng.normal(size=(k, d)), passes.Bounds(n)
            for moved in (centers, centers + 0.01 * rng.normal(size=(k, d)), origin):
                counts, first, _ = passes.nearest_pass(X, np.ones(n), labels, moved, origin, bounds)
                squares = ((X[:, None].astype(float) - moved) ** 2).sum(axis=2)
                z = np.where(labels >= 0, labels, squares.argmin(axis=1))
                assert np.array_equal(counts, np.bincount(z, minlength=k))
                of_each = [(X[z == j].astype(float) - origin[j]).sum(axis=0) for j in range(k)]
                np.testing.assert_allclose(first, of_each, atol=1e-9)

for way, d in product((tallies.MASKED, tallies.BUCKETS), (1, 8, 9, 31, 32, 33)):
    bernoulli.opened, bernoulli.tally, bernoulli.read_off = way
    for k in (1, 9):
        for n in (1, 40) if (d, k) != (1, 1) else (1, 40, 513):  # and a block of rows that is not the first
            X, logs = (rng.random((n, d)) < 0.5).astype(float), np.log(rng.uniform(0.1, 0.9, size=(2, k, d)))
            for observed in (None, (rng.random((n, d)) < 0.7).astype(float)):
                data = BernoulliData(X, observed, ("x",) * d, np.ones(n))
                found = passes.bernoulli_pass(X, data.bits, data.row_weights, None, np.zeros(k), *logs)
                seen = np.ones_like(X) if observed is None else observed
                joint = (X * seen) @ logs[0].T + ((1 - X) * seen) @ logs[1].T
                assert found is not None
                np.testing.assert_allclose(found[0], np.sum(logsumexp(joint, axis=1)), rtol=1e-12)
                masses = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
                np.testing.assert_allclose(found[2], masses.T @ (X * seen), atol=1e-12)
                np.testing.assert_allclose(found[3], masses.T @ ((1 - X) * seen), atol=1e-12)

for d in (1, 3, 4, 5, 24, 25):
    X, n = rng.normal(size=(130, d)), 130
    means, logs = rng.normal(size=(3, d)), np.zeros(3)
    full = passes.gaussian_pass(X, np.ones(n), None, logs, means, np.tile(2 * np.eye(d), (3, 1, 1)), means)
    diag = passes.gaussian_pass(X, np.ones(n), None, logs, means, np.full((3, d), 2.0), means)
    for one, other in zip(full[:3], diag[:3], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)
    np.testing.assert_allclose(np.diagonal(full[3], axis1=1, axis2=2), diag[3], rtol=1e-10)

print("every place is inside")
