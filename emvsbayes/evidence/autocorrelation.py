"""The integrated autocorrelation time of a function of draws: how many draws one independent draw is worth.

    τ = 1 + 2 Σ_t ρ_t,    Var[mean] = τ σ² / S            τ is the normalised spectral density at frequency 0

ρ_t is estimated from all chains together, differences between their means included, and summed while pairs
ρ_2t + ρ_2t+1 stay positive and do not rise.

Sources: Geyer (1992), Statistical Science 7, 473-483; Vehtari et al. (2021), Bayesian Analysis 16, 667-718, eq. 10-13.
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
