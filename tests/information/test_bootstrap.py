"""The bootstrap: seeded, aligned, and honest about refits that failed."""

from dataclasses import replace

import numpy as np
import pytest
from cases import FIVE_TRIALS

import emvsbayes as eb
from emvsbayes.information import bootstrap
from emvsbayes.problem import pose


def two_clusters(n=60, seed=2):
    rng = np.random.default_rng(seed)
    return np.r_[rng.normal(size=(n, 1)), rng.normal(5, 1, size=(n, 1))]


def test_one_gaussian_spreads_as_it_should():
    """400 replicates of the mean: sd √(s²/N), within four Monte-Carlo errors of 1/√800 relative."""
    X = np.random.default_rng(0).normal(size=(50, 1))
    fit = eb.fit("gaussian_mixture", X, n_components=1)
    errors = eb.standard_errors(fit, X, ("bootstrap", "parametric"), n_replicates=400)
    for method in errors.methods:
        assert errors.se(method)["means[0, x0]"] == pytest.approx(X.std() / np.sqrt(50), rel=4 / np.sqrt(800))


def test_the_same_seed_draws_the_same():
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, n_starts=2)
    said = []
    found = [
        eb.standard_errors(fit, FIVE_TRIALS, ["bootstrap"], n_replicates=60, seed=seed, say=said.append)
        for seed in (1, 1, 2)
    ]
    assert found[0] == found[1] != found[2]
    assert said == ["bootstrap: 50 of 60 replicates"] * 3


def test_a_replicate_that_swapped_its_components_is_put_right(monkeypatch):
    X = two_clusters()
    fit = eb.fit("gaussian_mixture", X, n_components=2, n_starts=2)
    straight = eb.standard_errors(fit, X, ["bootstrap"], n_replicates=12)
    plain, turn = bootstrap.run_em, iter(range(100))

    def swapping(family, *args, **options):
        run = plain(family, *args, **options)
        if next(turn) % 2:
            return run
        swapped = {name: getattr(run.params, name)[::-1] for name in ("weights", "means", "covariances")}
        return replace(run, params=replace(run.params, **swapped))

    monkeypatch.setattr(bootstrap, "run_em", swapping)
    assert eb.standard_errors(fit, X, ["bootstrap"], n_replicates=12) == straight


def test_resampling_draws_counts():
    weights = np.array([0.0, 2.0, 1.0, 4.0])
    data = pose("coins", {"heads": [1, 2, 3, 4], "tosses": [5] * 4}, n_components=1, sample_weight=weights).data
    drawn = np.array([bootstrap.resampled(None, data, None, np.random.default_rng(i)).row_weights for i in range(4000)])
    assert (drawn.sum(axis=1) == 7).all()
    assert (drawn[:, 0] == 0).all()
    np.testing.assert_allclose(drawn.mean(axis=0), weights, atol=0.1)


def test_simulation_keeps_what_was_known_and_missing():
    X = np.array([[1, np.nan, 0], [0, 1, 1], [1, 1, np.nan], [0, 0, 1]])
    problem = pose("bernoulli_mixture", X, n_components=2, labels=[0, -1, 1, -1], sample_weight=[1, 2, 1, 0])
    params = problem.random_params(0)
    drawn = bootstrap.simulated(problem.family, problem.data, params, np.random.default_rng(0))
    assert drawn.labels.tolist() == [0, -1, -1, 1] or (drawn.labels >= 0).tolist() == [True, False, False, True]
    np.testing.assert_array_equal(drawn.observed, problem.data.observed[[0, 1, 1, 2]])
    with pytest.raises(eb.InputError, match="whole numbers"):
        bootstrap.unrolled(replace(problem.data, row_weights=np.array([0.5, 1, 1, 1])))


def test_failures_are_counted():
    """Where a replicate lacks one of two rows, the component that they made collapses on the other."""
    six, four = np.array([[0.0], [0.5], [1.0], [7.0], [7.5], [8.0]]), np.array([[0.0], [1.0], [9.0], [10.0]])
    tied = eb.fit("gaussian_mixture", six, n_components=2, settings={"covariance": "tied"}, n_starts=2)
    found = eb.standard_errors(tied, six, ["bootstrap"], n_replicates=40).methods["bootstrap"]
    assert found.replicates == 40
    assert 0 < sum(found.failures.values()) < 20
    start = {"means": [[0.5], [9.5]], "covariances": np.full((2, 1, 1), 0.25)}
    fit = eb.fit("gaussian_mixture", four, n_components=2, start=start)
    errors = eb.standard_errors(fit, four, ["louis", "bootstrap"], n_replicates=40)
    assert list(errors.methods) == ["louis"]
    assert "gave no estimate" in errors.refused["bootstrap"]
    assert "SINGULAR" in errors.refused["bootstrap"]
