"""The posterior of a Gaussian mixture on free coordinates, compiled whole: what NUTS climbs.

    ln p(X | θ) + ln p(θ) + ln |∂θ/∂coordinates|,      coordinates (simplex of π, covariances, μ), without held fields

Likelihood and gradient are those of `fused`, from one pass over the rows. The conjugate prior is κ0 further rows at m0
and a scatter Ψ: with L Lᵀ = Σ_k, δ = m0 - μ_k and M the distinct matrices,

    first_k += κ0 δ,   second_k += κ0 δ δᵀ,   count_k = n_k + 1,    and once for each of M
    second += Ψ,       count += ν0 + D + 1

and the derivative by L is that of `fused` with these; variances likewise, with ln σ² as coordinates. `coordinates` has
the Jacobians. Derived without the PyMC model, whose density and gradient a test holds equal to these.

Source: Fraley and Raftery (2007), Journal of Classification 24, 155-181, for the prior.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.np.numpy_support import carray
from scipy.special import gammaln

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.twin import Target
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.densities.kernels import coordinates as free
from emvsbayes.densities.kernels.calls import FIRST, MOST, WORDS, cube, integers, matrix, outcome, point, pulled, vector
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.gaussian import sweep_matrices, sweep_variances
from emvsbayes.families.gaussian_mixture.records import LAYOUTS, MCLUST, GaussianData, GaussianParams, GaussianPrior

HERE = "emvsbayes.families.gaussian_mixture.target"
X, ROW_WEIGHTS, LABELS, FLAGS, ALPHA, WEIGHTS, SPREAD, MEANS, SCALE, LOCATION, NUMBERS = range(11)
FREE_WEIGHTS, FREE_COVARIANCES, FREE_MEANS, SHARED, ROUND, FULL_FIELD = range(6)  # of the flags
STRENGTH, DOF, CONSTANT = range(3)  # of the numbers


def target(family: Any, data: GaussianData, prior: GaussianPrior, held: GaussianParams) -> Target:
    """The arrays and functions of one posterior; `prior` is proper, `held` gives shapes and held fields."""
    (k, d), whole, layout = held.means.shape, family.covariance in MCLUST, LAYOUTS.get(family.covariance)
    weights_free, covariances_free, means_free = (f not in family.fixed for f in ("weights", "covariances", "means"))
    matrices = layout is None or layout.matrices
    shared, round_ = layout is not None and layout.shared, layout is not None and layout.round
    many = 1 if shared else k

    expanded = np.asarray(held.covariances, dtype=np.float64)
    if matrices:
        spread = np.ascontiguousarray(np.broadcast_to(np.linalg.cholesky(expanded), (k, d, d)))
    else:
        variances = np.diagonal(expanded, axis1=1, axis2=2) if whole else expanded.reshape(k, -1)
        spread = np.ascontiguousarray(np.broadcast_to(np.sqrt(variances), (k, d)))

    alpha, constant = np.ones(k), 0.0
    if weights_free:
        assert prior.weights is not None
        alpha = np.asarray(prior.weights.of_size(k), dtype=np.float64)
        constant += np.log(k) + gammaln(alpha.sum()) - gammaln(alpha).sum()
    dof, scale = 0.0, np.zeros((d, d) if matrices else (many, 1 if round_ else d))
    if covariances_free:
        assert prior.covariances is not None
        dof = float(prior.covariances.dof)
        scale = np.ascontiguousarray(np.broadcast_to(prior.covariances.scale, scale.shape), dtype=np.float64)
        if matrices:
            log_det = np.linalg.slogdet(scale)[1]
            log_gamma = gammaln(0.5 * (dof - np.arange(d))).sum() + 0.25 * d * (d - 1) * np.log(np.pi)
            each = 0.5 * dof * (log_det - d * np.log(2)) - log_gamma + d * np.log(2)  # the last is the Jacobian's
            constant += many * each
        else:
            constant += (0.5 * dof * np.log(scale / 2) - gammaln(dof / 2)).sum()
    strength, location = 0.0, np.zeros((k, d))
    if means_free:
        assert prior.means is not None
        strength = float(prior.means.strength)
        location = np.ascontiguousarray(np.broadcast_to(prior.means.location, (k, d)), dtype=np.float64)
        constant += 0.5 * k * d * (np.log(strength) - LOG_2PI)

    flags = np.array([weights_free, covariances_free, means_free, shared, round_, whole], dtype=np.int64)
    labels = np.empty(0, dtype=np.int64) if data.labels is None else data.labels
    numbers = np.array([strength, dof, constant])
    arrays = (
        np.ascontiguousarray(data.X, dtype=np.float64), data.row_weights, labels, flags, alpha, held.weights, spread,
        held.means, scale, location, numbers,
    )  # fmt: skip
    free_covariances = many * (d * (d + 1) // 2 if matrices else 1 if round_ else d)
    sizes = {"weights": k - 1, "covariances": free_covariances, "means": k * d}
    fields = {name: np.shape(getattr(held, name)) for name in sizes if name not in family.fixed}
    kind = "matrices" if matrices else "variances"
    functions = f"{HERE}:c_density_of_{kind}", f"{HERE}:c_values_of_{kind}"
    return Target(*functions, arrays, sum(sizes[name] for name in fields), fields)


@compiled
def place(x: Array, words: Integers, log_weights: Array, means: Array) -> int:
    """ln π and μ, free or held; returns where the coordinates of the covariances begin."""
    flags, (k_all, d) = integers(words[FLAGS]), means.shape
    at = k_all - 1 if flags[FREE_WEIGHTS] else 0
    if flags[FREE_WEIGHTS]:
        free.simplex(x[:at], log_weights)
    begin = len(x) - k_all * d
    for k in range(k_all):
        if not flags[FREE_WEIGHTS]:
            log_weights[k] = np.log(vector(words[WEIGHTS])[k])
        for a in range(d):
            means[k, a] = x[begin + k * d + a] if flags[FREE_MEANS] else matrix(words[MEANS])[k, a]
    return at


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
def put_ends(x: Array, words: Integers, log_weights: Array, covariances: Array, means: Array, out: Array) -> None:
    """The free fields one after the other: weights, covariances (already as the field has them), means."""
    flags, at = integers(words[FLAGS]), 0
    if flags[FREE_WEIGHTS]:
        for k in range(len(log_weights)):
            out[k] = np.exp(log_weights[k])
        at = len(log_weights)
    if flags[FREE_COVARIANCES]:
        for i in range(len(covariances)):
            out[at + i] = covariances[i]
    if flags[FREE_MEANS]:
        (k_all, d), begin = means.shape, len(out) - means.size
        for k in range(k_all):
            for a in range(d):
                out[begin + k * d + a] = means[k, a]


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


def c_density_of_matrices(size: Any, x: Any, gradient: Any, value: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    out, rows = carray(gradient, (int(size),)), carray(words, (MOST, WORDS))
    value[0] = density_of_matrices(point(carray(x, (int(size),)), rows), out, rows)
    pulled(out, rows)
    return outcome(value[0], out)


def c_density_of_variances(size: Any, x: Any, gradient: Any, value: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    out, rows = carray(gradient, (int(size),)), carray(words, (MOST, WORDS))
    value[0] = density_of_variances(point(carray(x, (int(size),)), rows), out, rows)
    pulled(out, rows)
    return outcome(value[0], out)


def c_values_of_matrices(size: Any, many: Any, x: Any, out: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    rows = carray(words, (MOST, WORDS))
    values_of_matrices(point(carray(x, (int(size),)), rows), carray(out, (int(many),)), rows)
    return 0


def c_values_of_variances(size: Any, many: Any, x: Any, out: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    rows = carray(words, (MOST, WORDS))
    values_of_variances(point(carray(x, (int(size),)), rows), carray(out, (int(many),)), rows)
    return 0
