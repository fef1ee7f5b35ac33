"""From what a user gives to a reader of rows, and when rows are read a chunk at a time at all.

A chunk at a time is what is done for iterables of blocks and for readers, always; for files and memory maps where
`chunk` says so, or where they would take more than a quarter of this machine's memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emvsbayes.core.checks import whole_number
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.sources.blocks import Beside, TableRows
from emvsbayes.sources.delimited import csv_rows
from emvsbayes.sources.iterables import is_iterable_of_blocks, iterable_rows
from emvsbayes.sources.npy import MappedRows, npy_rows
from emvsbayes.sources.parquet import parquet_rows
from emvsbayes.sources.record import read_block
from emvsbayes.tables import as_table, is_file, refuse_folder

CHUNK = 200_000  # rows, where nobody says
READERS = {".npy": npy_rows, ".parquet": parquet_rows, ".csv": csv_rows}
IN_MEMORY = {".npy": 1.0, ".parquet": 8.0, ".csv": 4.0}  # bytes in memory for a byte of the file, about
SHARE = 0.25  # of the machine's memory


def is_reader(X: Any) -> bool:
    """Whether X brings blocks of rows itself."""
    return hasattr(X, "blocks") and hasattr(X, "columns")


def only_by_chunks(X: Any) -> bool:
    """Whether these data come as blocks and not at once."""
    return is_reader(X) or is_iterable_of_blocks(X)


def by_chunks(X: Any, chunk: int | None) -> bool:
    """Whether these data are to be read a chunk at a time."""
    if chunk is not None:
        whole_number(chunk, 1, "chunk")
    if only_by_chunks(X):
        return True
    if isinstance(X, str | Path):
        suffix = Path(X).suffix.lower()
        if chunk is not None and suffix not in READERS and is_file(X):
            raise InputError(f"{X} cannot be read a chunk at a time; convert it to .npy, .parquet or .csv.")
        return suffix in READERS and is_file(X) and (chunk is not None or _large(_size(Path(X), suffix)))
    return isinstance(X, np.memmap) and X.ndim <= 2 and (chunk is not None or _large(X.nbytes))


def _size(path: Path, suffix: str) -> float:
    """Bytes that a file would take in memory, about."""
    return path.stat().st_size * IN_MEMORY[suffix]


def _large(size: float) -> bool:
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        memory = 8e9
    return size > SHARE * memory


def as_reader(
    X: Any,
    columns: Sequence[str] | None = None,
    labels: Any = None,
    sample_weight: Any = None,
    chunk: int | None = None,
) -> Any:
    """A reader of a path, a memory map, an iterable of blocks, or a reader itself.

    Parameters
    ----------
    columns : names of the columns to be fitted; all but those of labels and weights by default
    labels, sample_weight : None, (N,), the path of a `.npy` file of so many, or the name of a column
    chunk : as of `emvsbayes.fit`

    Raises
    ------
    InputError
        For what brings no rows, or a column that is not there.
    """
    reader = _reader(X)
    labels, sample_weight = _beside(labels, reader, "labels"), _beside(sample_weight, reader, "sample_weight")
    named = [value for value in (labels, sample_weight) if isinstance(value, str)]
    for name in (*(columns or ()), *named):
        if name not in reader.columns:
            raise unknown(f"column of {reader.words}:", name, reader.columns)
    kept = tuple(name for name in (columns or reader.columns) if name not in named)
    if not kept:
        raise InputError(f"no column of {reader.words} is left to fit; name some others.")
    if len(set(kept)) < len(kept):
        raise InputError("a column to be fitted is named twice; name it once.")
    if hasattr(reader, "narrowed"):
        reader = reader.narrowed((*kept, *named))
    if labels is None and sample_weight is None and kept == tuple(reader.columns):
        return reader
    return Beside(reader, kept, labels, sample_weight)


def records_of(X: Any, record: Any, chunk: int, columns: Sequence[str] = ()) -> Iterator[Any]:
    """The rows of X as data records of at most `chunk` rows, once; with these columns, by name where X has names."""
    whole_number(chunk, 1, "chunk")
    stored = by_chunks(X, chunk) or isinstance(X, str | Path)
    reader = as_reader(X) if stored else TableRows(as_table(X))
    if columns and set(columns) <= set(reader.columns):
        reader = as_reader(reader, columns)
    elif columns and len(columns) != len(reader.columns):
        raise InputError(f"the fit has {len(columns)} columns; {reader.words} has {len(reader.columns)}.")
    return (read_block(record, block, tuple(reader.columns), reader.words) for block in reader.blocks(chunk))


def _reader(X: Any) -> Any:
    if is_reader(X):
        return X
    if isinstance(X, str | Path):
        path = Path(X)
        refuse_folder(path)
        if not is_file(path):
            raise InputError(f"{path} does not exist or is not a file; check the path.")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; give a file with at least one row of numbers.")
        return READERS[path.suffix.lower()](path)
    if is_iterable_of_blocks(X):
        return iterable_rows(X)
    return MappedRows(X)


def _beside(value: Any, reader: Any, what: str) -> Any:
    """Labels or weights: None, the name of a column, or an array (N,), a memory map where it is a file."""
    if value is None or (isinstance(value, str) and value in reader.columns):
        return value
    if isinstance(value, str | Path) and Path(value).suffix == ".npy" and is_file(value):
        return np.load(value, mmap_mode="r")
    value = value if isinstance(value, str) or hasattr(value, "shape") else np.asarray(value)
    if not isinstance(value, str) and len(value.shape) != 1:
        raise InputError(f"{what} must have shape (N,), one entry a row; it has shape {tuple(value.shape)}.")
    return value
