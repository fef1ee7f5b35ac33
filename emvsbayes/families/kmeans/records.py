"""What both sides of K-means agree on: data, parameters, prior. Validated here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emvsbayes.core.checks import Array, Integers, above, finite_rows, known_labels, real_array, row_weights
from emvsbayes.core.errors import InputError
from emvsbayes.core.moments import Moments, moments_of
from emvsbayes.core.priors import prior_from
from emvsbayes.tables import as_table

METHODS = ("batch", "online", "medoids")
DISSIMILARITIES = ("euclidean", "manhattan", "cosine", "precomputed")


def read_variance(value: Any) -> float | None:
    """σ² from a number or its text; None, or the word, where it is to be found."""
    if value is None or value == "None":
        return None
    try:
        number = np.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not 0 < number < np.inf:
        raise InputError(f"variance must be a number greater than 0, or left out; it is {value!r}.")
    return number


@dataclass(frozen=True)
class KMeansData:
    """N rows of D real columns, or the dissimilarities of N rows from one another.

    Attributes
    ----------
    X : (N, D), float64, or float32 where it was given as such
        Finite. Under `precomputed`, (N, N): entry (n, j) is the dissimilarity of row n from prototype j.
    columns : tuple of str
        Names of the columns, used in messages, tables and figures.
    row_weights : (N,)
        How often each row counts; ones by default.
    labels : (N,) or None
        The cluster of each row where it is known, -1 where it is not.
    precomputed : bool
        Whether X was given as dissimilarities, which are no coordinates.
    """

    X: Array
    columns: tuple[str, ...]
    row_weights: Array
    labels: NDArray[np.int64] | None = None
    precomputed: bool = False

    def matrix(self) -> Array:
        """The data as (N, D), one column for each of `columns`."""
        return self.X

    @property
    def n_rows(self) -> int:
        return len(self.X)

    @classmethod
    def read(cls, source: Any, labels: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Every column of the table, or the mapping {"dissimilarity": (N, N)}."""
        given = isinstance(source, Mapping) and set(source) == {"dissimilarity"}
        if given and np.ndim(source["dissimilarity"]) != 2:
            raise InputError(
                f"a dissimilarity matrix must be square, N x N; it has {np.ndim(source['dissimilarity'])} axes."
            )
        table = as_table(np.asarray(source["dissimilarity"]) if given else source)
        X = table.numbers(single=not given)
        finite_rows(X, table.columns, "a dissimilarity" if given else "a value")
        return cls(X, table.columns, row_weights(sample_weight, len(X)), known_labels(labels, len(X)), given)

    @cached_property
    def moments(self) -> Moments:
        """Weight, mean, scatter and extent of the rows: what adds up over parts of the data."""
        return moments_of(self.X, self.row_weights, matrix=False)

    def standing_for(self, moments: Moments) -> KMeansData:
        """The same rows as a sample of more: what is derived from moments is that of all rows."""
        found = replace(self)
        object.__setattr__(found, "moments", moments)
        return found

    @property
    def mean(self) -> Array:
        """Weighted column means (D,)."""
        return self.moments.mean

    @cached_property
    def scale(self) -> Array:
        """Weighted column standard deviations (D,), divisor N."""
        return np.sqrt(self.moments.variances)

    @cached_property
    def interim_variance(self) -> float:
        """Mean column variance: σ² until K-means has found one. No assignment and no centre depends on it."""
        return float((self.scale**2).mean())


@dataclass(frozen=True, slots=True)
class KMeansParams:
    """centers (K, D)."""

    centers: Array

    @property
    def weights(self) -> Array:
        """1/K for each cluster (K,): held, hence no field."""
        k = len(self.centers)
        return np.full(k, 1 / k)


@dataclass(frozen=True, slots=True)
class MedoidParams:
    """medoids (K,): row numbers of the prototypes, counted from 0."""

    medoids: Integers

    def __post_init__(self) -> None:
        rows = np.asarray(self.medoids)
        if (rows != np.round(rows)).any():
            raise InputError(f"medoids are row numbers, whole numbers counted from 0; they are {rows.tolist()}.")
        object.__setattr__(self, "medoids", rows.astype(np.int64))


@dataclass(frozen=True, slots=True)
class CenterPrior:
    """centers_kd ~ N(location, scale²), independent; location a number, (D,) or (K, D), scale > 0 a number or (D,)."""

    location: Array
    scale: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "location", np.atleast_1d(real_array(self.location, "prior centers.location")))
        object.__setattr__(self, "scale", np.atleast_1d(above(self.scale, 0, "prior centers.scale")))

    def scaled(self, times: float) -> CenterPrior:
        """The precision multiplied: scale / √λ."""
        return CenterPrior(self.location, self.scale / np.sqrt(times))

    def checked(self, k: int, d: int) -> CenterPrior:
        """The same prior with location (D,) or (K, D) and scale (D,)."""
        location, scale = self.location, self.scale
        if location.shape not in {(1,), (d,), (k, d)}:
            raise InputError(f"prior centers.location must have shape ({d},) or ({k}, {d}); it is {location.shape}.")
        if scale.shape not in {(1,), (d,)}:
            raise InputError(f"prior centers.scale must be a number or have shape ({d},); it is {scale.shape}.")
        return CenterPrior(
            np.broadcast_to(location, (k, d) if location.ndim == 2 else (d,)), np.broadcast_to(scale, (d,))
        )


@dataclass(frozen=True, slots=True)
class KMeansPrior:
    """Independent normal coordinates of the centres; None is flat."""

    centers: CenterPrior | None = None

    @classmethod
    def read(cls, value: KMeansPrior | Mapping[str, Any]) -> KMeansPrior:
        """From a record or a nested mapping such as {"centers": {"location": 0, "scale": 10}}."""
        return prior_from(value, cls, {"centers": CenterPrior})
