"""Gaussian mixtures in one pass over the rows: E-step, moments and log-likelihood, nothing of size N x K stored.

    ℓ_nk = c_k - ½ |R_k (x_n - μ_k)|²,     c_k = ln π_k - ½ D ln 2π - ½ ln|Σ_k|,    R_kᵀ R_k = Σ_k⁻¹, R_k triangular
    n_k = Σ_n m_nk,   first_k = Σ_n m_nk (x_n - o_k),   second_k = Σ_n m_nk (x_n - o_k)(x_n - o_k)ᵀ

with masses m_nk as in `sharing`. BLOCK rows at a time are held column by column, so that every inner loop runs along
rows; products take four columns at a time, and everything is padded with zeros to a multiple of four. Deviations are
formed before they are multiplied, and blocks are added up one by one: no digits are lost to a distant origin.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.sharing import share

BLOCK = 256  # rows; of many columns half as many, which the first cache still holds
MANY = 24


@compiled
def take_columns(block: Array, columns: Array) -> None:
    """Rows of X, float64 or float32, column by column."""
    for i in range(block.shape[0]):
        row = block[i]
        for a in range(columns.shape[0]):
            columns[a, i] = row[a]


@compiled
def deviate(columns: Array, point: Array, rows: int, deviations: Array) -> None:
    """x_n - point for a block of rows."""
    for a in range(point.size):
        column, p, out = columns[a], point[a], deviations[a]
        for i in range(rows):
            out[i] = column[i] - p


@compiled
def whitened_squares(roots: Array, d: int, deviations: Array, rows: int, y: Array, squares: Array) -> None:
    """|R (x_n - μ)|² of a block into `squares`: R (P, P) lower triangular, deviations (P, rows), y (2, rows)."""
    y, z = y[0], y[1]
    for i in range(rows):
        squares[i] = 0.0
    for a in range(0, d, 2):
        p, q = roots[a], roots[a + 1]
        for b in range(0, a + 2, 4):
            p0, p1, p2, p3 = p[b], p[b + 1], p[b + 2], p[b + 3]
            q0, q1, q2, q3 = q[b], q[b + 1], q[b + 2], q[b + 3]
            x0, x1, x2, x3 = deviations[b], deviations[b + 1], deviations[b + 2], deviations[b + 3]
            if b == 0:
                for i in range(rows):
                    y[i] = p0 * x0[i] + p1 * x1[i] + p2 * x2[i] + p3 * x3[i]
                    z[i] = q0 * x0[i] + q1 * x1[i] + q2 * x2[i] + q3 * x3[i]
            else:
                for i in range(rows):
                    y[i] += p0 * x0[i] + p1 * x1[i] + p2 * x2[i] + p3 * x3[i]
                    z[i] += q0 * x0[i] + q1 * x1[i] + q2 * x2[i] + q3 * x3[i]
        for i in range(rows):
            squares[i] += y[i] * y[i] + z[i] * z[i]


@compiled
def add_moments(mass: Array, d: int, deviations: Array, rows: int, y: Array, first: Array, second: Array) -> None:
    """Adds Σ m x to `first` (P,) and the lower triangle of Σ m x xᵀ to `second` (P, P), x the deviations (P, rows)."""
    y, z = y[0], y[1]
    for a in range(0, d, 2):
        upper, lower, f, g = deviations[a], deviations[a + 1], 0.0, 0.0
        for i in range(rows):
            y[i] = mass[i] * upper[i]
            z[i] = mass[i] * lower[i]
            f += y[i]
            g += z[i]
        first[a] += f
        first[a + 1] += g
        for b in range(0, a + 2, 4):
            x0, x1, x2, x3 = deviations[b], deviations[b + 1], deviations[b + 2], deviations[b + 3]
            s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = 0.0
            for i in range(rows):
                s0 += y[i] * x0[i]
                s1 += y[i] * x1[i]
                s2 += y[i] * x2[i]
                s3 += y[i] * x3[i]
                t0 += z[i] * x0[i]
                t1 += z[i] * x1[i]
                t2 += z[i] * x2[i]
                t3 += z[i] * x3[i]
            second[a, b] += s0
            second[a, b + 1] += s1
            second[a, b + 2] += s2
            second[a, b + 3] += s3
            second[a + 1, b] += t0
            second[a + 1, b + 1] += t1
            second[a + 1, b + 2] += t2
            second[a + 1, b + 3] += t3


@compiled
def sweep_matrices(
    X: Array,
    weights: Array,
    labels: Integers,
    constants: Array,
    means: Array,
    roots: Array,
    origin: Array,
    start: int,
    stop: int,
    n: Array,
    first: Array,
    second: Array,
) -> float:
    """Rows start to stop of X (N, D): adds to n (K,), first (K, D) and second (K, D, D).

    `constants` c (K,), `roots` R (K, D, D), `origin` o (K, D). Returns Σ_n w_n ln p(x_n).
    """
    (k_all, d), block = means.shape, BLOCK if means.shape[1] < MANY else BLOCK // 2
    size = 4 * ((d + 3) // 4)  # P of the functions above
    columns, deviations = np.empty((d, block)), np.zeros((size, block))
    whitening, firsts, seconds = np.zeros((k_all, size, size)), np.zeros((k_all, size)), np.zeros((k_all, size, size))
    for k in range(k_all):  # numba compiles the error message of an assignment between slices, for three seconds
        for a in range(d):
            for b in range(d):
                whitening[k, a, b] = roots[k, a, b]
    joint, scratch, y = np.empty((k_all, block)), np.empty((2, block)), np.empty((2, block))
    height = 0.0
    for at in range(start, stop, block):
        rows = min(block, stop - at)
        take_columns(X[at : at + rows], columns)
        for k in range(k_all):
            deviate(columns, means[k], rows, deviations)
            row, c = joint[k], constants[k]
            whitened_squares(whitening[k], d, deviations, rows, y, row)
            for i in range(rows):
                row[i] = c - 0.5 * row[i]
        height += share(joint, weights[at : at + rows], labels[at : at + rows], scratch, n)
        for k in range(k_all):
            deviate(columns, origin[k], rows, deviations)
            add_moments(joint[k], d, deviations, rows, y, firsts[k], seconds[k])
    for k in range(k_all):
        for a in range(d):
            first[k, a] += firsts[k, a]
            for b in range(d):
                second[k, a, b] += seconds[k, max(a, b), min(a, b)]
    return height


@compiled
def sweep_variances(
    X: Array,
    weights: Array,
    labels: Integers,
    constants: Array,
    means: Array,
    precisions: Array,
    origin: Array,
    start: int,
    stop: int,
    n: Array,
    first: Array,
    second: Array,
) -> float:
    """The same for axis-aligned Gaussians: `precisions` 1/σ² (K, D), adding to n (K,), first and second (K, D)."""
    k_all, d = means.shape
    columns, joint, scratch = np.empty((d, BLOCK)), np.empty((k_all, BLOCK)), np.empty((2, BLOCK))
    height = 0.0
    for at in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - at)
        take_columns(X[at : at + rows], columns)
        for k in range(k_all):
            row, c = joint[k], constants[k]
            for i in range(rows):
                row[i] = c
            for a in range(d):
                column, mean, half = columns[a], means[k, a], 0.5 * precisions[k, a]
                for i in range(rows):
                    row[i] -= half * (column[i] - mean) * (column[i] - mean)
        height += share(joint, weights[at : at + rows], labels[at : at + rows], scratch, n)
        for k in range(k_all):
            mass = joint[k]
            for a in range(d):
                column, from_, f, s = columns[a], origin[k, a], 0.0, 0.0
                for i in range(rows):
                    y = mass[i] * (column[i] - from_)
                    f += y
                    s += y * (column[i] - from_)
                first[k, a] += f
                second[k, a] += s
    return height
