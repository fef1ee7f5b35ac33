"""`relabel`: a DataTree in, a DataTree out, every variable with a component dimension permuted jointly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from emvsbayes.core.alignment import align_responsibilities, label_classes
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import record_fields
from emvsbayes.families import FAMILIES
from emvsbayes.problem import Problem
from emvsbayes.relabelling.draws import Relabelling, relabel_draws
from emvsbayes.relabelling.rows import Rows

DIM = "component"


def relabel(posterior: Any, *, method: str = "ecr", pivot: Any = None) -> Any:
    """Relabel the draws of a posterior, towards an EM fit or, by some methods, by themselves.

    Parameters
    ----------
    posterior : xarray.DataTree
        From `sample`: with groups posterior and observed_data; without a pivot any tree with a group posterior.
    method : str
        One of `relabelling.METHODS`; "constraint:means[0]" names the field and the entry to sort by.
    pivot : Fit
        Its components give their labels to the draws. Where known labels, held fields or its prior tell components
        apart, a permuted draw would be another draw: components are renamed only within their class. May be left out
        for constraint and pra, which look at nothing but draws; all components are then of one class.

    Returns
    -------
    xarray.DataTree
        A copy; the permutations are the variable `permutation` of a group `relabelling`.
    """
    if "posterior" not in getattr(posterior, "children", {}):
        raise InputError("relabel needs a DataTree with a posterior group, such as sample returns.")
    if pivot is None and method.partition(":")[0] in ("constraint", "pra"):
        return _relabel_alone(posterior, method)
    if not hasattr(pivot, "family"):
        raise InputError(
            f"pivot must be a Fit, such as fit returns; it is {pivot!r} (constraint and pra go without a pivot)."
        )
    return _relabel_to(posterior, method, pivot)


def _relabel_to(posterior: Any, method: str, pivot: Any) -> Any:
    """Relabel so that the components of a fit give their labels to the draws."""
    missing = set(record_fields(pivot.params)) - pivot.family.fixed - set(posterior["posterior"].data_vars)
    if missing:
        raise InputError(f"the draws hold no {', '.join(sorted(missing))}; the pivot must be a fit of the same model.")
    family = pivot.family
    data = data_of(posterior, family)
    free = {name: _draws(posterior, name) for name in family.component_axes if name in posterior["posterior"]}
    if any(draws.shape[1] != family.n_components for draws in free.values()):
        raise InputError(f"the pivot has {family.n_components} components, and the draws have another number.")
    held = {name: getattr(pivot.params, name) for name in family.fixed}
    problem = Problem(FAMILIES[family.name], family, data, held)
    classes = label_classes(family, data, pivot.prior, problem.random_params(0))
    probabilities = allocation_probabilities(posterior, family, pivot.params, data)
    reference = family.e_step(pivot.params, data).responsibilities
    if not free:  # nothing has a component axis but the probabilities themselves
        free, towards = {"probabilities": np.swapaxes(probabilities, 1, 2)}, {"probabilities": reference.T}
    else:
        towards = {name: getattr(pivot.params, name) for name in free}
    found = relabel_draws(
        free,
        method=method,
        probabilities=probabilities,
        data=rows_of(data, probabilities.shape[1]) if method == "data-based" else None,
        pivot=towards if method == "pra" else reference,
        row_weights=data.row_weights,
        classes=classes,
        probabilities_at=_probabilities_at(posterior, family, pivot.params, data),
    )
    if found.agreement is None:
        found = _named_by(reference, found, Rows(np.swapaxes(probabilities, 1, 2), data.row_weights), classes)
    return permute_tree(posterior, found, classes)


def _relabel_alone(posterior: Any, method: str) -> Any:
    """Relabel by the draws only: every variable with a component dimension is a field."""
    variables = {name: v for name, v in posterior["posterior"].data_vars.items() if DIM in v.dims}
    if not variables:
        raise InputError(f"no variable of the posterior has a dimension {DIM!r}; rename the one that has components.")
    draws = {}
    for name, variable in variables.items():
        values = variable.transpose("chain", "draw", DIM, ...).values
        draws[name] = values.reshape(-1, *values.shape[2:])
    found = relabel_draws(draws, method=method, log_posterior=_log_posterior(posterior))
    return permute_tree(posterior, found, np.zeros(found.permutations.shape[1], dtype=np.int64))


def _log_posterior(posterior: Any) -> Array | None:
    """Log density of every draw (S,) as the sampler recorded it, under the name of PyMC or of nutpie."""
    statistics = posterior["sample_stats"].data_vars if "sample_stats" in posterior.children else {}
    for name in ("lp", "logp"):
        if name in statistics:
            return statistics[name].transpose("chain", "draw").values.ravel()
    return None


def _named_by(reference: Array, found: Relabelling, rows: Rows, classes: Integers) -> Relabelling:
    """Slots renamed, all draws together, to agree with the pivot as well as one renaming can."""
    names = align_responsibilities(rows.mean(found.permutations), reference, rows.row_weights, classes)
    permutations = found.permutations[:, names]
    return replace(found, permutations=permutations, agreement=rows.agreement(reference, permutations))


def _probabilities_at(posterior: Any, family: Any, like: Any, data: Any) -> Any:
    """p(z_n = k | x_n, θ) as a function of the fields with a component axis; the others stand at their means."""
    values = record_fields(like)
    sampled = [name for name in values if name in posterior["posterior"] and name not in family.component_axes]
    others = {**values, **{name: _draws(posterior, name).mean(axis=0) for name in sampled}}

    def at(fields: Mapping[str, Array]) -> Array:
        known = {name: value for name, value in fields.items() if name in values}
        return family.e_step(type(like)(**{**others, **known}), data).responsibilities

    return at


def rows_of(data: Any, n: int) -> Array:
    """The rows of a data record as numbers (N, D); a missing entry takes the mean of its column."""
    columns = []
    for name in (f.name for f in fields(data)):
        value = getattr(data, name)
        if name in ("labels", "row_weights", "observed") or not isinstance(value, np.ndarray) or len(value) != n:
            continue
        columns.append(np.asarray(value, dtype=np.float64).reshape(n, -1))
    if not columns:
        raise InputError("data-based needs rows of numbers, and this data has none; take stephens or ecr.")
    rows = np.concatenate(columns, axis=1)
    observed = np.isfinite(rows)
    mask = getattr(data, "observed", None)
    if mask is not None and mask.shape == rows.shape:
        observed &= mask > 0
    counts = np.maximum(observed.sum(axis=0), 1)
    means = np.where(observed, rows, 0.0).sum(axis=0) / counts
    return np.where(observed, rows, means)


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
    attrs: dict[str, Any] = {"method": found.method, "classes": classes.tolist()}
    if len(found.costs):
        attrs |= {"costs": found.costs.tolist(), "start_costs": found.start_costs.tolist()}
    shares = {"agreement": found.agreement, "certainty": found.certainty}
    tree["relabelling"] = xr.Dataset(
        {
            "permutation": (("chain", "draw", "slot"), found.permutations.reshape(chains, draws, k)),
            **{n: (("chain", "draw"), v.reshape(chains, draws)) for n, v in shares.items() if v is not None},
        },
        coords={"chain": dataset["chain"], "draw": dataset["draw"], "slot": np.arange(k)},
        attrs=attrs,
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
