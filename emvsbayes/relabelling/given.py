"""What a tree gives to the algorithms: fields, allocation probabilities or allocations, data, a pivot, as arrays.

`Given` is what `relabel` and `diagnose_labels` share: read once from a tree alone (here) or from a tree and an EM fit
(`towards_fit`), asked for the arguments of any method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, Integers, real_array
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.arguments import checked_classes
from emvsbayes.relabelling.axes import (
    Components,
    components_of,
    fields_of,
    finite,
    labels_of,
    log_posterior_of,
    named_variable,
    posterior_of,
    probabilities_of,
)
from emvsbayes.relabelling.draws import known_method

WITHOUT_ROWS = ("constraint", "pra")
WITH_DATA = ("data-based", "sjw")


@dataclass(frozen=True)
class Given:
    """Arrays for `relabel_draws`, S = chains x draws, chains one after another.

    fields (S, K, …), probabilities (S, N, K), allocations (S, N), log_posterior (S,), row_weights (N,), classes (K,).
    pivot: an allocation (N,) or (N, K); pra_pivot: fields (K, …). rows: the data (N, D), found when a method asks.
    first_labels: the variables whose values are labels, with the number that each counts from.
    """

    chains: int
    components: Components
    fields: dict[str, Array]
    classes: Integers
    probabilities: Array | None = None
    allocations: Integers | None = None
    log_posterior: Array | None = None
    row_weights: Array | None = None
    pivot: Any = None
    pra_pivot: Mapping[str, Array] | None = None
    rows: Callable[[int], Array] | None = None
    probabilities_at: Any = None
    first_labels: dict[str, int] = field(default_factory=dict)

    @property
    def allocated(self) -> bool:
        """Whether it is known how the rows are allocated."""
        return self.probabilities is not None or self.allocations is not None

    def default_method(self) -> str:
        """ecr towards a pivot, pra towards parameters; else what the tree can feed: stephens, ecr-iterative-1, pra."""
        if self.pivot is None and self.pra_pivot is not None:
            return "pra"
        if self.pivot is not None:
            return "ecr"
        if self.probabilities is not None:
            return "stephens"
        return "pra" if self.allocations is None else "ecr-iterative-1"

    def arguments(self, method: str) -> dict[str, Any]:
        """The arguments of `relabel_draws` for this method, but for the fields."""
        name = known_method(method)
        if name not in WITHOUT_ROWS and not self.allocated:
            raise InputError(
                f"{name} must know how the rows are allocated: give a Fit as pivot, or name a variable of the "
                "posterior that holds allocation probabilities or allocations (constraint and pra do without)."
            )
        if name != "pra" and self.pivot is None and self.pra_pivot is not None:
            raise InputError(
                f"only pra takes parameters as pivot; {name} needs an allocation (N,) or (N, K), or a Fit."
            )
        data = None
        if name in WITH_DATA and self.rows is not None and (name == "data-based" or self.probabilities_at is None):
            evidence = self.allocations if self.probabilities is None else self.probabilities
            assert evidence is not None
            data = self.rows(evidence.shape[1])
        return {
            "probabilities": self.probabilities,
            "allocations": self.allocations,
            "log_posterior": self.log_posterior,
            "row_weights": self.row_weights,
            "classes": self.classes,
            "data": data,
            "pivot": self.pra_pivot if name == "pra" and self.pra_pivot is not None else self.pivot,
            "probabilities_at": self.probabilities_at,
        }


def given_alone(
    tree: Any,
    *,
    dim: str | Sequence[str],
    probabilities: str | None,
    allocations: str | Sequence[str] | None,
    first_label: int | None,
    data: Any,
    classes: Any,
    pivot: Any = None,
) -> Given:
    """What a tree gives without a model."""
    dataset = posterior_of(tree)
    components = components_of(dataset, dim)
    labels, firsts = read_labels(dataset, allocations, components, first_label)
    r = None if probabilities is None else probabilities_of(dataset, probabilities, components)
    fields = fields_of(dataset, components, [] if probabilities is None else [probabilities])
    if not fields:
        if r is None:
            raise InputError(
                f"no variable with the dimension {', '.join(components.dims)} has chains and draws; the posterior has "
                f"{', '.join(dataset.data_vars)}."
            )
        fields = {"probabilities": np.swapaxes(r, 1, 2)}
    mapping = isinstance(pivot, Mapping)
    return Given(
        chains=dataset.sizes["chain"],
        components=components,
        fields=fields,
        classes=checked_classes(classes, components.k),
        probabilities=r,
        allocations=labels,
        log_posterior=log_posterior_of(tree),
        pivot=None if mapping else pivot,
        pra_pivot=pivot if mapping else None,
        rows=lambda n: rows_of_tree(tree, data, n),
        first_labels=firsts,
    )


def read_labels(
    dataset: Any, names: str | Sequence[str] | None, components: Components, first: int | None
) -> tuple[Integers | None, dict[str, int]]:
    """The first of the named allocation variables (S, N), and the number that each of them counts from."""
    listed = [] if names is None else [names] if isinstance(names, str) else list(names)
    read = {name: labels_of(dataset, name, components.k, first) for name in listed}
    return (read[listed[0]][0] if listed else None), {name: start for name, (_, start) in read.items()}


def rows_of_tree(tree: Any, data: Any, n: int) -> Array:
    """Rows (N, D): an array, or a variable of observed_data by name, or the only one that has N rows."""
    if data is not None and not isinstance(data, str):
        values = np.atleast_1d(real_array(data, "data"))
        return values.reshape(len(values), -1)
    observed = tree["observed_data"].to_dataset().data_vars if "observed_data" in tree.children else {}
    if isinstance(data, str):
        if data not in observed:
            named_variable(tree["posterior"].to_dataset(), data, "data")  # names what is there
            raise InputError(
                f"{data!r} is a variable of the posterior, not of observed_data; give the rows themselves."
            )
        found = [observed[data]]
    else:
        found = [v for v in observed.values() if v.ndim and v.shape[0] == n]
    if len(found) != 1:
        there = ", ".join(map(str, observed)) or "none"
        raise InputError(
            f"data-based and sjw need the {n} rows that were allocated: give them as data (--data on the command line; "
            f"an array, or the name of a variable of observed_data, which has {there})."
        )
    values = np.asarray(found[0].values, dtype=np.float64)
    return values.reshape(len(values), -1)


def no_nan(dataset: Any, components: Components) -> None:
    """Raise at the first draw of a variable with a component dimension that is no number."""
    for name, variable in dataset.data_vars.items():
        if components.of(variable.dims) and {"chain", "draw"} <= set(variable.dims) and variable.dtype != bool:
            finite(variable, str(name))
