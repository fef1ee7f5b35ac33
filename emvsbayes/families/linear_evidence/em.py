"""Evidence EM by hand: the pure methods from which the loop of `core.em` makes EM. Equations in the package docstring.

In the coordinates of the spectrum (`bases`) the posterior of w is diagonal:

    v_i = 1 / (α + β s_i²),    c_i = β s_i u_i v_i,    γ_i = β s_i² v_i

One long module, because it is one class: the protocol's methods side by side, with bases and rate posteriors elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, finite_rows, real_array
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.latents.gaussian import Gaussian
from emvsbayes.core.priors import GammaPrior, flat_group, short
from emvsbayes.core.scalars import thinned
from emvsbayes.core.starts import ALL_METHODS
from emvsbayes.core.stats import VectorSpace
from emvsbayes.core.trace import Event
from emvsbayes.core.views import View
from emvsbayes.densities import priors
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.families.linear_evidence.bases import (
    SPACING,
    Basis,
    Range,
    Spectrum,
    basis_of,
    range_of,
    read_range,
    spectrum,
)
from emvsbayes.families.linear_evidence.discrepancies import discrepancies
from emvsbayes.families.linear_evidence.records import LinearData, LinearParams, LinearPrior

SINGULAR = 1e-10  # noise variance relative to that of t, below which a perfect fit has collapsed
PULL = 1e-9  # what rounding leaves over of a count; a prior leaves more
BEYOND = 10.0 ** np.linspace(0.1, 10, 34)  # multiples of a precision at which its optimum is looked for
MOST_FUNCTIONS, MOST_ENTRIES = 5_000, 200_000_000  # M and N·M beyond which the decomposition takes gigabytes
DECADES = {"kmeans": 0.0, "k-means++": 0.5, "random_rows": 1.0, "random_scales": 2.0}  # how far starts are spread
NORMAL_95 = 1.959963984540054  # the 97.5 % quantile of N(0, 1)


@dataclass(frozen=True, slots=True)
class LinearStats(VectorSpace):
    """count: entries of w; ww: E[wᵀw]; n: total weight of the rows; rss: E[Σ_n w_n (t_n - wᵀφ_n)²]."""

    count: float
    ww: float
    n: float
    rss: float


@dataclass(frozen=True, slots=True)
class LinearEvidence:
    """Linear regression with a Gaussian prior on its weights. `fixed` names the fields that are held: alpha, beta."""

    n_components: int = 1
    fixed: frozenset[str] = frozenset()
    basis: str = "gaussian"
    intercept: bool = True
    degree: int = 3
    n_basis: int = 9
    width: float | str = SPACING
    range: Range | None = None

    name = "linear_evidence"
    capabilities = frozenset({"density", "conjugate", "twin"})
    absent = MappingProxyType(
        {
            "rowwise": "w is shared by all rows: its data moments add, but its E-step does not split over rows.",
            "components": "There is one w, and nothing to relabel.",
            "bounded": "Where the basis fits t perfectly, the evidence grows without bound in beta.",
        }
    )
    status_sentences = MappingProxyType(
        {
            "SINGULAR": "Singular: the evidence is unbounded in beta where the basis fits t perfectly; use a prior "
            "(MAP), hold beta, or take fewer basis functions.",
        }
    )
    component_axes = MappingProxyType({})
    default_prior_note = (
        "The default prior looks at the data: its rates come from the variance of t and the size of the basis "
        "functions."
    )
    scattered_note = (
        "the variances of noise and of weights drawn log-uniformly within a factor of 100 of half of the variance of t"
    )

    def __post_init__(self) -> None:
        if self.range is not None:  # JSON gives lists
            object.__setattr__(self, "range", read_range(self.range))

    def resolved(self, data: LinearData) -> LinearEvidence:
        """The same family with the range of these training data in its settings, so that new x meet the same basis."""
        return self if self.range is not None else replace(self, range=range_of(data.X, data.row_weights))

    def described(self) -> dict[str, str]:
        """The settings that this basis uses, in words."""
        used = {"polynomial": ("degree",), "identity": ()}.get(self.basis, ("n_basis", "range", "width"))
        found = {"basis": self.basis, "intercept": "yes" if self.intercept else "no"}
        for name in used:
            found[name] = str(getattr(self, name))
        if self.range is not None and "range" in used:
            found["range"] = "; ".join(f"{low:g} to {high:g}" for low, high in self.range)
        return found

    def check(self, data: LinearData) -> None:
        """Raise where these data cannot be fitted with these settings."""
        if self.n_components != 1:
            raise InputError(f"{self.name} has no components; leave n_components out (it is {self.n_components}).")
        present = data.t[data.row_weights > 0]
        if (present == present[0]).all():
            raise InputError(
                f"t is {present[0]:g} in every row of positive weight; nothing varies that a regression could explain."
            )
        functions = self._n_functions(data)
        if functions > MOST_FUNCTIONS or functions * data.n_rows > MOST_ENTRIES:
            raise InputError(
                f"{functions} basis functions of {data.n_rows} rows are too many to hold; at most {MOST_FUNCTIONS}, "
                f"and {MOST_ENTRIES} values in all, can be used: lower n_basis or degree."
            )
        if not self.spectrum(data).scales.any():
            raise InputError("every basis function is 0 in every row of positive weight; choose another basis.")

    def _n_functions(self, data: LinearData) -> int:
        """M, before any of them is built."""
        each = {"identity": 1, "polynomial": self.degree}.get(self.basis, self.n_basis)
        return each * data.X.shape[1] + int(self.intercept)

    def basis_functions(self, data: LinearData) -> Basis:
        """φ, its centres spread over the range in the settings, or over that of these data."""
        limits = self._limits(data)
        if len(limits) != data.X.shape[1]:
            raise InputError(
                f"range must have a pair of numbers for each of the {data.X.shape[1]} input column(s); "
                f"it has {len(limits)}."
            )
        return basis_of(self.basis, self.intercept, self.degree, self.n_basis, self.width, limits)

    def _limits(self, data: LinearData) -> Any:
        """The range of each column of x: that of the settings, or of these data."""
        return range_of(data.X, data.row_weights) if self.range is None else self.range

    def design(self, data: LinearData) -> Array:
        """Φ (N, M) of the training data."""
        return self.basis_functions(data).design(data.X)

    def spectrum(self, data: LinearData) -> Spectrum:
        """The decomposition of these data under this basis, made once."""
        key = (self.basis, self.intercept, self.degree, self.n_basis, self.width, self._limits(data))
        if key not in data.memory:
            data.memory[key] = spectrum(self.design(data), data.t, data.row_weights)
        return data.memory[key]

    # E and M

    def e_step(self, params: LinearParams, data: LinearData) -> Gaussian:
        """S⁻¹ = α I + β ΦᵀWΦ,  m = β S ΦᵀWt; the same for every row."""
        seen = self.spectrum(data)
        precisions = params.alpha + params.beta * seen.scales**2
        center = params.beta * seen.scales * seen.targets / precisions
        return Gaussian(center, np.diag(1 / np.sqrt(precisions)), seen.axes)

    def log_likelihood(self, params: LinearParams, data: LinearData) -> float:
        """The log evidence, w integrated out: coordinate u_i of t has the variance 1/β + s_i²/α.

        N/2 ln(β/2π) - ½ Σ_i {ln(1 + β s_i²/α) + β u_i² / (1 + β s_i²/α)} - β ρ²/2, with N the total weight.
        """
        seen = self.spectrum(data)
        ratio = params.beta * seen.scales**2 / params.alpha
        explained = np.log1p(ratio).sum() + params.beta * (seen.targets**2 / (1 + ratio)).sum()
        return float(0.5 * (seen.total * (np.log(params.beta) - LOG_2PI) - explained - params.beta * seen.rest))

    def expect(self, q: Gaussian, data: LinearData, about: LinearParams) -> LinearStats:
        """E[wᵀw] = mᵀm + tr S,  E‖t - Φw‖² = ‖t - Φm‖² + tr(ΦᵀWΦ S), coordinate by coordinate; `about` has no use."""
        seen, variances = self.spectrum(data), q.variances
        misfit = (seen.targets - seen.scales * q.center) ** 2 + seen.scales**2 * variances
        ww = float((q.center**2 + variances).sum())
        return LinearStats(float(len(q.center)), ww, seen.total, seen.rest + float(misfit.sum()))

    def m_step(self, stats: LinearStats, params: LinearParams) -> LinearParams:
        """α = count / E[wᵀw],  β = n / E‖t - Φw‖²."""
        alpha = params.alpha if "alpha" in self.fixed else np.asarray(stats.count / stats.ww)
        beta = params.beta if "beta" in self.fixed else np.asarray(stats.n / stats.rss)
        return LinearParams(alpha, beta)

    def expected_log_joint(self, params: LinearParams, stats: LinearStats) -> float:
        """½ {count ln(α/2π) - α ww + n ln(β/2π) - β rss}."""
        weights = stats.count * (np.log(params.alpha) - LOG_2PI) - params.alpha * stats.ww
        noise = stats.n * (np.log(params.beta) - LOG_2PI) - params.beta * stats.rss
        return 0.5 * float(weights + noise)

    # the prior

    def default_prior(self, data: LinearData) -> LinearPrior:
        """Gamma(1, 1 / mean), the mean a hundred times the precision at which w, or the noise, is all there is of t.

        An exponential of so large a mean is nearly flat where the data have a say.
        """
        scale, one = self._neutral(data), np.array(1.0)
        return LinearPrior(GammaPrior(one, 0.01 / scale.alpha), GammaPrior(one, 0.01 / scale.beta))

    def describe_prior(self, prior: LinearPrior) -> list[str]:
        """One sentence a field."""

        def said(name: str, group: GammaPrior | None) -> str:
            if name in self.fixed:
                return f"{name}: held fixed, no prior"
            return f"{name} ~ {'flat' if group is None else f'Gamma({short(group.shape)}, rate {short(group.rate)})'}"

        return [said("alpha", prior.alpha), said("beta", prior.beta)]

    def check_prior(self, prior: LinearPrior, data: LinearData) -> LinearPrior:
        """The prior; a shape below 1 is fine as long as the data's own count outweighs it."""
        seen = self.spectrum(data)
        counts = {"alpha": float(len(seen.scales)), "beta": seen.total}
        for name, count in counts.items():
            group = getattr(prior, name)
            if group is not None and name not in self.fixed and count + 2 * (group.shape - 1) <= 0:
                raise InputError(
                    f"prior {name}.shape must be greater than {1 - count / 2:g} here (it is {group.shape:g}): "
                    "below that the log posterior is unbounded at 0."
                )
        return prior

    def proper_prior(self, prior: LinearPrior) -> LinearPrior:
        """The prior, if both free precisions have one.

        As α grows w goes to 0, and the evidence to ∏_n N(t_n | 0, 1/β) > 0: flat on α the posterior has infinite mass.
        As β grows the evidence vanishes, unless the basis fits t perfectly.
        """
        if prior.alpha is None and "alpha" not in self.fixed:
            raise InputError(
                "a flat prior on alpha leaves the posterior improper (the evidence does not vanish as alpha grows); "
                "give alpha a shape and a rate, or hold it with fixed."
            )
        if prior.beta is None and "beta" not in self.fixed:
            raise flat_group("beta", empty=False)
        return prior

    def pseudo_stats(self, prior: LinearPrior, about: LinearParams) -> LinearStats:
        """count = 2 (a - 1), ww = 2 b for alpha; n and rss the same for beta."""
        found = []
        for name in ("alpha", "beta"):
            group = getattr(prior, name)
            if group is None or name in self.fixed:
                found += [0.0, 0.0]
            else:
                found += [2 * (float(group.shape) - 1), 2 * float(group.rate)]
        return LinearStats(*found)

    def log_prior(self, params: LinearParams, prior: LinearPrior) -> float:
        """ln Gamma(α | a, b) + ln Gamma(β | a, b)."""
        groups = [(name, getattr(prior, name)) for name in ("alpha", "beta") if name not in self.fixed]
        return sum((priors.gamma(getattr(params, n), g.shape, g.rate) for n, g in groups if g is not None), 0.0)

    # starts, simulation

    def _neutral(self, data: LinearData) -> LinearParams:
        """The precisions at which the weights alone, and the noise alone, have the variance of t."""
        seen = self.spectrum(data)
        spread = seen.spread if seen.spread > 0 else 1.0
        return LinearParams(np.asarray((seen.scales**2).sum() / seen.total / spread), np.asarray(1 / spread))

    def complete_start(self, given: Mapping[str, Any], data: LinearData) -> LinearParams:
        """Starting values from some of the fields: half of the variance of t to the weights, half to the noise."""
        neutral = self._neutral(data)
        alpha = real_array(given.get("alpha", 2 * neutral.alpha), "alpha")
        beta = real_array(given.get("beta", 2 * neutral.beta), "beta")
        return LinearParams(alpha, beta).checked()

    def check_params(self, params: LinearParams) -> None:
        """Raise where these are no precisions."""
        params.checked()

    def init(self, data: LinearData, rng: np.random.Generator, how: str) -> LinearParams:
        """Half of the variance of t each, times factors drawn log-uniformly within the decades of the method."""
        if how not in DECADES:
            raise unknown("starting method", how, ALL_METHODS)
        neutral, factors = self._neutral(data), 10 ** rng.uniform(-DECADES[how], DECADES[how], size=2)
        return LinearParams(np.asarray(2 * neutral.alpha * factors[0]), np.asarray(2 * neutral.beta * factors[1]))

    def views(self, data: LinearData, n: int) -> tuple[View, ...]:
        """The curve over a grid of one input, or at rows evenly spaced in the file where there are several inputs."""
        if data.X.shape[1] == 1:
            seen = data.X[data.row_weights > 0, 0]
            at = np.linspace(seen.min(), seen.max(), n)[:, None]
        else:
            at = data.X[thinned(len(data.X), n)]
        return (View(f"mean of {data.columns[-1]}", "mean", tuple(data.columns[:-1]), at),)

    def profile(
        self, params: LinearParams, data: LinearData, view: View, rng: np.random.Generator | None = None
    ) -> Array:
        """wᵀφ(x) at the places of a view, (G,): w at its posterior mean given (α, β), or with `rng` drawn from it."""
        q = self.e_step(params, data)
        return self.basis_functions(data).design(view.at) @ (q.mean if rng is None else q.draw(rng))

    def replicate(self, params: LinearParams, data: LinearData, rng: np.random.Generator) -> tuple[LinearData, Array]:
        """t drawn about the curve of a w from p(w | t, α, β), and that w: other noise, the same curve."""
        w = self.e_step(params, data).draw(rng)
        noise = rng.standard_normal(data.n_rows) / np.sqrt(params.beta)
        return replace(data, t=self.design(data) @ w + noise), w

    def discrepancies(self, params: LinearParams, data: LinearData, shared: Array) -> dict[str, float]:
        """Of the residuals about the curve of w = `shared`; see the module `discrepancies`."""
        return discrepancies(data.X, np.sqrt(params.beta) * (data.t - self.design(data) @ shared))

    def simulate(
        self, params: LinearParams, like: LinearData, rng: np.random.Generator
    ) -> tuple[LinearData, np.ndarray]:
        """Draw w (M,), one for all rows, then t at the inputs of `like`; returns the data and w."""
        design = self.design(like)
        w = rng.standard_normal(design.shape[1]) / np.sqrt(params.alpha)
        t = design @ w + rng.standard_normal(like.n_rows) / np.sqrt(params.beta)
        return replace(like, t=t, row_weights=np.ones(like.n_rows)), w

    # inspection

    def inspect(
        self, params: LinearParams, stats: LinearStats, data: LinearData, previous: LinearParams
    ) -> tuple[Event, ...]:
        """A perfect fit, and precisions whose optimum lies at infinity."""
        seen, events = self.spectrum(data), []
        if "beta" not in self.fixed:
            relative = float(1 / params.beta / seen.spread) if seen.spread > 0 else 0.0
            if seen.perfect and seen.total > seen.rank:
                if relative < SINGULAR:
                    sentence = (
                        f"the residual variance is {relative:.1e} of the variance of t: the basis fits t perfectly, "
                        "and the evidence grows without bound in beta."
                    )
                    events.append(Event("singular", -1, (), relative, sentence))
            elif self._flat(params, stats, "beta") and self._excess(params, seen, "beta").min() > 0:
                sentence = (
                    f"beta is {params.beta:.3g}, and the evidence rises with every larger beta: the basis fits t "
                    "without noise, and the estimate lies on the boundary, which EM nears ever more slowly; give beta "
                    "a prior, hold it, or take fewer basis functions."
                )
                events.append(Event("boundary", -1, (), relative, sentence))
        if self._flat(params, stats, "alpha") and self._excess(params, seen, "alpha").min() > 0:
            sentence = (
                f"alpha is {params.alpha:.3g}, and the evidence rises with every larger alpha: the basis explains "
                "nothing of t, the weights shrink to 0, and the estimate lies on the boundary, which EM nears ever "
                "more slowly; take another basis, or give alpha a prior to keep it finite."
            )
            events.append(Event("boundary", -1, (), self.effective_parameters(params, data), sentence))
        return tuple(events)

    def _flat(self, params: LinearParams, stats: LinearStats, name: str) -> bool:
        """Whether a precision is free and without a prior: only then can its optimum lie at infinity.

        The M-step has solved count - α ww + 2 (a - 1) - 2 b α = 0, so that what the data's own counts leave over is
        the prior's pull; and the rate b of a Gamma prior, always above 0, holds every large α back.
        """
        if name in self.fixed:
            return False
        count, total = (stats.count, stats.ww) if name == "alpha" else (stats.n, stats.rss)
        return abs(count - getattr(params, name) * total) <= PULL * count

    def _excess(self, params: LinearParams, seen: Spectrum, name: str) -> Array:
        """2 ∂ ln p(t) / ∂ ln α (or β) at multiples of the precision, relative to Σ γ_i (or N): above 0, it should grow.

        2 ∂ ln p / ∂ ln α = Σ_i γ_i - α mᵀm,    2 ∂ ln p / ∂ ln β = N - Σ_i γ_i - β ‖t - Φm‖²
        """
        alpha, beta = params.alpha, params.beta
        alpha, beta = (alpha * BEYOND, beta + 0 * BEYOND) if name == "alpha" else (alpha + 0 * BEYOND, beta * BEYOND)
        ratio = beta[:, None] * seen.scales**2 / alpha[:, None]
        gamma = (ratio / (1 + ratio)).sum(axis=1)
        if name == "alpha":
            fitted = (beta[:, None] * seen.targets**2 * ratio / (1 + ratio) ** 2).sum(axis=1)
            return 1 - fitted / gamma
        misfit = seen.rest + (seen.targets**2 / (1 + ratio) ** 2).sum(axis=1)
        return 1 - (gamma + beta * misfit) / seen.total

    def effective_parameters(self, params: LinearParams, data: LinearData) -> float:
        """γ = Σ_i λ_i / (α + λ_i), λ_i the eigenvalues of β ΦᵀWΦ: how many weights the data determine."""
        eigenvalues = params.beta * self.spectrum(data).scales ** 2
        return float((eigenvalues / (params.alpha + eigenvalues)).sum())

    # prediction, and what is drawn

    def conditional(self, params: LinearParams, data: LinearData) -> Gaussian:
        """p(w | t, α, β), from which `draw(rng)` draws w."""
        return self.e_step(params, data)

    def draw_weights(self, alphas: Array, betas: Array, data: LinearData, rng: np.random.Generator) -> Array:
        """One w for each draw of (α, β), (S, M): together they are draws from p(w | t)."""
        pairs = zip(np.ravel(alphas), np.ravel(betas), strict=True)
        return np.array([self.e_step(LinearParams(np.asarray(a), np.asarray(b)), data).draw(rng) for a, b in pairs])

    def predictive(
        self, params: LinearParams, data: LinearData, X_new: Any, *, noise: bool = True
    ) -> tuple[Array, Array]:
        """Mean and variance of t at new inputs (L,), given the training data; without `noise`, those of wᵀφ(x)."""
        X = real_array(X_new, "X_new")
        X = X[:, None] if X.ndim == 1 else X
        if X.ndim != 2 or X.shape[1] != data.X.shape[1]:
            raise InputError(f"X_new must have {data.X.shape[1]} column(s), as the training data; it is {X.shape}.")
        q, design = self.e_step(params, data), self.basis_functions(data).design(X)
        finite_rows(design, [f"basis function {i}" for i in range(design.shape[1])], "a value")
        variance = ((design @ q.axes @ q.root) ** 2).sum(axis=1)
        return design @ q.mean, variance + (1 / params.beta if noise else 0.0)

    def log_predictive(self, q: Gaussian, params: LinearParams, data: LinearData) -> float:
        """Σ_n w_n ln N(t_n | mᵀφ_n, φ_nᵀSφ_n + 1/β) of new rows, one by one; q = N(m, S) is p(w | training data)."""
        design = self.basis_functions(data).design(data.X)
        variance = ((design @ q.axes @ q.root) ** 2).sum(axis=1) + 1 / params.beta
        misfit = (data.t - design @ q.mean) ** 2 / variance
        return float(-0.5 * data.row_weights @ (LOG_2PI + np.log(variance) + misfit))

    def band(self, params: LinearParams, data: LinearData, n: int = 200) -> tuple[Array, Array, Array, Array] | None:
        """x (n,) over the range of the data, the predictive mean, and its 95 % band; None for several columns."""
        if data.X.shape[1] != 1:
            return None
        seen = data.X[data.row_weights > 0, 0]
        x = np.linspace(seen.min(), seen.max(), n)
        mean, variance = self.predictive(params, data, x)
        half = NORMAL_95 * np.sqrt(variance)
        return x, mean, mean - half, mean + half

    def points(self, data: LinearData) -> tuple[Array, tuple[str, ...]]:
        """(x, t) to draw; for several columns of x, the least-squares fit in the place of x."""
        if data.X.shape[1] == 1:
            return data.matrix(), data.columns
        seen = self.spectrum(data)
        used = seen.scales > seen.scales.max() * np.finfo(float).eps * max(len(data.t), len(seen.scales))
        solved = np.divide(seen.targets, seen.scales, out=np.zeros_like(seen.targets), where=used)
        fitted = self.design(data) @ seen.axes @ solved
        return np.column_stack([fitted, data.t]), ("least-squares fit", data.columns[-1])

    def component_moments(self, params: LinearParams, data: LinearData) -> tuple[Array, Array]:
        """Mean (1, 2) and covariance (1, 2, 2) of the points, the inputs as observed and t as predicted."""
        across, weights = self.points(data)[0][:, 0], data.row_weights / data.row_weights.sum()
        predicted, variance = self.predictive(params, data, data.X)
        pair = np.column_stack([across, predicted])
        mean = weights @ pair
        covariance = (pair - mean).T @ ((pair - mean) * weights[:, None])
        covariance[1, 1] += weights @ variance
        return mean[None], covariance[None]

    # free coordinates

    def to_vector(self, params: LinearParams) -> Array:
        """(ln α, ln β)."""
        free = [name for name in ("alpha", "beta") if name not in self.fixed]
        return np.array([float(np.log(getattr(params, name))) for name in free])

    def from_vector(self, vector: Array, like: LinearParams) -> LinearParams:
        """The inverse of `to_vector`."""
        free = [name for name in ("alpha", "beta") if name not in self.fixed]
        moved = {name: np.asarray(value) for name, value in zip(free, np.exp(vector), strict=True)}
        return replace(like, **moved)

    def log_jacobian(self, params: LinearParams) -> float:
        """ln |∂(α, β) / ∂(ln α, ln β)| = ln α + ln β, held ones left out."""
        return float(self.to_vector(params).sum())
