"""Dask's collections as partitions of rows: a `dask.array` (N,) or (N, D), or a dask DataFrame.

A collection is known by the module of its type, so that nobody imports Dask who has none. The columns of a row are
brought together where they lie in several chunks; labels and weights, which may be collections too, are cut as the rows
are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Collection:
    """The partitions of a collection in the order of its rows.

    Attributes
    ----------
    partitions : delayed values, each an array (n, D) or a DataFrame
    columns : the names of all columns
    words : how messages call it
    lengths : the rows of each partition; None where that takes computing
    """

    partitions: tuple[Any, ...]
    columns: tuple[str, ...]
    words: str
    lengths: tuple[int, ...] | None


def kind_of(X: Any) -> str | None:
    """ "array" or "frame" of Dask, None for anything else; imports nothing."""
    top, _, rest = (type(X).__module__ or "").partition(".")
    if top not in ("dask", "dask_expr") or not hasattr(X, "to_delayed"):
        return None
    return "array" if rest.startswith("array") else "frame"


def reader_of(X: Any, labels: Any = None, sample_weight: Any = None, client: Any = None) -> Any:
    """A reader of a collection (`workers.reader`); anything else as it is."""
    if kind_of(X) is None:
        return X
    from emvsbayes.workers.reader import dask_rows

    return dask_rows(X, labels, sample_weight, client)


def collection_of(X: Any) -> Collection:
    """The partitions of a dask array or DataFrame.

    Raises
    ------
    InputError
        For one that has no rows of columns.
    """
    if kind_of(X) == "frame":
        if type(X).__name__ == "Delayed":
            raise InputError(
                "a delayed value does not tell its shape; give dask.array.from_delayed(value, shape, dtype), or "
                "dask.dataframe.from_delayed(values)."
            )
        if not hasattr(X, "ndim"):
            raise InputError("a dask collection of rows must be an array or a DataFrame; call to_dataframe() on a bag.")
        X = X.to_frame() if X.ndim == 1 else X  # a Series is one column
        return Collection(tuple(X.to_delayed()), tuple(str(name) for name in X.columns), "the dask DataFrame", None)
    if X.ndim not in (1, 2):
        raise InputError(f"a dask array must be (N,) or (N, D), one row an observation; its shape is {X.shape}.")
    X = X[:, None] if X.ndim == 1 else X
    if np.isnan(X.shape[1]):
        raise InputError(
            "the dask array does not know how many columns it has; call compute_chunk_sizes() on it first."
        )
    if X.shape[1] == 0:
        raise InputError("the dask array has no columns; give at least one.")
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    lengths = None if any(np.isnan(n) for n in X.chunks[0]) else tuple(int(n) for n in X.chunks[0])
    columns = tuple(f"x{i}" for i in range(X.shape[1]))
    return Collection(tuple(X.to_delayed().ravel()), columns, "the dask array", lengths)


def cut(value: Any, lengths: Sequence[int], what: str, words: str) -> list[Any]:
    """Labels or weights of each partition, delayed or in memory; None for each where there are none.

    Parameters
    ----------
    value : None, an array (N,) in memory or of Dask, or a dask Series
    lengths : rows of each partition of the collection that `words` name

    Raises
    ------
    InputError
        Where they are not one a row.
    """
    if value is None:
        return [None] * len(lengths)
    if kind_of(value) == "frame":
        value = value.to_dask_array()
    if kind_of(value) == "array" and value.ndim == 1 and np.isnan(value.shape[0]):
        value = value.compute_chunk_sizes()
    shape, n = tuple(np.shape(value)), sum(lengths)
    if shape != (n,):
        raise InputError(f"{what} must have shape ({n},), one entry a row of {words}; it has shape {shape}.")
    if kind_of(value) == "array":
        return list(value.rechunk((tuple(lengths),)).to_delayed().ravel())
    return np.split(np.asarray(value), np.cumsum(lengths)[:-1])
