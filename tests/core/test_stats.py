"""VectorSpace: the laws, and the frame that must agree."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emvsbayes.core.stats import VectorSpace, frame
from emvsbayes.densities.gaussian import moments
from emvsbayes.families.gaussian_mixture.em import GaussianStats

number = st.integers(-1000, 1000).map(float)  # small whole numbers: the laws hold to the bit
scalar = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 4.0])


@dataclass(frozen=True, slots=True)
class Plane(VectorSpace):
    """Two coordinates, an extra number, and a frame."""

    x: np.ndarray
    total: float
    origin: np.ndarray = frame()


def planes(origin=0.0):
    return st.builds(Plane, arrays(float, 3, elements=number), number, st.just(np.full(2, origin)))


def same(a, b):
    return np.array_equal(a.x, b.x) and a.total == b.total and np.array_equal(a.origin, b.origin)


@given(planes(), planes(), planes(), scalar, scalar)
def test_laws(a, b, c, s, t):
    assert same(a + b, b + a)
    assert same((a + b) + c, a + (b + c))
    assert same(a + a.zeros_like(), a)
    assert same(a - a, a.zeros_like())
    assert same((a + b) * s, a * s + b * s)
    assert same(a * (s + t), a * s + a * t)
    assert same((a * s) * t, a * (s * t))
    assert same(s * a, a * s)
    assert same(a * 1.0, a)
    assert same(a - b, a + b * -1.0)


@given(planes(), planes(origin=1.0))
def test_other_frames_are_refused(a, b):
    with pytest.raises(ValueError, match="origin"):
        a + b
    with pytest.raises(ValueError, match="origin"):
        a - b


@given(planes(), planes())
def test_operands_are_not_changed(a, b):
    before = a.x.copy(), b.x.copy(), a.origin.copy()
    a + b, a * 3.0, a - b, a.zeros_like()
    assert all(np.array_equal(x, y) for x, y in zip(before, (a.x, b.x, a.origin), strict=True))


def gaussian_stats(rng, origin, matrices, X=None, mass=None):
    X = rng.normal(size=(20, 3)) if X is None else X
    mass = rng.dirichlet(np.ones(2), size=20) if mass is None else mass
    first, second = moments(X, mass, origin, matrices=matrices)
    n = mass.sum(axis=0)
    return GaussianStats(n, n, n, first, second, origin), X, mass


@pytest.mark.parametrize("matrices", [True, False])
@pytest.mark.parametrize("distance", [0.0, 1.0, 100.0])
def test_about_is_exact(matrices, distance):
    """Moved statistics equal those measured there in the first place, and moving back changes nothing."""
    rng = np.random.default_rng(0)
    here, there = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)) + distance
    stats, X, mass = gaussian_stats(rng, here, matrices)
    direct, _, _ = gaussian_stats(rng, there, matrices, X, mass)
    moved = stats.about(there)
    tolerance = 1e-14 * 20 * (1 + distance) ** 2
    for name in ("n_weight", "n_mean", "n_cov", "first", "second", "origin"):
        np.testing.assert_allclose(getattr(moved, name), getattr(direct, name), atol=tolerance, rtol=1e-12)
        np.testing.assert_allclose(getattr(moved.about(here), name), getattr(stats, name), atol=10 * tolerance)


@given(st.integers(0, 10**6), st.booleans())
def test_about_is_linear_and_composes(seed, matrices):
    rng = np.random.default_rng(seed)
    here, there, beyond = rng.normal(size=(3, 2, 3))
    a, b = (gaussian_stats(rng, here, matrices)[0] for _ in range(2))
    for one, other in (
        ((a + b * 0.3).about(there), a.about(there) + b.about(there) * 0.3),
        (a.about(there).about(beyond), a.about(beyond)),
    ):
        np.testing.assert_allclose(one.first, other.first, atol=1e-11)
        np.testing.assert_allclose(one.second, other.second, atol=1e-10)


def test_the_three_counts_move_apart():
    """n_mean alone carries first and second moments: a prior's counts differ."""
    stats = GaussianStats(
        np.array([2.0]), np.array([0.5]), np.array([7.0]), np.zeros((1, 1)), np.array([[3.0]]), np.zeros((1, 1))
    )
    moved = stats.about(np.array([[2.0]]))
    assert (moved.n_weight[0], moved.n_mean[0], moved.n_cov[0]) == (2.0, 0.5, 7.0)
    assert moved.first[0, 0] == -1.0
    assert moved.second[0, 0] == 3.0 + 0.5 * 4.0
