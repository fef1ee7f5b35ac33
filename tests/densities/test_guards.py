"""What the kernels do not look at is looked at before them: places that only the data know, layouts, huge weights."""

import numpy as np
import pytest
from cases import assert_identical, blobs
from numba.core.errors import TypingError

import emvsbayes as eb
from emvsbayes.densities import passes
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.vectors import copy_eight
from emvsbayes.problem import pose

RNG = np.random.default_rng(0)
X = RNG.normal(size=(700, 9)) + 5 * RNG.integers(0, 3, size=(700, 1))
CENTERS = X[:3].copy()


def laid_out(rows, layout):
    if layout == "fortran":
        return np.asfortranarray(rows)
    if layout == "strided":
        return np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)[::2, ::3]
    if layout == "backwards":
        return rows[::-1, ::-1].copy()[::-1, ::-1]
    if layout == "read-only":
        rows = rows.copy()
        rows.flags.writeable = False
    return rows


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("layout", ["fortran", "strided", "backwards", "read-only"])
def test_rows_may_lie_in_any_order(layout, dtype):
    """Bug: K-means took rows for contiguous, and clustered others than were given."""
    rows = X.astype(dtype)
    weights, bounds = np.ones(len(X)), passes.Bounds(len(X))
    expected = passes.nearest_pass(rows, weights, None, CENTERS, CENTERS)
    for found in (
        passes.nearest_pass(laid_out(rows, layout), weights, None, CENTERS, CENTERS),
        passes.nearest_pass(laid_out(rows, layout), weights, None, CENTERS, CENTERS, bounds),
    ):
        for one, other in zip(found, expected, strict=True):
            assert np.array_equal(one, other)


def test_rows_of_a_memory_map(tmp_path):
    np.save(tmp_path / "rows.npy", X)
    mapped, weights = np.load(tmp_path / "rows.npy", mmap_mode="r"), np.ones(len(X))
    covariances, logs = np.tile(np.eye(9), (3, 1, 1)), np.full(3, -np.log(3))
    for one, other in (
        (passes.nearest_pass(rows, weights, None, CENTERS, CENTERS) for rows in (mapped, X)),
        (passes.gaussian_pass(rows, weights, None, logs, CENTERS, covariances, CENTERS) for rows in (mapped, X)),
    ):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@compiled
def copied(rows, out):
    copy_eight(out, 0, rows, 0)


@pytest.mark.parametrize(
    "rows", [np.zeros((16, 16)).T, np.zeros(40)[::2], np.zeros(16, dtype=np.int64), np.zeros(16, dtype=np.float16)]
)
def test_eight_numbers_of_other_arrays_are_refused(rows):
    with pytest.raises(TypingError, match="need a contiguous array of floats"):
        copied(rows, np.zeros(8))


@pytest.mark.parametrize("family", ["gaussian_mixture", "kmeans"])
def test_a_label_of_no_component(family):
    """Bug: K-means read and wrote beyond its arrays; others took the row for one that nobody could produce."""
    problem = pose(family, X, n_components=3, settings={"variance": 1.0} if family == "kmeans" else None)
    params, data = problem.family.init(problem.data, RNG, "k-means++"), problem.data
    wrong = type(data)(data.X, data.columns, data.row_weights, np.full(len(X), 3))
    with pytest.raises(eb.InputError, match="labels go up to 3, but 3 components are counted from 0 to 2"):
        problem.family.accumulate(params, wrong)
    if family == "kmeans":
        with pytest.raises(eb.InputError, match="labels go up to 3"):
            problem.family.accumulate_hard(params, wrong)


def test_a_label_of_no_component_in_a_stream():
    """Bug: only the first chunk was looked at."""
    stream = eb.Stream("gaussian_mixture", n_components=2).partial_fit(blobs())
    with pytest.raises(eb.InputError, match="labels go up to 2, but 2 components are counted from 0 to 1"):
        stream.partial_fit(blobs(), labels=np.full(len(blobs()), 2))


def test_arrays_of_other_rows():
    for weights, labels in [(np.ones(699), None), (np.ones(700), np.full(701, -1))]:
        with pytest.raises(eb.InputError, match="700 rows need a weight each"):
            passes.nearest_pass(X, weights, labels, CENTERS, CENTERS)
    with pytest.raises(eb.InputError, match="the bounds are those of 699 rows, not of these 700"):
        passes.nearest_pass(X, np.ones(700), None, CENTERS, CENTERS, passes.Bounds(699))


def test_a_row_that_nobody_could_produce_gives_nothing_whatever_its_weight():
    """Bug: a weight of 2e8 gave NaN, as infinity times 0."""
    weights = np.array([1.0, 1e9, 1.0])
    height, n, heads, tails = passes.binomial_pass(
        np.array([0.0, 1.0, 0.0]), np.ones(3), np.zeros(3), weights, None, np.zeros(1), np.array([-np.inf]), np.zeros(1)
    )
    assert height == -np.inf
    assert (n[0], heads[0], tails[0]) == (2, 0, 2)


@pytest.mark.parametrize("covariances", [np.ones((3, 9)), np.tile(np.eye(9), (3, 1, 1))])
@pytest.mark.parametrize("component", [0, 1, 2])
def test_a_component_that_is_no_number_is_not_left_out(component, covariances):
    """Bug: exp of NaN is 0 here, so that the fit went on without that component and ended well."""
    means, logs, weights = CENTERS.copy(), np.zeros(3), np.ones(len(X))
    means[component, 4] = np.nan
    assert np.isnan(passes.gaussian_pass(X, weights, None, logs, means, covariances, CENTERS)[0])
    assert np.isfinite(passes.gaussian_pass(X, weights, None, logs, CENTERS, covariances, CENTERS)[0])
    absent = np.where(X[:, 0] < 3, 1.0, 0.0)
    assert np.isnan(passes.gaussian_pass(X, absent, None, logs, means, covariances, CENTERS)[0])


def test_bounds_keep_their_own_centres():
    """Bug: centres that were changed in place had not moved, for all that the bounds knew."""
    bounds, centers, weights = passes.Bounds(len(X)), CENTERS.copy(), np.ones(len(X))
    passes.nearest_pass(X, weights, None, centers, centers, bounds)
    centers[:] = X[[100, 200, 300]]
    found = passes.nearest_pass(X, weights, None, centers, centers, bounds)
    for one, other in zip(found, passes.nearest_pass(X, weights, None, centers, centers), strict=True):
        assert np.array_equal(one, other)


def test_bounds_survive_the_rounding_of_a_long_way():
    """Bug: a bound of 1e8 that sank to 1 kept an error of 1e-8, and the margin allowed for 1e-9.

    Rows lie at distance 1 of a first centre; a second, from 1e8 away, comes in steps to just within 1 of all of them.
    """
    weights, away = np.ones(300), np.random.default_rng(1).uniform(0.9e8, 1.1e8, size=400)
    rows = np.zeros((300, 1))
    for far in away:
        bounds, closer = passes.Bounds(300), 1 - 3e-9
        for place in (far, far / 3, closer):
            centers = np.array([[-1.0], [place]])
            passes.nearest_pass(rows, weights, None, centers, centers, bounds)
        assert (bounds.assigned == 1).all()


def test_a_fit_of_fortran_rows_is_that_of_the_others():
    fits = [eb.fit("kmeans", rows, n_components=3, n_starts=2, record=False) for rows in (X, np.asfortranarray(X))]
    assert_identical(fits[0].params, fits[1].params)
