"""Starting values and restarts: reproducible, without equal centres, ranked with collapsed runs last."""

from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, FIVE_TRIALS, assert_identical, blobs, posed
from sklearn.cluster import KMeans

import emvsbayes as eb
from emvsbayes.core.em import Stop
from emvsbayes.core.starts import METHODS, Restart, choose_rows, labelled_centers, lloyd, ranked, restarts
from emvsbayes.core.trace import Run, Status

POINTS = blobs(n=50, d=2, k=3, seed=4)
EQUAL = np.ones(50)


@pytest.mark.parametrize(
    "name", ["coins-plain-ml", "gaussian_mixture-full-ml", "gaussian_mixture-tied-three-components-map"]
)
def test_first_ten_of_twenty_are_the_ten(name):
    problem, prior = posed(name)
    stop = Stop(max_passes=2)
    ten, twenty = (restarts(problem.family, problem.data, n, 7, prior=prior, stop=stop) for n in (10, 20))
    ten, twenty = ({r.index: r for r in found} for found in (ten, twenty))
    assert sorted(ten) == list(range(10))
    assert sorted(twenty) == list(range(20))
    for index, restart in ten.items():
        assert restart.how == twenty[index].how == METHODS[index % 3]
        assert_identical(restart.run.start, twenty[index].run.start)
        assert_identical(restart.run.params, twenty[index].run.params)


def test_a_given_start_comes_first_and_leaves_the_others_alone():
    alone = eb.fit("coins", FIVE_TRIALS, n_components=2, n_starts=4, seed=2)
    start = {"probs": [0.6, 0.5]}
    with_given = eb.fit("coins", FIVE_TRIALS, n_components=2, start=start, n_starts=4, seed=2)
    one, other = ({r.index: r for r in fit.restarts} for fit in (alone, with_given))
    assert other[0].how == "given"
    assert list(other[0].run.start.probs) == [0.6, 0.5]
    for index in (1, 2, 3):
        assert_identical(one[index].run.start, other[index].run.start)


def test_numbers_of_starts():
    assert len(eb.fit("coins", FIVE_TRIALS, n_components=2).restarts) == 20
    assert len(eb.fit("coins", FIVE_TRIALS, n_components=2, start={"probs": [0.6, 0.5]}).restarts) == 1
    named = eb.fit("coins", FIVE_TRIALS, n_components=2, start="random_rows", n_starts=5)
    assert [r.how for r in named.restarts] == ["random_rows"] * 5


@pytest.mark.parametrize("how", METHODS)
@pytest.mark.parametrize("seed", range(20))
def test_ties_do_not_give_equal_centres(how, seed):
    tied = np.repeat(POINTS[:4], [30, 1, 1, 1], axis=0)
    rows = choose_rows(tied, np.ones(33), 4, np.random.default_rng(seed), "k-means++" if how == "kmeans" else how)
    assert len(np.unique(tied[rows], axis=0)) == 4


@pytest.mark.parametrize("how", ["k-means++", "random_rows"])
def test_fewer_distinct_rows_than_components(how):
    tied = np.repeat(POINTS[:2], [3, 3], axis=0)
    rows = choose_rows(tied, np.ones(6), 4, np.random.default_rng(0), how)
    assert len(rows) == 4
    assert len(np.unique(tied[rows], axis=0)) == 2


@pytest.mark.parametrize("how", ["k-means++", "random_rows"])
def test_rows_of_weight_zero_are_never_drawn(how):
    weights = np.where(np.arange(50) % 5 == 0, 2.0, 0.0)
    drawn = {int(row) for s in range(30) for row in choose_rows(POINTS, weights, 3, np.random.default_rng(s), how)}
    assert drawn == set(range(0, 50, 5))


def test_kmeans_plus_plus_prefers_distant_rows():
    points = np.r_[np.zeros((50, 1)) + np.linspace(0, 1e-3, 50)[:, None], [[1e3]]]
    picks = [choose_rows(points, np.ones(51), 2, np.random.default_rng(s), "k-means++") for s in range(20)]
    assert all(50 in pick for pick in picks)


def test_unknown_method():
    with pytest.raises(eb.InputError, match="random_rows"):
        choose_rows(POINTS, EQUAL, 2, np.random.default_rng(0), "random_row")


@pytest.mark.parametrize("weights", [EQUAL, np.arange(50) % 4 + 0.5], ids=["equal", "weighted"])
def test_lloyd_is_kmeans(weights):
    for seed in range(5):
        centers = POINTS[np.random.default_rng(seed).choice(50, 3, replace=False)]
        theirs = KMeans(3, init=centers, n_init=1, tol=0, max_iter=100, algorithm="lloyd").fit(
            POINTS, sample_weight=weights
        )
        assert np.array_equal(lloyd(POINTS, weights, centers), theirs.labels_)


def test_an_empty_cluster_keeps_its_centre():
    before = np.array([[0.0, 0.0], [1e6, 1e6]])
    centers = before.copy()
    assert (lloyd(POINTS, EQUAL, centers) == 0).all()
    assert np.array_equal(centers, before)  # the caller's array is not touched


def test_labelled_centres():
    labels = np.full(50, -1)
    labels[[0, 3]], labels[7] = 1, 2
    weights = np.where(np.arange(50) == 3, 3.0, 1.0)
    centers = POINTS[[10, 20, 30]]
    moved = labelled_centers(centers, POINTS, labels, weights)
    assert np.array_equal(moved[0], centers[0])
    np.testing.assert_allclose(moved[1], (POINTS[0] + 3 * POINTS[3]) / 4)
    np.testing.assert_allclose(moved[2], POINTS[7])
    assert labelled_centers(centers, POINTS, None, weights) is centers
    weightless = labelled_centers(centers, POINTS, labels, np.where(labels >= 0, 0.0, 1.0))
    assert np.array_equal(weightless, centers)


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("how", METHODS)
def test_every_start_is_possible(covariance, how):
    for name in ("tied-rows-ml", "labelled-ml", "units-ml", "weighted-ml", "one-column-ml", "offset-ml"):
        problem = posed(f"gaussian_mixture-{covariance}-{name}")[0]
        for seed in range(3):
            start = problem.family.init(problem.data, np.random.default_rng(seed), how)
            start.checked(covariance)
            assert len(np.unique(start.means, axis=0)) == 2


def test_labels_reach_the_start():
    """Bug: the K-means start clusters without the labels, then drops rows whose label is another cluster's number."""
    case = CASES["gaussian_mixture-full-all-labelled-ml"]
    problem = posed(case.name)[0]
    for how in METHODS:
        start = problem.family.init(problem.data, np.random.default_rng(0), how)
        np.testing.assert_allclose(start.means, [case.X[::2].mean(axis=0), case.X[1::2].mean(axis=0)])


@pytest.mark.parametrize("seed", range(6))
def test_labels_against_the_order_of_kmeans(seed):
    """Bug: two distant clusters, every row known; where K-means numbers them the other way, no row is left: 0 / 0."""
    X = np.r_[blobs(n=10, d=1, k=1), blobs(n=10, d=1, k=1) + 50]
    fit = eb.fit(
        "gaussian_mixture", X, n_components=2, labels=[1] * 10 + [0] * 10, start="kmeans", n_starts=1, seed=seed
    )
    assert fit.status is Status.CONVERGED
    assert fit.start.means[0] > fit.start.means[1]
    assert np.isfinite(fit.start.weights).all()


def fake(index, status, objective):
    run = Run(None, None, None, objective, 0.0, status, 1)
    return Restart(index, "random_rows", run)


def test_ranking_puts_collapsed_runs_last():
    found = [
        fake(0, Status.SINGULAR, 1e9),
        fake(1, Status.CONVERGED, -100.0),
        fake(2, Status.NONFINITE, np.nan),
        fake(3, Status.MAX_PASSES, -90.0),
        fake(4, Status.CONVERGED, -90.001),
        fake(5, Status.EMPTY_COMPONENT, -95.0),
        fake(6, Status.NONFINITE, -np.inf),
    ]
    order = ranked(found)
    assert [r.index for r in order[:4]] == [3, 4, 5, 1]
    assert {r.index for r in order[4:]} == {0, 2, 6}
    assert [r.optimum for r in order] == [0, 0, 1, 2, -1, -1, -1]


def test_runs_that_had_still_to_gain_share_an_optimum():
    """A run far below the best is of its optimum where it says that it had that far to go, and only then."""
    short = replace(
        fake(0, Status.MAX_PASSES, -90.5), run=replace(fake(0, Status.MAX_PASSES, -90.5).run, remaining=0.6)
    )
    done = fake(1, Status.CONVERGED, -90.5)
    best, lower = fake(2, Status.CONVERGED, -90.0), fake(3, Status.CONVERGED, -95.0)
    assert [(r.index, r.optimum) for r in ranked([lower, short, best])] == [(2, 0), (0, 0), (3, 1)]
    assert [(r.index, r.optimum) for r in ranked([lower, done, best])] == [(2, 0), (1, 1), (3, 2)]


def test_ranking_is_by_the_objective_that_was_climbed():
    """Under a prior a run of higher likelihood may rank below one of higher posterior."""
    low = replace(fake(0, Status.CONVERGED, -90.0), run=Run(None, None, None, -90.0, -20.0, Status.CONVERGED, 1))
    high = replace(fake(1, Status.CONVERGED, -95.0), run=Run(None, None, None, -95.0, -1.0, Status.CONVERGED, 1))
    assert [r.index for r in ranked([low, high])] == [1, 0]


def test_the_best_usable_run_is_the_fit():
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=(30, 2)), [[6.0, 6.0]] * 3]
    fit = eb.fit("gaussian_mixture", X, n_components=3, n_starts=30)
    statuses = [r.run.status for r in fit.restarts]
    assert Status.SINGULAR in statuses
    assert fit.status is Status.CONVERGED
    usable = [r.run.objective for r in fit.restarts if r.run.status.usable]
    assert fit.log_posterior == max(usable) == usable[0]
    assert not any(status.usable for status in statuses[len(usable) :])
    assert len(fit.restarts[0].run.trace) == 0 < len(fit.trace)
    assert_identical(fit.params, fit.restarts[0].run.params)  # the recorded run is the same run
