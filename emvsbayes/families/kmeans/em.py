"""K-means by hand: the pure methods from which the loop of `core.em` makes K-means, or soft K-means.

The E-step here is that of the Gaussian mixture; a hard schedule makes its q one-hot, and that is all there is to
K-means. Statistics are kept in units of σ², so that neither the M-step nor the prior needs to know it. Equations in the
package docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, real_array, shaped
from emvsbayes.core.errors import InputError
from emvsbayes.core.latents.categorical import Categorical, clamp_labels, log_sum_exp, posterior, weighted_sum
from emvsbayes.core.priors import flat_group, short
from emvsbayes.core.sources import added, stand_in, total_weight
from emvsbayes.core.starts import choose_rows, labelled_centers, random_responsibilities
from emvsbayes.core.stats import VectorSpace, frame
from emvsbayes.core.trace import Event, Run
from emvsbayes.core.views import View, marginal_views
from emvsbayes.core.weights import empty_components, require_components
from emvsbayes.densities import gaussian, priors
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.densities.statistics import column_statistics
from emvsbayes.families.kmeans.distortion import distortion_of, least, squared_distances
from emvsbayes.families.kmeans.online import Online
from emvsbayes.families.kmeans.records import CenterPrior, KMeansData, KMeansParams, KMeansPrior

WIDE = 3.0  # the default prior's standard deviation, in standard deviations of the column


@dataclass(frozen=True, slots=True)
class KMeansStats(VectorSpace):
    """Expected moments about `origin` (K, D), in units of σ².

    n (K,) = Σ r, precision (K, D) = Σ r / σ², first (K, D) = Σ r (x - o) / σ², second (K,) = Σ r |x - o|² / σ²;
    base: the terms that no centre changes. A normal prior adds to precision, first and second, and counts no row.
    """

    n: Array
    precision: Array
    first: Array
    second: Array
    base: float
    origin: Array = frame()

    def about(self, origin: Array) -> KMeansStats:
        """The same statistics measured from another origin, exactly."""
        shift = origin - self.origin
        second = self.second + (self.precision * shift**2 - 2 * self.first * shift).sum(axis=1)
        return replace(self, first=self.first - self.precision * shift, second=second, origin=origin)


@dataclass(frozen=True, slots=True)
class KMeans:
    """K clusters around means; `method` is batch or online. `fixed` may hold centers.

    `variance` is σ², a setting and no parameter; None until K-means has found one (see `settled`).
    """

    n_components: int = 2
    method: str = "batch"
    dissimilarity: str = "euclidean"
    variance: float | None = None
    fixed: frozenset[str] = frozenset()

    name = "kmeans"
    capabilities = frozenset({"rowwise", "density", "conjugate", "components", "twin", "bounded"})
    absent = MappingProxyType(
        {
            "variational": "K-means stands for a one-hot q and has no variational Bayes; its mixture does: fit "
            "gaussian_mixture with the covariance EII, and hold the covariances and the weights."
        }
    )
    component_axes = MappingProxyType({"centers": (0,)})
    default_prior_note = (
        "The default prior looks at the data: its location is the mean of the columns, its scale three of their "
        "standard deviations."
    )
    more_starts = ("random_responsibilities",)
    scattered_note = "random rows as centres; the variance is held and has no start"

    @property
    def unsettled(self) -> bool:
        """Whether σ² is still to be found."""
        return self.variance is None

    def settled(self, params: KMeansParams, data: KMeansData) -> KMeans:
        """The family with σ² = J / (N D) held, its maximum-likelihood value at these centres under a one-hot q.

        J = 0, every row on a centre, leaves the mean column variance: a density needs a σ² above 0.
        """
        mean_square = self.distortion(params, data) / (total_weight(data) * params.centers.shape[1])
        return replace(self, variance=float(mean_square) or stand_in(data).interim_variance)

    def interim(self, data: KMeansData) -> KMeans:
        """The family as it is until σ² is found: where rows come in chunks, these must agree on it."""
        return replace(self, variance=data.interim_variance)

    @property
    def schedule(self) -> Online | None:
        """The sequential pass of online K-means; None takes every row at once."""
        return Online() if self.method == "online" else None

    def check(self, data: KMeansData) -> None:
        """Raise where these data cannot be clustered with these settings."""
        if data.precomputed:
            raise InputError(
                f"the {self.method} method needs coordinates, not dissimilarities; use the method medoids with the "
                "dissimilarity precomputed."
            )
        if self.dissimilarity != "euclidean":
            raise InputError(
                f"the {self.method} method minimises squared Euclidean distances; the dissimilarity "
                f"{self.dissimilarity} needs the method medoids."
            )
        require_components(self.n_components, data)
        with np.errstate(over="ignore", invalid="ignore"):
            spread = data.interim_variance
        if spread == 0:
            raise InputError("every row is the same; there is nothing to cluster.")
        if not 1e-280 < spread < 1e280:
            raise InputError("the columns have a variance beyond floating point; change their units.")

    def variance_of(self, data: KMeansData) -> float:
        """σ², or what stands for it until it is found."""
        return data.interim_variance if self.variance is None else self.variance

    # E and M

    def _log_joint(self, params: KMeansParams, data: KMeansData) -> Array:
        """ln p(x_n, z_n = k | θ) = -ln K - ½ D ln(2πσ²) - |x_n - μ_k|² / (2σ²), (N, K)."""
        variance, d = self.variance_of(data), data.X.shape[1]
        log_joint = squared_distances(data.X, params.centers)
        log_joint *= -0.5 / variance
        log_joint -= np.log(self.n_components) + 0.5 * d * (LOG_2PI + np.log(variance))
        return clamp_labels(log_joint, data.labels)

    def e_step(self, params: KMeansParams, data: KMeansData) -> Categorical:
        """r_nk ∝ exp(-|x_n - μ_k|² / (2σ²)): soft; a hard schedule assigns each row to its nearest centre."""
        return posterior(self._log_joint(params, data))

    def log_likelihood(self, params: KMeansParams, data: KMeansData) -> float:
        """Σ_n w_n ln Σ_k N(x_n | μ_k, σ²I) / K."""
        return weighted_sum(data.row_weights, log_sum_exp(self._log_joint(params, data)))

    def distortion(self, params: KMeansParams, data: KMeansData) -> float:
        """J at these centres, each row at its nearest, or at its known one."""
        return added(data, partial(_distortion, params.centers))

    def expect(self, q: Categorical, data: KMeansData, about: KMeansParams) -> KMeansStats:
        """Moments weighted by responsibilities, about the centres of `about`; one cluster and its own rows at a time.

        N x K x D numbers are never held at once: K-means is asked for hundreds of clusters of many rows.
        """
        (k, d), variance = about.centers.shape, self.variance_of(data)
        n, first, second, present = np.empty(k), np.empty((k, d)), np.empty(k), data.row_weights > 0
        for j, row in enumerate(np.ascontiguousarray(q.responsibilities.T)):
            mine = np.flatnonzero(present & (row != 0))
            mass, deviations = row[mine] * data.row_weights[mine], data.X[mine] - about.centers[j]
            n[j], first[j], second[j] = mass.sum(), mass @ deviations, mass @ (deviations**2).sum(axis=1)
        return self._in_units(n, first, second, variance, about.centers)

    def accumulate(
        self, params: KMeansParams, data: KMeansData, about: KMeansParams | None = None
    ) -> tuple[KMeansStats, float]:
        """`e_step`, `expect` and `log_likelihood` in one pass, no responsibilities stored: soft K-means."""
        from emvsbayes.densities.passes import gaussian_pass  # numba: not for those who only read a fit

        k, variance = len(params.centers), self.variance_of(data)
        origin, variances = params.centers if about is None else about.centers, np.full(params.centers.shape, variance)
        weights = np.full(k, -np.log(k))
        height, n, first, second = gaussian_pass(
            data.X, data.row_weights, data.labels, weights, params.centers, variances, origin
        )
        return self._in_units(n, first, second.sum(axis=1), variance, origin), height

    def accumulate_hard(
        self, params: KMeansParams, data: KMeansData, about: KMeansParams | None = None, bounds: Any = None
    ) -> tuple[KMeansStats, None]:
        """The statistics of each row at its nearest centre, in one pass; the log-likelihood would cost another."""
        from emvsbayes.densities.passes import nearest_pass

        origin = params.centers if about is None else about.centers
        n, first, second = nearest_pass(data.X, data.row_weights, data.labels, params.centers, origin, bounds)
        return self._in_units(n, first, second, self.variance_of(data), origin), None

    def bounds(self, data: KMeansData) -> Any:
        """What a run with hard assignments remembers from pass to pass."""
        from emvsbayes.densities.passes import Bounds

        return Bounds(data.n_rows)

    def _in_units(self, n: Array, first: Array, second: Array, variance: float, origin: Array) -> KMeansStats:
        """Moments in units of σ², with the terms that no centre changes."""
        k, d = origin.shape
        base = -n.sum() * (0.5 * d * (LOG_2PI + np.log(variance)) + np.log(k))
        precision = np.repeat(n[:, None] / variance, d, axis=1)
        return KMeansStats(n, precision, first / variance, second / variance, float(base), origin)

    def m_step(self, stats: KMeansStats, params: KMeansParams) -> KMeansParams:
        """μ_k = Σ_n r_nk x_n / Σ_n r_nk; an empty cluster keeps its centre."""
        if "centers" in self.fixed:
            return params
        kept = params.centers - stats.origin
        moved = np.divide(stats.first, stats.precision, out=kept, where=stats.precision > 0)
        return KMeansParams(stats.origin + moved)

    def expected_log_joint(self, params: KMeansParams, stats: KMeansStats) -> float:
        """-N ln K - ½ N D ln(2πσ²) - Σ_nk r_nk |x_n - μ_k|² / (2σ²)."""
        return float(stats.base - 0.5 * stats.about(params.centers).second.sum())

    # the prior

    def default_prior(self, data: KMeansData) -> KMeansPrior:
        """Wide but proper: centers ~ N(column mean, (3 column standard deviations)²); it looks at the data.

        A constant column takes the root mean square of the standard deviations of all.
        """
        scale = np.where(data.scale > 0, data.scale, np.sqrt(data.interim_variance))
        return KMeansPrior(CenterPrior(data.mean, WIDE * scale))

    def describe_prior(self, prior: KMeansPrior) -> list[str]:
        """One sentence a field."""
        if "centers" in self.fixed:
            return ["centers: held fixed, no prior"]
        if prior.centers is None:
            return ["centers: flat"]
        return [f"centers ~ N({short(prior.centers.location)}, {short(prior.centers.scale)}²), coordinates independent"]

    def check_prior(self, prior: KMeansPrior, data: KMeansData) -> KMeansPrior:
        """The prior with every hyperparameter in its full shape."""
        if prior.centers is None:
            return prior
        return KMeansPrior(prior.centers.checked(self.n_components, data.X.shape[1]))

    def proper_prior(self, prior: KMeansPrior) -> KMeansPrior:
        """The prior itself; refuses flat centres, which leave the posterior improper."""
        if prior.centers is None and "centers" not in self.fixed:
            raise flat_group("centers", empty=self.n_components > 1)
        return prior

    def pseudo_stats(self, prior: KMeansPrior, about: KMeansParams) -> KMeansStats:
        """μ ~ N(m, s²) is s⁻² of precision at m: n = 0, precision = s⁻², first = 0, second = 0, about m."""
        k, d = about.centers.shape
        if prior.centers is None or "centers" in self.fixed:
            zero = np.zeros((k, d))
            return KMeansStats(np.zeros(k), zero, zero, np.zeros(k), 0.0, about.centers)
        precision = np.broadcast_to(prior.centers.scale**-2.0, (k, d))
        location = np.broadcast_to(prior.centers.location, (k, d))
        at_location = KMeansStats(np.zeros(k), precision, np.zeros((k, d)), np.zeros(k), 0.0, location)
        return at_location.about(about.centers)

    def log_prior(self, params: KMeansParams, prior: KMeansPrior) -> float:
        """Σ_kd ln N(μ_kd | m, s²)."""
        if prior.centers is None or "centers" in self.fixed:
            return 0.0
        variances = np.broadcast_to(prior.centers.scale**2, params.centers.shape)
        return priors.normal(params.centers, prior.centers.location, 1.0, variances)

    # starts, simulation, inspection

    def complete_start(self, given: Mapping[str, Any], data: KMeansData) -> KMeansParams:
        """Checked centres."""
        if "centers" not in given:
            raise InputError("a start for kmeans needs centers: equal centres stay equal for ever.")
        d, centers = data.X.shape[1], real_array(given["centers"], "centers")
        centers = centers[:, None] if centers.ndim == 1 and d == 1 else centers
        return KMeansParams(shaped(centers, (self.n_components, d), "centers"))

    def check_params(self, params: KMeansParams) -> None:
        """Raise where these are no K centres, or where the variance that belongs to them is missing."""
        if params.centers.ndim != 2 or len(params.centers) != self.n_components:
            raise InputError(f"centers must have shape ({self.n_components}, D); the shape is {params.centers.shape}.")
        if self.unsettled:
            raise InputError("a fit of kmeans holds the variance that it found; set variance to a number above 0.")

    def init(self, data: KMeansData, rng: np.random.Generator, how: str) -> KMeansParams:
        """Centres at chosen rows, distances in the units of the columns; kmeans is k-means++ here, random_scales
        random_rows."""
        if how == "random_responsibilities":
            about = KMeansParams(np.tile(data.mean, (self.n_components, 1)))
            return random_responsibilities(self, data, rng, about)
        rows = choose_rows(data.X, data.row_weights, self.n_components, rng, "k-means++" if how == "kmeans" else how)
        centers = data.X[rows].astype(np.float64)
        return KMeansParams(labelled_centers(centers, data.X, data.labels, data.row_weights))

    def points(self, data: KMeansData) -> tuple[Array, tuple[str, ...]]:
        """The data as points (N, D) to draw, and the names of the axes."""
        return data.X, data.columns

    def component_moments(self, params: KMeansParams, data: KMeansData) -> tuple[Array, Array]:
        """Centres (K, D) and σ²I (K, D, D)."""
        k, d = params.centers.shape
        return params.centers, np.tile(self.variance_of(data) * np.eye(d), (k, 1, 1))

    def views(self, data: KMeansData, n: int) -> tuple[View, ...]:
        """The densities of the first columns, one by one."""
        return marginal_views(data.X, data.row_weights, data.columns, n)

    def profile(
        self, params: KMeansParams, data: KMeansData, view: View, rng: np.random.Generator | None = None
    ) -> Array:
        """p(x_c | θ) = Σ_k π_k N(x_c | μ_kc, Σ_kcc) at the places of a view, (G,)."""
        means, covariances = self.component_moments(params, data)
        columns = list(view.columns)
        inner = covariances[:, columns][:, :, columns]
        return gaussian.mixture_density(view.at, params.weights, means[:, columns], inner)

    def discrepancies(self, params: KMeansParams, data: KMeansData, shared: None = None) -> dict[str, float]:
        """Moments and extremes of the columns; none of them looks at `params`."""
        return column_statistics(data.X, data.columns)

    def simulate(
        self, params: KMeansParams, like: KMeansData, rng: np.random.Generator
    ) -> tuple[KMeansData, np.ndarray]:
        """For each row of `like` draw a centre, each as likely, and x from N(μ, σ²I); returns the data and z."""
        z = rng.integers(self.n_components, size=like.n_rows)
        noise = rng.standard_normal((like.n_rows, params.centers.shape[1]))
        X = params.centers[z] + np.sqrt(self.variance_of(like)) * noise
        return replace(like, X=X, row_weights=np.ones(like.n_rows), labels=None), z

    def inspect(
        self, params: KMeansParams, stats: KMeansStats, data: KMeansData, previous: KMeansParams
    ) -> tuple[Event, ...]:
        """Empty clusters."""
        return empty_components(stats.n)

    def remarks(self, run: Run, total_weight: float, e_step: str) -> list[str]:
        """What a summary adds: σ², and J where q is one-hot."""
        if self.variance is None:
            return []
        found = [f"variance {self.variance:.6g}, held; weights 1/{self.n_components}, held"]
        if e_step == "hard":
            j = distortion_of(run.objective - run.log_prior, self.variance, total_weight, *run.params.centers.shape)
            found.append(f"distortion J {j:.6g}")
        if self.method == "online":
            found.append("online: J may rise in the first pass; a fresh assignment of every row is scored after each")
        return found

    # free coordinates

    def to_vector(self, params: KMeansParams) -> Array:
        """The centres, row by row (K·D,); none where they are held."""
        return np.empty(0) if "centers" in self.fixed else params.centers.ravel()

    def from_vector(self, vector: Array, like: KMeansParams) -> KMeansParams:
        """The inverse of `to_vector`."""
        return like if "centers" in self.fixed else KMeansParams(np.reshape(vector, like.centers.shape))

    def log_jacobian(self, params: KMeansParams) -> float:
        """0: the centres are their own coordinates."""
        return 0.0


def _distortion(centers: Array, chunk: KMeansData) -> float:
    """J of the rows of a chunk."""
    return least(squared_distances(chunk.X, centers), chunk.row_weights, chunk.labels)
