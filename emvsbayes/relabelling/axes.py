"""Which axes of which variables of a tree count components, and the draws of those variables as flat arrays.

One tree calls the dimension `component`; files of Stan and NumPyro draws have one name for each variable, `mu_dim_0`,
`theta_dim_0`, …; a matrix from component to component has two, as xarray holds no dimension twice. All of them are
named together, have one size K, and are permuted by the same permutation of a draw.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.suggested import UNNAMED, suggestion

DIM = "component"
SAMPLE = ("chain", "draw")


@dataclass(frozen=True)
class Components:
    """The dimensions that count components, and their size K."""

    dims: tuple[str, ...]
    k: int

    def of(self, dims: Sequence[Any]) -> list[int]:
        """Which of `dims` are component dimensions, by position."""
        return [axis for axis, dim in enumerate(dims) if dim in self.dims]


def posterior_of(tree: Any) -> Any:
    """The posterior group of a tree as a dataset with chains and draws."""
    if "posterior" not in getattr(tree, "children", {}):
        groups = ", ".join(getattr(tree, "children", {})) or "none"
        came = f"; its groups: {groups}" if hasattr(tree, "children") else f"; this is of type {type(tree).__name__}"
        raise InputError(f"labels need a DataTree with a posterior group, such as sample returns{came}.")
    dataset = tree["posterior"].to_dataset()
    missing = [name for name in SAMPLE if name not in dataset.sizes]
    if missing:
        raise InputError(
            f"the posterior has no dimension {' and no '.join(map(repr, missing))}; its dimensions are "
            f"{_sizes(dataset)}."
        )
    if 0 in (dataset.sizes["chain"], dataset.sizes["draw"]):
        raise InputError(f"the posterior holds no draw: {_sizes(dataset)}.")
    return dataset


def components_of(dataset: Any, dim: str | Sequence[str] = DIM) -> Components:
    """The component dimensions of a posterior, by name.

    A single name stands also for dimensions of the same size that are called after it, such as `component_bis` or
    `component_to` for `component`; several names stand for themselves.

    Raises
    ------
    InputError
        Where a dimension is not there (with those that are), or sizes differ.
    """
    if not isinstance(dim, Sequence):
        raise InputError(f"dim must be the name of a dimension, or several names; it is {dim!r}.")
    named = (dim,) if isinstance(dim, str) else tuple(dict.fromkeys(dim))
    there = _sample_dims(dataset)
    missing = [name for name in named if name not in there]
    if missing or not named:
        what = " or ".join(map(repr, missing)) if named else "of the given names (there are none)"
        raise InputError(
            f"no variable of the posterior has a dimension {what}; those with draws have "
            f"{', '.join(f'{name} ({size})' for name, size in there.items()) or 'no other dimension than chain, draw'}"
            f"{suggestion(there)}."
        )
    sizes = {name: there[name] for name in named}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} ({size})" for name, size in sizes.items())
        raise InputError(
            f"component dimensions must have one size, the number of components; these are {listed}: leave out the one "
            "that counts something else."
        )
    k = sizes[named[0]]
    if isinstance(dim, str):
        called_after = re.compile(re.escape(dim) + r"(_.*|\d+)")
        named += tuple(name for name, size in there.items() if size == k and called_after.fullmatch(name))
    return Components(named, k)


def fields_of(dataset: Any, components: Components, without: Sequence[str] = ()) -> dict[str, Array]:
    """Every variable with a component dimension as (S, K, …), chains one after another.

    Of a matrix from component to component only the diagonal is taken: its other entries change their column as well
    as their row when components are renamed, and no algorithm here compares such entries.
    """
    found = {}
    for name, variable in dataset.data_vars.items():
        axes = components.of(variable.dims)
        if not axes or name in without or not set(SAMPLE) <= set(variable.dims) or variable.dtype == bool:
            continue
        finite(variable, str(name))
        values = flat(variable)
        axes = [axis - 1 for axis in components.of(_ordered(variable).dims)]  # chain and draw are one axis now
        while len(axes) > 1:
            values = np.moveaxis(np.diagonal(values, axis1=axes[-2], axis2=axes[-1]), -1, axes[-2])
            axes.pop()
        found[str(name)] = np.moveaxis(values, axes[0], 1)
    return found


def left_in_place(dataset: Any, components: Components, but: Sequence[str] = ()) -> str:
    """What may bear components along a dimension that was not named, as a note; empty where nothing does.

    A variable that moves along one dimension may have rows, or columns, as many as components; only where nobody chose
    a name for those (`A_dim_1`) can they be components too.
    """
    found = []
    for name, variable in dataset.data_vars.items():
        if name in but or not set(SAMPLE) <= set(variable.dims):
            continue
        moves = bool(components.of(variable.dims))
        other = [str(dim) for dim in variable.dims if dim not in (*SAMPLE, *components.dims)]
        same = [dim for dim in other if variable.sizes[dim] == components.k and (UNNAMED.fullmatch(dim) or not moves)]
        if same:
            found.append(f"{name} ({', '.join(same)})")
    if not found or components.k == 1:
        return ""
    return (
        f"left in the sampler's order, though {components.k} long too: {', '.join(found)}; name these dimensions as "
        "well if they count components"
    )


def flat(variable: Any) -> Array:
    """Draws of one variable as (S, …), chains one after another."""
    values = _ordered(variable).values
    return values.reshape(-1, *values.shape[2:])


def finite(variable: Any, name: str) -> None:
    """Raise at the first draw that is no number, by chain and draw."""
    ordered = _ordered(variable)
    if ordered.dtype.kind not in "iuf":
        raise InputError(f"{name} must hold numbers; it holds {ordered.dtype}.")
    bad = ~np.isfinite(ordered.values)
    if bad.any():
        at = np.argwhere(bad)[0]
        index = f"[{', '.join(map(str, at[2:]))}]" if len(at) > 2 else ""
        raise InputError(
            f"{name}{index} is {ordered.values[tuple(at)]} in chain {at[0]}, draw {at[1]} (counted from 0)"
            f"{f', one of {bad.sum()} such numbers' if bad.sum() > 1 else ''}; drop such draws, or find out why the "
            "sampler made them."
        )


def log_posterior_of(tree: Any) -> Array | None:
    """Log density of every draw (S,) as the sampler recorded it (lp, logp or lp__), up to a constant.

    None where it was not recorded, or not all of it is numbers.
    ArviZ before 0.23 stored NumPyro's potential energy, the negative, under the name lp.
    """
    groups = [tree[name].to_dataset() for name in ("sample_stats", "posterior") if name in tree.children]
    for dataset in groups:
        for name in ("lp", "logp", "lp__"):
            if name in dataset and set(dataset[name].dims) == set(SAMPLE):
                values = dataset[name].transpose(*SAMPLE).values.ravel().astype(np.float64)
                if not np.isfinite(values).all():
                    return None
                return -values if name == "lp" and _energy(dataset.attrs) else values
    return None


def labels_of(dataset: Any, name: str, k: int, first: int | None) -> tuple[Integers, int]:
    """An allocation variable as (S, N), components counted from 0, and the number it counts from.

    Stan counts from 1. Where `first` is not given it is 1 if the label K occurs, and 0 if the label 0 does.
    """
    variable = named_variable(dataset, name, "allocations")
    finite(variable, name)
    values = flat(variable)
    if (values != np.round(values)).any():
        raise InputError(f"{name} must hold whole numbers, the components of the rows; they are no allocations.")
    values = values.reshape(len(values), -1).astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if first is None:
        first = 0 if low == 0 or (k == 1 and high == 0) else 1 if high == k else None
    if first is None:
        raise InputError(
            f"{name} goes from {low} to {high} with {k} components, so that it may count from 0 or from 1; say which "
            "with first_label."
        )
    if low < first or high > k - 1 + first:
        raise InputError(f"{name} must lie between {first} and {k - 1 + first}; it goes from {low} to {high}.")
    return values - first, first


def probabilities_of(dataset: Any, name: str, components: Components) -> Array:
    """A variable of allocation probabilities as (S, N, K): one component dimension, all others count rows."""
    variable = named_variable(dataset, name, "probabilities")
    axes = [axis - 1 for axis in components.of(_ordered(variable).dims)]
    if len(axes) != 1:
        raise InputError(
            f"probabilities {name!r} need one component dimension; they have {', '.join(variable.dims)}, and "
            f"those of components {', '.join(components.dims)}: name the one of {name!r} too."
        )
    finite(variable, name)
    values = np.moveaxis(flat(variable), axes[0], -1)
    return values.reshape(len(values), -1, components.k)


def named_variable(dataset: Any, name: str, what: str) -> Any:
    """A variable of the posterior with draws."""
    if name not in dataset:
        raise InputError(f"{what}: the posterior has no variable {name!r}; it has {', '.join(dataset.data_vars)}.")
    variable = dataset[name]
    if not set(SAMPLE) <= set(variable.dims):
        raise InputError(f"{what}: {name!r} has no draws; its dimensions are {', '.join(variable.dims)}.")
    return variable


def _ordered(variable: Any) -> Any:
    return variable.transpose(*SAMPLE, ...)


def _sample_dims(dataset: Any) -> dict[str, int]:
    """Dimensions and sizes of the variables with draws, chain and draw left out."""
    return {
        str(dim): size
        for variable in dataset.data_vars.values()
        if set(SAMPLE) <= set(variable.dims)
        for dim, size in variable.sizes.items()
        if dim not in SAMPLE
    }


def _sizes(dataset: Any) -> str:
    return ", ".join(f"{name} ({size})" for name, size in dataset.sizes.items()) or "none"


def _energy(attrs: Any) -> bool:
    version = re.match(r"0\.(\d+)", str(attrs.get("arviz_version", "")))
    return attrs.get("inference_library") == "numpyro" and version is not None and int(version[1]) < 23
