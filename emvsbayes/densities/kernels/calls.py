"""Compiled functions that are called by address: how their arrays reach them.

A sampler written in another language calls a C function with a point, room for a gradient, and one pointer of ours. It
points to four words for every array: its address and its shape. What is compiled so knows no shape, no prior and no
data, only their number of axes, and is read from numba's cache by every later process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import types
from numba.np.numpy_support import carray

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels.compiling import c_function
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.views import pointer

WORDS = 4  # an array
MOST = 16  # arrays
FRAME = MOST - 1  # the last one: a matrix A (P, P), or nothing; see `point`
NUMBERS = types.CPointer(types.double)
ADDRESSES = types.CPointer(types.int64)
FIRST: Any = np.int64(0)  # row 0; a bare 0 is a type of its own to numba, and the kernel would be compiled once more
NOT_FINITE_GRADIENT, NOT_FINITE = 3, 4  # what nutpie's own functions return: a point that it then leaves


def words_of(arrays: Sequence[np.ndarray], frame: Array | None = None) -> Integers:
    """The words of C-contiguous arrays of at most three axes; they must outlive the words."""
    arrays = [*arrays, *[np.empty(0)] * (FRAME - len(arrays)), np.empty((0, 0)) if frame is None else frame]
    words = np.zeros((MOST, WORDS), dtype=np.int64)
    for row, array in zip(words, arrays, strict=False):
        assert array.flags.c_contiguous
        row[0] = array.ctypes.data
        row[1 : 1 + array.ndim] = array.shape
    return words


@compiled
def vector(row: Integers) -> Array:
    """The array of a row of words, (n,)."""
    return carray(pointer(row[0]), (row[1],), np.float64)


@compiled
def matrix(row: Integers) -> Array:
    """The array of a row of words, (n, m)."""
    return carray(pointer(row[0]), (row[1], row[2]), np.float64)


@compiled
def cube(row: Integers) -> Array:
    """The array of a row of words, (n, m, l)."""
    return carray(pointer(row[0]), (row[1], row[2], row[3]), np.float64)


@compiled
def integers(row: Integers) -> Integers:
    """The array of a row of words, (n,)."""
    return carray(pointer(row[0]), (row[1],), np.int64)


@compiled
def octets(row: Integers) -> np.ndarray:
    """The array of a row of words, (n, m), one byte an entry."""
    return carray(pointer(row[0]), (row[1], row[2]), np.uint8)


@compiled
def point(u: Array, words: Integers) -> Array:
    """Where the function is evaluated, A u: a sampler that moves in u has the mass matrix (A Aᵀ)⁻¹ to begin with."""
    frame, out = matrix(words[FRAME]), u.copy()
    for i in range(len(frame)):
        out[i] = 0.0
        for j in range(i + 1):
            out[i] += frame[i, j] * u[j]
    return out


@compiled
def pulled(gradient: Array, words: Integers) -> None:
    """Aᵀ g in the place of g: the derivative by u. A is lower triangular."""
    frame = matrix(words[FRAME])
    for j in range(len(frame)):
        total = 0.0
        for i in range(j, len(frame)):
            total += frame[i, j] * gradient[i]
        gradient[j] = total


@compiled
def outcome(value: float, gradient: Array) -> int:
    """0, or why this is no point to be at."""
    for entry in gradient:
        if not np.isfinite(entry):
            return NOT_FINITE_GRADIENT
    return 0 if np.isfinite(value) else NOT_FINITE


def density_by_address(function: Callable[..., int]) -> Any:
    """(size, point, room for a gradient, room for a value, words) -> 0 or a code; compiled, or read from the cache."""
    return c_function(types.int64(types.uint64, NUMBERS, NUMBERS, NUMBERS, ADDRESSES), function)


def values_by_address(function: Callable[..., int]) -> Any:
    """(size, size of the result, point, room for the result, words) -> 0."""
    return c_function(types.int64(types.uint64, types.uint64, NUMBERS, NUMBERS, ADDRESSES), function)
