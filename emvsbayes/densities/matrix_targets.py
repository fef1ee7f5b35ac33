"""The density on free coordinates where covariances are matrices, each or one for all components.

With L Lᵀ = Σ_k, δ = m0 - μ_k and the statistics n_k, first_k, second_k about μ_k of one pass over the rows, the
normal-inverse-Wishart prior is κ0 further rows at m0 and a scatter Ψ:

    first_k += κ0 δ,   second_k += κ0 δ δᵀ,   count_k = n_k + 1,    and once for each distinct matrix
    second += Ψ,       count += ν0 + D + 1
    ∂/∂L = tril(L⁻ᵀ (L⁻¹ second L⁻ᵀ - count I)),      ∂/∂μ_k = Σ_k⁻¹ first_k

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
from emvsbayes.densities.kernels.calls import FIRST, cube, integers, matrix, vector
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.gaussian import sweep_matrices


@compiled
def place_roots(x: Array, words: Integers, roots: Array) -> None:
    """L_k (K, D, D) from x, which begins at their coordinates, or held."""
    flags, (k_all, d, _) = integers(words[FLAGS]), roots.shape
    size = d * (d + 1) // 2
    for k in range(k_all):
        j = 0 if flags[SHARED] else k
        if flags[FREE_COVARIANCES]:
            free.log_cholesky(x[j * size : (j + 1) * size], roots[k])
        else:
            for i in range(d):
                for m in range(d):
                    roots[k, i, m] = cube(words[SPREAD])[k, i, m]


@compiled
def density_of_matrices(x: Array, gradient: Array, words: Integers) -> float:
    """The density and its gradient, (P,) each."""
    k_all, d = matrix(words[MEANS]).shape
    flags, numbers, location = integers(words[FLAGS]), vector(words[NUMBERS]), matrix(words[LOCATION])
    log_weights, means, roots = np.empty(k_all), np.empty((k_all, d)), np.empty((k_all, d, d))
    at = place(x, words, log_weights, means)
    place_roots(x[at:], words, roots)
    inverses, half_log_det, constants = np.zeros((k_all, d, d)), np.empty(k_all), np.empty(k_all)
    for k in range(k_all):
        half_log_det[k] = free.inverse_lower(roots[k], inverses[k])
        constants[k] = log_weights[k] - 0.5 * d * LOG_2PI - half_log_det[k]
    n, first, second = np.zeros(k_all), np.zeros((k_all, d)), np.zeros((k_all, d, d))
    rows = matrix(words[X])
    value = numbers[CONSTANT] + sweep_matrices(
        rows, vector(words[ROW_WEIGHTS]), integers(words[LABELS]), constants, means, inverses, means,
        FIRST, len(rows), n, first, second,
    )  # fmt: skip
    for i in range(len(x)):
        gradient[i] = 0.0
    if flags[FREE_WEIGHTS]:
        value += free.simplex_density(log_weights, n, vector(words[ALPHA]), gradient[:at])
    scale, size, by_root = matrix(words[SCALE]), d * (d + 1) // 2, np.empty((d, d))
    delta, white = np.empty(d), np.empty(d)
    for k in range(k_all):
        inverse, moment, count = inverses[k], second[k], n[k]
        if flags[FREE_MEANS]:
            for i in range(d):
                delta[i] = location[k, i] - means[k, i]
            free.solve_twice(inverse, delta, white)
            value -= half_log_det[k]
            count += 1
            for i in range(d):
                value -= 0.5 * numbers[STRENGTH] * delta[i] * white[i]
                first[k, i] += numbers[STRENGTH] * delta[i]
                for j in range(d):
                    moment[i, j] += numbers[STRENGTH] * delta[i] * delta[j]
            here = len(x) - (k_all - k) * d
            free.solve_twice(inverse, first[k], gradient[here : here + d])
        if flags[FREE_COVARIANCES]:
            here = at + (0 if flags[SHARED] else k) * size
            part = gradient[here : here + size]
            if k == 0 or not flags[SHARED]:  # its prior, once
                powers = numbers[DOF] + d + 1
                for i in range(d):
                    free.solve_twice(inverse, scale[i], white)
                    value -= 0.5 * white[i]
                    for j in range(d):
                        moment[i, j] += scale[i, j]
                value += free.log_cholesky_jacobian(roots[k], part) - powers * half_log_det[k]
                count += powers
            free.root_gradient(inverse, count, moment, by_root)
            free.add_log_cholesky_gradient(roots[k], by_root, part)
    return value


@compiled
def values_of_matrices(x: Array, out: Array, words: Integers) -> None:
    """The free fields of θ, one after the other."""
    k_all, d = matrix(words[MEANS]).shape
    log_weights, means, roots = np.empty(k_all), np.empty((k_all, d)), np.empty((k_all, d, d))
    at = place(x, words, log_weights, means)
    place_roots(x[at:], words, roots)
    flags = integers(words[FLAGS])
    field = np.zeros((1 if flags[SHARED] and not flags[FULL_FIELD] else k_all, d, d))
    for k in range(len(field)):
        for i in range(d):
            for j in range(d):
                for m in range(min(i, j) + 1):
                    field[k, i, j] += roots[k, i, m] * roots[k, j, m]
    put_ends(x, words, log_weights, field.ravel(), means, out)
