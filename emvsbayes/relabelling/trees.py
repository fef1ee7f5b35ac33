"""`relabel`: a DataTree in, a DataTree out, every variable with a component dimension permuted jointly."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from emvsbayes.core.alignment import label_classes
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import record_fields
from emvsbayes.families import FAMILIES
from emvsbayes.problem import Problem
from emvsbayes.relabelling.draws import Relabelling, relabel_draws

DIM = "component"


def relabel(posterior: Any, *, method: str = "ecr", pivot: Any) -> Any:
    """Relabel the draws of a posterior towards an EM fit.

    Parameters
    ----------
    posterior : xarray.DataTree
        From `sample`: with groups posterior and observed_data.
    method : {"ecr"}
    pivot : Fit
        Its components give their labels to the draws. Where known labels, held fields or its prior tell components
        apart, a permuted draw would be another draw: components are renamed only within their class.

    Returns
    -------
    xarray.DataTree
        A copy; the permutations are the variable `permutation` of a group `relabelling`.
    """
    if "posterior" not in getattr(posterior, "children", {}):
        raise InputError("relabel needs a DataTree with a posterior group, such as sample returns.")
    if not hasattr(pivot, "family"):
        raise InputError(f"pivot must be a Fit, such as fit returns; it is {pivot!r}.")
    missing = set(record_fields(pivot.params)) - pivot.family.fixed - set(posterior["posterior"].data_vars)
    if missing:
        raise InputError(f"the draws hold no {', '.join(sorted(missing))}; the pivot must be a fit of the same model.")
    data = data_of(posterior, pivot.family)
    free = {name: _draws(posterior, name) for name in pivot.family.component_axes if name in posterior["posterior"]}
    k = pivot.family.n_components
    if any(draws.shape[1] != k for draws in free.values()):
        raise InputError(f"the pivot has {k} components, and the draws have another number.")
    family = pivot.family
    held = {name: getattr(pivot.params, name) for name in family.fixed}
    problem = Problem(FAMILIES[family.name], family, data, held)
    classes = label_classes(family, data, pivot.prior, problem.random_params(0))
    probabilities = allocation_probabilities(posterior, family, pivot.params, data)
    reference = family.e_step(pivot.params, data).responsibilities
    found = relabel_draws(
        free or {"probabilities": np.swapaxes(probabilities, 1, 2)},
        method=method,
        probabilities=probabilities,
        pivot=reference,
        row_weights=data.row_weights,
        classes=classes,
    )
    return permute_tree(posterior, found, classes)


def data_of(posterior: Any, family: Any) -> Any:
    """The data record that a posterior was drawn from, rebuilt from its observed and constant groups."""
    columns = {name: v.values for name, v in posterior["observed_data"].data_vars.items()}
    labels = weights = None
    for name, variable in posterior["constant_data"].data_vars.items() if "constant_data" in posterior.children else ():
        if name == "row_weights":
            weights = variable.values
        elif name == "labels":
            labels = variable.values
        elif name not in {f.name for f in fields(FAMILIES[family.name].params)}:  # those are held values
            columns[name] = variable.values
    return FAMILIES[family.name].data.read(columns, labels, weights)


def allocation_probabilities(posterior: Any, family: Any, like: Any, data: Any) -> Array:
    """p(z_n = k | x_n, θ_s) for every draw, (S, N, K); fields that were held are taken from `like`."""
    values = record_fields(like)
    sampled = {name: _draws(posterior, name) for name in values if name in posterior["posterior"]}
    n_draws = len(next(iter(sampled.values())))
    out = np.empty((n_draws, data.n_rows, family.n_components))
    for s in range(n_draws):
        params = type(like)(**{**values, **{name: draws[s] for name, draws in sampled.items()}})
        out[s] = family.e_step(params, data).responsibilities
    return out


def permute_tree(posterior: Any, found: Relabelling, classes: Integers) -> Any:
    """A copy of the tree with every variable of `posterior` that has a component dimension permuted, draw by draw."""
    import xarray as xr

    tree = posterior.copy()
    dataset = tree["posterior"].to_dataset()
    chains, draws = dataset.sizes["chain"], dataset.sizes["draw"]
    k = found.permutations.shape[1]
    for name, variable in dataset.data_vars.items():
        ordered = variable.transpose("chain", "draw", ...)
        flat = ordered.values.reshape(chains * draws, *ordered.shape[2:])
        for axis, dim in enumerate(ordered.dims[2:], start=1):
            if dim == DIM:
                flat = found.apply(flat, axis)
        dataset[name] = (ordered.dims, flat.reshape(ordered.shape))
    tree["posterior"] = dataset
    tree["relabelling"] = xr.Dataset(
        {
            "permutation": (("chain", "draw", "slot"), found.permutations.reshape(chains, draws, k)),
            "agreement": (("chain", "draw"), found.agreement.reshape(chains, draws)),
        },
        coords={"chain": dataset["chain"], "draw": dataset["draw"], "slot": np.arange(k)},
        attrs={"method": found.method, "classes": classes.tolist()},
    )
    return tree


def _draws(posterior: Any, name: str) -> Array:
    """Draws of one variable as (S, …), chains one after another."""
    values = posterior["posterior"][name].transpose("chain", "draw", ...).values
    return values.reshape(-1, *values.shape[2:])


def without_labels(posterior: Any) -> Any:
    """A copy with a group `relabelling` in which nothing moved, for a model without components."""
    import xarray as xr

    tree = posterior.copy()
    sizes = tree["posterior"].sizes
    chains, draws = sizes["chain"], sizes["draw"]
    coords = {name: tree["posterior"][name].values for name in ("chain", "draw")}
    tree["relabelling"] = xr.Dataset(
        {
            "permutation": (("chain", "draw", DIM), np.zeros((chains, draws, 1), dtype=np.int64)),
            "agreement": (("chain", "draw"), np.ones((chains, draws))),
        },
        coords=coords,
        attrs={"method": "none", "classes": [0]},
    )
    return tree
