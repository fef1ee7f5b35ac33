"""The bootstrap likelihood-ratio test, and held-out scores."""

import numpy as np
import pytest
from cases import FIVE_TRIALS, OLD_FAITHFUL
from scipy.stats import binom, multivariate_normal

import emvsbayes as eb
from emvsbayes.information.ratio_test import RatioTest


def coins(probs, n=60, seed=0):
    rng = np.random.default_rng(seed)
    return {"heads": rng.binomial(12, rng.choice(probs, size=n)), "tosses": np.full(n, 12)}


def test_one_coin_passes_for_one_coin():
    data = coins([0.5])
    said = []
    test = eb.ratio_test("coins", data, n_components=1, n_replicates=19, n_starts=5, say=said.append)
    rate = data["heads"].sum() / data["tosses"].sum()
    assert test.log_likelihoods[0] == pytest.approx(binom.logpmf(data["heads"], 12, rate).sum())
    assert test.p_value > 0.1
    assert test.p_value == (1 + sum(value >= test.statistic for value in test.replicates)) / 20
    assert min(test.replicates) > -1e-3  # two coins fit no worse than one, to EM's tolerance
    assert said == ["ratio test: 10 of 19 replicates"]
    assert RatioTest.from_json(test.to_json()) == test
    assert "1 against 2 components" in test.summary()
    again = eb.ratio_test("coins", data, n_components=1, n_replicates=19, n_starts=5)
    assert again == test


def test_two_coins_do_not():
    test = eb.ratio_test("coins", coins([0.2, 0.8]), n_components=1, n_replicates=9, n_starts=3)
    assert test.p_value == 0.1  # 1 / (B + 1), the least there is
    assert test.statistic > 20


def test_a_weight_is_a_count_of_rows_to_simulate():
    data = coins([0.3, 0.7], n=30)
    heads, counts = np.unique(data["heads"], return_counts=True)
    table = {"heads": heads, "tosses": np.full(len(heads), 12)}
    one = eb.ratio_test("coins", table, n_components=1, sample_weight=counts, n_replicates=5, n_starts=3)
    order = {"heads": np.repeat(heads, counts), "tosses": np.full(30, 12)}
    other = eb.ratio_test("coins", order, n_components=1, n_replicates=5, n_starts=3)
    assert one.statistic == pytest.approx(other.statistic, abs=1e-3)
    with pytest.raises(eb.InputError, match="whole numbers"):
        eb.ratio_test("coins", table, n_components=1, sample_weight=counts / 2, n_replicates=5, n_starts=3)


def test_without_components_there_is_nothing_to_test():
    with pytest.raises(eb.InputError, match="no likelihood by number of components"):
        eb.ratio_test("kmeans", OLD_FAITHFUL, n_components=1)


def test_held_out_scores_of_one_gaussian():
    """Each fold by SciPy's density, at the mean and covariance (divisor N) of the other rows."""
    X = np.random.default_rng(0).normal(size=(30, 2)) @ [[1.0, 0.4], [0.0, 0.6]]
    found = eb.held_out_score("gaussian_mixture", X, n_components=1, folds=3, seed=5)
    order = np.random.default_rng(5).permutation(30)
    expected = []
    for part in np.array_split(order, 3):
        rest = np.delete(X, part, axis=0)
        expected.append(multivariate_normal(rest.mean(axis=0), np.cov(rest.T, bias=True)).logpdf(X[part]).mean())
    np.testing.assert_allclose(found.folds, expected)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.se == pytest.approx(np.std(expected, ddof=1) / np.sqrt(3))


def test_one_split_is_the_log_score_of_a_fit():
    X = np.random.default_rng(1).normal(size=(40, 1))
    shared = {"n_components": 2, "prior": "default", "n_starts": 2, "seed": 3}
    found = eb.held_out_score("gaussian_mixture", X, share=0.25, **shared)
    held = np.sort(np.random.default_rng(3).permutation(40)[:10])
    fit = eb.fit("gaussian_mixture", np.delete(X, held, axis=0), **shared)
    assert found.mean == pytest.approx(fit.log_score(X[held]), rel=1e-12)
    assert found.se is None
    assert found.rows == [10]


def test_held_out_weights_are_counts():
    heads, counts = np.arange(2, 9), np.array([1, 2, 5, 6, 4, 2, 0])
    table = {"heads": heads, "tosses": np.full(7, 10)}
    found = eb.held_out_score("coins", table, n_components=1, sample_weight=counts, folds=6)
    total = 0.0
    for h, count in zip(heads[:-1], counts[:-1], strict=True):
        rest = counts[:-1] * (heads[:-1] != h)
        total += count * binom.logpmf(h, 10, rest @ heads[:-1] / (10 * rest.sum()))
    assert found.mean == pytest.approx(total / counts.sum())


def test_what_cannot_be_held_out_is_refused():
    x = np.linspace(0, 1, 10)
    with pytest.raises(eb.InputError, match="no held-out score"):
        eb.held_out_score("linear_evidence", {"X": x, "t": x**2})
    with pytest.raises(eb.InputError, match="folds"):
        eb.held_out_score("coins", FIVE_TRIALS, n_components=1, folds=6)
    with pytest.raises(eb.InputError, match="share"):
        eb.held_out_score("coins", FIVE_TRIALS, n_components=1, share=1.5)
    with pytest.raises(eb.InputError, match="a fold cannot be fitted"):
        eb.held_out_score("coins", FIVE_TRIALS, n_components=5, folds=5)
