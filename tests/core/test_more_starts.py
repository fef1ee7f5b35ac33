"""Starts asked for by name: random responsibilities and Ward's clusters."""

import numpy as np
import pytest
from cases import COVARIANCES, FIVE_TRIALS, OLD_FAITHFUL, blobs, posed
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

import emvsbayes as eb
from emvsbayes.core.trace import Status
from emvsbayes.families.gaussian_mixture import starts
from emvsbayes.problem import pose


def drawn(problem, how, seed=0):
    return problem.family.init(problem.data, np.random.default_rng(seed), how)


@pytest.mark.parametrize("name", ["ml", "weighted-ml", "units-ml", "five-columns-ml"])
def test_random_responsibilities_keep_the_moments_of_the_data(name):
    """Total mean and covariance: Σ π μ = x̄ and Σ π (Σ + (μ - x̄)(μ - x̄)ᵀ) = S, whatever the responsibilities."""
    problem = posed(f"gaussian_mixture-full-{name}")[0]
    X, w = problem.data.X, problem.data.row_weights / problem.data.row_weights.sum()
    for seed in range(3):
        p = drawn(problem, "random_responsibilities", seed)
        np.testing.assert_allclose(p.weights @ p.means, w @ X, rtol=1e-9)
        off = p.means - w @ X
        between = p.covariances + off[:, :, None] * off[:, None, :]
        np.testing.assert_allclose(np.tensordot(p.weights, between, 1), np.cov(X.T, aweights=w, ddof=0), rtol=1e-9)
        assert len(np.unique(p.means, axis=0)) == len(p.means)


def test_random_responsibilities_of_counts_and_bits():
    """Σ_k π_k p_k is the share of heads in equal numbers of tosses, and the mean of each column of bits."""
    trials = {"heads": [5, 9, 8, 4, 7], "tosses": [10] * 5}
    p = drawn(pose("coins", trials, n_components=3), "random_responsibilities")
    assert p.weights @ p.probs == pytest.approx(33 / 50)
    bits = (blobs(n=50, d=4) > 1).astype(float)
    p = drawn(pose("bernoulli_mixture", bits, n_components=2), "random_responsibilities")
    np.testing.assert_allclose(p.weights @ p.probs, bits.mean(axis=0))
    never = np.c_[bits, np.zeros(50)]
    p = drawn(pose("bernoulli_mixture", never, n_components=2), "random_responsibilities")
    assert (p.probs > 0).all()  # a start on the boundary could not leave it


def test_the_responsibilities_are_uniform_on_the_simplex():
    """Dirichlet(1, 1, 1): each share has variance 1/18. Labelled means of 0 and 1 show one row's own shares."""
    X = np.r_[np.zeros((1, 1)), np.ones((1, 1))] + 1e-9 * np.arange(2)[:, None]
    problem = pose("gaussian_mixture", X, n_components=2, settings={"covariance": "EII"})
    shares = []
    for seed in range(1500):
        p = drawn(problem, "random_responsibilities", seed)
        shares.append(2 * p.weights[0] * p.means[0, 0])  # r_1 of the second row
    assert np.mean(shares) == pytest.approx(1 / 2, abs=0.03)
    assert np.var(shares) == pytest.approx(1 / 12, abs=0.01)


@pytest.mark.parametrize("how", ["random_responsibilities", "hierarchical"])
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_every_start_is_possible(covariance, how):
    for name in ("tied-rows-ml", "labelled-ml", "units-ml", "weighted-ml", "one-column-ml", "offset-ml"):
        problem = posed(f"gaussian_mixture-{covariance}-{name}")[0]
        start = drawn(problem, how)
        start.checked(covariance)
        assert len(np.unique(start.means, axis=0)) == 2


@pytest.mark.parametrize("how", ["random_responsibilities", "hierarchical"])
def test_known_rows_stay_with_their_component(how):
    X = blobs()
    for labels in (np.arange(60) % 2, 1 - np.arange(60) % 2):
        start = drawn(pose("gaussian_mixture", X, n_components=2, labels=labels), how)
        np.testing.assert_allclose(start.means, [X[labels == k].mean(axis=0) for k in (0, 1)])


def test_wards_clusters_are_those_of_another_library():
    for k, d, seed in ((3, 2, 0), (4, 3, 1)):
        X = blobs(n=150, d=d, k=k, seed=seed)
        points = (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)
        ours = starts.ward(points, np.ones(150), None, k, np.random.default_rng(0))
        theirs = AgglomerativeClustering(k, linkage="ward").fit_predict(points)
        assert adjusted_rand_score(ours, theirs) == 1
        start = drawn(pose("gaussian_mixture", X, n_components=k), "hierarchical")
        means = np.array([X[theirs == j].mean(axis=0) for j in range(k)])
        np.testing.assert_allclose(np.sort(start.means, axis=0), np.sort(means, axis=0))


def test_clusters_are_numbered_like_the_known_rows():
    X = np.r_[blobs(n=30, k=1), blobs(n=30, k=1) + 30, blobs(n=30, k=1) - 30]
    truth = np.repeat([2, 0, 1], 30)
    known = np.where(np.arange(90) % 10 == 0, truth, -1)
    partition = starts.ward(X, np.ones(90), known, 3, np.random.default_rng(0))
    assert (partition == truth).all()


def test_many_rows_are_clustered_by_a_subsample(monkeypatch):
    monkeypatch.setattr(starts, "SUBSAMPLE", 60)
    X = np.r_[blobs(n=300, k=1), blobs(n=300, k=1) + 30]
    problem = pose("gaussian_mixture", X, n_components=2)
    first, second = (
        starts.ward(X, np.where(np.arange(600) < 5, 0.0, 1.0), None, 2, np.random.default_rng(s)) for s in (0, 1)
    )
    for partition in (first, second):
        assert adjusted_rand_score(partition, np.repeat([0, 1], 300)) == 1
    assert not problem.family.starts_alike("hierarchical", problem.data)


def test_a_start_that_draws_nothing_is_made_once():
    fit = eb.fit("gaussian_mixture", OLD_FAITHFUL, n_components=2, start="hierarchical")
    assert [r.how for r in fit.restarts] == ["hierarchical"]
    assert fit.status is Status.CONVERGED
    assert fit.log_likelihood == pytest.approx(-1130.2640, abs=1e-4)
    assert len(eb.fit("coins", FIVE_TRIALS, n_components=2, start="random_responsibilities").restarts) == 20


@pytest.mark.parametrize(
    ("family", "X", "settings", "how"),
    [
        ("coins", FIVE_TRIALS, {}, "hierarchical"),
        ("bernoulli_mixture", np.eye(4), {}, "hierarchical"),
        ("kmeans", blobs(), {}, "hierarchical"),
        ("kmeans", blobs(), {"method": "medoids"}, "random_responsibilities"),
        ("linear_evidence", blobs(), {}, "random_responsibilities"),
    ],
)
def test_methods_a_family_does_not_know_are_refused(family, X, settings, how):
    k = None if family == "linear_evidence" else 2
    with pytest.raises(eb.InputError, match=f"{family} has no start of the method {how}; choose from kmeans"):
        eb.fit(family, X, n_components=k, settings=settings, start=how)
    with pytest.raises(eb.InputError, match="did you mean 'random_rows'"):
        eb.fit(family, X, n_components=k, settings=settings, start="random_row")
