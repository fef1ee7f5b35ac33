"""`relabel_draws`: plain arrays of draws in, permutations and permuted draws out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emvsbayes.core.checks import Array, real_array, shaped
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.relabelling.ecr import ecr

METHODS = ("ecr",)
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Relabelling:
    """Permutations (S, K): slot k of draw s takes raw component permutations[s, k]; agreement (S,) with the pivot."""

    method: str
    permutations: NDArray[np.int64]
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

    if allocations is None:
        if probabilities is None:
            raise InputError(f"{method} needs allocations (S, N) or probabilities (S, N, K).")
        weights = real_array(probabilities, "probabilities", ndim=3)
        if weights.shape[0] != s or weights.shape[2] != k:
            raise InputError(f"probabilities must have shape ({s}, N, {k}); they have {weights.shape}.")
        if (np.abs(weights.sum(axis=2) - 1) > SUM_TOLERANCE).any():
            raise InputError("probabilities must add to 1 over the components in every row of every draw.")
        z = weights.argmax(axis=2)
    else:
        z = _whole(real_array(allocations, "allocations", ndim=2), "allocations")
    if z.shape[0] != s:
        raise InputError(f"allocations must have {s} draws; they have {z.shape[0]}.")
    if z.shape[1] == 0:
        raise InputError("allocations must cover at least one row.")
    if z.min() < 0 or z.max() >= k:
        raise InputError(f"allocations must lie between 0 and {k - 1}; they go from {z.min()} to {z.max()}.")

    target = _pivot(pivot, z, log_posterior, k)
    permutations, agreement = ecr(z, target, k)
    return Relabelling(method, permutations, agreement)


def _pivot(pivot: ArrayLike | None, z: NDArray[np.int64], log_posterior: ArrayLike | None, k: int) -> NDArray[np.int64]:
    if pivot is None:
        if log_posterior is None:
            return z[0]
        return z[int(np.argmax(shaped(real_array(log_posterior, "log_posterior", ndim=1), (len(z),), "log_posterior")))]
    given = real_array(pivot, "pivot")
    if given.shape not in {(z.shape[1],), (z.shape[1], k)}:
        raise InputError(
            f"the pivot must cover the {z.shape[1]} rows of the draws, with shape ({z.shape[1]},) or "
            f"({z.shape[1]}, {k}); its shape is {given.shape}."
        )
    target = given.argmax(axis=1) if given.ndim == 2 else _whole(given, "the pivot")
    if target.min() < 0 or target.max() >= k:
        raise InputError(f"the pivot must lie between 0 and {k - 1}; it goes from {target.min()} to {target.max()}.")
    return target


def _whole(values: Array, name: str) -> NDArray[np.int64]:
    if (values != np.round(values)).any():
        raise InputError(f"{name} must hold whole numbers: components counted from 0.")
    return values.astype(np.int64)
