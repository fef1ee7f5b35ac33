"""Mixtures of binomials in one pass over the rows.

    ℓ_nk = ln π_k + ln C(m_n, h_n) + h_n ln p_k + (m_n - h_n) ln(1 - p_k),    0 · ln 0 = 0
    n_k = Σ_n m_nk,   heads_k = Σ_n m_nk h_n,   tails_k = Σ_n m_nk (m_n - h_n)

with h heads of m tosses, and masses m_nk as in `sharing`.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.sharing import share

BLOCK = 512


@compiled
def sweep(
    heads: Array,
    tosses: Array,
    base: Array,
    weights: Array,
    labels: Integers,
    log_weights: Array,
    log_p: Array,
    log_q: Array,
    start: int,
    stop: int,
    n: Array,
    heads_sum: Array,
    tails_sum: Array,
) -> float:
    """Rows start to stop: adds to n, heads_sum and tails_sum (K,); returns Σ_n w_n ln p(h_n)."""
    k_all = log_weights.size
    joint, scratch, height = np.empty((k_all, BLOCK)), np.empty((2, BLOCK)), 0.0
    for at in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - at)
        h, m, b = heads[at : at + rows], tosses[at : at + rows], base[at : at + rows]
        for k in range(k_all):
            row, p, q, c = joint[k], log_p[k], log_q[k], log_weights[k]
            for i in range(rows):
                t = m[i] - h[i]
                row[i] = c + b[i] + (h[i] * p if h[i] > 0 else 0.0) + (t * q if t > 0 else 0.0)
        height += share(joint, weights[at : at + rows], labels[at : at + rows], scratch, n)
        for k in range(k_all):
            row, of_heads, of_tails = joint[k], 0.0, 0.0
            for i in range(rows):
                of_heads += row[i] * h[i]
                of_tails += row[i] * (m[i] - h[i])
            heads_sum[k] += of_heads
            tails_sum[k] += of_tails
    return height
