"""K-medoids: prototypes are rows of the data, and any dissimilarity will do.

    J = Σ_n w_n Σ_k r_nk d(x_n, x_{m_k})                                                    (Bishop 2006, eq. 9.6)

    E half-step   r_nk = 1 for k = argmin_j d(x_n, x_{m_j}), the first of equals
    M half-step   m_k = argmin_j T_kj,   T_kj = Σ_n w_n r_nk d(x_n, x_j)                    (Park and Jun 2009)

The sufficient statistics are the table T: it adds over rows, and the M-step takes its row minima. Two clusters must not
share a prototype: where row minima coincide, the best assignment of clusters to distinct rows takes their place. The
old medoids are one such assignment, so that J never rises.

There is no density here, hence no likelihood, no KL, no prior and no twin: -J stands where the bound stands elsewhere,
and log-likelihood and KL are NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from emvsbayes.core.checks import Array, real_array, shaped
from emvsbayes.core.errors import InputError
from emvsbayes.core.esteps import EStep, Hard
from emvsbayes.core.latents.categorical import Categorical
from emvsbayes.core.protocol import Expectation
from emvsbayes.core.schedules import Batch
from emvsbayes.core.stats import VectorSpace
from emvsbayes.core.trace import Event, Run
from emvsbayes.core.weights import empty_components, require_components
from emvsbayes.families.kmeans.distortion import least
from emvsbayes.families.kmeans.records import KMeansData, KMeansPrior, MedoidParams

ROUNDING = 1e-12  # of the largest dissimilarity: what is below 0, or not 0 on the diagonal, by no more is 0
MOST_ROWS = 20_000  # an N x N table of these is 3.2 GB
NO_DENSITY = (
    "k-medoids minimises a sum of dissimilarities and has no density, so that there is {}; use the method batch."
)


class Partition(Categorical):
    """A one-hot q of a model without density: there is no posterior to be at a distance from."""

    def kl(self, other: Categorical, weights: Array) -> float:
        """NaN: not defined."""
        return float("nan")

    def hardened(self) -> Partition:
        """Itself, as a new record: what the loop climbs is then the bound, here -J."""
        return Partition(self.log_r)


@dataclass(frozen=True, slots=True)
class MedoidStats(VectorSpace):
    """n (K,): weight of each cluster; table (K, N): T_kj; rows (N,): weight of row j, which must exist to be chosen."""

    n: Array
    table: Array
    rows: Array


@dataclass(frozen=True, slots=True)
class Alternating(Batch):
    """Hard batches until no row is reassigned, or J stays: J has no unit in which a tolerance could be said."""

    e_step: EStep = field(default_factory=Hard)

    def moving(self, before: Expectation, after: Expectation, gain: float) -> bool:
        """Whether a pass reassigned a row, to a smaller J."""
        return gain > 0 and not np.array_equal(before.q.log_r, after.q.log_r)


@dataclass(frozen=True, slots=True)
class KMedoids:
    """K clusters around rows of the data. `fixed` may hold medoids."""

    n_components: int = 2
    method: str = "medoids"
    dissimilarity: str = "euclidean"
    variance: float | None = None
    fixed: frozenset[str] = frozenset()

    name = "kmeans"
    capabilities = frozenset({"rowwise", "components"})
    absent = MappingProxyType(
        {
            "density": NO_DENSITY.format("no likelihood, and nothing to draw new rows from"),
            "twin": NO_DENSITY.format("nothing to sample or to compare"),
            "conjugate": NO_DENSITY.format("no prior to add"),
            "bounded": NO_DENSITY.format("no likelihood to be bounded"),
            "variational": "k-medoids minimises a sum of dissimilarities and has no density, and so no variational "
            "Bayes; fit a gaussian_mixture instead.",
        }
    )
    params_record = MedoidParams
    component_axes = MappingProxyType({"medoids": (0,)})
    default_prior_note = NO_DENSITY.format("no prior")
    scattered_note = "random rows as medoids"
    schedule = Alternating()

    def check(self, data: KMeansData) -> None:
        """Raise where these data cannot be clustered with these settings."""
        if self.variance is not None:
            raise InputError("k-medoids has no variance; leave it out.")
        require_components(self.n_components, data)
        if data.n_rows > MOST_ROWS:
            raise InputError(
                f"k-medoids needs the dissimilarity of every row from every other; {data.n_rows} rows are more than "
                f"{MOST_ROWS}: use the method batch, or fewer rows."
            )
        if data.precomputed and self.dissimilarity != "precomputed":
            raise InputError(
                f"the data are dissimilarities, not coordinates; use the dissimilarity precomputed, "
                f"not {self.dissimilarity}."
            )
        _check_table(self, data)

    def dissimilarities(self, data: KMeansData) -> Array:
        """d(x_n, x_j), (N, N), computed once for a data record; of a given matrix what is 0 up to rounding is 0."""
        key = f"dissimilarities {self.dissimilarity}"
        if key not in data.__dict__:  # as functools.cached_property does
            given = self.dissimilarity == "precomputed"
            data.__dict__[key] = without_rounding(data.X) if given else pairwise(data.X, self.dissimilarity)
        return data.__dict__[key]

    # E and M

    def e_step(self, params: MedoidParams, data: KMeansData) -> Partition:
        """Each row to its nearest medoid, the first of equals, or to its known cluster."""
        nearest = self.dissimilarities(data)[:, params.medoids].argmin(axis=1)
        if data.labels is not None:
            nearest = np.where(data.labels >= 0, data.labels, nearest)
        return Partition(np.where(nearest[:, None] == np.arange(self.n_components), 0.0, -np.inf))

    def log_likelihood(self, params: MedoidParams, data: KMeansData) -> float:
        """NaN: there is no density."""
        return float("nan")

    def distortion(self, params: MedoidParams, data: KMeansData) -> float:
        """J at these medoids, each row at its nearest, or at its known one."""
        return least(self.dissimilarities(data)[:, params.medoids], data.row_weights, data.labels)

    def expect(self, q: Categorical, data: KMeansData, about: MedoidParams) -> MedoidStats:
        """T_kj = Σ_n w_n r_nk d(x_n, x_j)."""
        mass = q.mass(data.row_weights)
        return MedoidStats(mass.sum(axis=0), mass.T @ self.dissimilarities(data), data.row_weights)

    def m_step(self, stats: MedoidStats, params: MedoidParams) -> MedoidParams:
        """m_k = argmin_j T_kj, the lowest row of equals; an empty cluster keeps its medoid."""
        if "medoids" in self.fixed:
            return params
        filled, present = np.flatnonzero(stats.n > 0), np.flatnonzero(stats.rows > 0)
        kept = np.delete(params.medoids, filled)
        present = present[~np.isin(present, kept)]
        table = stats.table[np.ix_(filled, present)]
        best = table.argmin(axis=1)
        if len(set(best)) < len(best):
            best = linear_sum_assignment(table)[1]
        medoids = params.medoids.copy()
        medoids[filled] = present[best]
        return MedoidParams(medoids)

    def expected_log_joint(self, params: MedoidParams, stats: MedoidStats) -> float:
        """-J = -Σ_k T[k, m_k], which is no log-density."""
        return -float(stats.table[np.arange(len(params.medoids)), params.medoids].sum())

    # starts and inspection

    def complete_start(self, given: Mapping[str, Any], data: KMeansData) -> MedoidParams:
        """Checked medoids: distinct rows that are present."""
        if "medoids" not in given:
            raise InputError("a start for k-medoids needs medoids: the row numbers of K prototypes.")
        rows: Any = shaped(real_array(given["medoids"], "medoids"), (self.n_components,), "medoids")
        medoids = MedoidParams(rows).medoids  # whole numbers, or refused
        outside = (medoids < 0) | (medoids >= data.n_rows)
        if outside.any():
            raise InputError(f"medoids are row numbers from 0 to {data.n_rows - 1}; one is {medoids[outside][0]}.")
        if len(set(medoids.tolist())) < len(medoids):
            raise InputError(f"medoids must be distinct rows; they are {medoids.tolist()}.")
        if (data.row_weights[medoids] == 0).any():
            raise InputError("a medoid must be a row of positive weight.")
        return MedoidParams(medoids)

    def check_params(self, params: MedoidParams) -> None:
        """Raise where these are no K distinct rows."""
        rows = params.medoids.tolist()
        if params.medoids.shape != (self.n_components,) or min(rows) < 0 or len(set(rows)) < len(rows):
            raise InputError(f"medoids must be {self.n_components} distinct rows counted from 0; they are {rows}.")

    def init(self, data: KMeansData, rng: np.random.Generator, how: str) -> MedoidParams:
        """Distinct rows: uniformly for the random methods, otherwise each ∝ its dissimilarity to the nearest so far."""
        far, k = self.dissimilarities(data), self.n_components
        present = np.flatnonzero(data.row_weights > 0)
        if how.startswith("random"):
            return MedoidParams(rng.choice(present, size=k, replace=False))
        chosen = [int(rng.choice(present, p=data.row_weights[present] / data.row_weights[present].sum()))]
        while len(chosen) < k:
            mass = data.row_weights * far[:, chosen].min(axis=1)
            mass[chosen] = 0.0
            if mass.sum() == 0:  # fewer distinct rows than clusters
                mass = data.row_weights.copy()
                mass[chosen] = 0.0
            chosen.append(int(rng.choice(data.n_rows, p=mass / mass.sum())))
        return MedoidParams(np.array(chosen))

    def points(self, data: KMeansData) -> tuple[Array, tuple[str, ...]]:
        """The data as points (N, D) to draw; dissimilarities have none."""
        if self.dissimilarity == "precomputed":
            raise InputError("dissimilarities are no points; there is nothing to draw.")
        return data.X, data.columns

    def inspect(
        self, params: MedoidParams, stats: MedoidStats, data: KMeansData, previous: MedoidParams
    ) -> tuple[Event, ...]:
        """Empty clusters, as with duplicate rows."""
        return empty_components(stats.n)

    def remarks(self, run: Run, total_weight: float, e_step: str) -> list[str]:
        """What a summary adds: J."""
        return [f"distortion J {abs(run.objective):.6g} ({self.dissimilarity}); k-medoids has no density"]

    def to_vector(self, params: MedoidParams) -> Array:
        """The row numbers, which are no free coordinates; none where they are held."""
        return np.empty(0) if "medoids" in self.fixed else params.medoids.astype(np.float64)

    def from_vector(self, vector: Array, like: MedoidParams) -> MedoidParams:
        """The inverse of `to_vector`."""
        return like if "medoids" in self.fixed else MedoidParams(np.round(vector).astype(np.int64))

    # what has no meaning without a density

    def pseudo_stats(self, prior: KMeansPrior, about: MedoidParams) -> NoReturn:
        """Refused: there is no prior."""
        raise InputError(self.absent["conjugate"])

    def log_prior(self, params: MedoidParams, prior: KMeansPrior) -> NoReturn:
        """Refused: there is no prior."""
        raise InputError(self.absent["conjugate"])

    def default_prior(self, data: KMeansData) -> NoReturn:
        """Refused: there is no prior."""
        raise InputError(self.absent["conjugate"])

    def describe_prior(self, prior: KMeansPrior) -> NoReturn:
        """Refused: there is no prior."""
        raise InputError(self.absent["conjugate"])

    def check_prior(self, prior: KMeansPrior, data: KMeansData) -> NoReturn:
        """Refused: there is no prior."""
        raise InputError(self.absent["conjugate"])

    def proper_prior(self, prior: KMeansPrior) -> NoReturn:
        """Refused: there is no prior."""
        raise InputError(self.absent["conjugate"])

    def simulate(self, params: MedoidParams, like: KMeansData, rng: np.random.Generator) -> NoReturn:
        """Refused: there is no density to draw from."""
        raise InputError(NO_DENSITY.format("nothing to simulate"))

    def component_moments(self, params: MedoidParams, data: KMeansData) -> NoReturn:
        """Refused: there is no density that has moments."""
        raise InputError(NO_DENSITY.format("no covariance"))


def pairwise(X: Array, kind: str) -> Array:
    """Dissimilarities (N, N): euclidean |x - y|, manhattan Σ_d |x_d - y_d|, cosine 1 - x·y / (|x| |y|).

    The cosine dissimilarity is taken as ½ |x/|x| - y/|y||², which is the same, never negative, and 0 for equal rows.
    """
    if kind == "cosine":
        unit = X / np.abs(X).max(axis=1, keepdims=True)  # first, because squares of large numbers overflow
        unit = unit / np.sqrt((unit**2).sum(axis=1, keepdims=True))
        return np.asarray(cdist(unit, unit, "sqeuclidean") / 2, dtype=np.float64)
    metric: Any = {"euclidean": "euclidean", "manhattan": "cityblock"}[kind]
    return np.asarray(cdist(X, X, metric), dtype=np.float64)


def without_rounding(table: Array) -> Array:
    """The matrix with entries below 0, and entries of the diagonal, put to 0 where they are rounding."""
    if not (table < 0).any() and not np.diagonal(table).any():
        return table
    cleaned = np.where((table < 0) & (table >= -ROUNDING * table.max()), 0.0, table)
    diagonal = np.diagonal(cleaned)
    np.fill_diagonal(cleaned, np.where(np.abs(diagonal) <= ROUNDING * table.max(), 0.0, diagonal))
    return cleaned


def _check_table(family: KMedoids, data: KMeansData) -> None:
    """Raise where rows have no dissimilarity, or where a matrix holds none."""
    if family.dissimilarity == "cosine" and not data.X.any(axis=1).all():
        row = int(np.argmin(data.X.any(axis=1)))
        raise InputError(
            f"row {row} is zero in every column and has no direction; drop it, or use another dissimilarity."
        )
    if family.dissimilarity != "precomputed":
        return
    n, columns = data.X.shape
    if n != columns:
        raise InputError(
            f"a dissimilarity matrix must be square, N x N; it is {n} x {columns}: give one row and one column for "
            "each item, or the dissimilarity euclidean for rows of coordinates."
        )
    table = family.dissimilarities(data)
    if (table < 0).any():
        n, j = (int(i) for i in np.argwhere(table < 0)[0])
        raise InputError(
            f"dissimilarities must not be negative; the entry at row {n}, column {j} is {table[n, j]:g}: of "
            "similarities s take max s - s."
        )
    if np.diagonal(table).any():
        row = int(np.argmax(np.diagonal(table) != 0))
        raise InputError(
            f"a row's dissimilarity from itself must be 0; that of row {row} is {table[row, row]:g}: set the diagonal "
            "to 0, or, where these are similarities s, take max s - s."
        )
