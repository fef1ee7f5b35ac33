"""What the data say of a group of rows: its weight, sums and sums of squares, a vector that adds over draws.

    n_j(s) = Σ_n w_n z_nj(s),   s1_j(s) = Σ_n w_n z_nj(s) x_n,   s2_j(s) = Σ_n w_n z_nj(s) x_n²

The complete-data log-likelihood of normal rows with independent coordinates is linear in it:

    ln p(x, group j of draw s in slot k) = -½ Σ_d [ n_j ln(2π v_kd) + (s2_jd - 2 m_kd s1_jd + n_j m_kd²) / v_kd ]

Coordinates are put in units of their own spread first, so that a bound on the variances has no unit.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.relabelling.rows import Rows

SMALLEST_VARIANCE = 1e-10  # relative to the data's: a slot of tied rows would otherwise outweigh everything


def features(data: Array, row_weights: Array) -> Array:
    """1, x, x² of the standardised rows, (N, 1+2D), for data (N, D); a column of one value is left out."""
    share = row_weights / row_weights.sum()
    varying = data[:, np.ptp(data[share > 0], axis=0) > 0]
    centred = varying - share @ varying
    x = centred / np.sqrt(share @ centred**2)
    return np.column_stack([np.ones(len(x)), x, x**2])


def group_moments(rows: Rows, columns: Array) -> Array:
    """Moments of every component of every draw, (S, K, 1+2D), from features (N, 1+2D)."""
    s, k, n = rows.values.shape
    return (rows.values.reshape(s * k, n) @ (columns * rows.row_weights[:, None])).reshape(s, k, -1)


def log_densities(totals: Array, *, weights: bool) -> Array:
    """Coefficients (1+2D, K): moments (…, 1+2D) times these are log-likelihoods in the slots.

    The means and variances of the slots are those of their totals (K, 1+2D); an empty slot takes those of all data.
    With `weights` the slots' shares count too, Σ_n w_n z_nj ln(n_k / Σ n).
    """
    n, (s1, s2) = totals[:, :1], np.split(totals[:, 1:], 2, axis=1)
    some = n > 0
    mean = np.divide(s1, n, out=np.zeros_like(s1), where=some)
    square = np.divide(s2, n, out=np.ones_like(s2), where=some)
    variance = np.maximum(square - mean**2, SMALLEST_VARIANCE)
    constant = -0.5 * (np.log(2 * np.pi * variance) + mean**2 / variance).sum(axis=1)
    if weights:
        constant = constant + np.log(np.maximum(n[:, 0] / n.sum(), np.finfo(np.float64).tiny))
    return np.vstack([constant, (mean / variance).T, (-0.5 / variance).T])
