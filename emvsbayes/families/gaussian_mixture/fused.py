"""The mixture's log-likelihood and its gradient from one pass over the rows, compiled: what a sampler can use.

Fisher's identity: with the statistics of the E-step at the same parameters,

    ∇_θ ln p(X | θ) = ∇_θ' E[ln p(X, Z | θ') | X, θ] at θ' = θ
    f_k = Σ_n m_nk (x_n - μ_k),   S_k = Σ_n m_nk (x_n - μ_k)(x_n - μ_k)ᵀ,   masses m_nk, n_k = Σ_n m_nk
    ∂/∂π_k = n_k / π_k,      ∂/∂μ_k = Σ_k⁻¹ f_k
    Σ_k = L_k L_kᵀ:          ∂/∂L_k = tril(L_k⁻ᵀ (L_k⁻¹ S_k L_k⁻ᵀ - n_k I))
    Σ_k = diag σ_k²:         ∂/∂σ_kd = (S_kd / σ_kd² - n_k) / σ_kd

so that the E-step is the gradient: n, f and S are what EM collects anyway. The covariances come as the factors that the
PyMC model (`bayes`) has at hand. Nothing is derived from that model, and a test holds the two equal.

Source: Fisher (1925), Proc. Camb. Phil. Soc. 22, 700-725; Dempster, Laird and Rubin (1977), JRSS B 39, 1-38, eq. 2.13.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.twin import Fused
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.densities.kernels.calls import FIRST
from emvsbayes.densities.kernels.coordinates import inverse_lower, root_gradient, solve_twice
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.gaussian import sweep_matrices, sweep_variances
from emvsbayes.families.gaussian_mixture.records import LAYOUTS, GaussianData

HERE = "emvsbayes.families.gaussian_mixture.fused"


def fused(family: Any, data: GaussianData) -> Fused:
    """Which of the two functions below, by the structure of the covariances; it takes all data."""
    layout = LAYOUTS.get(family.covariance)
    matrices = layout is None or layout.matrices
    return Fused(f"{HERE}:{'of_matrices' if matrices else 'of_variances'}", 3, ("X_data", "row_weights", "labels"))


@compiled
def of_matrices(
    weights: Array, means: Array, roots: Array, X: Array, row_weights: Array, labels: Integers
) -> tuple[float, Array, Array, Array]:
    """ln p(X | θ) and its derivatives by weights (K,), means (K, D) and lower factors L (K, D, D)."""
    k_all, d = means.shape
    inverses, constants = np.zeros((k_all, d, d)), np.empty(k_all)
    for k in range(k_all):
        constants[k] = np.log(weights[k]) - 0.5 * d * LOG_2PI - inverse_lower(roots[k], inverses[k])
    n, first, second = np.zeros(k_all), np.zeros((k_all, d)), np.zeros((k_all, d, d))
    value = sweep_matrices(X, row_weights, labels, constants, means, inverses, means, FIRST, len(X), n, first, second)
    by_weights, by_means, by_roots = np.empty(k_all), np.empty((k_all, d)), np.empty((k_all, d, d))
    for k in range(k_all):
        by_weights[k] = n[k] / weights[k]
        solve_twice(inverses[k], first[k], by_means[k])
        root_gradient(inverses[k], n[k], second[k], by_roots[k])
    return value, by_weights, by_means, by_roots


@compiled
def of_variances(
    weights: Array, means: Array, sigmas: Array, X: Array, row_weights: Array, labels: Integers
) -> tuple[float, Array, Array, Array]:
    """ln p(X | θ) and its derivatives by weights (K,), means and standard deviations (K, D)."""
    k_all, d = means.shape
    constants, precisions = np.empty(k_all), np.empty((k_all, d))
    for k in range(k_all):
        constants[k] = np.log(weights[k]) - 0.5 * d * LOG_2PI
        for a in range(d):
            constants[k] -= np.log(sigmas[k, a])
            precisions[k, a] = 1 / (sigmas[k, a] * sigmas[k, a])
    n, first, second = np.zeros(k_all), np.zeros((k_all, d)), np.zeros((k_all, d))
    value = sweep_variances(
        X, row_weights, labels, constants, means, precisions, means, FIRST, len(X), n, first, second
    )
    by_weights, by_means, by_sigmas = np.empty(k_all), np.empty((k_all, d)), np.empty((k_all, d))
    for k in range(k_all):
        by_weights[k] = n[k] / weights[k]
        for a in range(d):
            by_means[k, a] = first[k, a] * precisions[k, a]
            by_sigmas[k, a] = (second[k, a] * precisions[k, a] - n[k]) / sigmas[k, a]
    return value, by_weights, by_means, by_sigmas
