"""Factors of a few small covariance matrices, where calling LAPACK would cost more than the arithmetic.

Σ = L Lᵀ,   L_ij = (Σ_ij - Σ_{k<j} L_ik L_jk) / L_jj,   ln|Σ| = 2 Σ_i ln L_ii
R = L⁻¹,    R_ij = -Σ_{j<=k<i} L_ik R_kj / L_ii,        R_ii = 1 / L_ii
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.densities.kernels.elementary import compiled


@compiled
def root(matrix: Array, out: Array) -> bool:
    """The lower Cholesky factor (D, D); False where the matrix is not positive definite."""
    for i in range(len(matrix)):
        for j in range(i + 1):
            rest = matrix[i, j]
            for k in range(j):
                rest -= out[i, k] * out[j, k]
            if i > j:
                out[i, j] = rest / out[j, j]
            elif rest > 0:
                out[i, i] = np.sqrt(rest)
            else:  # NaN too
                return False
    return True


@compiled
def whitening(covariances: Array, inverses: Array, log_det: Array) -> bool:
    """L⁻¹, zeros above the diagonal, into inverses (K, D, D) and ln|Σ| into log_det (K,); False where one has no L."""
    k_all, d, _ = covariances.shape
    lower = np.zeros((d, d))
    for k in range(k_all):
        if not root(covariances[k], lower):
            return False
        total, inverse = 0.0, inverses[k]
        for i in range(d):
            total += np.log(lower[i, i])
            inverse[i, i] = 1 / lower[i, i]
            for j in range(i):
                rest = 0.0
                for m in range(j, i):
                    rest += lower[i, m] * inverse[m, j]
                inverse[i, j] = -rest / lower[i, i]
                inverse[j, i] = 0.0
        log_det[k] = 2 * total
    return True


@compiled
def all_above(covariances: Array, frame: Array, bound: float) -> bool:
    """Whether all eigenvalues of all A Σ_k Aᵀ, A the frame (D, D), exceed `bound`: A Σ_k Aᵀ - bound I have roots."""
    k_all, d, _ = covariances.shape
    moved, lower = np.empty((d, d)), np.empty((d, d))
    for k in range(k_all):
        for i in range(d):
            for j in range(i + 1):
                total = 0.0
                for a in range(d):
                    inner = 0.0
                    for b in range(d):
                        inner += covariances[k, a, b] * frame[j, b]
                    total += frame[i, a] * inner
                moved[i, j] = total - (bound if i == j else 0.0)
        if not root(moved, lower):
            return False
    return True


@compiled
def moved_second_moment(second: Array, first: Array, n: Array, shift: Array) -> Array:
    """Σ m y yᵀ - (Σ m y) sᵀ - s (Σ m y)ᵀ + (Σ m) s sᵀ, (K, D, D): `second`, `first` (K, D) and `n` (K,) about another
    origin, `shift` s (K, D)."""
    out = np.empty_like(second)
    for k in range(len(n)):
        for i in range(shift.shape[1]):
            for j in range(i + 1):
                f_i, f_j, s_i, s_j = first[k, i], first[k, j], shift[k, i], shift[k, j]
                out[k, i, j] = second[k, i, j] - f_i * s_j - s_i * f_j + n[k] * s_i * s_j
                out[k, j, i] = out[k, i, j]
    return out
