"""What trials of coins are held against: is the spread of the counts that of a mixture of binomials?

    X²(h, θ) = Σ_n (h_n - m_n p̄)² / V_n,    p̄ = Σ_k π_k p_k,    V_n = m_n p̄(1 - p̄) + m_n (m_n - 1) Σ_k π_k (p_k - p̄)²

V_n is the variance of h_n under the mixture (law of total variance).
"""

from __future__ import annotations

import numpy as np

from emvsbayes.families.coins.records import CoinsData, CoinsParams


def discrepancies(params: CoinsParams, data: CoinsData) -> dict[str, float]:
    """Moments of the rates of heads and of the counts, and χ²; a V_n of 0 leaves its trial out."""
    rate = data.heads / data.tosses
    mean = float(params.weights @ params.probs)
    between = float(params.weights @ (params.probs - mean) ** 2)
    variance = data.tosses * mean * (1 - mean) + data.tosses * (data.tosses - 1) * between
    squared = (data.heads - data.tosses * mean) ** 2
    return {
        "mean rate of heads": float(rate.mean()),
        "variance of the counts": float(data.heads.var()),
        "smallest rate": float(rate.min()),
        "largest rate": float(rate.max()),
        "χ² of the counts": float((squared / np.where(variance > 0, variance, np.inf)).sum()),
    }
