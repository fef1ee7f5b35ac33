"""Draws of a posterior as parameter records, with the family and the data they belong to.

Everything in this package starts here: a DataTree that `sample` returned (or `relabel`, or any sampler whose variables
bear the names of the family's fields), and the fit whose family and data it shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Array, Integers, whole_number
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import record_fields
from emvsbayes.core.scalars import Scalar, thinned
from emvsbayes.families import FAMILIES
from emvsbayes.problem import Problem

EXACT, ROUNDED = 1e-12, 1e-4  # weights that miss 1 by more than the one and less than the other were rounded


@dataclass(frozen=True)
class Draws:
    """S draws of θ = (C chains of S / C), one chain after another.

    Attributes
    ----------
    family, data : what they are draws for
    values : mapping
        Of the fields that were sampled, (S, …) each.
    like : a parameter record
        Gives the held fields, and the shapes of all.
    chains : int
    """

    family: Any
    data: Any
    values: Mapping[str, Array]
    like: Any
    chains: int = 1

    @property
    def size(self) -> int:
        """S."""
        return len(next(iter(self.values.values())))

    def record(self, s: int) -> Any:
        """The parameters of draw s."""
        return type(self.like)(**{**record_fields(self.like), **{name: v[s] for name, v in self.values.items()}})

    @property
    def shape(self) -> tuple[int, int]:
        """(C, S / C)."""
        return self.chains, self.size // self.chains

    def kept(self, each: int) -> Draws:
        """At most `each` draws of every chain, evenly spaced."""
        at = thinned(self.shape[1], whole_number(each, 1, "the number of draws"))
        values = {n: v.reshape(*self.shape, *v.shape[1:])[:, at] for n, v in self.values.items()}
        return replace(self, values={n: v.reshape(-1, *v.shape[2:]) for n, v in values.items()})

    def some(self, most: int) -> Integers:
        """At most `most` positions among the draws, evenly spaced over the chains."""
        return thinned(self.size, whole_number(most, 1, "the number of draws"))

    def scalar(self, scalar: Scalar) -> Array:
        """One entry of every draw, (S,), by its logarithm where the scalar is one."""
        found = self.values[scalar.field][(slice(None), *scalar.index)]
        return np.log(found) if scalar.log else found

    def estimate(self, given: Any) -> Any:
        """The parameters of an estimate of the same model: of a Fit, or the record itself."""
        params = getattr(given, "params", given)
        if not isinstance(params, type(self.like)):
            wanted, got = type(self.like).__name__, type(params).__name__
            raise InputError(f"an estimate must be a Fit of the model of the draws, or its {wanted}; it is a {got}.")
        for name, value in record_fields(self.like).items():
            if np.shape(getattr(params, name)) != np.shape(value):
                raise InputError(
                    f"{name} of the estimate has the shape {np.shape(getattr(params, name))}, and of the draws "
                    f"{np.shape(value)}; give an estimate of the same model."
                )
        return params

    def records(self, at: Integers) -> Iterator[Any]:
        """The parameters of some draws, one at a time."""
        return (self.record(int(s)) for s in at)


def problem_of(family: Any, data: Any, like: Any) -> Problem:
    """Family and data as a problem to fit again; the held fields have their values in `like`."""
    return Problem(FAMILIES[family.name], family, data, {name: getattr(like, name) for name in family.fixed})


def data_of(fit: Any, X: Any, labels: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Any:
    """The data of a fit, read again; refused where they do not weigh what its own did."""
    data = fit.data_of(X, labels, sample_weight)
    total = float(data.row_weights.sum())
    if not np.isclose(total, fit.total_weight, rtol=1e-6):
        raise InputError(
            f"the data have {total:g} rows (by weight), and the fit was made with {fit.total_weight:g}; give the data "
            "of the fit, with its sample_weight if it had one."
        )
    return data


def read_draws(
    posterior: Any, fit: Any, X: Any, *, labels: ArrayLike | None = None, sample_weight: ArrayLike | None = None
) -> Draws:
    """The draws of a DataTree with the family of a fit and the data of both.

    Parameters
    ----------
    posterior : xarray.DataTree
        With a group `posterior`, as `sample` and `relabel` return it.
    fit : Fit
        Of the same model, such as the MAP fit; its held fields are those of the draws.
    X, labels, sample_weight : the data of both

    Raises
    ------
    InputError
        Where the draws are of another model, are no numbers, or lie where the model has no density; where the data are
        not those of the fit.
    """
    if not hasattr(fit, "data_of"):
        raise InputError(f"the draws are read with a Fit of the same model, such as fit returns; this is {fit!r}.")
    return tree_draws(posterior, fit.family, data_of(fit, X, labels, sample_weight), fit.params)


def tree_draws(posterior: Any, family: Any, data: Any, like: Any) -> Draws:
    """`read_draws` for a family and data that are already there; `like` are parameters with the held fields in."""
    if "posterior" not in getattr(posterior, "children", {}):
        raise InputError("the draws must be a DataTree with a group posterior, such as sample returns.")
    if "density" not in family.capabilities:
        raise InputError(f"there is no posterior: {family.absent['density']}")
    group, values = posterior["posterior"], {}
    for name, value in record_fields(like).items():
        if name in family.fixed:
            continue
        if name not in group:
            raise InputError(f"the draws hold no {name}; give draws of the same model as the fit.")
        if missing := {"chain", "draw"} - set(group[name].dims):
            raise InputError(
                f"{name} has no dimension {' and no '.join(sorted(missing))}; give draws as ArviZ keeps them, chain by "
                "chain."
            )
        found = group[name].transpose("chain", "draw", ...).values.astype(np.float64)
        if not min(found.shape[:2]):
            raise InputError(f"{name} has {found.shape[0]} chains of {found.shape[1]} draws; give at least one draw.")
        if found.shape[2:] != np.shape(value):
            raise InputError(
                f"a draw of {name} has the shape {found.shape[2:]}, and the fit's {name} {np.shape(value)}; give draws "
                "of the same model."
            )
        if not np.isfinite(found).all():
            chain, draw = np.argwhere(~np.isfinite(found.reshape(*found.shape[:2], -1)).all(axis=-1))[0]
            raise InputError(f"draw {draw} of chain {chain} has a {name} that is no number; drop it.")
        values[name] = _exact(name, found.reshape(-1, *found.shape[2:]))
    if not values:
        raise InputError("every field is held fixed, so that nothing was drawn; leave some field free.")
    draws = Draws(family, data, values, like, int(group.sizes["chain"]))
    _require_parameters(draws)
    return draws


def _exact(name: str, values: Array) -> Array:
    """Weights that add to 1 but for rounding (to single precision, or in a text file), so that they do."""
    if name != "weights":
        return values
    total = values.sum(axis=-1, keepdims=True)
    miss = np.abs(total - 1)
    return np.where((miss > EXACT) & (miss < ROUNDED), values / np.where(total > 0, total, 1.0), values)


def _require_parameters(draws: Draws) -> None:
    """Raise where a draw is none of the family: a negative variance, weights on another scale."""
    for s in range(draws.size):
        try:
            draws.family.check_params(draws.record(s))
        except InputError as error:
            chain, draw = divmod(s, draws.shape[1])
            raise InputError(f"draw {draw} of chain {chain} is outside the model: {error}") from None
