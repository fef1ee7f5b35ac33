"""Which component of one estimate is which of another: one joint assignment, never field by field.

Two fits of a mixture agree up to a permutation of components. The permutation is that which maximises the total
agreement, a linear assignment problem (the Hungarian algorithm); every field of a record is then permuted by it at
once. Sorting fields separately would let a weight sit on the wrong mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from emvsbayes.core.checks import Array, Integers

Permutation = Integers
ComponentAxes = Mapping[str, tuple[int, ...]]


def assignment(agreement: Array, classes: Integers | None = None) -> Permutation:
    """The permutation p that maximises Σ_k agreement[p_k, k]: slot k takes the old component p_k.

    `agreement` is (K, K): rows are the components to be moved, columns the slots of the reference. With `classes` (K,)
    a slot only takes components of its own class.
    """
    if classes is not None:
        forbidden = classes[:, None] != classes[None, :]
        agreement = np.where(forbidden, -len(classes) * (1 + 2 * np.abs(agreement).max()), agreement)
    rows, columns = linear_sum_assignment(agreement, maximize=True)
    permutation = np.empty(len(rows), dtype=np.int64)
    permutation[columns] = rows
    return permutation


def align_responsibilities(
    moving: Array, reference: Array, row_weights: Array, classes: Integers | None = None
) -> Permutation:
    """Align two soft partitions of the same rows, (N, K) each, by the rows they share: Σ_n w_n r_nj r'_nk."""
    return assignment((moving * row_weights[:, None]).T @ reference, classes)


def label_classes(family: Any, data: Any, prior: Any, params: Any) -> Integers:
    """Classes of components whose labels are arbitrary, (K,): renaming within a class changes no density.

    Two components are of one class where exchanging them leaves ln p(X | θ) + ln p(θ) as it was. Known labels, held
    fields that differ between components, or a prior that does, tell components apart. `params` should be in general
    position.
    """
    k = family.n_components
    free = {name: axes for name, axes in family.component_axes.items() if name not in family.fixed}
    if not free:  # there is nothing to rename
        return np.arange(k)

    def objective(permutation: Permutation) -> float:
        moved = permute(params, permutation, free)
        return family.log_likelihood(moved, data) + (0.0 if prior is None else family.log_prior(moved, prior))

    classes, before = np.arange(k), objective(np.arange(k))
    for i in range(k):
        for j in range(i + 1, k):
            swap = np.arange(k)
            swap[[i, j]] = j, i
            if classes[j] != classes[i] and abs(objective(swap) - before) <= 1e-9 * (1 + abs(before)):
                classes[classes == classes[j]] = classes[i]
    return classes


def shuffled(classes: Integers, rng: np.random.Generator) -> Permutation:
    """A random renaming within the classes."""
    permutation = np.arange(len(classes))
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        permutation[members] = rng.permutation(members)
    return permutation


def permute(record: Any, permutation: Permutation, axes: ComponentAxes) -> Any:
    """The record with every component axis permuted jointly; fields not in `axes` are untouched."""
    changes = {}
    for name, component_axes in axes.items():
        value = getattr(record, name)
        for axis in component_axes:
            value = np.take(value, permutation, axis=axis)
        changes[name] = value
    return replace(record, **changes)
