"""Arguments of `relabel_draws`, checked once: arrays that fit each other, or one sentence that says what does not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Array, Integers, real_array, shaped
from emvsbayes.core.errors import InputError
from emvsbayes.relabelling.rows import Rows, one_hot

SUM_TOLERANCE = 1e-6
SINGLE_TOLERANCE = 1e-3  # exp(ln p) in single precision is off by 6e-8 |ln p| relative, 2e-4 where ln p is -3000


def checked_draws(draws: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """Fields (S, K, …) with the same S and K."""
    if not isinstance(draws, Mapping) or not draws:
        came = "" if isinstance(draws, Mapping) else f"; it is of type {type(draws).__name__}"
        raise InputError(f"draws must be a mapping of at least one name to an array of shape (S, K, ...){came}.")
    arrays = {name: real_array(value, f"draws of {name}") for name, value in draws.items()}
    shapes = {name: array.shape[:2] for name, array in arrays.items()}
    if any(len(shape) < 2 for shape in shapes.values()) or len(set(shapes.values())) > 1:
        raise InputError(f"draws must all have shape (S, K, ...) with the same S and K; they begin with {shapes}.")
    s, k = next(iter(shapes.values()))
    if s == 0 or k == 0:
        raise InputError(f"there must be at least one draw of one component; the shape begins with {(s, k)}.")
    return arrays


def checked_probabilities(probabilities: ArrayLike, s: int, k: int) -> Array:
    """Allocation probabilities (S, N, K) as (S, K, N), contiguous; single precision is divided by its sum."""
    single = getattr(probabilities, "dtype", None) == np.float32
    r = real_array(probabilities, "probabilities", ndim=3)
    if r.shape[0] != s or r.shape[2] != k or r.shape[1] == 0:
        raise InputError(f"probabilities must have shape ({s}, N, {k}) with N > 0; they have {r.shape}.")
    totals = r @ np.ones(k)
    wrong = np.abs(totals - 1) > (SINGLE_TOLERANCE if single else SUM_TOLERANCE)
    if r.min() < 0:
        wrong |= (r < 0).any(axis=2)
    if wrong.any():
        draw, row = np.argwhere(wrong)[0]
        what = f"add to {totals[draw, row]:.6g}" if r[draw, row].min() >= 0 else f"hold {r[draw, row].min():.6g}"
        raise InputError(
            f"probabilities must be >= 0 and add to 1 over the components; in draw {draw}, row {row} they {what}: "
            "divide them by their sum, or name the axis of components."
        )
    if single:
        r = r / totals[..., None]
    return np.ascontiguousarray(np.swapaxes(r, 1, 2))


def checked_allocations(allocations: ArrayLike, s: int, k: int) -> Array:
    """Allocations (S, N) as zeros and ones (S, K, N)."""
    z = whole(real_array(allocations, "allocations", ndim=2), "allocations")
    if z.shape[0] != s or z.shape[1] == 0:
        raise InputError(f"allocations must have {s} draws of at least one row; their shape is {z.shape}.")
    within(z, k, "allocations")
    values = np.zeros((s, k, z.shape[1]))
    np.put_along_axis(values, z[:, None, :], 1.0, axis=1)
    return values


def most_probable(values: Array) -> Array:
    """Probabilities (S, K, N) as zeros and ones: the most probable component of every row."""
    z = values.argmax(axis=1)
    hard = np.zeros(values.shape)
    np.put_along_axis(hard, z[:, None, :], 1.0, axis=1)
    return hard


def checked_data(data: ArrayLike, n: int) -> Array:
    """Rows (N, D); a 1-D array is one column."""
    x = real_array(data, "data")
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or len(x) != n or x.shape[1] == 0:
        raise InputError(f"data must have one row for each of the {n} allocated rows; its shape is {x.shape}.")
    return x


def checked_classes(classes: ArrayLike | None, k: int) -> Integers:
    """Classes (K,) within which components may be renamed; one class by default."""
    if classes is None:
        return np.zeros(k, dtype=np.int64)
    return whole(shaped(real_array(classes, "classes"), (k,), "classes"), "classes")


def pivot_draw(log_posterior: ArrayLike | None, s: int) -> int:
    """The draw of highest log posterior, else the first."""
    if log_posterior is None:
        return 0
    return int(np.argmax(shaped(real_array(log_posterior, "log_posterior", ndim=1), (s,), "log_posterior")))


def pivot_allocation(pivot: ArrayLike | Mapping[str, ArrayLike], rows: Rows) -> Array:
    """A pivot allocation (N,) or (N, K) as probabilities (N, K)."""
    _, k, n = rows.values.shape
    if isinstance(pivot, Mapping):
        raise InputError("only pra takes parameters as pivot; give the pivot as an allocation (N,) or (N, K).")
    given = real_array(pivot, "pivot")
    if given.shape == (n, k):
        return given
    if given.shape != (n,):
        raise InputError(f"the pivot must have shape ({n},) or ({n}, {k}), like the draws; it has {given.shape}.")
    labels = whole(given, "the pivot")
    within(labels, k, "the pivot")
    return one_hot(labels, k)


def pivot_parameters(pivot: ArrayLike | Mapping[str, ArrayLike], draws: Mapping[str, Array]) -> dict[str, Array]:
    """A pivot in parameter space: every field of the draws, without their first axis."""
    if not isinstance(pivot, Mapping):
        if len(draws) > 1:
            raise InputError(f"pra needs a pivot with the fields {', '.join(draws)}: a mapping of them to arrays.")
        pivot = {next(iter(draws)): pivot}
    missing = [name for name in draws if name not in pivot]
    if missing:
        raise InputError(f"the pivot has no {', '.join(missing)}; give every field of the draws.")
    return {
        name: shaped(real_array(pivot[name], f"the pivot's {name}"), value.shape[1:], f"the pivot's {name}")
        for name, value in draws.items()
    }


def whole(values: Array, name: str) -> Integers:
    """Whole numbers."""
    if (values != np.round(values)).any():
        raise InputError(f"{name} must hold whole numbers: components counted from 0.")
    return values.astype(np.int64)


def within(z: Integers, k: int, name: str) -> None:
    """Raise where a label is not a component."""
    if z.min() < 0 or z.max() >= k:
        raise InputError(f"{name} must lie between 0 and {k - 1}; it goes from {z.min()} to {z.max()}.")
