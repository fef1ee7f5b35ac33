"""K-means: the distortion, batch, online and around medoids, and what becomes of EM as the variance shrinks."""

from dataclasses import replace
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from cases import CASES, HARD_ONLY, assert_close, assert_identical, blobs, rows
from scipy import stats
from scipy.spatial.distance import cdist

import emvsbayes as eb
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.esteps import Hard
from emvsbayes.core.schedules import Batch
from emvsbayes.core.trace import Status
from emvsbayes.families.kmeans.distortion import distortion_of
from emvsbayes.families.kmeans.medoids import Partition
from emvsbayes.families.kmeans.medoids import pairwise as dissimilarities
from emvsbayes.families.kmeans.online import one_pass
from emvsbayes.families.kmeans.records import KMeansParams
from emvsbayes.families.kmeans.shrink import shrink
from emvsbayes.problem import pose

MEDOIDS = {"method": "medoids"}
ONLINE = {"method": "online"}
THIRTY = Stop(tol=1e-300, max_passes=30)
KMEANS = [name for name, case in CASES.items() if case.family == "kmeans"]
AROUND_MEDOIDS = [name for name in HARD_ONLY if "medoids" in name.split("-")[1]]


def distortion(X, centers, weights=None):
    nearest = ((X[:, None] - centers) ** 2).sum(axis=2).min(axis=1)
    return (np.ones(len(X)) if weights is None else weights) @ nearest


def hard_run(case, **more):
    """Thirty hard passes on a case from a k-means++ start, with the case's prior or without."""
    problem = pose(case.family, case.X, **case.posed)
    family, data = problem.family, problem.data
    start = problem.hold(family.init(data, np.random.default_rng(11), "k-means++"))
    schedule = family.schedule or Batch(Hard())
    return problem, run_em(family, data, start, schedule=schedule, stop=THIRTY, **more)


# the bound and the distortion


@pytest.mark.parametrize("name", KMEANS)
def test_kl_never_closes_and_j_never_rises(name):
    problem, run = hard_run(CASES[name])
    family, data = problem.family, problem.data
    total, (k, d) = data.row_weights.sum(), run.params.centers.shape
    assert run.trace.largest_residual < 1e-10
    assert all(step.kl >= 0 for step in run.trace)
    if k > 1 and data.labels is None:
        assert all(step.kl > 0 for step in run.trace)
    j = [distortion_of(step.elbo, family.variance, total, k, d) for step in run.trace]
    rounding = 1e-12 * family.variance * (1 + np.abs([step.elbo for step in run.trace]).max())
    assert all(b <= a + rounding for a, b in pairwise(j))
    assert j[-1] == pytest.approx(family.distortion(run.params, data), rel=1e-9, abs=rounding)
    assert set(np.unique(run.q.responsibilities)) <= {0.0, 1.0}


@pytest.mark.parametrize("name", [name for name in KMEANS if CASES[name].prior is not None])
def test_map_climbs_bound_plus_prior(name):
    case = CASES[name]
    problem = pose(case.family, case.X, **case.posed)
    _, run = hard_run(case, prior=problem.prior(case.prior))
    objective = [step.objective for step in run.trace]
    assert all(b >= a - 1e-12 * (1 + abs(a)) for a, b in pairwise(objective))
    assert run.objective == objective[-1]
    assert run.status is not Status.DECREASED


def test_a_map_centre_is_a_weighted_mean_of_data_and_prior():
    X, prior = blobs(), {"centers": {"location": [1.0, -1.0], "scale": [1.5, 0.4]}}
    fit = eb.fit("kmeans", X, n_components=2, settings={"variance": 0.8}, prior=prior, seed=1)
    r = fit.responsibilities
    for k in range(2):
        data, held = r[:, k].sum() / 0.8, 1 / np.array([1.5, 0.4]) ** 2
        expected = (data * X[r[:, k] == 1].mean(axis=0) + held * [1.0, -1.0]) / (data + held)
        np.testing.assert_allclose(fit.params.centers[k], expected, rtol=1e-12)


def test_the_variance_is_found_once_and_then_held():
    X, weights = blobs(n=90, k=3), np.random.default_rng(0).choice([0.5, 1.0, 2.0], size=90)
    fit = eb.fit("kmeans", X, n_components=3, sample_weight=weights, seed=0)
    j = distortion(X, fit.params.centers, weights)
    assert fit.family.variance == pytest.approx(j / (weights.sum() * 2), rel=1e-12)
    assert fit.trace[-1].elbo == pytest.approx(
        -weights.sum() * (np.log(2 * np.pi * fit.family.variance) + np.log(3) + 1), rel=1e-12
    )
    assert not fit.family.unsettled
    assert f"distortion J {j:.6g}" in fit.summary()
    given = eb.fit("kmeans", X, n_components=3, sample_weight=weights, settings={"variance": 7.5}, seed=0)
    assert given.family.variance == 7.5
    assert_close(given.params, fit.params)  # hard centres do not depend on it
    text = eb.fit("kmeans", X, n_components=3, settings={"variance": "7.5"}, n_starts=1)
    assert text.family.variance == 7.5


def test_sampling_takes_the_variance_that_em_found(monkeypatch):
    monkeypatch.setattr("emvsbayes.bayes.sampling.sample_problem", lambda problem, prior, **more: problem.family)
    fit = eb.fit("kmeans", blobs(), n_components=2)
    assert eb.sample("kmeans", blobs(), n_components=2) == fit.family
    assert eb.sample("kmeans", blobs(), n_components=2, settings={"variance": 2.0}).variance == 2.0


def test_every_row_a_centre():
    fit = eb.fit("kmeans", blobs(n=6), n_components=6, n_starts=1)
    assert fit.status is Status.CONVERGED
    assert 0 < fit.family.variance < np.inf
    assert fit.family.distortion(fit.params, pose("kmeans", blobs(n=6), n_components=6).data) == 0


@pytest.mark.parametrize("settings", [{}, ONLINE, MEDOIDS, {**MEDOIDS, "dissimilarity": "cosine"}])
@pytest.mark.parametrize("weights", [None, np.arange(60) % 3 + 0.5])
def test_json_round_trip_of_a_hard_fit(settings, weights):
    fit = eb.fit("kmeans", blobs(), n_components=2, settings=settings, sample_weight=weights, seed=2, n_starts=3)
    text = fit.to_json()
    assert "NaN" not in text
    back = eb.Fit.from_json(text)
    assert back.to_json() == text
    assert back.summary() == fit.summary()
    assert back.family == fit.family
    assert_identical(back.params, fit.params)


# independent checks of batch


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_batch_is_that_of_scikit_learn(k, shift):
    cluster = pytest.importorskip("sklearn.cluster")
    X = blobs(n=200, d=3, k=k, seed=k) + shift
    weights = np.random.default_rng(k).choice([0.0, 0.5, 1.0, 4.0], size=200)
    weights[:k] = 1
    theirs = cluster.KMeans(k, init=X[:k], n_init=1, algorithm="lloyd", tol=0, max_iter=1000)
    theirs.fit(X - shift, sample_weight=weights) if shift == 0 else theirs.set_params(init=X[:k] - shift).fit(
        X - shift, sample_weight=weights
    )
    ours = eb.fit("kmeans", X, n_components=k, start={"centers": X[:k]}, sample_weight=weights, stop={"tol": 1e-15})
    tolerance = 1e-10 if shift == 0 else 1e-7
    assert distortion(X, ours.params.centers, weights) == pytest.approx(theirs.inertia_, rel=tolerance)
    np.testing.assert_allclose(ours.params.centers - shift, theirs.cluster_centers_, rtol=tolerance, atol=tolerance)
    assert (ours.responsibilities.argmax(axis=1) == theirs.labels_).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_many_starts_is_the_best_of_all_partitions(seed):
    X = np.random.default_rng(seed).normal(size=(9, 2))
    best = np.inf
    for z in product(range(3), repeat=8):
        z = np.array([0, *z])
        best = min(best, sum(((X[z == k] - X[z == k].mean(axis=0)) ** 2).sum() for k in np.unique(z)))
    fit = eb.fit("kmeans", X, n_components=3, n_starts=60)
    assert distortion(X, fit.params.centers) == pytest.approx(best, rel=1e-12)


def test_labels_hold_rows_and_fixed_centers_hold_to_the_letter():
    X, labels = blobs(), np.full(60, -1)
    labels[:4] = [0, 0, 0, 1]  # against where the rows lie
    fit = eb.fit("kmeans", X, n_components=2, labels=labels, seed=0)
    assert (fit.responsibilities[:4].argmax(axis=1) == labels[:4]).all()
    nearest = cdist(X, fit.params.centers, "sqeuclidean")
    at = np.where(labels >= 0, labels, nearest.argmin(axis=1))
    expected = nearest[np.arange(60), at].sum()
    assert fit.family.variance == pytest.approx(expected / 120, rel=1e-12)
    centers = np.array([[0.1, 0.2], [3.3, 3.1]])
    for settings in ({}, ONLINE):
        held = eb.fit("kmeans", X, n_components=2, fixed={"centers": centers}, settings=settings)
        assert held.params.centers.tobytes() == centers.tobytes()
        assert held.n_parameters == 0


@pytest.mark.parametrize("settings", [{}, ONLINE, MEDOIDS])
def test_an_empty_cluster_keeps_its_prototype_and_is_reported(settings):
    X = np.r_[np.zeros((5, 2)), np.ones((5, 2)), [[1.0, 2.0]]]
    start = {"medoids": [0, 5, 1]} if settings == MEDOIDS else {"centers": [[0.0, 0], [1, 1], [50, 50]]}
    fit = eb.fit("kmeans", X, n_components=3, start=start, settings=settings, stop={"max_passes": 4})
    assert fit.status is Status.EMPTY_COMPONENT
    assert [event.component for event in fit.events] == [2]
    assert "component 2 is empty" in fit.summary()
    kept = fit.params.medoids[2] if settings == MEDOIDS else fit.params.centers[2]
    assert np.array_equal(kept, 1 if settings == MEDOIDS else [50, 50])


@pytest.mark.parametrize("settings", [{}, ONLINE, MEDOIDS])
def test_weight_zero_is_absent_and_whole_weights_are_repeats(settings):
    rng = np.random.default_rng(3)
    X, times = blobs(n=40, seed=5), rng.choice([0, 1, 2, 3], size=40)
    times[:2] = 1
    repeated = np.repeat(np.arange(40), times)
    starts = ({"medoids": [0, 1]}, {"medoids": [0, 1]}) if settings == MEDOIDS else ({"centers": X[:2]},) * 2
    one = eb.fit("kmeans", X, n_components=2, sample_weight=times, start=starts[0], settings=settings)
    other = eb.fit("kmeans", X[repeated], n_components=2, start=starts[1], settings=settings)
    present = eb.fit(
        "kmeans", X[times > 0], n_components=2, sample_weight=times[times > 0], start=starts[0], settings=settings
    )
    assert one.run.elbo == pytest.approx(present.run.elbo, rel=1e-12)
    if settings == MEDOIDS:
        assert (X[one.params.medoids] == X[repeated][other.params.medoids]).all()
        assert (X[one.params.medoids] == X[times > 0][present.params.medoids]).all()
    else:
        assert_close(one.params, present.params)
    if settings != ONLINE:  # within a repeated row the centre moves: the same limit is not promised
        assert one.run.elbo == pytest.approx(other.run.elbo, rel=1e-10)


def test_many_clusters_of_many_rows_are_quick_and_small():
    import tracemalloc

    X = np.random.default_rng(0).normal(size=(20_000, 4))
    problem = pose("kmeans", X, n_components=100)
    family, data = problem.family, problem.data
    params = KMeansParams(X[:100])
    tracemalloc.start()
    q = family.e_step(params, data).hardened()
    stats_ = family.expect(q, data, params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 8 * 20_000 * 100  # a dozen N x K tables, no N x K x D one beside them
    assert stats_.n.sum() == 20_000


# online


def test_online_centres_are_running_means():
    X, centers = blobs(n=30), np.array([[0.0, 0.0], [2.0, 2.0]])
    data = pose("kmeans", X, n_components=2).data
    members, where = [[], []], centers.copy()
    for n, x in enumerate(X):  # by hand: the mean of what is assigned
        k = int(((where - x) ** 2).sum(axis=1).argmin())
        members[k].append(n)
        where[k] = X[members[k]].mean(axis=0)
    seen = one_pass(data, centers)
    np.testing.assert_allclose(seen.centers, where, rtol=1e-12)
    assert np.bincount(seen.assigned).tolist() == [len(members[0]), len(members[1])]
    for n, x in enumerate(X):  # and in a second pass a row counts once, in the cluster that it is in
        k = int(((where - x) ** 2).sum(axis=1).argmin())
        members[1 - k] = [m for m in members[1 - k] if m != n]
        members[k] = sorted({*members[k], n})
        where = np.array([X[rows].mean(axis=0) for rows in members])
    np.testing.assert_allclose(one_pass(data, seen.centers, seen.assigned).centers, where, rtol=1e-12)


def test_one_pass_of_the_loop_is_one_pass_over_the_rows():
    X, centers = blobs(n=30), np.array([[0.0, 0.0], [2.0, 2.0]])
    fit = eb.fit("kmeans", X, n_components=2, settings=ONLINE, start={"centers": centers}, stop={"max_passes": 1})
    np.testing.assert_allclose(fit.params.centers, one_pass(pose("kmeans", X, n_components=2).data, centers).centers)
    assert fit.status is Status.MAX_PASSES


@pytest.mark.parametrize("name", [name for name in HARD_ONLY if "online" in name])
def test_online_ends_where_batch_would_stay(name):
    case = HARD_ONLY[name]
    fit = eb.fit(case.family, case.X, **case.posed, seed=3, n_starts=4)
    assert fit.status in (Status.CONVERGED, Status.EMPTY_COMPONENT)
    assert fit.passes < 200
    assert fit.trace.largest_residual < 1e-10
    problem = pose(case.family, case.X, **case.posed)
    batch = run_em(replace(fit.family, method="batch"), problem.data, fit.params, schedule=Batch(Hard()))
    assert batch.elbo == pytest.approx(fit.run.elbo, rel=1e-9)
    assert not fit.family.schedule.monotone


def test_online_depends_on_the_order_of_rows_and_may_rise():
    X = np.random.default_rng(4).normal(size=(60, 2))
    best = eb.fit("kmeans", X, n_components=5)
    visited, rises = [], 0
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(60)
        fit = eb.fit("kmeans", X[order], n_components=5, settings=ONLINE, start=best.params)
        bounds = [step.elbo for step in fit.trace if step.half == "E"]
        rises += any(b < a - 1e-6 for a, b in pairwise(bounds))
        visited.append(bounds[1])
        assert fit.status is Status.CONVERGED
    assert rises == 5  # from the optimum there is only one way
    assert len(set(visited)) == 5


@pytest.mark.parametrize("prior", [None, {"centers": {"location": [1.0, 0.5, 0.0], "scale": 1.0}}])
def test_an_online_run_that_converged_is_a_fixed_point_of_batch(prior):
    X = np.random.default_rng(3).normal(size=(300, 3))
    for seed in range(3):
        given = {"n_components": 8, "prior": prior, "n_starts": 1, "seed": seed}
        fit = eb.fit("kmeans", X, settings={"variance": 1.0, **ONLINE}, **given)
        assert fit.status is Status.CONVERGED
        given |= {"start": fit.params, "stop": {"tol": 0, "max_passes": 3}}
        batch = eb.fit("kmeans", X, settings={"variance": 1.0}, **given)
        np.testing.assert_allclose(batch.params.centers, fit.params.centers, rtol=0, atol=1e-12)


def test_a_prior_has_its_proper_weight_online_too():
    """However many passes: the rows count once, and so does the prior."""
    X = np.r_[np.random.default_rng(3).normal(size=(50, 2)), np.random.default_rng(4).normal(size=(50, 2)) + 5]
    prior = {"centers": {"location": [1.0, 0.5], "scale": 0.1}}
    given = {"n_components": 2, "prior": prior, "start": {"centers": X[[0, 99]]}}
    batch = eb.fit("kmeans", X, settings={"variance": 1.0}, **given).params.centers
    for passes in (3, 300):
        stop = {"tol": 0, "max_passes": passes}
        online = eb.fit("kmeans", X, settings={"variance": 1.0, **ONLINE}, stop=stop, **given).params.centers
        np.testing.assert_allclose(online, batch, rtol=1e-12)


# medoids


@pytest.mark.parametrize("name", AROUND_MEDOIDS)
def test_medoids_never_raise_j(name):
    problem, run = hard_run(HARD_ONLY[name])
    family, data = problem.family, problem.data
    j = [-step.elbo for step in run.trace]
    assert all(b <= a + 1e-12 * (1 + a) for a, b in pairwise(j))
    assert j[-1] == pytest.approx(family.distortion(run.params, data), rel=1e-12)
    assert all(np.isnan([step.kl, step.log_likelihood]).all() for step in run.trace)
    assert len(set(run.params.medoids)) == family.n_components
    assert (data.row_weights[run.params.medoids] > 0).all()
    assert run.status in (Status.CONVERGED, Status.MAX_PASSES, Status.EMPTY_COMPONENT)


@pytest.mark.parametrize("kind", ["euclidean", "manhattan", "cosine", "precomputed"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_of_many_starts_is_the_best_of_all_pairs_of_medoids(kind, seed):
    rng = np.random.default_rng(seed)
    X, weights = rng.normal(size=(14, 3)), rng.choice([0.5, 1.0, 3.0], size=14)
    table = rng.random((14, 14)) * (1 - np.eye(14)) if kind == "precomputed" else dissimilarities(X, kind)
    source = {"dissimilarity": table} if kind == "precomputed" else X
    fit = eb.fit(
        "kmeans",
        source,
        n_components=2,
        settings={**MEDOIDS, "dissimilarity": kind},
        sample_weight=weights,
        n_starts=91,
    )
    best = min(weights @ table[:, pair].min(axis=1) for pair in combinations(range(14), 2))
    assert -fit.run.elbo == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize(("kind", "theirs"), [("euclidean",) * 2, ("manhattan", "cityblock"), ("cosine", "cosine")])
def test_dissimilarities_are_those_of_scipy(kind, theirs):
    X = np.random.default_rng(0).normal(size=(20, 3))
    ours = dissimilarities(X, kind)
    np.testing.assert_allclose(ours, cdist(X, X, theirs), rtol=1e-10, atol=1e-14)
    assert (np.diagonal(ours) == 0).all()
    assert (ours >= 0).all()
    assert np.isfinite(dissimilarities(X * 1e200, kind)).all() or kind != "cosine"


def test_precomputed_is_the_same_as_computed():
    X = blobs()
    one = eb.fit("kmeans", X, n_components=2, settings={**MEDOIDS, "dissimilarity": "manhattan"}, seed=1)
    source = {"dissimilarity": cdist(X, X, "cityblock")}
    other = eb.fit("kmeans", source, n_components=2, settings={**MEDOIDS, "dissimilarity": "precomputed"}, seed=1)
    assert_identical(one.params, other.params)


def test_tables_of_medoids_add_over_rows():
    problem = pose("kmeans", blobs(), n_components=2, settings=MEDOIDS)
    family, data = problem.family, problem.data
    params = family.init(data, np.random.default_rng(0), "random_rows")
    whole = family.expect(family.e_step(params, data), data, params)
    masks = [np.arange(60) % 3 == i for i in range(3)]
    parts = [rows(data, slice(None), row_weights=mask * 1.0) for mask in masks]
    total = sum((family.expect(family.e_step(params, part), part, params) for part in parts), start=whole.zeros_like())
    assert_close(total, whole)


def test_medoids_that_coincide_are_put_on_distinct_rows():
    """Two clusters whose best prototype is the same row: the cheapest pair of distinct rows is taken."""
    problem = pose(
        "kmeans", {"dissimilarity": 1 - np.eye(4)}, n_components=2, settings={**MEDOIDS, "dissimilarity": "precomputed"}
    )
    family, data = problem.family, problem.data
    params = family.complete_start({"medoids": [1, 2]}, data)
    stats_ = replace(
        family.expect(family.e_step(params, data), data, params), table=np.array([[0.0, 3, 9, 9], [0.0, 1, 9, 9]])
    )
    assert family.m_step(stats_, params).medoids.tolist() == [0, 1]
    equal = replace(stats_, table=np.array([[5.0, 2, 2, 2], [1.0, 9, 9, 1]]))
    assert family.m_step(equal, params).medoids.tolist() == [1, 0]  # the lowest row of equals


def test_a_partition_is_at_no_distance_from_a_posterior():
    q = Partition(np.array([[0.0, -np.inf]]))
    assert np.isnan(q.kl(q, np.ones(1)))
    assert q.hardened() is not q


def refused(match, X=None, **more):
    with pytest.raises(eb.InputError, match=match) as caught:
        eb.fit("kmeans", blobs() if X is None else X, **{"n_components": 2, "n_starts": 1, **more})
    assert str(caught.value).endswith(".")


def test_medoids_refuse_what_needs_a_density():
    refused("has no density, so that there is no prior", settings=MEDOIDS, prior="default")
    refused(
        "has no density, so that there is no prior", settings=MEDOIDS, prior={"centers": {"location": 0, "scale": 1}}
    )
    refused("a hard E-step and a schedule", settings=MEDOIDS, e_step="exact")
    refused("a hard E-step and a schedule", settings=ONLINE, e_step="exact")
    fit = eb.fit("kmeans", blobs(), n_components=2, settings=MEDOIDS, n_starts=1)
    for call in (lambda: fit.predict(blobs()), lambda: fit.simulate(blobs())):
        with pytest.raises(eb.InputError, match="has no density"):
            call()
    for call in (eb.sample, eb.compare):
        with pytest.raises(eb.InputError, match="has no density"):
            call("kmeans", blobs(), n_components=2, settings=MEDOIDS)
    assert set(fit.family.absent) == {"density", "twin", "conjugate", "bounded", "variational"}
    assert not set(fit.family.absent) & fit.family.capabilities


def test_bad_input_is_refused_in_a_sentence():
    matrix, X = 1 - np.eye(4), blobs()
    given = {**MEDOIDS, "dissimilarity": "precomputed"}
    refused("must be square, N x N; it is 3 x 4", {"dissimilarity": matrix[:3]}, settings=given)
    refused("must be square, N x N; it has 1 axes", {"dissimilarity": matrix[0]}, settings=given)
    refused("must not be negative; the entry at row 0, column 1", {"dissimilarity": -matrix}, settings=given)
    refused("from itself must be 0; that of row 0 is 1", {"dissimilarity": np.ones((4, 4))}, settings=given)
    refused("missing", {"dissimilarity": np.where(matrix, np.nan, 0)}, settings=given)
    refused("needs coordinates", {"dissimilarity": matrix})
    refused("use the dissimilarity precomputed", {"dissimilarity": matrix}, settings=MEDOIDS)
    refused("row 2 is zero in every column", np.r_[X[:2], [[0, 0]]], settings={**MEDOIDS, "dissimilarity": "cosine"})
    refused("needs the method medoids", settings={"dissimilarity": "manhattan"})
    refused("20001 rows are more than 20000", np.arange(20_001.0), settings=MEDOIDS)
    refused("no variance", settings={**MEDOIDS, "variance": 1.0})
    for variance in (0, -1, "wide", np.nan, True, [1]):
        refused("variance must be a number greater than 0", settings={"variance": variance})
    for settings in ({}, MEDOIDS):
        refused("3 components need at least 3 rows", X[:2], n_components=3, settings=settings)
        refused("infinite", np.where(np.arange(60)[:, None] == 7, np.inf, X), settings=settings)
    refused("every row is the same", np.ones((5, 2)))
    refused("needs centers", start={})
    refused("start equal", start={"centers": [[0, 0], [0, 0]]})
    refused("needs medoids", start={}, settings=MEDOIDS)
    refused("row numbers from 0 to 59; one is 60", start={"medoids": [0, 60]}, settings=MEDOIDS)
    refused("whole numbers", start={"medoids": [0, 1.5]}, settings=MEDOIDS)
    refused("distinct rows", start={"medoids": [3, 3]}, settings=MEDOIDS)
    refused("unknown field in start", start={"centers": X[:2]}, settings=MEDOIDS)
    refused("positive weight", start={"medoids": [0, 1]}, settings=MEDOIDS, sample_weight=[0.0] + [1.0] * 59)
    refused("centers.location must have shape", prior={"centers": {"location": [0, 0, 0], "scale": 1}})
    refused("centers.scale must be a number", prior={"centers": {"location": 0, "scale": [1, 2, 3]}})
    refused("centers.scale must be greater than 0", prior={"centers": {"location": 0, "scale": 0}})


# the limit


def test_soft_k_means_tends_to_k_means():
    X = blobs(n=90, k=3)
    fit = eb.fit("kmeans", X, n_components=3, seed=0)
    problem = pose("kmeans", X, n_components=3)
    ladder = fit.family.variance * 4.0 ** -np.arange(0, 9)
    table = shrink(fit.family, fit.params.centers, problem.data, ladder)
    assert [row["variance"] for row in table] == ladder.tolist()
    assert {type(value) for row in table for value in row.values()} == {float, int}  # as JSON takes them
    for column, sign in (("kl", -1), ("entropy", -1), ("largest", 1)):
        values = [row[column] for row in table]
        assert all(sign * (b - a) >= 0 for a, b in pairwise(values)), column
    first, last = table[0], table[-1]
    assert first["kl"] * 90 == pytest.approx(fit.trace[-1].kl, rel=1e-12)
    assert first["distance"] > 0.05
    assert last["kl"] < 1e-3
    assert last["distance"] < 1e-3
    assert last["largest"] > 0.999
    assert last["distortion"] == pytest.approx(distortion(X, fit.params.centers), rel=1e-6)
    assert all(row["distortion"] >= last["distortion"] - 1e-9 for row in table)


def test_soft_k_means_is_a_gaussian_mixture_with_everything_but_means_held():
    X, start = blobs(), {"centers": blobs()[:2]}
    soft = eb.fit("kmeans", X, n_components=2, settings={"variance": 0.7}, e_step="exact", start=start)
    mixture = eb.fit(
        "gaussian_mixture",
        X,
        n_components=2,
        settings={"covariance": "spherical"},
        fixed={"weights": [0.5, 0.5], "covariances": [0.7, 0.7]},
        start={"means": start["centers"]},
    )
    assert soft.log_likelihood == pytest.approx(mixture.log_likelihood, rel=1e-12)
    np.testing.assert_allclose(soft.params.centers, mixture.params.means, rtol=1e-8)
    np.testing.assert_allclose(soft.predict(X), mixture.predict(X), atol=1e-8)


# priors and simulation


def test_the_default_prior_is_wide_and_looks_at_the_data():
    X = np.c_[blobs(), np.full(60, 4.0)]
    problem = pose("kmeans", X, n_components=2)
    prior = problem.prior("default").centers
    np.testing.assert_allclose(prior.location, X.mean(axis=0))
    np.testing.assert_allclose(prior.scale[:2], 3 * X[:, :2].std(axis=0))
    assert prior.scale[2] > 0
    params = KMeansParams(X[:2])
    by_scipy = stats.norm.logpdf(X[:2], prior.location, prior.scale).sum()
    assert problem.family.log_prior(params, problem.prior("default")) == pytest.approx(by_scipy, rel=1e-12)
    (sentence,) = problem.family.describe_prior(problem.prior("default"))
    assert sentence.startswith("centers ~ N(")


def test_simulation_draws_every_cluster_alike():
    fit = eb.fit("kmeans", blobs(), n_components=2, seed=0)
    table = fit.simulate(np.zeros((20_000, 2)), seed=1)
    x, z = table.numbers()[:, :2], table.numbers()[:, 2]
    assert abs(z.mean() - 0.5) < 0.02
    for k in range(2):
        assert np.abs(x[z == k].mean(axis=0) - fit.params.centers[k]).max() < 0.05
        np.testing.assert_allclose(np.cov(x[z == k].T), fit.family.variance * np.eye(2), atol=0.08)


def test_rounding_in_a_dissimilarity_matrix_is_no_error():
    D = np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)))
    rough = D.copy()
    rough[0, 0], rough[1, 2] = 1e-16, -2e-16
    settings = {"method": "medoids", "dissimilarity": "precomputed"}
    given = {"n_components": 2, "settings": settings, "start": {"medoids": [0, 5]}}
    found = eb.fit("kmeans", {"dissimilarity": rough}, **given)
    D[1, 2] = 0.0
    assert found.run.objective == eb.fit("kmeans", {"dissimilarity": D}, **given).run.objective
    rough[0, 0] = 1e-6
    with pytest.raises(InputError, match="set the diagonal to 0"):
        eb.fit("kmeans", {"dissimilarity": rough}, **given)


def test_no_distortion_is_zero_and_not_minus_zero():
    fit = eb.fit("kmeans", [[0.0], [1.0]], n_components=2, settings={"method": "medoids"})
    assert "distortion J 0 (" in fit.summary()
