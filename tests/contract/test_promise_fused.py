"""Promise 6, fused = explicit: one compiled pass gives the statistics of `e_step` and `expect`, and the log-likelihood.

To 1e-12 of the largest entry of each field. First moments are taken about the means, where they vanish at an optimum:
theirs is measured against sqrt(n · second moment), the size of what cancels.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
from cases import CASES, WITH_PRIOR, assert_close, assert_identical, blobs, posed, random_params, rows, starting

from emvsbayes.core.em import run_em
from emvsbayes.core.stopping import Stop
from emvsbayes.core.threads import using_threads
from emvsbayes.densities.kernels import costs, products
from emvsbayes.families import FAMILIES
from emvsbayes.problem import pose
from emvsbayes.vb.fitting import adapt

NEAR = 1e-12
FUSED = [name for name, case in CASES.items() if case.family != "linear_evidence"]
BAYES = {"coins", "gaussian_mixture", "bernoulli_mixture"}  # with a conjugate posterior
IMPROPER = [name for name in WITH_PRIOR if "only-" in name and CASES[name].family == "gaussian_mixture"]
VARIATIONAL = [name for name in WITH_PRIOR if CASES[name].family in BAYES and name not in IMPROPER]
DECLINED = [name for name in FUSED if "grey" in name and "missing" in name]


def scales(stats):
    """The largest entry of each field; of first moments, the size of their terms."""
    found = {f.name: np.abs(getattr(stats, f.name)).max() for f in fields(stats)}
    if "first" in found:
        count = getattr(stats, "n_mean", getattr(stats, "n", None))
        second = np.abs(np.asarray(stats.second))
        spread = np.sqrt(count.max() * second.max())
        found["first"] = max(found["first"], spread if hasattr(stats, "n_mean") else np.sqrt(second.max() * spread))
    return found


def assert_fused_is_explicit(family, params, data, about=None, hard=False):
    found = (family.accumulate_hard if hard else family.accumulate)(params, data, about)
    assert found is not None
    stats, log_likelihood = found
    q = family.e_step(params, data)
    q = q.hardened() if hard else q
    expected = family.expect(q, data, params if about is None else about)
    if not hard:
        explicit = family.log_likelihood(params, data)
        assert abs(log_likelihood - explicit) <= NEAR * max(1, abs(explicit))
    for name, scale in scales(expected).items():
        difference = np.abs(getattr(stats, name) - getattr(expected, name)).max()
        assert difference <= NEAR * max(scale, np.finfo(float).tiny), (name, difference, scale)


def settings(name):
    """Parameters at a start and in general position, moments about themselves and about others."""
    start, other = starting(name), random_params(name, np.random.default_rng(1))
    return [(start, None), (other, None), (other, start)]


@pytest.mark.parametrize("name", FUSED)
def test_fused_is_explicit(name):
    problem = posed(name)[0]
    for params, about in settings(name):
        assert_fused_is_explicit(problem.family, params, problem.data, about)
        if problem.family.name == "kmeans":
            assert_fused_is_explicit(problem.family, params, problem.data, about, hard=True)


@pytest.mark.parametrize("name", VARIATIONAL)
def test_fused_is_explicit_in_variational_bayes(name):
    problem, prior = posed(name)
    adapter, data = adapt(problem, prior), problem.data
    post = adapter.started(starting(name), data)
    later = adapter.m_step(adapter.expect(adapter.e_step(post, data), data, post), post)
    if name in DECLINED:
        assert adapter.accumulate(post, data) is None
    else:
        for params, about in [(post, None), (later, None), (later, post)]:
            assert_fused_is_explicit(adapter, params, data, about)


def test_variational_bayes_of_one_latent_has_no_pass_over_rows():
    problem, prior = posed("linear_evidence-informative")
    adapter = adapt(problem, prior)
    assert (
        adapter.accumulate(adapter.started(starting("linear_evidence-informative"), problem.data), problem.data) is None
    )


def test_every_family_of_rows_has_one_and_the_other_says_why_not():
    for name, twin in FAMILIES.items():
        family = twin.family(n_components=2 if twin.components else 1)
        assert hasattr(family, "accumulate") == ("rowwise" in family.capabilities), name
    assert "does not split over rows" in FAMILIES["linear_evidence"].family(n_components=1).absent["rowwise"]


def large(family, n, d=3, k=3, covariance="full", seed=0):
    """Many rows, with weights and labels."""
    rng = np.random.default_rng(seed)
    weights = rng.choice([0.0, 0.5, 1.0, 3.0], size=n)
    weights[: k + 2] = 1.0
    labels = np.where(rng.random(n) < 0.1, rng.integers(0, k, n), -1)
    given = {"n_components": k, "sample_weight": weights, "labels": labels}
    if family == "coins":
        tosses = rng.integers(1, 30, size=n)
        X = {"tosses": tosses, "heads": rng.binomial(tosses, rng.choice([0.2, 0.5, 0.8], size=n))}
    elif family == "bernoulli_mixture":
        X = (rng.random((n, d)) < rng.choice([0.2, 0.8], size=(n, 1))).astype(float)
    else:
        X = rng.normal(size=(n, d)) + 3 * rng.integers(0, k, size=(n, 1))
    given["settings"] = {"gaussian_mixture": {"covariance": covariance}, "kmeans": {"variance": 1.3}}.get(family, {})
    problem = pose(family, X, **given)
    return problem, problem.family.init(problem.data, np.random.default_rng(seed), "k-means++")


EDGES = [255, 256, 257, 511, 512, 513, 1025]  # of the blocks of rows that the kernels take


@pytest.mark.parametrize("family", ["gaussian_mixture", "bernoulli_mixture", "coins", "kmeans"])
def test_edges_of_blocks(family):
    problem, params = large(family, 1025)
    for n in [1, 2, *EDGES]:
        data = rows(problem.data, slice(0, n))
        assert_fused_is_explicit(problem.family, params, data)
        if family == "kmeans":
            assert_fused_is_explicit(problem.family, params, data, hard=True)


@pytest.mark.parametrize("covariance", ["full", "diag"])
@pytest.mark.parametrize("d", [1, 2, 4, 5, 7, 8, 9, 24, 33])
def test_numbers_of_columns(covariance, d):
    """Loops take columns by twos and fours, smaller blocks from 24 on; one component, and many."""
    for k in (1, 2, 9):
        problem, params = large("gaussian_mixture", 300, d=d, k=k, covariance=covariance, seed=d)
        assert_fused_is_explicit(problem.family, params, problem.data)


@pytest.mark.parametrize("d", [1, 8, 31, 32, 33, 64])
def test_numbers_of_bits(d):
    for k in (1, 2, 8, 9, 17):
        problem, params = large("bernoulli_mixture", 600, d=d, k=k, seed=d)
        assert_fused_is_explicit(problem.family, params, problem.data)


def test_matrix_products_give_the_same(monkeypatch):
    """The other route, on data for which it would not be taken."""
    problems = [large("gaussian_mixture", 1025, d=5), large("bernoulli_mixture", 1025, d=11)]
    monkeypatch.setattr(costs, "gaussian_products", lambda d, k: 0.0)
    monkeypatch.setattr(costs, "bernoulli_products", lambda d, k: 0.0)
    monkeypatch.setattr(products, "PANEL", 2)
    for problem, params in problems:
        assert_fused_is_explicit(problem.family, params, problem.data)


def test_boundary_probabilities_and_impossible_rows():
    """0 · ln 0 = 0; a row that no component can produce has no likelihood, unless it is absent."""
    problem, params = large("bernoulli_mixture", 600, d=5, k=2)
    edge = replace(params, probs=np.array([[0.0, 1.0, 0.3, 0.4, 0.5], [0.4, 0.5, 1.0, 0.2, 0.7]]))
    free = rows(problem.data, slice(None), labels=None)
    X = free.X.copy()
    X[:, 0], X[:, 1] = 0.0, 1.0  # possible under the first
    possible = rows(free, slice(None), X=X)
    assert_fused_is_explicit(problem.family, edge, possible)
    X[300, 0], X[300, 2] = 1.0, 0.0
    impossible = rows(free, slice(None), X=X, row_weights=np.ones(600))
    assert problem.family.log_likelihood(edge, impossible) == -np.inf
    assert problem.family.accumulate(edge, impossible)[1] == -np.inf
    weights = np.ones(600)
    weights[300] = 0.0
    assert_fused_is_explicit(problem.family, edge, rows(impossible, slice(None), row_weights=weights))


@pytest.mark.parametrize("route", ["bits", "products"])
def test_a_count_of_nothing_is_nothing(route, monkeypatch):
    """Bug: zeros as n - ones were -1e-13 where every row has a one, and a probability exceeded 1."""
    if route == "products":
        monkeypatch.setattr(costs, "bernoulli_products", lambda d, k: 0.0)
    problem, params = large("bernoulli_mixture", 700, d=9, k=2)
    X = problem.data.X.copy()
    X[:, 0], X[:, 8] = 1.0, 0.0
    data = rows(problem.data, slice(None), X=X)
    stats, _ = problem.family.accumulate(params, data)
    assert (stats.zeros[:, 0] == 0).all()
    assert (stats.ones[:, 8] == 0).all()
    moved = problem.family.m_step(stats, params)
    assert (moved.probs[:, 0] == 1).all()
    assert (moved.probs[:, 8] == 0).all()
    assert_fused_is_explicit(problem.family, moved, data)


@pytest.mark.parametrize("distance", [1e3, 1e6])
@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_distant_clusters_and_thin_ones(covariance, distance):
    rng = np.random.default_rng(3)
    thin = np.array([2.0, 1.0]) + 1e-5 * rng.normal(size=(40, 2))
    X = np.r_[rng.normal(size=(300, 2)), thin, distance + rng.normal(size=(300, 2))]
    problem = pose("gaussian_mixture", X, n_components=3, settings={"covariance": covariance})
    # of the size of the clusters: over all of them a triangular factor loses the digits of distance / σ, either way
    round_ = {
        "full": np.tile(np.eye(2), (3, 1, 1)),
        "tied": np.eye(2),
        "diag": np.ones((3, 2)),
        "spherical": np.ones(3),
    }
    given = {"means": [[0, 0], [2, 1], [distance, distance]], "covariances": round_[covariance]}
    start = problem.family.complete_start(given, problem.data)
    found = run_em(problem.family, problem.data, start, stop=Stop(tol=0, max_passes=6))
    assert_fused_is_explicit(problem.family, found.params, problem.data)


def test_single_precision_is_read_and_not_copied():
    """float32 rows: sums in float64, those of the same numbers as float64 (compiled apart, so to rounding)."""
    problem, params = large("gaussian_mixture", 700)
    narrow = rows(problem.data, slice(None), X=problem.data.X.astype(np.float32))
    wide = rows(narrow, slice(None), X=narrow.X.astype(np.float64))
    (stats, height), (expected, explicit) = (problem.family.accumulate(params, data) for data in (narrow, wide))
    assert height == pytest.approx(explicit, rel=1e-14)
    assert_close(stats, expected, rtol=1e-13, atol=1e-14)
    assert all(getattr(stats, f.name).dtype == np.float64 for f in fields(stats))


@pytest.mark.parametrize("family", ["gaussian_mixture", "bernoulli_mixture", "coins", "kmeans"])
def test_the_same_bits_wherever_arrays_lie(family):
    """Bug: an index that might have been negative made the order of a sum depend on the addresses of other arrays."""
    problem, params = large(family, 1400, k=2)
    rng, found = np.random.default_rng(0), []
    for size in rng.integers(1, 4000, size=300):
        hole = np.empty(size)  # what is allocated next lies elsewhere
        data = rows(problem.data, slice(None), row_weights=problem.data.row_weights.copy())
        stats, log_likelihood = problem.family.accumulate(params, data)
        found.append((log_likelihood, *(np.asarray(getattr(stats, f.name)).tobytes() for f in fields(stats))))
        del hole
    assert len(set(found)) == 1


@pytest.mark.parametrize("family", ["gaussian_mixture", "bernoulli_mixture", "coins", "kmeans"])
def test_the_same_bits_whatever_the_number_of_threads(family, monkeypatch):
    monkeypatch.setattr("emvsbayes.densities.kernels.rows.PART", 2000.0)  # many parts
    problem, params = large(family, 9001)
    found = []
    for number in (1, 2, 3, 7, 1):
        with using_threads(number):
            found.append(problem.family.accumulate(params, problem.data))
    for stats, log_likelihood in found[1:]:
        assert_identical(stats, found[0][0])
        assert log_likelihood == found[0][1]
    assert_fused_is_explicit(problem.family, params, problem.data)


def test_bounds_spare_the_search_and_change_no_bit():
    """K-means to its end, with and without what it remembers; most rows are then not searched at all."""
    X = np.r_[blobs(n=600, d=5, k=3, seed=2), np.round(blobs(n=200, d=5, k=2))]
    problem = pose("kmeans", X, n_components=7)
    family, data = problem.family, problem.data
    params = family.init(data, np.random.default_rng(0), "random_rows")
    bounds = family.bounds(data)
    for _ in range(25):
        with_, without = family.accumulate_hard(params, data, None, bounds)[0], family.accumulate_hard(params, data)[0]
        assert_identical(with_, without)
        nearest = ((X[:, None] - params.centers) ** 2).sum(axis=2)
        assert (bounds.assigned == nearest.argmin(axis=1)).all()
        second = np.sqrt(np.partition(nearest, 1, axis=1)[:, 1])
        assert (bounds.lower <= second * (1 + 1e-12)).all()
        params = family.m_step(with_, params)
    other = family.init(data, np.random.default_rng(1), "random_rows")  # a guess that is dropped moves far and back
    for far in (other, params):
        assert_identical(family.accumulate_hard(far, data, None, bounds)[0], family.accumulate_hard(far, data)[0])


def test_unrecorded_runs_take_the_compiled_pass_and_the_others_do_not():
    problem, _ = posed("gaussian_mixture-full-ml")
    calls = []

    class Counting(type(problem.family)):
        def accumulate(self, *args):
            calls.append(1)
            return super().accumulate(*args)

    family = Counting(2)
    start = starting("gaussian_mixture-full-ml")
    stop = Stop(tol=0, max_passes=3)
    assert run_em(family, problem.data, start, stop=stop, record=True).q is not None
    assert not calls
    assert run_em(family, problem.data, start, stop=stop, record=False).q is None
    assert len(calls) == 1 + 3
    assert_close(
        run_em(family, problem.data, start, stop=stop, record=False).params,
        run_em(family, problem.data, start, stop=stop).params,
    )
