"""Are ranks uniform? Two tests and the bands that go with them.

Chi-square over B bins of equal width, n ranks:

    X² = Σ_b (O_b - n/B)² / (n/B)  ~  χ²(B - 1)

ECDF, sharper against smooth departures: at each z_j = j / R of the R = L + 1 possible ranks,

    n F(z_j) = #{ranks < j}  ~  Binomial(n, z_j)
    γ = min_j 2 min{P(Bin ≤ n F(z_j)), P(Bin ≥ n F(z_j))}

and the p-value is the share of uniform samples, simulated once for each (n, R), whose γ is as small; the ranks
themselves count as one of them, so that it is never 0. The 5 % quantile of γ makes a band that a uniform sample leaves
anywhere with probability 5 %.

Source: Säilynoja, Bürkner and Vehtari (2022), Graphical test for discrete uniformity and its applications in
goodness-of-fit evaluation and multiple sample comparison, Statistics and Computing 32, 32, section 3.1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, chi2

from emvsbayes.calibration.ranks import KEPT
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError

BINS = 20
SIMULATED = 20_000  # uniform samples behind an ECDF p-value: the smallest that can be told is 1 in as many
BAND = 0.95


def bins_for(n: int) -> int:
    """The most of 20, 10, 5 and 4 bins that n uniform ranks fill with 5 each, as X² wants it."""
    return next((bins for bins in (BINS, 10, 5) if n >= 5 * bins), 4)


def histogram(found: ArrayLike, bins: int = BINS, kept: int = KEPT) -> Integers:
    """Counts (B,) of ranks 0 … kept; the bins hold equally many ranks each."""
    return np.bincount(_checked(found, kept) * bins // (kept + 1), minlength=bins)


def chi_square(found: ArrayLike, bins: int = BINS, kept: int = KEPT) -> float:
    """The p-value of X² over `bins` bins."""
    if (kept + 1) % bins:
        raise InputError(f"bins must divide the {kept + 1} possible ranks; {bins} does not: take 10, 20 or 25.")
    counts = histogram(found, bins, kept)
    expected = counts.sum() / bins
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), bins - 1))


def count_band(n: int, bins: int = BINS, level: float = BAND) -> tuple[float, float, float]:
    """Lower end, middle and upper end of one bin's count, each bin for itself."""
    return float(binom.ppf((1 - level) / 2, n, 1 / bins)), n / bins, float(binom.ppf((1 + level) / 2, n, 1 / bins))


def ecdf_difference(found: ArrayLike, kept: int = KEPT) -> Array:
    """F(z_j) - z_j for j = 0 … R, (R + 1,)."""
    n, below = _below(_checked(found, kept)[None], kept)
    return below[0] / n - np.arange(kept + 2) / (kept + 1)


def ecdf_test(found: ArrayLike, kept: int = KEPT) -> float:
    """The p-value of γ."""
    listed = _checked(found, kept)
    null = _null(len(listed), kept)
    as_small = (null <= _gamma(listed[None], kept)[0] * (1 + 1e-9)).sum()
    return float((1 + as_small) / (1 + len(null)))


def ecdf_band(n: int, kept: int = KEPT, level: float = BAND) -> tuple[Array, Array]:
    """Ends (R + 1,) of a band about F(z) - z that uniform ranks leave anywhere with probability 1 - level."""
    gamma, z = float(np.quantile(_null(n, kept), 1 - level)), np.arange(kept + 2) / (kept + 1)
    return binom.ppf(gamma / 2, n, z) / n - z, binom.ppf(1 - gamma / 2, n, z) / n - z


def _checked(found: ArrayLike, kept: int) -> Integers:
    listed = np.asarray(found)
    if listed.ndim != 1 or not len(listed) or not np.issubdtype(listed.dtype, np.integer):
        raise InputError("ranks must be a list of at least one whole number.")
    if listed.min() < 0 or listed.max() > kept:
        raise InputError(
            f"ranks among {kept} draws lie between 0 and {kept}; one is {listed.min()}, one {listed.max()}."
        )
    return listed.astype(np.int64)


def _below(samples: Integers, kept: int) -> tuple[int, Integers]:
    """n, and #{ranks < j} for j = 0 … R of each sample, (T, R + 1)."""
    places = samples + 1 + (kept + 2) * np.arange(len(samples))[:, None]
    counts = np.bincount(places.ravel(), minlength=len(samples) * (kept + 2)).reshape(len(samples), kept + 2)
    return samples.shape[1], counts.cumsum(axis=1)


def _gamma(samples: Integers, kept: int) -> Array:
    """γ of each sample (T, n); the ends z = 0 and 1 say nothing."""
    n, below = _below(samples, kept)
    return np.minimum(_tails(n, kept)[below[:, 1:-1], np.arange(kept)], 1.0).min(axis=1)


@lru_cache(maxsize=8)
def _tails(n: int, kept: int) -> Array:
    """2 min{P(Bin ≤ c), P(Bin ≥ c)} for every count c = 0 … n and rank j = 1 … R - 1, (n + 1, R - 1)."""
    counts, z = np.arange(n + 1)[:, None], np.arange(1, kept + 1) / (kept + 1)
    return 2 * np.minimum(binom.cdf(counts, n, z), binom.sf(counts - 1, n, z))


@lru_cache(maxsize=8)
def _null(n: int, kept: int) -> Array:
    """γ of uniform samples."""
    rng = np.random.default_rng(n)
    return np.concatenate(
        [_gamma(rng.integers(0, kept, (1000, n), endpoint=True), kept) for _ in range(SIMULATED // 1000)]
    )
