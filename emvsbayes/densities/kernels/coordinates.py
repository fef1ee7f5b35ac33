"""Parameters by free coordinates, with their priors: what a sampler moves in, value and gradient.

    simplex       π = softmax(y_1, …, y_K-1, -Σy)           |∂π/∂y| = K ∏ π_k
    log odds      p = 1 / (1 + e^-u)                        |∂p/∂u| = p (1 - p)
    log-Cholesky  Σ = L Lᵀ, ln L_ii and L_ij, i > j         |∂Σ/∂c| = 2^D ∏_i L_ii^(D + 2 - i), i from 1

Under a conjugate prior each density on its coordinates is that of the data with counts added to it. A Dirichlet(α)
with its Jacobian is ∏ π_k^α_k, a Beta(a, b) p^a (1 - p)^b: with n, ones and zeros those of EM's E-step,

    ∂/∂z_k = (n_k + α_k) - π_k Σ_j (n_j + α_j), z = (y, -Σy),      ∂/∂u = (ones + a) - p (ones + zeros + a + b)

Constants of a prior are added elsewhere. The coordinates are those of PyMC's transforms, which a test sets beside them.

Source: Gelman et al. (2013), Bayesian Data Analysis, chapter 3, for the conjugate densities.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.densities.kernels.elementary import compiled


@compiled
def simplex(y: Array, log_weights: Array) -> None:
    """ln π (K,) from y (K-1,)."""
    last, peak = 0.0, 0.0
    for i in range(len(y)):
        log_weights[i] = y[i]
        last -= y[i]
        peak = max(peak, y[i])
    log_weights[len(y)] = last
    peak, total = max(peak, last), 0.0
    for k in range(len(log_weights)):
        total += np.exp(log_weights[k] - peak)
    peak += np.log(total)
    for k in range(len(log_weights)):
        log_weights[k] -= peak


@compiled
def simplex_density(log_weights: Array, n: Array, alpha: Array, gradient: Array) -> float:
    """Σ α_k ln π_k; into gradient (K-1,) the derivative of that and of the data's part, n its counts (K,)."""
    total, value, last = 0.0, 0.0, len(log_weights) - 1
    for k in range(len(log_weights)):
        total += n[k] + alpha[k]
        value += alpha[k] * log_weights[k]
    by_last = n[last] + alpha[last] - np.exp(log_weights[last]) * total
    for k in range(last):
        gradient[k] = n[k] + alpha[k] - np.exp(log_weights[k]) * total - by_last
    return value


@compiled
def log_odds(u: Array, log_p: Array, log_q: Array) -> None:
    """ln p and ln(1 - p), (K, D), from u (K D,); neither loses digits at either end."""
    d = log_p.shape[1]
    for i in range(len(u)):
        small = np.log1p(np.exp(-abs(u[i])))
        log_p[i // d, i % d] = min(u[i], 0.0) - small
        log_q[i // d, i % d] = min(-u[i], 0.0) - small


@compiled
def rate_density(log_p: Array, log_q: Array, ones: Array, zeros: Array, a: Array, b: Array, gradient: Array) -> float:
    """Σ a ln p + b ln(1 - p), all (K, D); into gradient (K D,) the derivative of that and of the data's part."""
    d, value = log_p.shape[1], 0.0
    for k in range(len(log_p)):
        for i in range(d):
            above, below = ones[k, i] + a[k, i], zeros[k, i] + b[k, i]
            value += a[k, i] * log_p[k, i] + b[k, i] * log_q[k, i]
            gradient[k * d + i] = above * np.exp(log_q[k, i]) - below * np.exp(log_p[k, i])
    return value


@compiled
def log_cholesky(c: Array, root: Array) -> None:
    """L (D, D), zeros above the diagonal, from c (D (D + 1) / 2,), its rows one after the other."""
    at = 0
    for i in range(len(root)):
        for j in range(len(root)):
            root[i, j] = 0.0
            if j <= i:
                root[i, j] = np.exp(c[at]) if i == j else c[at]
                at += 1


@compiled
def add_log_cholesky_gradient(root: Array, by_root: Array, gradient: Array) -> None:
    """Adds the derivatives by c of a function whose derivatives by L are given."""
    at = 0
    for i in range(len(root)):
        for j in range(i + 1):
            gradient[at] += by_root[i, j] * (root[i, i] if i == j else 1.0)
            at += 1


@compiled
def log_cholesky_jacobian(root: Array, gradient: Array) -> float:
    """Σ_i (D + 2 - i) ln L_ii, i from 1, and its derivative added to the gradient by c."""
    d, at, value = len(root), 0, 0.0
    for i in range(d):
        at += i
        value += (d + 1 - i) * np.log(root[i, i])
        gradient[at] += d + 1 - i
        at += 1
    return value


@compiled
def inverse_lower(root: Array, inverse: Array) -> float:
    """L⁻¹ into `inverse`, which holds zeros above its diagonal; returns Σ ln L_ii."""
    half_log_det = 0.0
    for i in range(len(root)):
        half_log_det += np.log(root[i, i])
        inverse[i, i] = 1 / root[i, i]
        for j in range(i):
            rest = 0.0
            for m in range(j, i):
                rest += root[i, m] * inverse[m, j]
            inverse[i, j] = -rest / root[i, i]
    return half_log_det


@compiled
def root_gradient(inverse: Array, n: float, second: Array, by_root: Array) -> None:
    """tril(L⁻ᵀ (L⁻¹ S L⁻ᵀ - n I)) of S (D, D) `second`: the derivative by L of -n ln|L| - ½ tr(S (L Lᵀ)⁻¹)."""
    d = len(inverse)
    half, inner = np.zeros((d, d)), np.zeros((d, d))
    for i in range(d):
        for j in range(d):
            for m in range(i + 1):
                half[i, j] += inverse[i, m] * second[m, j]
    for i in range(d):
        for j in range(d):
            inner[i, j] = -n if i == j else 0.0
            for m in range(j + 1):
                inner[i, j] += half[i, m] * inverse[j, m]
    for i in range(d):
        for j in range(d):
            by_root[i, j] = 0.0
            for m in range(i, d if j <= i else i):
                by_root[i, j] += inverse[m, i] * inner[m, j]


@compiled
def solve_twice(inverse: Array, vector: Array, out: Array) -> None:
    """L⁻ᵀ L⁻¹ v into `out`, (D,)."""
    d = len(inverse)
    for i in range(d):
        out[i] = 0.0
    for m in range(d):
        white = 0.0
        for j in range(m + 1):
            white += inverse[m, j] * vector[j]
        for i in range(m + 1):
            out[i] += inverse[m, i] * white
