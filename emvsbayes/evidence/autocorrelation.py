"""The integrated autocorrelation time of a function of draws, how many draws one independent draw is worth; and R-hat.

    τ = 1 + 2 Σ_t ρ_t,    Var[mean] = τ σ² / S            τ is the normalised spectral density at frequency 0

ρ_t is estimated from all chains together, differences between their means included, and summed while pairs
ρ_2t + ρ_2t+1 stay positive and do not rise.

R-hat compares chains, each cut into two, that should be alike: with W the mean variance within and B the variance of
their means, it is √{((S - 1) W / S + B) / W}. Of a function that no renaming of components changes, such as the height
of the posterior, it is 1 where chains differ by their labels alone.

Sources: Geyer (1992), Statistical Science 7, 473-483; Vehtari et al. (2021), Bayesian Analysis 16, 667-718, eq. 10-13;
Gelman et al. (2013), Bayesian Data Analysis, section 11.4.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array


def autocorrelation_time(values: Array) -> float:
    """τ of values (C, S), at least 1 / log10 of their number; draws that do not differ have τ = 1."""
    chains, size = values.shape
    if size < 4 or np.ptp(values) == 0:
        return 1.0
    centred = values - values.mean(axis=1, keepdims=True)
    transformed = np.fft.rfft(centred, n=2 * size, axis=1)
    covariances = np.fft.irfft(np.abs(transformed) ** 2, axis=1)[:, :size].mean(axis=0) / size
    within = covariances[0] * size / (size - 1)
    between = values.mean(axis=1).var(ddof=1) if chains > 1 else 0.0
    whole = covariances[0] + between
    rho = 1 - (within - covariances * size / (size - 1)) / whole
    rho[0] = 1.0
    pairs = rho[: size - size % 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    pairs = np.minimum.accumulate(pairs[: negative[0]] if len(negative) else pairs)
    return max(float(2 * pairs.sum() - 1), 1 / np.log10(chains * size))


def split_rhat(values: Array) -> float:
    """R-hat of values (C, S), every chain cut into two; 1 where nothing varies or draws are fewer than 4."""
    half = values.shape[1] // 2
    if half < 2:
        return 1.0
    parts = np.concatenate([values[:, :half], values[:, -half:]])
    within, between = parts.var(axis=1, ddof=1).mean(), parts.mean(axis=1).var(ddof=1)
    return 1.0 if within == 0 and between == 0 else float(np.sqrt(((half - 1) * within / half + between) / within))
