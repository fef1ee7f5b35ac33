"""Statistics of columns, by which data are held against data that a model would have produced.

mean, sd (divisor N), skewness m3 / m2^(3/2), excess kurtosis m4 / m2² - 3, smallest, largest; m_j central moments
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array


def column_statistics(X: Array, columns: tuple[str, ...]) -> dict[str, float]:
    """Six statistics of each column of X (N, D), and the correlations of neighbours; 0 where a column is constant."""
    center = X.mean(axis=0)
    deviations = X - center
    sd = np.sqrt((deviations**2).mean(axis=0))
    scaled = deviations / np.where(sd > 0, sd, 1.0)
    skewness, kurtosis = (scaled**3).mean(axis=0), (scaled**4).mean(axis=0) - 3 * (sd > 0)
    low, high = X.min(axis=0), X.max(axis=0)
    found = {}
    for d, name in enumerate(columns):
        values = (center[d], sd[d], skewness[d], kurtosis[d], low[d], high[d])
        names = ("mean", "sd", "skewness", "excess kurtosis", "smallest", "largest")
        found |= {f"{what} of {name}": float(value) for what, value in zip(names, values, strict=True)}
    for d in range(len(columns) - 1):
        found[f"correlation of {columns[d]}, {columns[d + 1]}"] = float((scaled[:, d] * scaled[:, d + 1]).mean())
    return found
