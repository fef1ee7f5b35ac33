"""The Gaussian mixture by hand: the pure methods from which the loop of `core.em` makes EM.

Equations in the package docstring; what differs between covariance structures is in `structures`. One long
module, because it is one class: the protocol's methods side by side, with starts, coordinates and structures elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError
from emvsbayes.core.latents.categorical import Categorical, clamp_labels, log_sum_exp, posterior, weighted_sum
from emvsbayes.core.priors import DirichletPrior, InverseWishartPrior, NormalPrior, flat_group, short
from emvsbayes.core.sources import holding_rows, stand_in
from emvsbayes.core.stats import VectorSpace, frame
from emvsbayes.core.trace import Event
from emvsbayes.core.views import View, marginal_views
from emvsbayes.core.weights import (
    dirichlet_pseudo_counts,
    empty_components,
    log_weights,
    require_components,
    update_weights,
)
from emvsbayes.densities import gaussian, priors
from emvsbayes.densities.statistics import column_statistics
from emvsbayes.families.gaussian_mixture import coordinates, starts, structures
from emvsbayes.families.gaussian_mixture.records import (
    LAYOUTS,
    PLAIN,
    GaussianData,
    GaussianParams,
    GaussianPrior,
    no_conjugate_prior,
)

NEAR = 100 / 101  # t of a distance of ten standard deviations, see `GaussianStats.distant`
MOST_NAMED = 100_000  # rows of a collapse that are listed
SINGULAR = 1e-10  # smallest eigenvalue of a covariance relative to the data's: below it the component has collapsed


UNBOUNDED_GRADIENT = (
    "a gradient M-step does not know the bound eigenvalue_ratio; leave one of the two out, or use the full M-step."
)


@dataclass(frozen=True, slots=True)
class GaussianStats(VectorSpace):
    """Expected moments about `origin`.

    n_weight, n_mean, n_cov (K,) are equal on data; a normal-inverse-Wishart prior adds a different number to each.
    first (K, D) = Σ r (x - o), second = Σ r (x - o)(x - o)ᵀ as (K, D, D), or its diagonal (K, D).
    """

    n_weight: Array
    n_mean: Array
    n_cov: Array
    first: Array
    second: Array
    origin: Array = frame()

    @property
    def distant(self) -> bool:
        """Whether the rows of a component lie ten standard deviations from the origin: two digits are lost.

        With a = first / n and M = second / n their squared distance, aᵀ (M - a aᵀ)⁻¹ a, is t / (1 - t), t = aᵀ M⁻¹ a.
        """
        used = self.n_mean > 0
        n, first, second = self.n_mean[used, None], self.first[used], self.second[used]
        if second.ndim == 2:
            return bool((first**2 > NEAR * n * second).any())
        try:
            solved = np.linalg.solve(second, first[..., None])[..., 0]
        except np.linalg.LinAlgError:
            return True
        return not bool(((first * solved).sum(axis=1) <= NEAR * n[:, 0]).all())

    def about(self, origin: Array) -> GaussianStats:
        """The same statistics measured from another origin, exactly."""
        shift = origin - self.origin
        second = gaussian.moved_second_moment(self.second, self.first, self.n_mean, shift)
        first = self.first - self.n_mean[:, None] * shift
        return GaussianStats(self.n_weight, self.n_mean, self.n_cov, first, second, origin)


@dataclass(frozen=True, slots=True)
class GaussianMixture:
    """A mixture of K Gaussians. `fixed` names the fields that are held: weights, means, covariances.

    `eigenvalue_ratio` bounds max λ / min λ over all eigenvalues of all covariances; None does not.
    """

    n_components: int
    covariance: str = "full"
    fixed: frozenset[str] = frozenset()
    eigenvalue_ratio: float | None = None

    name = "gaussian_mixture"
    default_prior_note = (
        "The default prior looks at the data: its location and scale are the mean and covariance of the columns "
        "(Fraley and Raftery 2007)."
    )
    more_starts = ("random_responsibilities", "hierarchical")
    scattered_note = (
        "random rows as means, and spreads drawn log-uniformly from the data's own down to a hundredth of it"
    )

    @property
    def capabilities(self) -> frozenset[str]:
        """Bounded where no component can shrink alone; conjugate where the covariances have a prior that adds up."""
        bounded = self.n_components == 1 or self._structure.bounded or "covariances" in self.fixed
        conjugate = self.covariance in LAYOUTS and self.eigenvalue_ratio is None
        return frozenset(
            {"rowwise", "density", "components", "twin"}
            | ({"bounded"} if bounded or self.eigenvalue_ratio is not None else set())
            | ({"conjugate"} if conjugate else set())
        )

    @property
    def absent(self) -> dict[str, str]:
        """Why a capability is absent."""
        bound = {} if self.eigenvalue_ratio is None else {"gradient": UNBOUNDED_GRADIENT}
        return {
            "conjugate": f"{self.covariance} covariances have no conjugate prior here.",
            "bounded": "A component may shrink onto a few rows.",
            **bound,
        }

    def constrained(self, params: GaussianParams) -> str:
        """Why `params` are no free maximum, where they lie on the bound on the ratio of eigenvalues; else empty."""
        if self.eigenvalue_ratio is None or "covariances" in self.fixed:
            return ""
        k, d = params.means.shape
        expanded = structures.expand(self.covariance, params.covariances, k, d)
        found = np.linalg.eigvalsh(expanded) if expanded.ndim == 3 else expanded
        if found.max() < self.eigenvalue_ratio * found.min() * (1 - 1e-6):
            return ""
        return f"the covariances lie on the bound eigenvalue_ratio = {self.eigenvalue_ratio:g}"

    @property
    def component_axes(self) -> dict[str, tuple[int, ...]]:
        axes = {"weights": (0,), "means": (0,)}
        return axes if self.covariance == "tied" else {**axes, "covariances": (0,)}

    @property
    def _structure(self) -> structures.Structure:
        return structures.STRUCTURES[self.covariance]

    def described(self) -> dict[str, str]:
        """The settings that are in use, as text."""
        bound = {} if self.eigenvalue_ratio is None else {"eigenvalue_ratio": f"{self.eigenvalue_ratio:g}"}
        return {"covariance": self.covariance, **bound}

    def component_of(self, field: str, index: tuple[int, ...]) -> int | None:
        """The component of an entry of a field, -1 where all share it; None for one that repeats another, or is 0."""
        if field != "covariances" or self.covariance in PLAIN:
            return index[self.component_axes[field][0]] if field in self.component_axes else -1
        k, i, j = index
        shared, layout = structures.is_shared(self.covariance), LAYOUTS.get(self.covariance)
        repeats = j > i or (shared and k > 0) or (layout is not None and layout.round and i > 0)
        if repeats or (i != j and not self._structure.matrices):
            return None
        return -1 if shared else k

    def check(self, data: GaussianData) -> None:
        """Raise where these data cannot be fitted with these settings."""
        require_components(self.n_components, data)
        if self.eigenvalue_ratio is not None and self.covariance not in structures.SEPARATE:
            raise InputError(
                f"eigenvalue_ratio bounds {', '.join(structures.SEPARATE)} covariances only; leave it out for "
                f"{self.covariance}."
            )
        n, d = data.X.shape
        if (data.row_weights > 0).sum() < 2:
            raise InputError("a covariance needs at least 2 rows of positive weight; there is 1 row.")
        with np.errstate(over="ignore", invalid="ignore"):
            low, high = data.moments.low, data.moments.high
        constant = np.flatnonzero(low == high)
        if len(constant):
            raise InputError(
                f"column {data.columns[constant[0]]!r} is constant ({low[constant[0]]:g}); drop it: "
                "a Gaussian density of a constant is unbounded."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            variances = np.diagonal(data.covariance)
        beyond = np.flatnonzero(~((variances > 1e-280) & (variances < 1e280)))
        if len(beyond):
            raise InputError(
                f"column {data.columns[beyond[0]]!r} has a variance beyond floating point; change its units."
            )
        correlation = data.covariance / np.outer(data.scale, data.scale)
        if structures.is_matrix(self.covariance) and not np.linalg.eigvalsh(correlation)[0] > 1e-12:
            raise InputError(
                f"the {d} columns are linearly dependent over these {n} rows, so that every {self.covariance} "
                "covariance is singular; drop a column, or use the covariance diag or spherical."
            )

    def _expanded(self, params: GaussianParams) -> Array:
        return structures.expand(self.covariance, params.covariances, *params.means.shape)

    # E and M

    def _log_joint(self, params: GaussianParams, data: GaussianData) -> Array:
        """ln p(x_n, z_n = k | θ), (N, K)."""
        log_joint = log_weights(params.weights) + gaussian.log_density(data.X, params.means, self._expanded(params))
        return clamp_labels(log_joint, data.labels)

    def e_step(self, params: GaussianParams, data: GaussianData) -> Categorical:
        """r_nk ∝ π_k N(x_n | μ_k, Σ_k)."""
        return posterior(self._log_joint(params, data))

    def log_likelihood(self, params: GaussianParams, data: GaussianData) -> float:
        """Σ_n w_n ln Σ_k π_k N(x_n | μ_k, Σ_k)."""
        return weighted_sum(data.row_weights, log_sum_exp(self._log_joint(params, data)))

    def expect(self, q: Categorical, data: GaussianData, about: GaussianParams) -> GaussianStats:
        """Moments weighted by responsibilities, about the means of `about`."""
        mass = q.mass(data.row_weights)
        matrices = structures.is_matrix(self.covariance)
        first, second = gaussian.moments(data.X, mass, about.means, matrices=matrices)
        n = mass.sum(axis=0)
        return GaussianStats(n, n, n, first, second, about.means)

    def accumulate(
        self, params: GaussianParams, data: GaussianData, about: GaussianParams | None = None
    ) -> tuple[GaussianStats, float]:
        """`e_step`, `expect` and `log_likelihood` in one pass, no responsibilities stored."""
        origin = params.means if about is None else about.means
        return one_pass(data, log_weights(params.weights), params.means, self._expanded(params), origin)

    def m_step(self, stats: GaussianStats, params: GaussianParams) -> GaussianParams:
        """π_k = n_k / Σ n,  μ_k = o_k + first_k / n_k,  Σ from the scatter about μ_k, pooled as the structure says.

        An empty component keeps its mean and covariance.
        """
        weights = params.weights if "weights" in self.fixed else update_weights(stats.n_weight)
        means = params.means
        if "means" not in self.fixed:
            n = stats.n_mean[:, None]
            means = stats.origin + np.divide(stats.first, n, out=params.means - stats.origin, where=n > 0)
        covariances = params.covariances
        if "covariances" not in self.fixed:
            pooled = self._structure.pool(stats.about(means).second, stats.n_cov, self._expanded(params))
            if self.eigenvalue_ratio is not None:
                pooled = structures.truncated(pooled, stats.n_cov, self.eigenvalue_ratio)
            covariances = structures.field(self.covariance, pooled)
        return GaussianParams(weights, means, covariances)

    def expected_log_joint(self, params: GaussianParams, stats: GaussianStats) -> float:
        """Σ_k n_k ln π_k - ½ Σ_k [n_k (D ln 2π + ln|Σ_k|) + tr(Σ_k⁻¹ S_k(μ_k))], 0 · ln 0 = 0."""
        d = params.means.shape[1]
        covariances = self._expanded(params)
        used = stats.n_weight != 0
        counts = stats.n_weight[used] @ log_weights(params.weights[used])
        normalisers = stats.n_cov @ (d * gaussian.LOG_2PI + gaussian.log_det(covariances))
        quadratic = gaussian.trace_solve(covariances, stats.about(params.means).second).sum()
        return float(counts - 0.5 * (normalisers + quadratic))

    # the prior

    def default_prior(self, data: GaussianData) -> GaussianPrior:
        """Fraley and Raftery (2007): m0 the column means, κ0 = 0.01, ν0 = D + 2, Ψ = S / K^(2/D), weights Dirichlet(1).

        S is the sample covariance with divisor N - 1. Variances (diag, VVI, EEI) take Ψ's own diagonal, round ones
        (spherical, VII, EII) its mean. Fraley and Raftery average the columns for diag as well, which distorts columns
        in different units. This prior looks at the data.
        """
        self._require_conjugate()
        d = data.X.shape[1]
        scale = data.covariance / self.n_components ** (2 / d)
        if not structures.is_matrix(self.covariance):
            scale = np.diagonal(scale).copy()
        if LAYOUTS[self.covariance].round:
            scale = scale.mean()
        return GaussianPrior(
            NormalPrior(data.mean, np.array(0.01)),
            InverseWishartPrior(np.array(d + 2.0), np.asarray(scale)),
            DirichletPrior(np.array(1.0)),
        )

    def describe_prior(self, prior: GaussianPrior) -> list[str]:
        """One sentence a field."""
        described = {"means": "means: flat", "covariances": "covariances: flat", "weights": "weights: flat"}
        if prior.means is not None:
            location = short(prior.means.location)
            described["means"] = f"means | covariances ~ N({location}, covariance / {prior.means.strength:g})"
        if prior.covariances is not None:
            dof, scale = prior.covariances.dof, short(prior.covariances.scale)
            matrices, round_, shared = LAYOUTS[self.covariance]
            kind = f"inverse-Wishart({dof:g}, {scale})" if matrices else f"inverse-gamma({dof:g}/2, {scale}/2)"
            each = " and column" if not matrices and not round_ else ""
            often = f" for each component{each}" if not shared else " for each column" if each else ", once"
            described["covariances"] = f"covariances ~ {kind}{often}"
        if prior.weights is not None:
            described["weights"] = f"weights ~ Dirichlet({short(prior.weights.concentration)})"
        return list({**described, **{name: f"{name}: held fixed, no prior" for name in self.fixed}}.values())

    def check_prior(self, prior: GaussianPrior, data: GaussianData) -> GaussianPrior:
        """The prior with every hyperparameter in its full shape."""
        if prior.covariances is not None:
            self._require_conjugate()
        return prior.checked(self.covariance, self.n_components, data.X.shape[1])

    def _require_conjugate(self) -> None:
        if self.covariance not in LAYOUTS:
            raise no_conjugate_prior(self.covariance)
        if self.eigenvalue_ratio is not None:
            raise InputError(
                "eigenvalue_ratio is a cure for maximum likelihood; leave it out where the covariances have a prior."
            )

    def proper_prior(self, prior: GaussianPrior) -> GaussianPrior:
        """The same prior with flat weights written out; refuses a flat group, which leaves the posterior improper.

        A component without rows may have its mean anywhere, and any covariance that no other component shares: the
        posterior then has infinite mass. With one component, or covariances that all share, it may be proper.
        """
        if "covariances" not in self.fixed and "conjugate" not in self.capabilities:
            self._require_conjugate()
        for group in ("means", "covariances"):
            if getattr(prior, group) is None and group not in self.fixed:
                pooled = group == "covariances" and structures.is_shared(self.covariance)
                raise flat_group(group, empty=self.n_components > 1 and not pooled)
        return replace(prior, weights=prior.weights or DirichletPrior(np.array(1.0)))

    def pseudo_stats(self, prior: GaussianPrior, about: GaussianParams) -> GaussianStats:
        """The prior as statistics: n_weight = α - 1, n_mean = κ0, first = κ0 (m0 - o), and

            full, VVV        n_cov = ν0 + D + 1 + 1      second = Ψ + κ0 (m0 - o)(m0 - o)ᵀ
            tied, EEE        ν0 + D + 1 + K in total     Ψ in total, its prior counted once
            diag, VVI        ν0 + 2 + 1                  ψ_d + κ0 (m0 - o)²_d
            EEI              ν0 + 2 + K in total         ψ_d in total, its prior counted once
            spherical, VII   (ν0 + 2)/D + 1              ψ in total over the coordinates
            EII              (ν0 + 2)/D + K in total     ψ in total, its prior counted once

        The last count of n_cov is that of the normal prior on the means; it goes where the means are held or flat.
        """
        k, d = about.means.shape
        zero, matrices = np.zeros(k), structures.is_matrix(self.covariance)
        n_weight = zero if "weights" in self.fixed else dirichlet_pseudo_counts(prior.weights, k)
        n_mean, n_cov, origin = zero, zero, about.means
        second = np.zeros((k, d, d) if matrices else (k, d))
        if prior.means is not None and "means" not in self.fixed:
            n_mean, n_cov = zero + prior.means.strength, zero + 1
            origin = np.broadcast_to(prior.means.location, (k, d))
        if prior.covariances is not None and "covariances" not in self.fixed:
            dof, scale = prior.covariances.dof, prior.covariances.scale
            count = dof + d + 1 if matrices else dof + 2
            _, round_, shared = LAYOUTS[self.covariance]
            times = (d if round_ else 1) * (k if shared else 1)  # coordinates and components to share it among
            n_cov = n_cov + count / times
            second = second + scale / times
        at_location = GaussianStats(n_weight, n_mean, n_cov, np.zeros((k, d)), second, origin)
        return at_location.about(about.means)

    def log_prior(self, params: GaussianParams, prior: GaussianPrior) -> float:
        """ln Dirichlet(π) + ln IW(Σ) or IG(σ²), once where it is shared, + Σ_k ln N(μ_k | m0, Σ_k / κ0)."""
        k, d = params.means.shape
        total = 0.0
        if prior.weights is not None and "weights" not in self.fixed:
            total += priors.dirichlet(params.weights, prior.weights.of_size(k))
        if prior.covariances is not None and "covariances" not in self.fixed:
            dof, scale = prior.covariances.dof, prior.covariances.scale
            distinct = structures.compact(self.covariance, self._expanded(params))
            if structures.is_matrix(self.covariance):
                total += priors.inverse_wishart(distinct.reshape(-1, d, d), float(dof), scale)
            else:
                total += priors.inverse_gamma(distinct, dof, scale)
        if prior.means is not None and "means" not in self.fixed:
            covariances = self._expanded(params)
            total += priors.normal(params.means, prior.means.location, float(prior.means.strength), covariances)
        return total

    # starts, simulation, inspection

    def complete_start(self, given: Mapping[str, Any], data: GaussianData) -> GaussianParams:
        """Starting values from some of the fields: uniform weights and the data's covariance where none are given."""
        return starts.complete(given, data, self)

    def check_params(self, params: GaussianParams) -> None:
        """Raise where these are no parameters of K Gaussians."""
        if params.means.ndim != 2 or not self.n_components == len(params.means) == len(np.atleast_1d(params.weights)):
            raise InputError(
                f"{self.n_components} components need as many weights and means (K, D); the shapes are "
                f"{params.weights.shape} and {params.means.shape}."
            )
        params.checked(self.covariance)

    def init(self, data: GaussianData, rng: np.random.Generator, how: str) -> GaussianParams:
        """Means at chosen rows, a partition's means and covariances, or an M-step on random responsibilities."""
        return starts.draw(self, data, rng, how)

    def starts_alike(self, how: str, data: GaussianData) -> bool:
        """Whether a method draws nothing, so that one start is as good as twenty."""
        return how == "hierarchical" and int((data.row_weights > 0).sum()) <= starts.SUBSAMPLE

    def points(self, data: GaussianData) -> tuple[Array, tuple[str, ...]]:
        """The data as points (N, D) to draw, and the names of the axes."""
        return data.X, data.columns

    def component_moments(self, params: GaussianParams, data: GaussianData) -> tuple[Array, Array]:
        """Mean (K, D) and covariance (K, D, D) of p(x | z = k), in the space of `points`."""
        covariances = self._expanded(params)
        if covariances.ndim == 2:
            covariances = covariances[:, :, None] * np.eye(params.means.shape[1])
        return params.means, np.array(covariances)

    def views(self, data: GaussianData, n: int) -> tuple[View, ...]:
        """The densities of the first columns, one by one."""
        return marginal_views(data.X, data.row_weights, data.columns, n)

    def profile(
        self, params: GaussianParams, data: GaussianData, view: View, rng: np.random.Generator | None = None
    ) -> Array:
        """p(x_c | θ) = Σ_k π_k N(x_c | μ_kc, Σ_kcc) at the places of a view, (G,)."""
        means, covariances = self.component_moments(params, data)
        columns = list(view.columns)
        inner = covariances[:, columns][:, :, columns]
        return gaussian.mixture_density(view.at, params.weights, means[:, columns], inner)

    def discrepancies(self, params: GaussianParams, data: GaussianData, shared: None = None) -> dict[str, float]:
        """Moments and extremes of the columns; none of them looks at `params`."""
        return column_statistics(data.X, data.columns)

    def simulate(
        self, params: GaussianParams, like: GaussianData, rng: np.random.Generator
    ) -> tuple[GaussianData, np.ndarray]:
        """For each row of `like` draw z by `weights` and x from its component; returns the data and z."""
        z = rng.choice(self.n_components, size=like.n_rows, p=params.weights)
        noise = rng.standard_normal((like.n_rows, params.means.shape[1]))
        covariances = self._expanded(params)
        if covariances.ndim == 2:
            X = params.means[z] + noise * np.sqrt(covariances[z])
        else:
            X = params.means[z] + np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[z], noise)
        return replace(like, X=X, row_weights=np.ones(like.n_rows), labels=None), z

    def inspect(
        self, params: GaussianParams, stats: GaussianStats, data: GaussianData, previous: GaussianParams
    ) -> tuple[Event, ...]:
        """Empty components, and collapsed ones with the rows they collapsed on."""
        events = list(empty_components(stats.n_weight))
        every = stand_in(data)
        if "covariances" in self.fixed or self._clearly_regular(params, every):
            return tuple(events)
        relative = structures.relative_eigenvalues(self.covariance, params.covariances, every.covariance)
        relative = relative[:1] if structures.is_shared(self.covariance) else relative
        for k in np.flatnonzero(~(relative >= SINGULAR)):
            value = max(float(relative[k]), 0.0)
            if structures.is_shared(self.covariance):
                who = "the tied covariance" if structures.is_matrix(self.covariance) else "the shared variance"
                rows, k = range(data.n_rows), -1
            else:
                who, rows = f"component {k}", holding_rows(self, previous, data, int(k))
            sentence = f"{who} collapsed on {_named(rows)}."
            events.append(Event("singular", int(k), tuple(int(row) for row in rows[:MOST_NAMED]), value, sentence))
        return tuple(events)

    def _clearly_regular(self, params: GaussianParams, data: GaussianData) -> bool:
        """Whether a look that costs little shows all covariances far from singular; False says nothing."""
        k, d = params.means.shape
        if self.covariance.startswith("EV") or not structures.is_matrix(self.covariance) or d > gaussian.FEW:
            return False
        from emvsbayes.densities.kernels.factors import all_above

        matrices = params.covariances.reshape(-1, d, d)[: 1 if structures.is_shared(self.covariance) else k]
        return all_above(matrices, data.whitening, 10 * SINGULAR)

    # free coordinates

    def to_vector(self, params: GaussianParams) -> Array:
        """(ln π_k/π_K, μ, the coordinates of the covariance structure); held fields have no coordinates."""
        return coordinates.to_vector(params, self)

    def from_vector(self, vector: Array, like: GaussianParams) -> GaussianParams:
        """The inverse of `to_vector`."""
        return coordinates.from_vector(vector, like, self)

    def log_jacobian(self, params: GaussianParams) -> float:
        """ln |∂θ / ∂ free coordinates|: the first K-1 weights, and each distinct matrix by its lower triangle."""
        self._require_conjugate()
        return coordinates.log_jacobian(params, self)


def _named(rows: Sequence[int] | Integers) -> str:
    """Rows in words, at most eight of them."""
    if len(rows) == 0:
        return "no row of its own"
    shown = ", ".join(str(row) for row in rows[:8]) + (", …" if len(rows) > 8 else "")
    return f"row {shown}" if len(rows) == 1 else f"{len(rows)} rows ({shown})"


def one_pass(
    data: GaussianData, shares: Array, means: Array, covariances: Array, origin: Array
) -> tuple[GaussianStats, float]:
    """Statistics about `origin` and Σ_n w_n ln Σ_k exp(s_k + ln N(x_n | μ_k, Σ_k)), s the `shares` (K,), ln π or what
    stands for it."""
    from emvsbayes.densities.passes import gaussian_pass  # numba: not for those who only read a fit

    height, n, first, second = gaussian_pass(data.X, data.row_weights, data.labels, shares, means, covariances, origin)
    return GaussianStats(n, n, n, first, second, origin), height
