"""Validation of arrays: every message names the field, the row and column, and the bound that was broken.

Records call these once, in `__post_init__`; behind that boundary the code trusts its arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emvsbayes.core.errors import InputError

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SUM_TOLERANCE = 1e-8  # how far weights may be from adding to 1
_before: ContextVar[int | None] = ContextVar("rows before this part", default=None)


@contextmanager
def part_of_rows(start: int) -> Iterator[None]:
    """What is read here are the rows from number `start` on, and not all: messages name rows by their own number."""
    token = _before.set(start)
    try:
        yield
    finally:
        _before.reset(token)


def row_number(row: Any) -> int:
    """The number of a row of these data among all rows, counted from 0."""
    return int(row) + (_before.get() or 0)


def real_array(value: ArrayLike, name: str, *, ndim: int | None = None) -> Array:
    """`value` as a float64 array of `ndim` axes, without NaN or infinity."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must hold numbers only; it has text or rows of unequal length.") from None
    if ndim is not None and array.ndim != ndim:
        raise InputError(f"{name} must have {ndim} axes; it has shape {array.shape}.")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        at = f" at position {(row_number(where[0]), *where[1:])}" if where else ""
        raise InputError(f"{name} is {array[where]}{at}; it must be a finite number.")
    return array


def finite_rows(array: Array, columns: Sequence[str], name: str) -> None:
    """Raise at the first NaN or infinite entry of an (N, D) array, by row and column."""
    finite = np.isfinite(array)
    if not finite.all():
        bad = np.argwhere(~finite)
        row, column = bad[0]
        kind = "missing (NaN)" if np.isnan(array[row, column]) else "infinite"
        rest = f" ({len(bad)} such entries in all)" if len(bad) > 1 else ""
        raise InputError(
            f"{name} is {kind} at row {row_number(row)} (counted from 0), column {columns[column]!r}{rest}; "
            "fill it or drop the row."
        )


def shaped(array: Array, shape: tuple[int, ...], name: str) -> Array:
    """`array`, if it has the expected shape."""
    if array.shape != shape:
        raise InputError(f"{name} must have shape {shape}; it has shape {array.shape}.")
    return array


def simplex(value: ArrayLike, name: str) -> Array:
    """Weights (K,): non-negative, adding to 1 within 1e-8."""
    weights = real_array(value, name, ndim=1)
    if (weights < 0).any():
        raise InputError(f"{name} must not be negative; entry {int(np.argmin(weights))} is {weights.min():g}.")
    if abs(weights.sum() - 1) > SUM_TOLERANCE:
        raise InputError(f"{name} must add to 1; they add to {weights.sum():.10g}.")
    return weights


def unit_interval(value: ArrayLike, name: str, *, ndim: int) -> Array:
    """Probabilities in [0, 1]."""
    probs = real_array(value, name, ndim=ndim)
    outside = (probs < 0) | (probs > 1)
    if outside.any():
        where = tuple(int(i) for i in np.argwhere(outside)[0])
        raise InputError(f"{name} must lie in [0, 1]; the entry at {where} is {probs[where]:g}.")
    return probs


def whole_number(value: Any, least: int, name: str) -> int:
    """An integer >= `least`; a bool, a float or text is none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be a whole number >= {least}; it is {value!r}.")
    return int(value)


def above(value: ArrayLike, bound: float, name: str) -> Array:
    """Numbers strictly greater than `bound`."""
    numbers = real_array(value, name)
    if not (numbers > bound).all():
        raise InputError(f"{name} must be greater than {bound:g}; it is {numbers.min():g}.")
    return numbers


def positive_definite(matrices: Array, name: str) -> Array:
    """Symmetric positive-definite matrices (..., D, D)."""
    if matrices.shape[-1] != matrices.shape[-2]:
        raise InputError(f"{name} must be square matrices; the shape is {matrices.shape}.")
    scale = np.abs(matrices).max(axis=(-2, -1), keepdims=True)
    if (np.abs(matrices - np.swapaxes(matrices, -1, -2)) > 1e-8 * scale).any():
        raise InputError(f"{name} must be symmetric.")
    smallest = np.linalg.eigvalsh(matrices)[..., 0]
    if not (smallest > 0).all():
        which = f"[{int(np.argmin(smallest))}]" if smallest.ndim else ""
        raise InputError(f"{name}{which} must be positive definite; its smallest eigenvalue is {smallest.min():.3g}.")
    return matrices


def row_weights(value: ArrayLike | None, n: int) -> Array:
    """Sample weights (N,), ones where none are given; not negative, not all zero."""
    if value is None:
        return np.ones(n)
    weights = shaped(real_array(value, "sample_weight", ndim=1), (n,), "sample_weight")
    if (weights < 0).any():
        raise InputError(
            f"sample_weight must not be negative; row {row_number(np.argmin(weights))} has {weights.min():g}."
        )
    with np.errstate(over="ignore"):
        total = weights.sum()
    if total == np.inf:
        raise InputError("sample_weight adds up to more than a number can be; divide all weights by their largest.")
    if total == 0 and _before.get() is None:
        raise InputError("sample_weight is zero in every row; nothing is left to fit.")
    return weights


def known_labels(value: ArrayLike | None, n: int) -> Integers | None:
    """Known component of each row (N,), -1 where unknown; None where nothing is known."""
    if value is None:
        return None
    try:
        np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            "labels must be whole numbers, and they are text or rows of unequal length; components count from 0, "
            "with -1 where unknown: recode them, with pandas.factorize for one."
        ) from None
    given = shaped(real_array(value, "labels", ndim=1), (n,), "labels")
    labels = given.astype(np.int64)
    if (labels != given).any() or (labels < -1).any():
        raise InputError("labels must be whole numbers: a component counted from 0, or -1 where it is unknown.")
    return labels


def labels_below(labels: Integers | None, k: int) -> None:
    """Raise where a known label is none of k components."""
    if labels is not None and len(labels) and labels.max() >= k:
        raise InputError(f"labels go up to {labels.max()}, but {k} components are counted from 0 to {k - 1}.")
