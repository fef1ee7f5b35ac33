"""Prior groups: plain records of hyperparameters, shared by families; the densities are in `emvsbayes.densities`.

Hyperparameters may be scalars (the same for every component, so that the prior is exchangeable) or carry the component
axis. A group left out of a family's prior is flat: density 1, no constant.

`scaled(times)` multiplies what a prior adds to the statistics, so that it says the same more or less loudly:

    Beta(a, b)       1 + λ(a-1), 1 + λ(b-1)        Dirichlet(α)     1 + λ(α-1)
    N(m0, Σ/κ0)      λ κ0                          Gamma(a, b)      1 + λ(a-1), λ b
    IW(ν, Ψ)         D-1 + λ(ν-D+1), λ Ψ           IG(ν/2, ψ/2)     λ ν, λ ψ

The degrees of freedom are scaled from where the density ceases to be proper, so that every λ > 0 leaves a proper prior.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, above, real_array
from emvsbayes.core.errors import InputError, unknown


def _set(record: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(record, name, value)


def short(hyper: Array) -> str:
    """Hyperparameters in a sentence: four significant digits, rows in brackets."""
    return str(f"{hyper:.4g}" if np.ndim(hyper) == 0 else [short(row) for row in hyper]).replace("'", "")


def _counts(value: Array, times: float, name: str) -> Array:
    """1 + λ(value - 1); below 1 there are less than no counts, and enough of those leave no density."""
    scaled = 1 + times * (value - 1)
    if not (scaled > 0).all():
        raise InputError(
            f"prior {name} is {value.min():g}, and {times:g} times its count below 1 leaves no density; "
            f"use a value of at least 1, or strengths below {1 / (1 - value.min()):.3g}."
        )
    return scaled


@dataclass(frozen=True, slots=True)
class BetaPrior:
    """probs ~ Beta(a, b); a, b > 0, scalars or (K,)."""

    a: Array
    b: Array

    def __post_init__(self) -> None:
        _set(self, a=above(self.a, 0, "prior probs.a"), b=above(self.b, 0, "prior probs.b"))

    def scaled(self, times: float) -> BetaPrior:
        """1 + λ(a-1), 1 + λ(b-1)."""
        return BetaPrior(_counts(self.a, times, "probs.a"), _counts(self.b, times, "probs.b"))

    def require_mode(self) -> None:
        """Raise where a or b is below 1: the log posterior is then unbounded at the boundary."""
        for name, value in (("a", self.a), ("b", self.b)):
            if (value < 1).any():
                raise InputError(
                    f"prior probs.{name} must be at least 1 for MAP (it is {value.min():g}): "
                    "below 1 the log posterior is unbounded at the boundary."
                )


@dataclass(frozen=True, slots=True)
class DirichletPrior:
    """weights ~ Dirichlet(concentration), a density on the first K-1 weights; scalar or (K,), > 0."""

    concentration: Array

    def __post_init__(self) -> None:
        _set(self, concentration=above(self.concentration, 0, "prior weights.concentration"))

    def scaled(self, times: float) -> DirichletPrior:
        """1 + λ(α-1)."""
        return DirichletPrior(_counts(self.concentration, times, "weights.concentration"))

    def of_size(self, k: int) -> Array:
        """The concentration as (K,)."""
        if self.concentration.shape not in {(), (k,)}:
            shape = self.concentration.shape
            raise InputError(
                f"prior weights.concentration must be a number or have shape ({k},); its shape is {shape}."
            )
        return np.broadcast_to(self.concentration, (k,)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class NormalPrior:
    """means_k | covariance_k ~ N(location, covariance_k / strength); location (D,) or (K, D), strength > 0."""

    location: Array
    strength: Array

    def __post_init__(self) -> None:
        location = real_array(self.location, "prior means.location")
        _set(self, location=np.atleast_1d(location), strength=above(self.strength, 0, "prior means.strength"))

    def scaled(self, times: float) -> NormalPrior:
        """λ κ0."""
        return NormalPrior(self.location, self.strength * times)


@dataclass(frozen=True, slots=True)
class InverseWishartPrior:
    """The prior of covariances, as in scipy.stats: Σ ~ IW(dof, scale), or σ² ~ IG(dof/2, scale/2) by coordinate.

    Matrices: scale (D, D) positive definite, dof > D - 1. Variances by column: scale (D,), else a number. The family
    checks shapes, because they depend on its settings.
    """

    dof: Array
    scale: Array

    def __post_init__(self) -> None:
        dof = above(self.dof, 0, "prior covariances.dof")
        _set(self, dof=dof, scale=real_array(self.scale, "prior covariances.scale"))

    def scaled(self, times: float) -> InverseWishartPrior:
        """D-1 + λ(ν-D+1) and λ Ψ for matrices; λ ν and λ ψ for variances."""
        least = self.scale.shape[-1] - 1 if self.scale.ndim == 2 else 0
        return InverseWishartPrior(least + times * (self.dof - least), self.scale * times)


@dataclass(frozen=True, slots=True)
class GammaPrior:
    """A precision ~ Gamma(shape, rate), mean shape / rate; both numbers > 0."""

    shape: Array
    rate: Array

    def __post_init__(self) -> None:
        for name in ("shape", "rate"):
            value = above(getattr(self, name), 0, f"prior {name} of a Gamma")
            if value.ndim:
                raise InputError(f"prior {name} of a Gamma must be a number; its shape is {value.shape}.")
            _set(self, **{name: value})

    def scaled(self, times: float) -> GammaPrior:
        """1 + λ(a-1), λ b."""
        return GammaPrior(_counts(self.shape, times, "shape of a Gamma"), self.rate * times)


def flat_group(group: str, *, empty: bool) -> InputError:
    """Why a flat group is not sampled; `empty`: because a component without rows leaves the posterior improper."""
    remedy = f"give a prior for {group}, or hold it with fixed."
    if empty:
        return InputError(
            f"a flat prior on {group} leaves the posterior of a mixture improper (a component may be empty); {remedy}"
        )
    return InputError(
        f"a flat prior on {group} is improper, and only proper priors are sampled, even where the data would make the "
        f"posterior proper; {remedy}"
    )


def prior_from(value: Any, record: type, groups: Mapping[str, type]) -> Any:
    """A prior record from a nested mapping {group: {hyperparameter: value}}; groups left out are flat."""
    if isinstance(value, record):
        return value
    if not isinstance(value, Mapping):
        raise InputError(f"prior must be None, 'default', a mapping or a {record.__name__}; it is {value!r}.")
    built = {}
    for group, hyper in value.items():
        if group not in groups:
            raise unknown("prior group", group, groups)
        if isinstance(hyper, groups[group]):
            built[group] = hyper
            continue
        names = [f.name for f in fields(groups[group])]
        if not isinstance(hyper, Mapping):
            raise InputError(f"prior {group} must be a mapping with {', '.join(names)}; it is {hyper!r}.")
        for name in hyper:
            if name not in names:
                raise unknown(f"hyperparameter of prior {group}:", name, names)
        missing = [name for name in names if name not in hyper]
        if missing:
            raise InputError(f"prior {group} lacks {', '.join(missing)}.")
        built[group] = groups[group](**hyper)
    return record(**built)
