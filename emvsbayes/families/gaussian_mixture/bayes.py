"""The Gaussian mixture as a PyMC model, z summed out: the same likelihood and prior as `em`, derived a second time.

Equations in the package docstring. Nothing here comes from `em` or `densities`; a test holds the two log-densities
equal, constants included. Covariance matrices are sampled through their Cholesky factor, with the Jacobian of L -> L Lᵀ
accounted for, so that the inverse-Wishart prior is a density on Σ itself. Under mclust's names `covariances` is
(K, D, D), with entries that repeat or are 0: its density is that of the distinct ones, which are what is sampled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import Transform
from pytensor.assumptions.specify import assume
from scipy.stats import invgamma, invwishart

from emvsbayes.families.gaussian_mixture.records import (
    LAYOUTS,
    MCLUST,
    GaussianData,
    GaussianParams,
    GaussianPrior,
    Layout,
)


def build(family: Any, data: GaussianData, prior: GaussianPrior, held: GaussianParams) -> pm.Model:
    """The model: variables `weights`, `means`, `covariances`; a field in `family.fixed` is data taken from `held`."""
    k, d = held.means.shape
    whole = family.covariance in MCLUST  # the field is (K, D, D), whatever is free in it
    layout = LAYOUTS.get(family.covariance)  # None: covariances that can only be held
    matrices = layout is None or layout.matrices
    coords = {
        "component": np.arange(k),
        "feature": list(data.columns),
        "feature_bis": list(data.columns),
        "obs_id": np.arange(data.n_rows),
    }
    covariance_dims = {
        "tied": ("feature", "feature_bis"),
        "diag": ("component", "feature"),
        "spherical": ("component",),
    }.get(family.covariance, ("component", "feature", "feature_bis"))

    with pm.Model(coords=coords) as model:
        x = pm.Data("X_data", data.X, dims=("obs_id", "feature"))
        row_weights = pm.Data("row_weights", data.row_weights, dims="obs_id")

        if "weights" in family.fixed:
            weights = pm.Data("weights", held.weights, dims="component")
        else:
            weights = pm.Dirichlet("weights", prior.weights.of_size(k), dims="component")

        if "covariances" in family.fixed:
            covariances = pm.Data("covariances", held.covariances, dims=covariance_dims)
        elif whole and family.covariance != "VVV":
            dof, scale = prior.covariances.dof, prior.covariances.scale  # an array: PyTensor would round a float
            scale = scale if matrices else scale * np.eye(d)  # a number or (D,) as its diagonal
            covariances = pm.CustomDist(
                "covariances",
                dof,
                np.tile(scale, (k, 1, 1)),
                logp=lambda value, dof, scale: repeated_logp(value, dof, scale, layout),
                random=lambda dof, scale, rng, size: repeated_random(dof, scale, layout, rng),
                signature="(),(k,d,d)->(k,d,d)",
                transform=Repeated(k, d, *layout),
                support_point=lambda rv, size, dof, scale: pt.zeros(rv.shape) + scale,
                dims=covariance_dims,
            )
        elif matrices:
            dof, scale = float(prior.covariances.dof), prior.covariances.scale
            covariances = pm.CustomDist(
                "covariances",
                dof,
                scale,
                logp=inverse_wishart_logp,
                random=inverse_wishart_random,
                signature="(),(d,d)->(d,d)",
                transform=LogCholesky(d),
                support_point=lambda rv, size, dof, scale: pt.zeros(rv.shape) + scale,
                dims=covariance_dims,
            )
        else:
            dof, scale = prior.covariances.dof, prior.covariances.scale
            covariances = pm.InverseGamma("covariances", dof / 2, scale / 2, dims=covariance_dims)

        # Σ = L Lᵀ for matrices, one where they are equal; standard deviations (K, D) otherwise
        if matrices:
            root = pt.linalg.cholesky(covariances[0] if family.covariance == "EEE" else covariances)
        elif whole:
            root = pt.sqrt(pt.diagonal(covariances, axis1=1, axis2=2))
        else:
            variances = covariances[:, None] if family.covariance == "spherical" else covariances
            root = pt.sqrt(variances * np.ones((k, d)))

        if "means" in family.fixed:
            means = pm.Data("means", held.means, dims=("component", "feature"))
        else:
            location, shrink = prior.means.location, 1 / np.sqrt(float(prior.means.strength))
            normal = {"chol": root * shrink} if matrices else {"sigma": root * shrink}
            distribution = pm.MvNormal if matrices else pm.Normal
            means = distribution("means", mu=location, **normal, dims=("component", "feature"))

        known = () if data.labels is None else (pm.Data("labels", data.labels, dims="obs_id"),)
        pm.CustomDist(
            "X",
            weights,
            means,
            pt.broadcast_to(root, (k, d, d)) if family.covariance in ("tied", "EEE") else root,
            row_weights,
            *known,
            logp=matrix_mixture_logp if matrices else diagonal_mixture_logp,
            signature=f"(k),(k,d),{'(k,d,d)' if matrices else '(k,d)'},(){',()' if known else ''}->(d)",
            observed=x,
            dims=("obs_id", "feature"),
        )
    return model


def matrix_mixture_logp(x: Any, weights: Any, means: Any, roots: Any, row_weights: Any, labels: Any = None) -> Any:
    """w_n ln Σ_k π_k N(x_n | μ_k, L_k L_kᵀ), (N,).  PyMC adds a row axis to the parameters; [0] takes it off."""
    weights, means, roots = weights[0], means[0], roots[0]
    d = roots.type.shape[-1] or x.shape[-1]
    whiten = pt.linalg.solve_triangular(roots, pt.eye(d), lower=True)  # L⁻¹
    whitened = (whiten * (x[:, None, None, :] - means[:, None, :])).sum(axis=-1)  # L⁻¹ (x - μ), (N, K, D)
    half_log_det = pt.log(pt.diagonal(roots, axis1=-2, axis2=-1)).sum(axis=-1)
    log_normal = -0.5 * (whitened**2).sum(axis=-1) - half_log_det - 0.5 * d * np.log(2 * np.pi)
    return row_weights * _log_sum(pt.log(weights) + log_normal, labels)


def diagonal_mixture_logp(x: Any, weights: Any, means: Any, sigmas: Any, row_weights: Any, labels: Any = None) -> Any:
    """w_n ln Σ_k π_k ∏_d N(x_nd | μ_kd, σ_kd²), (N,)."""
    weights, means, sigmas = weights[0], means[0], sigmas[0]
    standard = (x[:, None, :] - means) / sigmas
    log_normal = (-0.5 * standard**2 - pt.log(sigmas) - 0.5 * np.log(2 * np.pi)).sum(axis=-1)
    return row_weights * _log_sum(pt.log(weights) + log_normal, labels)


def _log_sum(log_joint: Any, labels: Any) -> Any:
    """ln Σ_k exp(log_joint_nk), or the joint at the known label."""
    total = pt.logsumexp(log_joint, axis=-1)
    if labels is None:
        return total
    at_label = log_joint[pt.arange(log_joint.shape[0]), pt.maximum(labels, 0)]
    return pt.switch(labels >= 0, at_label, total)


def inverse_wishart_logp(value: Any, dof: Any, scale: Any) -> Any:
    """ln IW(Σ | ν, Ψ) = ½ν ln|Ψ| - ½νD ln 2 - ln Γ_D(ν/2) - ½(ν + D + 1) ln|Σ| - ½ tr(Ψ Σ⁻¹), over batches of Σ."""
    d = scale.shape[-1]
    root, scale_root = pt.linalg.cholesky(value), pt.linalg.cholesky(scale)
    half_log_det = pt.log(pt.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
    half_log_det_scale = pt.log(pt.diagonal(scale_root, axis1=-2, axis2=-1)).sum(axis=-1)
    ratio = pt.linalg.solve_triangular(root, pt.eye(d), lower=True) @ scale_root  # tr(Ψ Σ⁻¹) = |L⁻¹ R|², Ψ = R Rᵀ
    log_gamma = pt.gammaln((dof[..., None] - pt.arange(d)) / 2).sum(axis=-1) + d * (d - 1) / 4 * np.log(np.pi)
    normaliser = dof * half_log_det_scale - 0.5 * dof * d * np.log(2) - log_gamma
    return normaliser - (dof + d + 1) * half_log_det - 0.5 * (ratio**2).sum(axis=(-2, -1))


def inverse_wishart_random(dof: Any, scale: Any, rng: Any = None, size: Any = None) -> Any:
    """Draws of Σ from the prior, (*size, D, D): sequential Monte Carlo starts there."""
    d, size = scale.shape[-1], tuple(size or ())
    dof, scale = np.broadcast_to(dof, size), np.broadcast_to(scale, (*size, d, d))
    found = np.empty(scale.shape)
    for i in np.ndindex(size):
        found[i] = invwishart(float(dof[i]), scale[i]).rvs(random_state=rng)
    return found


def repeated_random(dof: Any, scale: Any, layout: Any, rng: Any) -> Any:
    """Draws (K, D, D) of covariances whose distinct entries have a prior."""
    k, d = scale.shape[:2]
    if layout.matrices:
        return np.tile(inverse_wishart_random(dof, scale[0], rng), (k, 1, 1))
    rates = np.diagonal(scale, axis1=1, axis2=2)[: 1 if layout.shared else None, : 1 if layout.round else None] / 2
    return np.eye(d) * np.broadcast_to(invgamma(dof / 2, scale=rates).rvs(rates.shape, rng), (k, d))[..., None]


class LogCholesky(Transform):
    """Σ = L Lᵀ by the lower triangle of L, row by row, its diagonal by logarithm."""

    name = "logcholesky"  # PyMC splits value names at underscores

    def __init__(self, d: int) -> None:
        rows, columns = np.tril_indices(d)
        self.d, self.diagonal = d, rows == columns
        self.basis = np.zeros((len(rows), d, d))  # L = Σ_i entry_i basis_i
        self.basis[np.arange(len(rows)), rows, columns] = 1.0

    def forward(self, value: Any, *inputs: Any) -> Any:
        entries = (pt.linalg.cholesky(value)[..., None, :, :] * self.basis).sum(axis=(-2, -1))
        return pt.switch(self.diagonal, pt.log(pt.switch(self.diagonal, entries, 1.0)), entries)

    def backward(self, value: Any, *inputs: Any) -> Any:
        entries = pt.switch(self.diagonal, pt.exp(pt.switch(self.diagonal, value, 0.0)), value)
        # told that L is triangular, PyTensor reduces every later cholesky(L Lᵀ) to L
        root = assume((entries[..., None, None] * self.basis).sum(axis=-3), lower_triangular=True)
        return root @ root.mT

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """ln|∂Σ/∂coordinates| = D ln 2 + Σ_i (D - i + 2) ln L_ii, i from 1 (one power is that of the logarithm)."""
        powers = np.zeros(len(self.diagonal))
        powers[self.diagonal] = self.d + 1 - np.arange(self.d)
        return self.d * np.log(2) + (powers * value).sum(axis=-1)


def repeated_logp(value: Any, dof: Any, scale: Any, layout: Any) -> Any:
    """The prior of the distinct entries of covariances (K, D, D): a matrix that all components share, or variances."""
    if layout.matrices:
        return inverse_wishart_logp(value[0], dof, scale[0])
    variances, rates = distinct_variances(value, layout), distinct_variances(scale, layout) / 2
    return pm.logp(pm.InverseGamma.dist(dof / 2, rates), variances).sum()


def distinct_variances(covariances: Any, layout: Any) -> Any:
    """The diagonals (K, D), without the components and columns that repeat."""
    variances = pt.diagonal(covariances, axis1=1, axis2=2)
    return variances[: 1 if layout.shared else None, : 1 if layout.round else None]


class Repeated(Transform):
    """Covariances (K, D, D) by the logarithms of their distinct variances, or by one log-Cholesky factor for all."""

    name = "repeated"

    def __init__(self, k: int, d: int, matrices: bool, round: bool, shared: bool) -> None:
        self.k, self.d, self.layout = k, d, Layout(matrices, round, shared)
        self.matrix = LogCholesky(d)

    def forward(self, value: Any, *inputs: Any) -> Any:
        if self.layout.matrices:
            return self.matrix.forward(value[0])
        return pt.log(distinct_variances(value, self.layout)).flatten()

    def backward(self, value: Any, *inputs: Any) -> Any:
        whole = pt.ones((self.k, self.d, self.d))
        if self.layout.matrices:
            return whole * self.matrix.backward(value)
        rows, columns = 1 if self.layout.shared else self.k, 1 if self.layout.round else self.d
        return whole * pt.exp(value).reshape((rows, columns, 1)) * np.eye(self.d)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        return self.matrix.log_jac_det(value) if self.layout.matrices else value.sum()
