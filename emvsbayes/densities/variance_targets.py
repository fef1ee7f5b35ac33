"""The density on free coordinates where covariances are variances: a column's or one, a component's or one for all.

With v = σ²_kd, δ = m0 - μ_kd and the statistics n_k, first, second about μ of one pass over the rows,

    ∂/∂ln v = ½ ((second + κ0 δ²) / v - (n_k + 1)) + ½ (ψ / v - ν0),      ∂/∂μ_kd = (first + κ0 δ) / v

the second term, of IG(ν0 / 2, ψ / 2) and the Jacobian v of ln v, once for each distinct variance.

Source: Fraley and Raftery (2007), Journal of Classification 24, 155-181, for the prior.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.densities.gaussian_targets import (
    ALPHA,
    CONSTANT,
    DOF,
    FLAGS,
    FREE_COVARIANCES,
    FREE_MEANS,
    FREE_WEIGHTS,
    FULL_FIELD,
    LABELS,
    LOCATION,
    MEANS,
    NUMBERS,
    ROUND,
    ROW_WEIGHTS,
    SCALE,
    SHARED,
    SPREAD,
    STRENGTH,
    X,
    place,
    put_ends,
)
from emvsbayes.densities.kernels import coordinates as free
from emvsbayes.densities.kernels.calls import FIRST, integers, matrix, vector
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.gaussian import sweep_variances


@compiled
def place_variances(x: Array, words: Integers, variances: Array) -> None:
    """σ²_kd (K, D) likewise."""
    flags, (k_all, d) = integers(words[FLAGS]), variances.shape
    width = 1 if flags[ROUND] else d
    for k in range(k_all):
        for a in range(d):
            if flags[FREE_COVARIANCES]:
                variances[k, a] = np.exp(x[(0 if flags[SHARED] else k) * width + (0 if flags[ROUND] else a)])
            else:
                variances[k, a] = matrix(words[SPREAD])[k, a] ** 2


@compiled
def density_of_variances(x: Array, gradient: Array, words: Integers) -> float:
    """The same for axis-aligned covariances."""
    k_all, d = matrix(words[MEANS]).shape
    flags, numbers, location = integers(words[FLAGS]), vector(words[NUMBERS]), matrix(words[LOCATION])
    log_weights, means, variances = np.empty(k_all), np.empty((k_all, d)), np.empty((k_all, d))
    at = place(x, words, log_weights, means)
    place_variances(x[at:], words, variances)
    constants, precisions = np.empty(k_all), np.empty((k_all, d))
    for k in range(k_all):
        constants[k] = log_weights[k] - 0.5 * d * LOG_2PI
        for a in range(d):
            constants[k] -= 0.5 * np.log(variances[k, a])
            precisions[k, a] = 1 / variances[k, a]
    n, first, second = np.zeros(k_all), np.zeros((k_all, d)), np.zeros((k_all, d))
    rows = matrix(words[X])
    value = numbers[CONSTANT] + sweep_variances(
        rows, vector(words[ROW_WEIGHTS]), integers(words[LABELS]), constants, means, precisions, means,
        FIRST, len(rows), n, first, second,
    )  # fmt: skip
    for i in range(len(x)):
        gradient[i] = 0.0
    if flags[FREE_WEIGHTS]:
        value += free.simplex_density(log_weights, n, vector(words[ALPHA]), gradient[:at])
    scale, width, dof = matrix(words[SCALE]), 1 if flags[ROUND] else d, numbers[DOF]
    for k in range(k_all):
        for a in range(d):
            precision, moment, count = precisions[k, a], second[k, a], n[k]
            row, column = 0 if flags[SHARED] else k, 0 if flags[ROUND] else a
            if flags[FREE_MEANS]:
                delta = location[k, a] - means[k, a]
                value -= 0.5 * (numbers[STRENGTH] * delta * delta * precision + np.log(variances[k, a]))
                count, moment = count + 1, moment + numbers[STRENGTH] * delta * delta
                gradient[len(x) - (k_all - k) * d + a] = (first[k, a] + numbers[STRENGTH] * delta) * precision
            if flags[FREE_COVARIANCES]:
                here = at + row * width + column
                gradient[here] += 0.5 * (moment * precision - count)
                if k == row and a == column:  # its prior and Jacobian, once
                    value -= 0.5 * (dof * np.log(variances[k, a]) + scale[row, column] * precision)
                    gradient[here] += 0.5 * (scale[row, column] * precision - dof)
    return value


@compiled
def values_of_variances(x: Array, out: Array, words: Integers) -> None:
    """The same for axis-aligned covariances."""
    k_all, d = matrix(words[MEANS]).shape
    log_weights, means, variances = np.empty(k_all), np.empty((k_all, d)), np.empty((k_all, d))
    at = place(x, words, log_weights, means)
    place_variances(x[at:], words, variances)
    flags = integers(words[FLAGS])
    width = d * d if flags[FULL_FIELD] else 1 if flags[ROUND] else d
    field = np.zeros((k_all, width))
    for k in range(k_all):
        for a in range(width if not flags[FULL_FIELD] else d):
            field[k, a * (d + 1) if flags[FULL_FIELD] else a] = variances[k, a]
    put_ends(x, words, log_weights, field.ravel(), means, out)
