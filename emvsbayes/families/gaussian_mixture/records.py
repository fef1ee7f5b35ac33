"""What both sides of the Gaussian mixture agree on: data, parameters, prior. Validated here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

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
from emvsbayes.core.moments import Moments, moments_of
from emvsbayes.core.priors import DirichletPrior, InverseWishartPrior, NormalPrior, prior_from
from emvsbayes.tables import as_table


class Layout(NamedTuple):
    """How a conjugate structure's covariances repeat: matrices or variances, one for all columns, for all components.

    Its prior is a density on each distinct matrix, inverse-Wishart, or variance, inverse-gamma.
    """

    matrices: bool
    round: bool
    shared: bool


PLAIN = {
    "full": Layout(matrices=True, round=False, shared=False),
    "tied": Layout(matrices=True, round=False, shared=True),
    "diag": Layout(matrices=False, round=False, shared=False),
    "spherical": Layout(matrices=False, round=True, shared=False),
}
MCLUST = ("EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV", "VVV")
COVARIANCES = (*PLAIN, *MCLUST)
LAYOUTS = {
    **PLAIN,
    "EII": Layout(matrices=False, round=True, shared=True),
    "VII": PLAIN["spherical"],
    "EEI": Layout(matrices=False, round=False, shared=True),
    "VVI": PLAIN["diag"],
    "EEE": PLAIN["tied"],
    "VVV": PLAIN["full"],
}


def covariance_shape(covariance: str, k: int, d: int) -> tuple[int, ...]:
    """Shape of the field `covariances`: each number once under the plain names, (K, D, D) under mclust's."""
    return {"tied": (d, d), "diag": (k, d), "spherical": (k,)}.get(covariance, (k, d, d))


def read_ratio(value: Any) -> float | None:
    """The setting `eigenvalue_ratio`: a number >= 1, or its text; None for no bound."""
    if value is None:
        return None
    try:
        ratio = float(value)
    except (TypeError, ValueError):
        ratio = float("nan")
    if isinstance(value, bool) or not 1 <= ratio < float("inf"):
        raise InputError(f"eigenvalue_ratio must be a finite number >= 1; it is {value!r}.")
    return ratio


@dataclass(frozen=True)
class GaussianData:
    """N rows of D real columns.

    Attributes
    ----------
    X : (N, D), float64, or float32 where it was given as such
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
        X = table.numbers(single=True)
        finite_rows(X, table.columns, "a value")
        return cls(X, table.columns, row_weights(sample_weight, len(X)), known_labels(labels, len(X)))

    @cached_property
    def moments(self) -> Moments:
        """Weight, mean, scatter and extent of the rows: what adds up over parts of the data."""
        return moments_of(self.X, self.row_weights)

    def standing_for(self, moments: Moments) -> GaussianData:
        """The same rows as a sample of more: what is derived from moments is that of all rows."""
        found = replace(self)
        object.__setattr__(found, "moments", moments)
        return found

    @property
    def mean(self) -> Array:
        """Weighted column means (D,)."""
        return self.moments.mean

    @cached_property
    def covariance(self) -> Array:
        """Weighted sample covariance S (D, D), divisor N - 1 with N the total weight (with N where N <= 1)."""
        total = self.moments.weight
        return self.moments.scatter / (total - 1 if total > 1 else total)

    @cached_property
    def whitening(self) -> Array:
        """A (D, D) with A S Aᵀ = I, S the sample covariance."""
        return np.linalg.inv(np.linalg.cholesky(self.covariance))

    @cached_property
    def scale(self) -> Array:
        """Column standard deviations (D,)."""
        return np.sqrt(np.diagonal(self.covariance))


@dataclass(frozen=True, slots=True)
class GaussianParams:
    """weights (K,), means (K, D), covariances: (D, D) tied, (K, D) diag, (K,) spherical, (K, D, D) for all others."""

    weights: Array
    means: Array
    covariances: Array

    def checked(self, covariance: str) -> Self:
        """Itself, if every value is possible; an M-step's result is trusted, a user's start is not."""
        simplex(self.weights, "weights")
        shaped(self.covariances, covariance_shape(covariance, *self.means.shape), f"covariances ({covariance})")
        if covariance in ("diag", "spherical"):
            above(self.covariances, 0, "covariances")
        else:
            positive_definite(self.covariances, "covariances")
        return self


@dataclass(frozen=True, slots=True)
class GaussianPrior:
    """Normal-inverse-Wishart (matrices) or normal-inverse-gamma (variances), and Dirichlet weights.

    means_k | Σ_k ~ N(location, Σ_k / strength). `covariances`: full, VVV, tied and EEE Σ ~ IW(dof, scale); diag, VVI
    and EEI σ²_d ~ IG(dof/2, scale_d/2); spherical, VII and EII σ² ~ IG(dof/2, scale/2); once where all components
    share it (tied, EEE, EEI, EII). None is flat, and all that the other structures take.
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
        if covariances is not None and covariance not in LAYOUTS:
            raise no_conjugate_prior(covariance)
        if covariances is not None:
            covariances = _checked_scale(covariances, covariance, d)
        if self.weights is not None:
            self.weights.of_size(k)
        return GaussianPrior(means, covariances, self.weights)


def no_conjugate_prior(covariance: str) -> InputError:
    """Why a structure takes no prior on its covariances."""
    return InputError(
        f"{covariance} has no conjugate prior on its covariances; use {', '.join(LAYOUTS)}, or maximum likelihood."
    )


def _checked_scale(prior: InverseWishartPrior, covariance: str, d: int) -> InverseWishartPrior:
    dof, scale, layout = prior.dof, prior.scale, LAYOUTS[covariance]
    if dof.shape != ():
        raise InputError(f"prior covariances.dof must be one number; its shape is {dof.shape}.")
    if layout.matrices:
        if dof <= d - 1:
            raise InputError(f"prior covariances.dof must be greater than D - 1 = {d - 1}; it is {dof:g}.")
        if scale.ndim == 0:
            scale = scale * np.eye(d)
        shaped(scale, (d, d), f"prior covariances.scale ({covariance})")
        return InverseWishartPrior(dof, positive_definite(scale, "prior covariances.scale"))
    above(scale, 0, "prior covariances.scale")
    target = () if layout.round else (d,)
    if scale.ndim == 0:
        scale = np.broadcast_to(scale, target)
    return InverseWishartPrior(dof, shaped(scale, target, f"prior covariances.scale ({covariance})"))
