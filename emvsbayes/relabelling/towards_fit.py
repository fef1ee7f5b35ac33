"""What a tree and an EM fit of the same model give to the algorithms: the fit's components name those of the draws.

    r_nk(s) = p(z_n = k | x_n, θ_s)      the fit's family computes them for every draw
    r*_nk   = p(z_n = k | x_n, θ*)       and at the fit: the pivot

Where known labels, held fields or the fit's prior tell components apart, a permuted draw would be another draw:
components are renamed within classes only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from emvsbayes.core.alignment import align_responsibilities, label_classes
from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import record_fields
from emvsbayes.families import FAMILIES
from emvsbayes.problem import Problem
from emvsbayes.relabelling.axes import Components, components_of, flat, log_posterior_of, posterior_of
from emvsbayes.relabelling.draws import Relabelling
from emvsbayes.relabelling.given import Given, no_nan, read_labels
from emvsbayes.relabelling.rows import Rows


def given_by_fit(
    tree: Any,
    fit: Any,
    *,
    dim: str | Sequence[str],
    allocations: str | Sequence[str] | None = None,
    first_label: int | None = None,
    data: Any = None,
) -> Given:
    """What a tree and a fit of the same model give; the data are those of the tree unless others are given."""
    dataset, family = posterior_of(tree), fit.family
    if "components" not in family.capabilities:
        raise InputError(f"a fit of {family.name} has no components, so that its draws bear no labels to relabel.")
    missing = set(record_fields(fit.params)) - family.fixed - set(dataset.data_vars)
    if missing:
        raise InputError(f"the draws hold no {', '.join(sorted(missing))}; the pivot must be a fit of the same model.")
    record = record_of(tree, family, data)
    free = {name: flat(dataset[name]) for name in family.component_axes if name in dataset}
    if any(draws.shape[1] != family.n_components for draws in free.values()):
        raise InputError(f"the pivot has {family.n_components} components, and the draws have another number.")
    # a model of which only a field without components was sampled has draws without the dimension
    components = components_of(dataset, dim) if free else Components((dim,) if isinstance(dim, str) else tuple(dim), 0)
    components = replace(components, k=family.n_components)
    no_nan(dataset, components)
    problem = problem_of(fit, record)
    classes = label_classes(family, record, fit.prior, problem.random_params(0))
    probabilities = allocation_probabilities(tree, family, fit.params, record)
    reference = family.e_step(fit.params, record).responsibilities
    if not free:  # nothing has a component axis but the probabilities themselves
        free, towards = {"probabilities": np.swapaxes(probabilities, 1, 2)}, {"probabilities": reference.T}
    else:
        towards = {name: getattr(fit.params, name) for name in free}
    _, firsts = read_labels(dataset, allocations, components, first_label)  # renamed, but the family says more
    return Given(
        chains=dataset.sizes["chain"],
        components=components,
        fields=free,
        classes=classes,
        probabilities=probabilities,
        log_posterior=log_posterior_of(tree),
        row_weights=record.row_weights,
        pivot=reference,
        pra_pivot=towards,
        rows=lambda n: rows_of(record, n),
        probabilities_at=_probabilities_at(tree, family, fit.params, record),
        first_labels=firsts,
    )


def record_of(tree: Any, family: Any, data: Any = None) -> Any:
    """The data record of a family: the data given, or those that the tree holds."""
    return data_of(tree, family) if data is None else FAMILIES[family.name].data.read(data, None, None)


def problem_of(fit: Any, data: Any) -> Problem:
    """The problem that a fit solved, on these data."""
    family = fit.family
    return Problem(FAMILIES[family.name], family, data, {name: getattr(fit.params, name) for name in family.fixed})


def named_by(given: Given, found: Relabelling) -> Relabelling:
    """Slots renamed, all draws together, to agree with the pivot as well as one renaming can."""
    assert given.probabilities is not None
    rows = Rows(np.swapaxes(given.probabilities, 1, 2), np.asarray(given.row_weights))
    names = align_responsibilities(rows.mean(found.permutations), given.pivot, rows.row_weights, given.classes)
    permutations = found.permutations[:, names]
    return replace(found, permutations=permutations, agreement=rows.agreement(given.pivot, permutations))


def allocation_probabilities(posterior: Any, family: Any, like: Any, data: Any) -> Array:
    """p(z_n = k | x_n, θ_s) for every draw, (S, N, K); fields that were held are taken from `like`."""
    values = record_fields(like)
    sampled = {name: flat(posterior["posterior"][name]) for name in values if name in posterior["posterior"]}
    n_draws = len(next(iter(sampled.values())))
    out = np.empty((n_draws, data.n_rows, family.n_components))
    for s in range(n_draws):
        params = type(like)(**{**values, **{name: draws[s] for name, draws in sampled.items()}})
        out[s] = family.e_step(params, data).responsibilities
    return out


def _probabilities_at(posterior: Any, family: Any, like: Any, data: Any) -> Any:
    """p(z_n = k | x_n, θ) as a function of the fields with a component axis; the others stand at their means."""
    values = record_fields(like)
    sampled = [name for name in values if name in posterior["posterior"] and name not in family.component_axes]
    others = {**values, **{name: flat(posterior["posterior"][name]).mean(axis=0) for name in sampled}}

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
    columns, labels, weights = columns_of(posterior, family.name)
    return FAMILIES[family.name].data.read(columns, labels, weights)


def columns_of(posterior: Any, family: str) -> tuple[dict[str, Any], Any, Any]:
    """The data of a tree by name, the known labels of its rows and their weights; None where there are none."""
    if "observed_data" not in posterior.children:
        raise InputError("the tree holds no observed_data to compute allocation probabilities from; give the data.")
    columns = {str(name): v.values for name, v in posterior["observed_data"].data_vars.items()}
    labels = weights = None
    for name, variable in posterior["constant_data"].data_vars.items() if "constant_data" in posterior.children else ():
        if name == "row_weights":
            weights = variable.values
        elif name == "labels":
            labels = variable.values
        elif name not in {f.name for f in fields(FAMILIES[family].params)}:  # those are held values
            columns[str(name)] = variable.values
    return columns, labels, weights
