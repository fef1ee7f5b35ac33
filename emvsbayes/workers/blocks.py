"""What is done where a partition lies: rows become a block, a block the family's data record, a record statistics.

These functions run on workers. What goes wrong comes back as a value, so that the caller raises what concerns the first
rows, whoever found it first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.checks import part_of_rows
from emvsbayes.core.errors import InputError
from emvsbayes.core.threads import using_threads
from emvsbayes.sources.blocks import Block, table_of
from emvsbayes.workers.clients import share_of_threads
from emvsbayes.workers.wire import Parcel, aligned, packed, unpacked


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows `low` to `high` of a partition, a block of its own.

    Attributes
    ----------
    partition : the number of the partition
    length : how many rows it should have
    start : the number of the first row of the piece among all rows
    every : the names of all columns
    columns : of those to be fitted
    aside : of those that hold labels and weights, or None
    words : how messages call the collection
    """

    partition: int
    length: int
    low: int
    high: int
    start: int
    every: tuple[str, ...]
    columns: tuple[str, ...]
    aside: tuple[str | None, str | None]
    words: str

    def block(self, rows: Any, labels: Any, sample_weight: Any) -> Block:
        """The block, from all rows of the partition with their labels and weights."""
        if len(rows) != self.length:
            raise InputError(
                f"partition {self.partition} of {self.words} should have {self.length} rows and has {len(rows)}; call "
                "compute_chunk_sizes() on the array, or give a collection that does not change."
            )
        part = slice(self.low, self.high)
        some = rows.iloc[part] if hasattr(rows, "iloc") else np.asanyarray(rows)[part]  # a mask is kept
        table = table_of(some, self.words, self.every)
        known, weights = (
            table.select([name]).numbers()[:, 0] if name else None if array is None else np.asarray(array)[part]
            for name, array in zip(self.aside, (labels, sample_weight), strict=True)
        )
        if self.aside[0] is not None and known is not None:
            known = np.where(np.isnan(known), -1, known)
        return Block(self.start, table.select(self.columns), known, weights)


@dataclass(frozen=True, slots=True)
class Failed:
    """What a function raised."""

    error: Exception


def caught(function: Callable[..., Any], *arguments: Any) -> Any:
    """function(*arguments), or `Failed`."""
    try:
        return function(*arguments)
    except Exception as error:  # whatever it is: it travels back as a value and is raised there
        return Failed(error)


def raised(value: Any) -> Any:
    """The value; what it failed by is raised."""
    if isinstance(value, Failed):
        raise value.error
    return value


def records_of(rows: Any, labels: Any, sample_weight: Any, pieces: tuple[Piece, ...], record: Any) -> list[Any]:
    """The data records of the blocks of a partition, each in a `Parcel`, or `Failed`."""

    def read(piece: Piece) -> Parcel:
        block = piece.block(rows, labels, sample_weight)
        with part_of_rows(block.start):
            return Parcel(aligned(record.read(block.table, block.labels, block.sample_weight)))

    return [caught(read, piece) for piece in pieces]


def shelf_of(*records: list[Any]) -> list[Any]:
    """The data records of several partitions, to be kept by a worker and asked together."""
    return [held for own in records for held in own]


def asked(shelf: list[Any], starts: tuple[int, ...], work: bytes, tasks: int, among: int) -> bytes:
    """What a function makes of each record on a shelf, packed; this is one of so many tasks among so many workers."""
    function = unpacked(work)
    with using_threads(share_of_threads(tasks, among)):
        return packed(
            [
                held if isinstance(held, Failed) else caught(function.of, held.record, start)
                for held, start in zip(shelf, starts, strict=True)
            ]
        )


def all_of(
    rows: Any, labels: Any, sample_weight: Any, pieces: tuple[Piece, ...], function: Any, threads: int
) -> list[Any]:
    """function(block) of each piece of a partition, or `Failed`."""
    with using_threads(threads):
        return [caught(lambda piece: function(piece.block(rows, labels, sample_weight)), piece) for piece in pieces]
