"""`relabel`: a DataTree in, a DataTree out, every variable with a component dimension permuted jointly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.axes import DIM, fields_of, left_in_place, posterior_of
from emvsbayes.relabelling.draws import Relabelling, known_method, relabel_draws
from emvsbayes.relabelling.given import Given, given_alone
from emvsbayes.relabelling.permuting import permute_group, permute_tree
from emvsbayes.relabelling.towards_fit import given_by_fit, named_by


def relabel(
    posterior: Any,
    *,
    method: str | None = None,
    pivot: Any = None,
    dim: str | Sequence[str] = DIM,
    probabilities: str | None = None,
    allocations: str | Sequence[str] | None = None,
    first_label: int | None = None,
    data: Any = None,
    classes: ArrayLike | None = None,
    n_starts: int = 4,
    seed: int = 0,
) -> Any:
    """Relabel the draws of a posterior, from any sampler: towards an EM fit, or by themselves.

    Parameters
    ----------
    posterior : xarray.DataTree
        With a group `posterior` that has dimensions chain and draw. With a fit as pivot and no `data`, with the data in
        `observed_data` (as `sample` returns it).
    method : str
        One of `relabelling.METHODS`; "constraint:means[0]" names the field and the entry to sort by. By default ecr
        where there is a pivot (pra where it is of parameters), stephens where there are probabilities, ecr-iterative-1
        where there are only allocations, and pra where there are only parameters.
    pivot : Fit, or an allocation (N,) or (N, K), or for pra a mapping of fields (K, …)
        Its components give their labels to the draws. Where known labels, held fields or a fit's prior tell components
        apart, a permuted draw would be another draw: components are renamed only within their class.
    dim : str or several
        The dimensions that count components; every variable is permuted along each of them. One name stands also for
        those called after it (`component_bis`); files of Stan and NumPyro have one for each variable
        (`mu_dim_0`, `theta_dim_0`): name them all.
    probabilities : str
        Variable of the posterior with the allocation probabilities of every row, if there is no fit to compute them.
    allocations : str or several
        Variables of the posterior whose values are component labels: they are renamed, and the first is what the
        algorithms look at where there are no probabilities.
    first_label : {0, 1}
        What the labels in `allocations` count from; found from their values where it is clear.
    data : array (N, D), or the name of a variable of `observed_data`
        The rows, for data-based and sjw; with a fit, its data.
    classes : (K,)
        Without a fit: components are renamed only within their class; one class by default.
    n_starts, seed
        Starts of an iterative algorithm.

    Returns
    -------
    xarray.DataTree
        A copy in which all groups of draws are permuted: posterior, log-likelihoods, predictions. The permutations are
        the variable `permutation` of a group `relabelling`. Draws of the warm-up, of which no algorithm should learn,
        are put in the order nearest to the mean of the relabelled draws.

    Raises
    ------
    InputError
        For a tree without posterior or dimension (with those it has), sizes that differ, draws that are no numbers,
        and whatever `relabel_draws` refuses.
    """
    if method is not None:
        known_method(method)
    given = read_tree(
        posterior,
        pivot=pivot,
        dim=dim,
        probabilities=probabilities,
        allocations=allocations,
        first_label=first_label,
        data=data,
        classes=classes,
    )
    found, note = relabel_given(given, method, n_starts=n_starts, seed=seed)
    attrs: dict[str, Any] = {"dims": list(given.components.dims)}
    if evidence := [*([probabilities] if probabilities else []), *given.first_labels]:
        attrs["evidence"] = evidence
    if not hasattr(pivot, "family"):  # a family says itself what bears components
        still = left_in_place(posterior_of(posterior), given.components, list(given.first_labels))
        note = "; ".join(filter(None, [note, still]))
    if note:
        attrs["note"] = note
    tree = permute_tree(
        posterior,
        found,
        given.classes,
        components=given.components,
        first_labels=given.first_labels,
        attrs=attrs,
    )
    return _with_warmup(posterior, tree, given)


def read_tree(posterior: Any, *, pivot: Any, **options: Any) -> Given:
    """What a tree gives to the algorithms, with a fit or alone; `options` as in `relabel`."""
    if hasattr(pivot, "family"):
        names = ("dim", "allocations", "first_label", "data")
        return given_by_fit(posterior, pivot, **{name: options[name] for name in names})
    if isinstance(pivot, str):
        raise InputError(f"pivot must be a Fit, such as fit returns, or an allocation of the rows; it is {pivot!r}.")
    return given_alone(posterior, pivot=pivot, **options)


def relabel_given(given: Given, method: str | None, *, n_starts: int = 4, seed: int = 0) -> tuple[Relabelling, str]:
    """Permutations, and a note where there is nothing to relabel."""
    chosen = method or given.default_method()
    k = given.components.k
    s = len(next(iter(given.fields.values())))
    if k == 1:
        return Relabelling(chosen, np.zeros((s, 1), dtype=np.int64)), "one component: there is nothing to relabel"
    found = relabel_draws(given.fields, method=chosen, n_starts=n_starts, seed=seed, **given.arguments(chosen))
    if found.agreement is None and given.pivot is not None and given.probabilities is not None:
        found = named_by(given, found)
    alone = s == 1 and given.pivot is None and given.pra_pivot is None
    return found, "one draw: there are no other labels to bring together" if alone else ""


def _with_warmup(raw: Any, tree: Any, given: Given) -> Any:
    """The tree with its warm-up draws put in the order nearest to the mean of the relabelled draws."""
    import xarray as xr

    if "warmup_posterior" not in raw.children:
        return tree
    k = given.components.k
    targets = _means(fields_of(posterior_of(tree), given.components))
    warmup = raw["warmup_posterior"].to_dataset()
    fields = {name: v for name, v in fields_of(warmup, given.components).items() if name in targets}
    if not fields:
        return tree
    pivot = {name: targets[name] for name in fields}
    found = relabel_draws(fields, method="pra", pivot=pivot, classes=given.classes)
    sizes = {name: warmup.sizes[name] for name in ("chain", "draw")}
    coords = {name: warmup[name].values for name in sizes}
    moves = xr.DataArray(found.permutations.reshape(*sizes.values(), k), dims=(*sizes, "slot"), coords=coords)
    for name, group in raw.children.items():
        if name.startswith("warmup"):
            dataset = group.to_dataset(inherit=False)
            permuted = permute_group(dataset, moves, given.components, given.first_labels, name)
            if permuted is not None:
                tree[name] = xr.DataTree(permuted)
    return tree


def _means(fields: Mapping[str, Array]) -> dict[str, Array]:
    return {name: value.mean(axis=0) for name, value in fields.items()}


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
