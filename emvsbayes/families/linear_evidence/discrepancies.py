"""What a regression is held against: the residuals about the curve of one w, in the order of the input.

    e_n = √β (t_n - wᵀφ_n)        under the model independent and standard normal

    χ² = Σ_n e_n²,    lag-1 autocorrelation Σ_n e_n e_{n+1} / Σ_n e_n²,    largest |e_n|

A curve that the basis cannot follow leaves residuals that resemble their neighbours.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array


def discrepancies(X: Array, residuals: Array) -> dict[str, float]:
    """Of scaled residuals (N,) at inputs (N, D), in the order of a single input; else in that of the rows."""
    e = residuals[np.argsort(X[:, 0], kind="stable")] if X.shape[1] == 1 else residuals
    total = float(e @ e)
    return {
        "χ² of the residuals": total,
        "lag-1 autocorrelation of the residuals": float(e[:-1] @ e[1:]) / total if total > 0 else 0.0,
        "largest |residual|, in noise sds": float(np.abs(e).max()),
        "skewness of the residuals": float((e**3).mean() / (e**2).mean() ** 1.5) if total > 0 else 0.0,
    }
