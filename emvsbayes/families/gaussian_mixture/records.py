"""What both sides of the Gaussian mixture agree on: data, parameters, prior. Validated here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emvsbayes.core.checks import (
    Array,
    above,
    finite_rows,
    known_labels,
    positive_definite,
    row_weights,
    shaped,
    simplex,
)
from emvsbayes.core.errors import InputError
from emvsbayes.core.priors import DirichletPrior, InverseWishartPrior, NormalPrior, prior_from
from emvsbayes.tables import as_table

COVARIANCES = ("full", "tied", "diag", "spherical", "EII")


def covariance_shape(covariance: str, k: int, d: int) -> tuple[int, ...]:
    """Shape of the field `covariances`."""
    return {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,), "EII": ()}[covariance]


@dataclass(frozen=True)
class GaussianData:
    """N rows of D real columns.

    Attributes
    ----------
    X : (N, D)
        Finite. That no column is constant is asked of data to be fitted, by the family.
    columns : tuple of str
        Names of the columns, used in messages, tables and figures.
    row_weights : (N,)
        How often each row counts; ones by default.
    labels : (N,) or None
        The component of each row where it is known, -1 where it is not.
    """

    X: Array
    columns: tuple[str, ...]
    row_weights: Array
    labels: NDArray[np.int64] | None = None

    def matrix(self) -> Array:
        """The data as (N, D), one column for each of `columns`."""
        return self.X

    @property
    def n_rows(self) -> int:
        return len(self.X)

    @classmethod
    def read(cls, source: Any, labels: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Every column of the table."""
        table = as_table(source)
        X = table.numbers()
        finite_rows(X, table.columns, "a value")
        return cls(X, table.columns, row_weights(sample_weight, len(X)), known_labels(labels, len(X)))

    @cached_property
    def mean(self) -> Array:
        """Weighted column means (D,)."""
        return self.row_weights @ self.X / self.row_weights.sum()

    @cached_property
    def covariance(self) -> Array:
        """Weighted sample covariance S (D, D), divisor N - 1 with N the total weight (with N where N <= 1)."""
        total = self.row_weights.sum()
        deviations = self.X - self.mean
        return (deviations * self.row_weights[:, None]).T @ deviations / (total - 1 if total > 1 else total)

    @cached_property
    def scale(self) -> Array:
        """Column standard deviations (D,)."""
        return np.sqrt(np.diagonal(self.covariance))


@dataclass(frozen=True, slots=True)
class GaussianParams:
    """weights (K,), means (K, D), covariances: (K, D, D) full, (D, D) tied, (K, D) diag, (K,) spherical, () EII."""

    weights: Array
    means: Array
    covariances: Array

    def checked(self, covariance: str) -> Self:
        """Itself, if every value is possible; an M-step's result is trusted, a user's start is not."""
        simplex(self.weights, "weights")
        shaped(self.covariances, covariance_shape(covariance, *self.means.shape), f"covariances ({covariance})")
        if covariance in ("full", "tied"):
            positive_definite(self.covariances, "covariances")
        else:
            above(self.covariances, 0, "covariances")
        return self


@dataclass(frozen=True, slots=True)
class GaussianPrior:
    """Normal-inverse-Wishart (full, tied) or normal-inverse-gamma (diag, spherical, EII), and Dirichlet weights.

    means_k | Σ_k ~ N(location, Σ_k / strength). `covariances`: full and tied Σ ~ IW(dof, scale), once for tied;
    diag σ²_kd ~ IG(dof/2, scale_d/2); spherical and EII σ² ~ IG(dof/2, scale/2), once for EII. None is flat.
    """

    means: NormalPrior | None = None
    covariances: InverseWishartPrior | None = None
    weights: DirichletPrior | None = None

    @classmethod
    def read(cls, value: GaussianPrior | Mapping[str, Any]) -> GaussianPrior:
        """From a record or a nested mapping such as {"means": {"location": 0, "strength": 0.01}}."""
        groups = {"means": NormalPrior, "covariances": InverseWishartPrior, "weights": DirichletPrior}
        return prior_from(value, cls, groups)

    def checked(self, covariance: str, k: int, d: int) -> GaussianPrior:
        """The same prior with every hyperparameter in its full shape, or an `InputError` that names the bound."""
        means, covariances = self.means, self.covariances
        if means is not None:
            location = means.location
            if location.shape not in {(1,), (d,), (k, d)}:
                raise InputError(f"prior means.location must have shape ({d},) or ({k}, {d}); it is {location.shape}.")
            if means.strength.shape != ():
                raise InputError(f"prior means.strength must be one number; its shape is {means.strength.shape}.")
            means = NormalPrior(np.broadcast_to(location, (k, d) if location.ndim == 2 else (d,)), means.strength)
        if covariances is not None:
            covariances = _checked_scale(covariances, covariance, d)
        if self.weights is not None:
            self.weights.of_size(k)
        return GaussianPrior(means, covariances, self.weights)


def _checked_scale(prior: InverseWishartPrior, covariance: str, d: int) -> InverseWishartPrior:
    dof, scale = prior.dof, prior.scale
    if dof.shape != ():
        raise InputError(f"prior covariances.dof must be one number; its shape is {dof.shape}.")
    if covariance in ("full", "tied"):
        if dof <= d - 1:
            raise InputError(f"prior covariances.dof must be greater than D - 1 = {d - 1}; it is {dof:g}.")
        if scale.ndim == 0:
            scale = scale * np.eye(d)
        shaped(scale, (d, d), f"prior covariances.scale ({covariance})")
        return InverseWishartPrior(dof, positive_definite(scale, "prior covariances.scale"))
    above(scale, 0, "prior covariances.scale")
    target = (d,) if covariance == "diag" else ()
    if scale.ndim == 0:
        scale = np.broadcast_to(scale, target)
    return InverseWishartPrior(dof, shaped(scale, target, f"prior covariances.scale ({covariance})"))
