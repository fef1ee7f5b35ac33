"""Permutations applied to a whole tree: every variable that bears a component dimension, in every group of draws.

    new[c, d, …, k, …] = old[c, d, …, p_k(c, d), …]     on every component axis of the variable
    new z[c, d, n]     = the k with p_k(c, d) = old z    for variables whose values are labels

Dimensions keep their order, variables their attributes. Prior draws, warm-up and data are not draws of the
posterior and stay as they are here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emvsbayes.core.checks import Integers
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.axes import SAMPLE, Components, components_of, posterior_of
from emvsbayes.relabelling.draws import Relabelling
from emvsbayes.relabelling.moves import along, renamed

NOT_DRAWS = ("prior", "warmup", "observed_data", "constant_data", "predictions_constant_data", "relabelling")


def permute_tree(
    tree: Any,
    found: Relabelling,
    classes: Integers,
    *,
    components: Components | None = None,
    first_labels: Mapping[str, int] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Any:
    """A copy of the tree under other labels, with the permutations in a group `relabelling`.

    first_labels: variables whose values are component labels, and the number that they count from.
    """
    import xarray as xr

    dataset = posterior_of(tree)
    components = components or components_of(dataset)
    sizes, k = (dataset.sizes["chain"], dataset.sizes["draw"]), components.k
    coords = {name: dataset[name].values for name in SAMPLE} | {"slot": np.arange(k)}
    moves = xr.DataArray(found.permutations.reshape(*sizes, k), dims=(*SAMPLE, "slot"), coords=coords)
    out = tree.copy()
    for name, group in tree.children.items():
        if not name.startswith(NOT_DRAWS):
            permuted = permute_group(group.to_dataset(inherit=False), moves, components, first_labels or {}, name)
            if permuted is not None:
                out[name] = xr.DataTree(permuted, children=dict(out[name].children))
    described: dict[str, Any] = {"method": found.method, "classes": classes.tolist(), **(attrs or {})}
    if len(found.costs):
        described |= {"costs": found.costs.tolist(), "start_costs": found.start_costs.tolist()}
    shares = {"agreement": found.agreement, "certainty": found.certainty}
    variables = {name: (SAMPLE, v.reshape(sizes)) for name, v in shares.items() if v is not None}
    out["relabelling"] = xr.DataTree(xr.Dataset({"permutation": moves, **variables}, attrs=described))
    return out


def permute_group(
    dataset: Any, moves: Any, components: Components, first_labels: Mapping[str, int], group: str
) -> Any | None:
    """A dataset under the labels of `moves` (chain, draw, slot), or None where nothing in it bears labels."""
    changes = {}
    for name, variable in dataset.variables.items():
        if not set(SAMPLE) <= set(variable.dims):
            continue
        axes = components.of(variable.dims)
        if not axes and name not in first_labels:
            continue
        wrong = {variable.dims[axis]: variable.shape[axis] for axis in axes if variable.shape[axis] != components.k}
        if wrong:
            raise InputError(
                f"{name} of the group {group} has {wrong}, and the posterior has {components.k} components; drop the "
                "group, or rename its dimension if it counts something else."
            )
        ordered = variable.transpose(*SAMPLE, ...)
        turns = _matching(moves, dataset, group).reshape(-1, components.k)
        values = ordered.values.reshape(-1, *ordered.shape[2:])
        for axis in components.of(ordered.dims):
            values = along(values, turns, axis - 1)
        if name in first_labels:
            values = renamed(values, turns, first_labels[str(name)])
        new = variable.copy(data=ordered.copy(data=values.reshape(ordered.shape)).transpose(*variable.dims).values)
        changes[name] = new
    return dataset.assign(changes) if changes else None


def _matching(moves: Any, dataset: Any, group: str) -> Integers:
    """The permutations of the draws of a group, by their coordinates, or by position where it has none."""
    sizes = tuple(dataset.sizes[name] for name in SAMPLE)
    numbered = all(name in dataset.indexes for name in SAMPLE)
    same = numbered and all(dataset.indexes[name].equals(moves.indexes[name]) for name in SAMPLE)
    if same or (not numbered and sizes == moves.shape[:2]):
        return moves.values  # by position also where runs were joined, and their draws bear the same numbers
    if numbered and all(moves.indexes[name].is_unique for name in SAMPLE):
        known = [dataset.indexes[name].isin(moves.indexes[name]).all() for name in SAMPLE]
        if all(known):
            return moves.sel({name: dataset[name].values for name in SAMPLE}).values
    raise InputError(
        f"the group {group} holds draws that the posterior does not ({sizes[0]} chains of {sizes[1]}), and their "
        "labels cannot be told; drop the group or give it the posterior's draws."
    )
