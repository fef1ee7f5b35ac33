"""Twin: what binds the two sides of a family.

The EM side and the PyMC side share records and nothing else. The PyMC builder is named by its import path and resolved
on first use, so that no one pays for PyMC who does not sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Free:
    """A setting that is no choice from a list: `words` say what it may be, `read` checks a value or its text."""

    words: str
    read: Callable[[Any], Any]

    def __iter__(self) -> Iterator[str]:
        """The words, where the values of a setting are listed."""
        yield self.words


@dataclass(frozen=True, slots=True)
class Fused:
    """A compiled log-likelihood with its gradient, from one pass over the data: what a sampler may use in its place.

    Attributes
    ----------
    kernel : str
        "module:function" of the compiled function: parameters and data in, (value, one gradient a parameter) out.
    parameters : int
        How many parameters it takes: the first ones that the PyMC model gives to its likelihood, in their order.
    inputs : tuple of str
        The data it takes, by the names of the PyMC model's `pm.Data`; `labels` are empty where none are known.
    more : mapping
        Of those inputs, the arrays that the PyMC model does not have.
    """

    kernel: str
    parameters: int
    inputs: tuple[str, ...]
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """A posterior density on free coordinates with its gradient, compiled whole: what a sampler climbs.

    Attributes
    ----------
    density, values : str
        "module:function" of the functions called by address (`densities.kernels.calls`): the density and its gradient,
        and the free fields at a point.
    arrays : tuple of arrays
        Data, prior and held fields, as the functions take them.
    size : int
        Free coordinates, in the order of the PyMC model's own.
    fields : mapping
        Shapes of the free fields, in their order.
    """

    density: str
    values: str
    arrays: tuple[Any, ...]
    size: int
    fields: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrays", tuple(np.ascontiguousarray(array) for array in self.arrays))


@dataclass(frozen=True, slots=True)
class Twin:
    """One model, two sides.

    Attributes
    ----------
    summary : str
        The family in one line, for lists.
    family : callable
        (n_components=…, fixed=…, **settings) -> Family.
    data, params, prior : types
        The records both sides agree on.
    builder : str
        "module:function" of the PyMC side, (family, data, prior, held) -> pm.Model.
    prior_on : mapping
        The quantity each field's prior is a density on: a mode depends on it.
    fused : str, optional
        "module:function" of the compiled likelihood for samplers, (family, data) -> Fused, or None for data that it
        does not take.
    target : str, optional
        "module:function" of the compiled posterior, (family, data, prior, held) -> Target, or None for data that it
        does not take.
    settings : mapping
        Names of the family's settings and the values they may take; the first is the default. `Free` where a setting
        is a number.
    distinct : mapping
        Of a setting some of whose values are two names for one model: the values that are all different.
    shorthand : mapping
        Settings that stand for a held field, such as weights: fixed.
    e_step : str
        The E-step that the family stands for: exact, or hard for K-means.
    conjugate : callable
        (family, prior, held) -> `core.variational.Conjugate`; None where there is no variational Bayes, and then the
        family's `absent["variational"]` says why.
    components : bool
        Whether the model has components; without them n_components may be left out.
    log_scale : frozenset
        Fields of positive numbers that are compared by their logarithms: a mean and a standard deviation say nothing
        of a posterior that spreads over powers of ten.
    variants : mapping
        Other algorithms for the same family, for lists: what to write on the command line, and what it is.
    """

    summary: str
    family: Callable[..., Any]
    data: Any
    params: Any
    prior: Any
    builder: str
    prior_on: Mapping[str, str]
    fused: str | None = None
    target: str | None = None
    settings: Mapping[str, tuple[str, ...] | Free] = field(default_factory=dict)
    distinct: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shorthand: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    e_step: str = "exact"
    conjugate: Callable[..., Any] | None = None
    components: bool = True
    log_scale: frozenset[str] = frozenset()
    variants: Mapping[str, str] = field(default_factory=dict)

    def record(self, family: Any) -> Any:
        """The type of this family's parameters: `params`, or its own where a setting changes them."""
        return getattr(family, "params_record", self.params)

    def build(self, family: Any, data: Any, prior: Any, held: Any) -> Any:
        """The same model with the same prior as a `pm.Model`; `held` are parameters for the fields held fixed."""
        return named(self.builder)(family, data, prior, held)

    def fused_likelihood(self, family: Any, data: Any) -> Fused | None:
        """The compiled likelihood for these settings and data; None where there is none."""
        return None if self.fused is None else named(self.fused)(family, data)

    def compiled_target(self, family: Any, data: Any, prior: Any, held: Any) -> Target | None:
        """The compiled posterior for these settings, data and prior; None where there is none."""
        return None if self.target is None else named(self.target)(family, data, prior, held)


def named(path: str) -> Any:
    """What "module:function" names, imported on first use."""
    module, function = path.split(":")
    return getattr(import_module(module), function)
