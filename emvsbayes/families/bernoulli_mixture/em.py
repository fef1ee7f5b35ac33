"""The Bernoulli mixture by hand: the pure methods from which the loop of `core.em` makes EM.

Equations in the package docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import xlog1py, xlogy

from emvsbayes.core import rates
from emvsbayes.core.checks import Array, real_array
from emvsbayes.core.errors import InputError
from emvsbayes.core.latents.categorical import Categorical, clamp_labels, log_sum_exp, posterior, weighted_sum
from emvsbayes.core.priors import BetaPrior, DirichletPrior
from emvsbayes.core.starts import choose_rows, labelled_centers, lloyd, random_responsibilities
from emvsbayes.core.stats import VectorSpace
from emvsbayes.core.trace import Event
from emvsbayes.core.views import View
from emvsbayes.core.weights import (
    dirichlet_pseudo_counts,
    empty_components,
    log_weights,
    require_components,
    update_weights,
)
from emvsbayes.densities import bernoulli, priors
from emvsbayes.families.bernoulli_mixture.discrepancies import discrepancies
from emvsbayes.families.bernoulli_mixture.records import BernoulliData, BernoulliParams, BernoulliPrior


@dataclass(frozen=True, slots=True)
class BernoulliStats(VectorSpace):
    """n (K,): expected rows; ones, zeros (K, D): expected observed entries of either kind."""

    n: Array
    ones: Array
    zeros: Array


@dataclass(frozen=True, slots=True)
class BernoulliMixture:
    """A mixture of K products of Bernoullis. `fixed` names the fields that are held: weights, probs."""

    n_components: int
    fixed: frozenset[str] = frozenset()

    name = "bernoulli_mixture"
    capabilities = frozenset({"rowwise", "density", "conjugate", "components", "twin", "bounded"})
    component_axes = MappingProxyType({"weights": (0,), "probs": (0,)})
    default_prior_note = "The default prior does not look at the data."
    more_starts = ("random_responsibilities",)
    scattered_note = "each component's probabilities half-way between ½ and a random row"

    def check(self, data: BernoulliData) -> None:
        """Raise where these data cannot be fitted with these settings."""
        require_components(self.n_components, data)

    # E and M

    def _log_joint(self, params: BernoulliParams, data: BernoulliData) -> Array:
        """ln p(x_n, z_n = k | θ) of the observed entries, (N, K)."""
        log_joint = log_weights(params.weights) + bernoulli.log_density(data.X, data.observed, params.probs)
        return clamp_labels(log_joint, data.labels)

    def e_step(self, params: BernoulliParams, data: BernoulliData) -> Categorical:
        """r_nk ∝ π_k ∏_d μ_kd^x_nd (1 - μ_kd)^(1 - x_nd), over observed entries."""
        return posterior(self._log_joint(params, data))

    def log_density(self, params: BernoulliParams, data: BernoulliData) -> Array:
        """ln p(x_n | θ) = ln Σ_k π_k p(x_n | μ_k) of the observed entries, (N,)."""
        return log_sum_exp(self._log_joint(params, data))

    def log_likelihood(self, params: BernoulliParams, data: BernoulliData) -> float:
        """Σ_n w_n ln Σ_k π_k p(x_n | μ_k)."""
        return weighted_sum(data.row_weights, self.log_density(params, data))

    def expect(self, q: Categorical, data: BernoulliData, about: BernoulliParams) -> BernoulliStats:
        """Ones and zeros weighted by responsibilities; an unobserved entry adds to neither."""
        mass = q.mass(data.row_weights)
        ones = data.X if data.observed is None else data.X * data.observed
        zeros = 1 - data.X if data.observed is None else (1 - data.X) * data.observed
        return BernoulliStats(mass.sum(axis=0), mass.T @ ones, mass.T @ zeros)

    def accumulate(
        self, params: BernoulliParams, data: BernoulliData, about: BernoulliParams | None = None
    ) -> tuple[BernoulliStats, float] | None:
        """`e_step`, `expect` and `log_likelihood` in one pass; None for grey levels beside missing entries or ln 0."""
        with np.errstate(divide="ignore"):
            return one_pass(data, log_weights(params.weights), np.log(params.probs), np.log1p(-params.probs))

    def m_step(self, stats: BernoulliStats, params: BernoulliParams) -> BernoulliParams:
        """π_k = n_k / Σ n,  μ_kd = ones_kd / (ones_kd + zeros_kd); an entry never seen keeps its probability."""
        weights = params.weights if "weights" in self.fixed else update_weights(stats.n)
        probs = params.probs if "probs" in self.fixed else rates.update_rates(stats.ones, stats.zeros, params.probs)
        return BernoulliParams(weights, probs)

    def expected_log_joint(self, params: BernoulliParams, stats: BernoulliStats) -> float:
        """Σ_k n_k ln π_k + Σ_kd [ones_kd ln μ_kd + zeros_kd ln(1 - μ_kd)], with 0 · ln 0 = 0."""
        with np.errstate(divide="ignore"):
            counts = xlogy(stats.n, params.weights).sum()
            entries = (xlogy(stats.ones, params.probs) + xlog1py(stats.zeros, -params.probs)).sum()
        return float(counts + entries)

    # the prior

    def default_prior(self, data: BernoulliData) -> BernoulliPrior:
        """probs ~ Beta(2, 2) entry by entry, weights ~ Dirichlet(1); it does not look at the data."""
        return BernoulliPrior(BetaPrior(np.array(2.0), np.array(2.0)), DirichletPrior(np.array(1.0)))

    def describe_prior(self, prior: BernoulliPrior) -> list[str]:
        """One sentence a field."""
        return rates.describe(prior.probs, prior.weights, self.fixed, "entry by entry")

    def check_prior(self, prior: BernoulliPrior, data: BernoulliData) -> BernoulliPrior:
        """The prior, if its shapes fit: a number, (K,) by component, or (K, D) entry by entry."""
        k, d = self.n_components, data.X.shape[1]
        for name in ("a", "b") if prior.probs is not None else ():
            shape = getattr(prior.probs, name).shape
            if shape not in {(), (k,), (k, d)}:
                raise InputError(
                    f"prior probs.{name} must be a number or have shape ({k},) or ({k}, {d}), not {shape}."
                )
        if prior.weights is not None:
            prior.weights.of_size(k)
        return prior

    def proper_prior(self, prior: BernoulliPrior) -> BernoulliPrior:
        """The same prior with its flat groups written out as the uniform densities they are."""
        return BernoulliPrior(*rates.proper(prior.probs, prior.weights))

    def pseudo_stats(self, prior: BernoulliPrior, about: BernoulliParams) -> BernoulliStats:
        """n = α - 1, ones = a - 1, zeros = b - 1."""
        n = np.zeros(self.n_components)
        ones = zeros = np.zeros(about.probs.shape)
        if "weights" not in self.fixed:
            n = dirichlet_pseudo_counts(prior.weights, self.n_components)
        if prior.probs is not None and "probs" not in self.fixed:
            prior.probs.require_mode()
            ones, zeros = ones + _entries(prior.probs.a) - 1, zeros + _entries(prior.probs.b) - 1
        return BernoulliStats(n, ones, zeros)

    def log_prior(self, params: BernoulliParams, prior: BernoulliPrior) -> float:
        """ln Dirichlet(π | α) + Σ_kd ln Beta(μ_kd | a, b)."""
        total = 0.0
        if prior.weights is not None and "weights" not in self.fixed:
            total += priors.dirichlet(params.weights, prior.weights.of_size(self.n_components))
        if prior.probs is not None and "probs" not in self.fixed:
            total += priors.beta(params.probs, _entries(prior.probs.a), _entries(prior.probs.b))
        return total

    # starts, simulation, inspection

    def complete_start(self, given: Mapping[str, Any], data: BernoulliData) -> BernoulliParams:
        """Starting values from some of the fields: uniform weights where none are given; probs are needed."""
        if "probs" not in given:
            raise InputError("a start for a Bernoulli mixture needs probs: equal rows are a saddle EM cannot leave.")
        k = self.n_components
        weights = real_array(given.get("weights", np.full(k, 1 / k)), "weights", ndim=1)
        return BernoulliParams(weights, real_array(given["probs"], "probs", ndim=2)).checked(k, data.X.shape[1])

    def check_params(self, params: BernoulliParams) -> None:
        """Raise where these are no parameters of K rows of probabilities."""
        params.checked(self.n_components, params.probs.shape[-1] if params.probs.ndim else 0)

    def init(self, data: BernoulliData, rng: np.random.Generator, how: str) -> BernoulliParams:
        """Probabilities half-way between ½ and chosen rows, or the smoothed means of the K-means clusters.

        Unobserved entries count as the mean of their column. There is no scale: random_scales is random_rows here.
        """
        k, filled = self.n_components, _filled(data)
        if how == "random_responsibilities":
            flat = BernoulliParams(np.full(k, 1 / k), np.full((k, filled.shape[1]), 0.5))
            found = random_responsibilities(self, data, rng, flat)
            return replace(found, probs=np.clip(found.probs, 1e-3, 1 - 1e-3))
        rows = choose_rows(filled, data.row_weights, k, rng, "k-means++" if how == "kmeans" else how)
        centers = labelled_centers(filled[rows], filled, data.labels, data.row_weights)
        probs = 0.25 + 0.5 * centers
        if how == "kmeans":
            partition = lloyd(filled, data.row_weights, centers)
            if data.labels is not None:
                partition = np.where(data.labels >= 0, data.labels, partition)
            mass = (partition[:, None] == np.arange(k)) * data.row_weights[:, None]
            n = mass.sum(axis=0)[:, None]
            probs = np.where(n > 0, (mass.T @ filled + 1) / (n + 2), probs)
        return BernoulliParams(np.full(k, 1 / k), probs)

    def views(self, data: BernoulliData, n: int) -> tuple[View, ...]:
        """The probability of a one in each column; `n` has no use."""
        at = np.arange(float(data.X.shape[1]))[:, None]
        return (View("probability of a one", "mean", ("column",), at),)

    def profile(
        self, params: BernoulliParams, data: BernoulliData, view: View, rng: np.random.Generator | None = None
    ) -> Array:
        """E[x_d | θ] = Σ_k π_k μ_kd, (D,)."""
        return params.weights @ params.probs

    def replicate(
        self, params: BernoulliParams, data: BernoulliData, rng: np.random.Generator
    ) -> tuple[BernoulliData, None]:
        """Rows as `simulate` draws them, seen where the data are."""
        drawn, _ = self.simulate(params, data, rng)
        return replace(drawn, observed=data.observed), None

    def discrepancies(self, params: BernoulliParams, data: BernoulliData, shared: None = None) -> dict[str, float]:
        """Column means, pairs and row means; see the module `discrepancies`."""
        return discrepancies(data, bool(np.isin(data.X, (0.0, 1.0)).all()))

    def simulate(
        self, params: BernoulliParams, like: BernoulliData, rng: np.random.Generator
    ) -> tuple[BernoulliData, np.ndarray]:
        """For each row of `like` draw z by `weights` and bits by `probs`; returns the data, complete, and z."""
        z = rng.choice(self.n_components, size=like.n_rows, p=params.weights)
        X = (rng.random((like.n_rows, params.probs.shape[1])) < params.probs[z]).astype(np.float64)
        return replace(like, X=X, observed=None, row_weights=np.ones(like.n_rows), labels=None), z

    def predict_entries(self, params: BernoulliParams, data: BernoulliData) -> Array:
        """E[x | x_obs, θ] = Σ_k p(z = k | x_obs) μ_k, (N, D): the predictive mean of every entry."""
        return self.e_step(params, data).responsibilities @ params.probs

    def completion_score(self, params: BernoulliParams, data: BernoulliData, seen: BernoulliData) -> Array:
        """ln p(x_rest | x_seen, θ) = ln p(x | θ) - ln p(x_seen | θ), (N,), z summed out of both.

        -inf for a row that the mixture holds impossible, even one whose seen part is.
        """
        whole, part = self.log_density(params, data), self.log_density(params, seen)
        return np.where(np.isneginf(whole), -np.inf, whole - np.where(np.isneginf(part), 0.0, part))

    def points(self, data: BernoulliData) -> tuple[Array, tuple[str, ...]]:
        """The rows on their first two principal axes, to draw."""
        centre, axes = _principal_axes(data)
        return (_filled(data) - centre) @ axes, tuple(f"principal axis {i + 1}" for i in range(axes.shape[1]))

    def component_moments(self, params: BernoulliParams, data: BernoulliData) -> tuple[Array, Array]:
        """Mean and covariance of p(x | z = k) on the principal axes of `points`."""
        centre, axes = _principal_axes(data)
        variances = params.probs * (1 - params.probs)
        return (params.probs - centre) @ axes, np.einsum("di,kd,dj->kij", axes, variances, axes)

    def inspect(
        self, params: BernoulliParams, stats: BernoulliStats, data: BernoulliData, previous: BernoulliParams
    ) -> tuple[Event, ...]:
        """Empty components, and probabilities on 0 or 1: boundary estimates, not failures."""
        events = list(empty_components(stats.n))
        if "probs" not in self.fixed:
            on_edge = rates.on_boundary(params.probs)
            for k in np.flatnonzero(on_edge.any(axis=1)):
                count, d = int(on_edge[k].sum()), on_edge.shape[1]
                sentence = f"component {k}: {count} of {d} probs are 0 or 1: boundary estimates, no standard errors."
                events.append(Event("boundary", int(k), (), float(count), sentence))
        return tuple(events)

    # free coordinates

    def to_vector(self, params: BernoulliParams) -> Array:
        """(ln π_k/π_K for k < K, logit μ_kd)."""
        return rates.to_vector(params.weights, params.probs, self.fixed)

    def from_vector(self, vector: Array, like: BernoulliParams) -> BernoulliParams:
        """The inverse of `to_vector`."""
        return BernoulliParams(*rates.from_vector(vector, like.weights, like.probs, self.fixed))

    def log_jacobian(self, params: BernoulliParams) -> float:
        """ln |∂θ / ∂ free coordinates|, the weights by their first K-1."""
        return rates.log_jacobian(params.weights, params.probs, self.fixed)


def _entries(hyper: Array) -> Array:
    """A hyperparameter shaped to broadcast against (K, D)."""
    return hyper[:, None] if hyper.ndim == 1 else hyper


def _filled(data: BernoulliData) -> Array:
    """X with unobserved entries at the weighted mean of their column (½ where nobody was observed)."""
    if data.observed is None:
        return data.X
    seen = data.row_weights @ data.observed
    mean = np.divide(data.row_weights @ (data.X * data.observed), seen, out=np.full(len(seen), 0.5), where=seen > 0)
    return np.where(data.observed > 0, data.X, mean)


def _principal_axes(data: BernoulliData) -> tuple[Array, Array]:
    """The mean row (D,) and the first two principal axes (D, 2), signs fixed."""
    filled = _filled(data)
    centre = filled.mean(axis=0)
    axes = np.linalg.svd(filled - centre, full_matrices=False)[2][:2].T
    return centre, axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])


def one_pass(data: BernoulliData, shares: Array, ones: Array, zeros: Array) -> tuple[BernoulliStats, float] | None:
    """Statistics and Σ_n w_n ln Σ_k exp ℓ_nk from logs of weights (K,), of ones and of zeros (K, D), or their
    expectations; None for grey levels beside missing entries or ln 0."""
    from emvsbayes.densities.passes import bernoulli_pass  # numba: not for those who only read a fit

    if data.bits is None and data.observed is not None:
        return None
    found = bernoulli_pass(data.X, data.bits, data.row_weights, data.labels, shares, ones, zeros)
    return None if found is None else (BernoulliStats(*found[1:]), found[0])
