"""Ranks and the two tests of their uniformity, against other implementations and against what they must detect."""

import numpy as np
import pytest
from scipy import stats

from emvsbayes import InputError
from emvsbayes.calibration import uniformity
from emvsbayes.calibration.ranks import narrowed, ranks, spaced


def test_a_rank_counts_the_draws_below():
    draws = np.array([[3.0, 0.0], [1.0, 0.0], [2.0, 0.0], [9.0, 0.0]])
    assert ranks(np.array([2.5, -1.0]), draws, np.random.default_rng(0)).tolist() == [2, 0]


def test_ties_are_broken_at_random_over_all_places():
    rng, found = np.random.default_rng(0), []
    for _ in range(3000):
        found.append(ranks(np.zeros(1), np.zeros((9, 1)), rng)[0])
    counts = np.bincount(found, minlength=10)
    assert len(counts) == 10
    assert stats.chisquare(counts).pvalue > 0.001


def test_a_discrete_quantity_has_uniform_ranks():
    """Truth and draws from one law with three values: without broken ties the ranks would pile up."""
    rng = np.random.default_rng(1)
    found = np.array([ranks(rng.integers(0, 3, 1), rng.integers(0, 3, (99, 1)), rng)[0] for _ in range(1000)])
    assert uniformity.chi_square(found) > 0.001
    assert uniformity.ecdf_test(found) > 0.001


def test_spaced_draws_are_the_middles_of_equal_stretches():
    assert spaced(99).tolist() == list(range(99))
    found = spaced(2000)
    assert len(found) == 99
    assert set(np.diff(found)) <= {20, 21}
    assert found[0] == 10
    assert found[-1] == 2000 - 11


def test_narrowed_draws_keep_their_mean():
    draws = np.random.default_rng(0).normal(3.0, 2.0, (50, 2))
    found = narrowed(draws, 0.8)
    np.testing.assert_allclose(found.mean(axis=0), draws.mean(axis=0))
    np.testing.assert_allclose(found.std(axis=0), 0.8 * draws.std(axis=0))


def test_chi_square_is_that_of_scipy():
    found = np.random.default_rng(3).integers(0, 100, 200)
    counts = np.histogram(found, bins=np.arange(0, 101, 5))[0]
    assert uniformity.histogram(found).tolist() == counts.tolist()
    assert uniformity.chi_square(found) == pytest.approx(stats.chisquare(counts).pvalue, rel=1e-12)


def test_the_number_of_bins_leaves_five_ranks_to_each():
    assert [uniformity.bins_for(n) for n in (20, 25, 49, 50, 99, 100, 1000)] == [4, 5, 5, 10, 10, 20, 20]


def test_the_ecdf_difference_is_that_of_a_sorted_list():
    found = np.random.default_rng(3).integers(0, 100, 150)
    by_hand = [np.mean(found < j) - j / 100 for j in range(101)]
    np.testing.assert_allclose(uniformity.ecdf_difference(found), by_hand, atol=1e-12)


def test_the_ecdf_band_is_that_of_arviz():
    """ArviZ simulates continuous samples: at the same points its band has the same law."""
    from arviz_stats.ecdf_utils import get_pointwise_confidence_band, simulate_confidence_bands

    n, z = 200, np.arange(1, 100) / 100
    rng = np.random.default_rng(0)
    gamma = simulate_confidence_bands(n, 1, z, 0.95, 2000, rng)
    lower, upper = get_pointwise_confidence_band(gamma, n, z)
    mine = uniformity.ecdf_band(n)
    np.testing.assert_allclose(mine[0][1:-1], lower - z, atol=1.5 / n)
    np.testing.assert_allclose(mine[1][1:-1], upper - z, atol=1.5 / n)


def test_uniform_ranks_leave_the_band_and_are_rejected_as_often_as_they_should():
    rng = np.random.default_rng(5)
    samples = rng.integers(0, 100, (300, 200))
    lower, upper = uniformity.ecdf_band(200)
    outside = [
        ((d := uniformity.ecdf_difference(s)) < lower - 1e-12).any() or (d > upper + 1e-12).any() for s in samples
    ]
    p_values = np.array([uniformity.ecdf_test(s) for s in samples])
    assert stats.binomtest(sum(outside), 300, 0.05).pvalue > 0.001
    assert stats.binomtest(int((p_values <= 0.05).sum()), 300, 0.05).pvalue > 0.001
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


@pytest.mark.parametrize("shape", [(0.7, 0.7), (1.5, 1.5), (1.4, 1.0)])
def test_ranks_that_are_not_uniform_are_rejected(shape):
    """Draws too narrow, too wide, and shifted."""
    found = (100 * np.random.default_rng(7).beta(*shape, 800)).astype(int)
    assert uniformity.ecdf_test(found) < 0.001
    assert uniformity.chi_square(found) < 0.001


def test_a_p_value_is_never_zero():
    assert 0 < uniformity.ecdf_test(np.zeros(200, dtype=int)) <= 1 / uniformity.SIMULATED


@pytest.mark.parametrize(
    ("found", "words"), [([], "at least one"), ([1.5], "whole number"), ([3, 100], "between 0 and 99")]
)
def test_what_is_no_rank_is_refused(found, words):
    with pytest.raises(InputError, match=words):
        uniformity.ecdf_test(found)


def test_bins_that_do_not_divide_the_ranks_are_refused():
    with pytest.raises(InputError, match="must divide the 100 possible ranks"):
        uniformity.chi_square([1, 2], bins=30)


def test_how_large_a_fault_two_hundred_simulations_see():
    """Normal posteriors of known width, shifted: the shares of runs rejected that docstring and page state."""
    rng = np.random.default_rng(5)

    def rejected(shift, runs=40, n=200):
        found = []
        for _ in range(runs):
            truth, draws = rng.standard_normal(n), rng.standard_normal((n, 99)) + shift
            listed = (draws < truth[:, None]).sum(axis=1)
            found.append(min(uniformity.chi_square(listed), uniformity.ecdf_test(listed)) < 1e-3)
        return float(np.mean(found))

    assert rejected(0.0) <= 0.05
    assert rejected(0.1) <= 0.1
    assert 0.15 <= rejected(0.25) <= 0.6
    assert rejected(0.5) >= 0.95
