"""Coins by hand: the pure methods from which the loop of `core.em` makes EM. Equations in the package docstring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import xlog1py, xlogy

from emvsbayes.core import rates
from emvsbayes.core.checks import Array, real_array, shaped
from emvsbayes.core.errors import InputError
from emvsbayes.core.latents.categorical import Categorical, clamp_labels, log_sum_exp, posterior, weighted_sum
from emvsbayes.core.priors import BetaPrior, DirichletPrior
from emvsbayes.core.starts import choose_rows, labelled_centers, lloyd, random_responsibilities
from emvsbayes.core.stats import VectorSpace
from emvsbayes.core.trace import Event, Run
from emvsbayes.core.views import View, column_grid
from emvsbayes.core.weights import (
    dirichlet_pseudo_counts,
    empty_components,
    log_weights,
    require_components,
    update_weights,
)
from emvsbayes.densities import binomial, priors
from emvsbayes.families.coins.discrepancies import discrepancies
from emvsbayes.families.coins.records import CoinsData, CoinsParams, CoinsPrior

MOST_HEADS = 400  # numbers of heads that are predicted one by one
SAME = 1e-4  # probabilities nearer than this are one: EM comes together slowly, and stops short


@dataclass(frozen=True, slots=True)
class CoinsStats(VectorSpace):
    """n (K,): expected trials of each coin; heads, tails (K,): its expected tosses; base: Σ_n ln C(m_n, h_n)."""

    n: Array
    heads: Array
    tails: Array
    base: float


@dataclass(frozen=True, slots=True)
class Coins:
    """A mixture of K binomials. `fixed` names the fields that are held: weights, probs."""

    n_components: int = 2
    fixed: frozenset[str] = frozenset()

    name = "coins"
    capabilities = frozenset({"rowwise", "density", "conjugate", "components", "twin", "bounded"})
    component_axes = MappingProxyType({"weights": (0,), "probs": (0,)})
    default_prior_note = "The default prior does not look at the data."
    more_starts = ("random_responsibilities",)
    scattered_note = "each coin's probability drawn from Beta(h + ½, m - h + ½) of a random trial"

    def check(self, data: CoinsData) -> None:
        """Raise where these data cannot be fitted with these settings."""
        require_components(self.n_components, data)

    # E and M

    def _log_joint(self, params: CoinsParams, data: CoinsData) -> Array:
        """ln p(h_n, z_n = k | θ), (N, K)."""
        log_joint = log_weights(params.weights) + binomial.log_density(data.heads, data.tosses, params.probs)
        return clamp_labels(log_joint, data.labels)

    def e_step(self, params: CoinsParams, data: CoinsData) -> Categorical:
        """r_nk ∝ π_k p_k^h_n (1 - p_k)^(m_n - h_n)."""
        return posterior(self._log_joint(params, data))

    def log_likelihood(self, params: CoinsParams, data: CoinsData) -> float:
        """Σ_n w_n ln Σ_k π_k Bin(h_n | m_n, p_k)."""
        return weighted_sum(data.row_weights, log_sum_exp(self._log_joint(params, data)))

    def expect(self, q: Categorical, data: CoinsData, about: CoinsParams) -> CoinsStats:
        """Counts weighted by responsibilities."""
        mass = q.mass(data.row_weights)
        base = data.row_weights @ binomial.log_coefficient(data.heads, data.tosses)
        return CoinsStats(mass.sum(axis=0), data.heads @ mass, (data.tosses - data.heads) @ mass, float(base))

    def accumulate(
        self, params: CoinsParams, data: CoinsData, about: CoinsParams | None = None
    ) -> tuple[CoinsStats, float]:
        """`e_step`, `expect` and `log_likelihood` in one pass, no responsibilities stored."""
        with np.errstate(divide="ignore"):
            return one_pass(data, log_weights(params.weights), np.log(params.probs), np.log1p(-params.probs))

    def m_step(self, stats: CoinsStats, params: CoinsParams) -> CoinsParams:
        """π_k = n_k / Σ n,  p_k = heads_k / (heads_k + tails_k); a coin without tosses keeps its probability."""
        weights = params.weights if "weights" in self.fixed else update_weights(stats.n)
        probs = params.probs if "probs" in self.fixed else rates.update_rates(stats.heads, stats.tails, params.probs)
        return CoinsParams(weights, probs)

    def expected_log_joint(self, params: CoinsParams, stats: CoinsStats) -> float:
        """Σ_k [n_k ln π_k + heads_k ln p_k + tails_k ln(1 - p_k)] + base, with 0 · ln 0 = 0."""
        with np.errstate(divide="ignore"):
            counts = xlogy(stats.n, params.weights)
            tosses = xlogy(stats.heads, params.probs) + xlog1py(stats.tails, -params.probs)
        return float((counts + tosses).sum() + stats.base)

    # the prior

    def default_prior(self, data: CoinsData) -> CoinsPrior:
        """probs ~ Beta(2, 2), weights ~ Dirichlet(1); it does not look at the data."""
        return CoinsPrior(BetaPrior(np.array(2.0), np.array(2.0)), DirichletPrior(np.array(1.0)))

    def describe_prior(self, prior: CoinsPrior) -> list[str]:
        """One sentence a field."""
        return rates.describe(prior.probs, prior.weights, self.fixed, "for each coin")

    def check_prior(self, prior: CoinsPrior, data: CoinsData) -> CoinsPrior:
        """The prior, if its shapes fit this number of coins."""
        k = self.n_components
        for name, group in (("probs.a", prior.probs and prior.probs.a), ("probs.b", prior.probs and prior.probs.b)):
            if group is not None and group.shape not in {(), (k,)}:
                raise InputError(f"prior {name} must be a number or have shape ({k},); its shape is {group.shape}.")
        if prior.weights is not None:
            prior.weights.of_size(k)
        return prior

    def proper_prior(self, prior: CoinsPrior) -> CoinsPrior:
        """The same prior with its flat groups written out as the uniform densities they are."""
        return CoinsPrior(*rates.proper(prior.probs, prior.weights))

    def pseudo_stats(self, prior: CoinsPrior, about: CoinsParams) -> CoinsStats:
        """n = α - 1, heads = a - 1, tails = b - 1."""
        zero = np.zeros(self.n_components)
        n = zero if "weights" in self.fixed else dirichlet_pseudo_counts(prior.weights, self.n_components)
        heads, tails = zero, zero
        if prior.probs is not None and "probs" not in self.fixed:
            prior.probs.require_mode()
            heads, tails = zero + prior.probs.a - 1, zero + prior.probs.b - 1
        return CoinsStats(n, heads, tails, 0.0)

    def log_prior(self, params: CoinsParams, prior: CoinsPrior) -> float:
        """ln Dirichlet(π | α) + Σ_k ln Beta(p_k | a, b)."""
        total = 0.0
        if prior.weights is not None and "weights" not in self.fixed:
            total += priors.dirichlet(params.weights, prior.weights.of_size(self.n_components))
        if prior.probs is not None and "probs" not in self.fixed:
            total += priors.beta(params.probs, prior.probs.a, prior.probs.b)
        return total

    # starts, simulation, inspection

    def complete_start(self, given: Mapping[str, Any], data: CoinsData) -> CoinsParams:
        """Starting values from some of the fields: uniform weights where none are given; probs are needed."""
        if "probs" not in given:
            raise InputError("a start for coins needs probs: equal probabilities are a saddle that EM cannot leave.")
        k = self.n_components
        weights = real_array(given.get("weights", np.full(k, 1 / k)), "weights", ndim=1)
        probs = real_array(given["probs"], "probs", ndim=1)
        return CoinsParams(shaped(weights, (k,), "weights"), shaped(probs, (k,), "probs")).checked()

    def check_params(self, params: CoinsParams) -> None:
        """Raise where these are no parameters of K coins."""
        shaped(params.checked().weights, (self.n_components,), "weights")

    def init(self, data: CoinsData, rng: np.random.Generator, how: str) -> CoinsParams:
        """K-means on the observed rates, or rates drawn from Beta(h + ½, m - h + ½) of K chosen trials.

        Coins have no scale: random_scales is random_rows here.
        """
        if how == "random_responsibilities":
            half = np.full(self.n_components, 0.5)
            found = random_responsibilities(self, data, rng, CoinsParams(half / half.sum(), half))
            return replace(found, probs=np.clip(found.probs, 1e-3, 1 - 1e-3))
        observed = (data.heads / data.tosses)[:, None]
        rows = choose_rows(observed, data.row_weights, self.n_components, rng, "k-means++" if how == "kmeans" else how)
        probs = rng.beta(data.heads[rows] + 0.5, data.tosses[rows] - data.heads[rows] + 0.5)
        if how == "kmeans":
            labels = lloyd(observed, data.row_weights, observed[rows])
            mass = (labels[:, None] == np.arange(self.n_components)) * data.row_weights[:, None]
            filled = mass.sum(axis=0) > 0
            smoothed = (data.heads @ mass + 0.5) / (data.tosses @ mass + 1)
            probs = np.where(filled, smoothed, probs)
        probs = labelled_centers(probs[:, None], observed, data.labels, data.row_weights)[:, 0]
        return CoinsParams(np.full(self.n_components, 1 / self.n_components), np.clip(probs, 1e-3, 1 - 1e-3))

    def points(self, data: CoinsData) -> tuple[Array, tuple[str, ...]]:
        """The data as points (N, 1) to draw: the rate of heads in each trial."""
        return (data.heads / data.tosses)[:, None], ("heads / tosses",)

    def component_moments(self, params: CoinsParams, data: CoinsData) -> tuple[Array, Array]:
        """Mean p_k (K, 1) and variance p_k (1 - p_k) / m (K, 1, 1) of the rate of heads in m tosses, m their mean."""
        m = data.row_weights @ data.tosses / data.row_weights.sum()
        return params.probs[:, None], (params.probs * (1 - params.probs) / m)[:, None, None]

    def views(self, data: CoinsData, n: int) -> tuple[View, ...]:
        """The probability of every number of heads in the commonest number of tosses; of n of them, if they are many.

        Those left out lie between those that are there, or beyond what was seen: the view is then a density.
        """
        sizes, counts = np.unique(data.tosses[data.row_weights > 0], return_counts=True)
        m = int(sizes[counts.argmax()])
        name, at = f"heads in {m} tosses", np.arange(min(m, MOST_HEADS) + 1.0)
        if m <= MOST_HEADS:
            return (View(name, "probability", ("heads",), at[:, None], trials=m),)
        at = np.unique(np.round(column_grid(data.heads, data.row_weights * (data.tosses == m), n)).clip(0, m))
        return (View(name, "density", ("heads",), at[:, None], trials=m),)

    def profile(
        self, params: CoinsParams, data: CoinsData, view: View, rng: np.random.Generator | None = None
    ) -> Array:
        """p(h | m, θ) = Σ_k π_k Bin(h | m, p_k) of every h of a view, (G,)."""
        heads = view.at[:, 0]
        tosses = np.full(len(heads), float(view.trials))
        return np.exp(binomial.log_density(heads, tosses, params.probs)) @ params.weights

    def discrepancies(self, params: CoinsParams, data: CoinsData, shared: None = None) -> dict[str, float]:
        """Moments of the rates and counts, and χ²; see the module `discrepancies`."""
        return discrepancies(params, data)

    def simulate(self, params: CoinsParams, like: CoinsData, rng: np.random.Generator) -> tuple[CoinsData, np.ndarray]:
        """For each trial of `like` pick a coin by `weights` and toss it as often; returns the data and the coins."""
        z = rng.choice(self.n_components, size=like.n_rows, p=params.weights)
        heads = rng.binomial(like.tosses.astype(int), params.probs[z]).astype(float)
        return replace(like, heads=heads, row_weights=np.ones(like.n_rows), labels=None), z

    def inspect(
        self, params: CoinsParams, stats: CoinsStats, data: CoinsData, previous: CoinsParams
    ) -> tuple[Event, ...]:
        """Empty coins, and probabilities on 0 or 1: boundary estimates, not failures."""
        events = list(empty_components(stats.n))
        if "probs" not in self.fixed:
            for k in np.flatnonzero(rates.on_boundary(params.probs)):
                p = float(params.probs[k])
                sentence = f"component {k}: probs is {p:g}, a boundary estimate; no standard error applies there."
                events.append(Event("boundary", int(k), (), p, sentence))
        return tuple(events)

    def remarks(self, run: Run, total_weight: float, e_step: str) -> list[str]:
        """What a summary adds: coins that are one coin."""
        if "weights" in self.fixed or "probs" in self.fixed:
            return []
        probs = run.params.probs
        pairs = [(i, j) for i, j in combinations(range(len(probs)), 2) if abs(probs[i] - probs[j]) < SAME]
        return [
            f"components {i} and {j} have the same probs, so that the data cannot tell their weights: only the sum "
            f"{run.params.weights[i] + run.params.weights[j]:.6g} is an estimate; fewer components fit as well"
            for i, j in pairs
        ]

    # free coordinates

    def to_vector(self, params: CoinsParams) -> Array:
        """(ln π_k/π_K for k < K, logit p_k)."""
        return rates.to_vector(params.weights, params.probs, self.fixed)

    def from_vector(self, vector: Array, like: CoinsParams) -> CoinsParams:
        """The inverse of `to_vector`."""
        return CoinsParams(*rates.from_vector(vector, like.weights, like.probs, self.fixed))

    def log_jacobian(self, params: CoinsParams) -> float:
        """ln |∂θ / ∂ free coordinates|, the weights by their first K-1."""
        return rates.log_jacobian(params.weights, params.probs, self.fixed)


def one_pass(data: CoinsData, shares: Array, heads: Array, tails: Array) -> tuple[CoinsStats, float]:
    """Statistics and Σ_n w_n ln Σ_k exp ℓ_nk from logs (K,) of weights, heads and tails, or from their expectations."""
    from emvsbayes.densities.passes import binomial_pass  # numba: not for those who only read a fit

    base, weights = data.log_coefficients, data.row_weights
    found = binomial_pass(data.heads, data.tosses, base, weights, data.labels, shares, heads, tails)
    return CoinsStats(*found[1:], float(weights @ base)), found[0]
