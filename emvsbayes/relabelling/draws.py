"""`relabel_draws`: plain arrays of draws in, permutations and permuted draws out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Array, Integers, real_array, shaped
from emvsbayes.core.checks import row_weights as checked_weights
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.relabelling.ecr import agreement, ecr

METHODS = ("ecr",)
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Relabelling:
    """Permutations (S, K): slot k of draw s takes raw component permutations[s, k]; agreement (S,) with the pivot."""

    method: str
    permutations: Integers
    agreement: Array

    def apply(self, values: Array, axis: int = 1) -> Array:
        """Draws (S, …) with their component axis permuted draw by draw."""
        moved = np.moveaxis(values, axis, 1)
        index = self.permutations.reshape(*self.permutations.shape, *[1] * (moved.ndim - 2))
        return np.moveaxis(np.take_along_axis(moved, index, axis=1), 1, axis)


def relabel_draws(
    draws: Mapping[str, ArrayLike],
    *,
    method: str = "ecr",
    probabilities: ArrayLike | None = None,
    allocations: ArrayLike | None = None,
    data: ArrayLike | None = None,
    log_posterior: ArrayLike | None = None,
    pivot: ArrayLike | None = None,
    row_weights: ArrayLike | None = None,
    classes: ArrayLike | None = None,
) -> Relabelling:
    """Find one permutation of the components for each draw.

    Parameters
    ----------
    draws : mapping of arrays (S, K, …)
        Fields with the component axis second; they fix S and K, and are not changed.
    method : {"ecr"}
    probabilities : (S, N, K)
        Allocation probabilities of each row under each draw.
    allocations : (S, N)
        Component of each row under each draw; taken from `probabilities` where it is not given.
    data, log_posterior
        `log_posterior` (S,) names the pivot draw where no pivot is given; `data` is for methods to come.
    pivot : (N,) or (N, K)
        The allocation to agree with, or its probabilities; None takes the draw of highest `log_posterior`, else the
        first.
    row_weights : (N,)
        How often each row counts; ones by default.
    classes : (K,)
        Components are renamed only within their class; one class by default.

    Raises
    ------
    InputError
        For arrays that do not fit each other, NaN draws, or a missing argument, named.
    """
    if method not in METHODS:
        raise unknown("relabelling method", method, METHODS)
    if not draws:
        raise InputError("relabel_draws needs at least one array of draws of shape (S, K, ...).")
    arrays = {name: real_array(value, f"draws of {name}") for name, value in draws.items()}
    shapes = {name: array.shape[:2] for name, array in arrays.items()}
    if any(len(shape) < 2 for shape in shapes.values()) or len(set(shapes.values())) > 1:
        raise InputError(f"draws must all have shape (S, K, ...) with the same S and K; they begin with {shapes}.")
    s, k = next(iter(shapes.values()))
    if s == 0 or k == 0:
        raise InputError(f"there must be at least one draw of one component; the shape begins with {(s, k)}.")

    r = _probabilities(method, probabilities, allocations, s, k)
    n = r.shape[1]
    weights = checked_weights(row_weights, n)
    groups = None if classes is None else _whole(shaped(real_array(classes, "classes"), (k,), "classes"), "classes")
    target = _pivot(pivot, r, log_posterior)
    permutations = ecr(r, target, weights, groups)
    return Relabelling(method, permutations, agreement(r, target, weights, permutations))


def _probabilities(
    method: str, probabilities: ArrayLike | None, allocations: ArrayLike | None, s: int, k: int
) -> Array:
    """Allocation probabilities (S, N, K); one-hot where only allocations are known."""
    if probabilities is not None:
        r = real_array(probabilities, "probabilities", ndim=3)
        if r.shape[0] != s or r.shape[2] != k or r.shape[1] == 0:
            raise InputError(f"probabilities must have shape ({s}, N, {k}) with N > 0; they have {r.shape}.")
        if (r < 0).any() or (np.abs(r.sum(axis=2) - 1) > SUM_TOLERANCE).any():
            raise InputError("probabilities must be >= 0 and add to 1 over the components in every row of every draw.")
        return r
    if allocations is None:
        raise InputError(f"{method} needs allocations (S, N) or probabilities (S, N, K).")
    z = _whole(real_array(allocations, "allocations", ndim=2), "allocations")
    if z.shape[0] != s or z.shape[1] == 0:
        raise InputError(f"allocations must have {s} draws of at least one row; their shape is {z.shape}.")
    return _one_hot(z, k, "allocations")


def _pivot(pivot: ArrayLike | None, r: Array, log_posterior: ArrayLike | None) -> Array:
    """The pivot as probabilities (N, K)."""
    draws, n, k = r.shape
    if pivot is None:
        if log_posterior is None:
            return r[0]
        return r[int(np.argmax(shaped(real_array(log_posterior, "log_posterior", ndim=1), (draws,), "log_posterior")))]
    given = real_array(pivot, "pivot")
    if given.shape == (n, k):
        return given
    if given.shape != (n,):
        raise InputError(f"the pivot must have shape ({n},) or ({n}, {k}), like the draws; it has {given.shape}.")
    return _one_hot(_whole(given, "the pivot"), k, "the pivot")


def _one_hot(z: Integers, k: int, name: str) -> Array:
    if z.min() < 0 or z.max() >= k:
        raise InputError(f"{name} must lie between 0 and {k - 1}; it goes from {z.min()} to {z.max()}.")
    return (z[..., None] == np.arange(k)).astype(np.float64)


def _whole(values: Array, name: str) -> Integers:
    if (values != np.round(values)).any():
        raise InputError(f"{name} must hold whole numbers: components counted from 0.")
    return values.astype(np.int64)
