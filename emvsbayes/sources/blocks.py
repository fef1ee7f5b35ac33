"""Blocks of rows, and readers: whatever brings blocks in the same order, with the same bounds, every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from emvsbayes.core.errors import InputError
from emvsbayes.tables import Table, as_table, unmasked

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows that follow one another, as they arrive.

    Attributes
    ----------
    start : int
        The number of the first among all rows, counted from 0.
    table : Table
    labels, sample_weight : (rows,) or None
        As of `emvsbayes.fit`, for these rows.
    """

    start: int
    table: Table
    labels: Any = None
    sample_weight: Any = None


class Reader(Protocol):
    """Brings the rows.

    A reader whose rows lie elsewhere may also have `map(function, rows)`: it calls function(block) where the block is,
    and yields what it returns in the order of the rows.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that every block has."""
        ...

    @property
    def words(self) -> str:
        """What messages call it, such as the name of the file."""
        ...

    def blocks(self, rows: int) -> Iterator[Block]:
        """All rows in their order, at most `rows` a block; none is empty."""
        ...


def map_blocks[T](reader: Any, function: Callable[[Block], T], rows: int) -> Iterator[T]:
    """function(block) of every block, in order, here or wherever the reader has it done."""
    own = getattr(reader, "map", None)
    return map(function, reader.blocks(rows)) if own is None else iter(own(function, rows))


def table_of(rows: Any, source: str, columns: tuple[str, ...] | None = None) -> Table:
    """An array or what turns into one, a DataFrame, mapping of columns, path or Table as a table.

    An array takes these names, if there are as many. It is not copied, unless it is a masked one, whose masked entries
    are missing.
    """
    named = isinstance(rows, Table | Mapping | str | Path) or hasattr(rows, "columns")
    if isinstance(rows, np.ma.MaskedArray):
        rows = unmasked(rows)
    elif not named and (isinstance(rows, list | tuple) or hasattr(rows, "__array__")):
        try:
            rows = np.asarray(rows)
        except ValueError:
            raise InputError(f"{source} must be a rectangular array; its rows have unequal lengths.") from None
    if isinstance(rows, np.ndarray):
        rows = rows[:, None] if rows.ndim == 1 else rows
        if rows.ndim != 2 or rows.dtype.names:
            raise InputError(f"{source} must bring rows (N,) or (N, D) of numbers; an array came of {_kind(rows)}.")
        d = rows.shape[1]
        names = columns if columns is not None and len(columns) == d else tuple(f"x{i}" for i in range(d))
        return Table(names, tuple(rows[:, i] for i in range(d)), source, whole=np.ascontiguousarray(rows))
    if not named:
        raise InputError(
            f"{source} must be an array, a DataFrame or a mapping of columns; it is of type {type(rows).__name__}."
        )
    return replace(as_table(rows), source=source)


def _kind(array: np.ndarray) -> str:
    return f"the fields {', '.join(array.dtype.names)}" if array.dtype.names else f"shape {array.shape}"


def cut(table: Table, first: int, rows: int) -> Table:
    """At most `rows` rows of a table from number `first` on, as views."""
    if table.n_rows <= rows:
        return table
    part = slice(first, first + rows)
    whole = None if table.whole is None else table.whole[part]
    return replace(table, values=tuple(values[part] for values in table.values), whole=whole)


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of a table in memory, which are to be read a chunk at a time all the same."""

    table: Table

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.table.columns

    @property
    def words(self) -> str:
        """What messages call the table."""
        return self.table.source

    def blocks(self, rows: int) -> Iterator[Block]:
        """Blocks of `rows` rows."""
        for start in range(0, self.table.n_rows, rows):
            yield Block(start, cut(self.table, start, rows))


@dataclass(frozen=True, slots=True)
class Beside:
    """A reader with labels or weights that stand beside its rows: arrays (N,), or names of columns.

    Columns so named are not among the columns to be fitted.
    """

    reader: Any
    columns: tuple[str, ...]
    labels: Any = None
    sample_weight: Any = None

    @property
    def words(self) -> str:
        """What messages call it."""
        return self.reader.words

    def map(self, function: Callable[[Block], T], rows: int) -> Iterator[T]:
        """function(block), with labels and weights, wherever the reader has it done."""
        return map_blocks(self.reader, Placed(self, function), rows)

    def blocks(self, rows: int) -> Iterator[Block]:
        """The blocks with their labels and weights."""
        return map(self.place, self.reader.blocks(rows))

    def check_rows(self, n_rows: int) -> None:
        """Raise where there are more labels or weights than rows; where there are fewer, `place` does."""
        for what, values in (("labels", self.labels), ("sample_weight", self.sample_weight)):
            if values is not None and not isinstance(values, str) and len(values) != n_rows:
                raise InputError(
                    f"{what} has {len(values)} entries, and {self.words} has {n_rows} rows; give one entry a row."
                )

    def place(self, block: Block) -> Block:
        """A block with its labels and weights."""
        labels = self._of(self.labels, block, "labels")
        if isinstance(self.labels, str):
            labels = np.where(np.isnan(labels), -1, labels)
        return Block(
            block.start, block.table.select(self.columns), labels, self._of(self.sample_weight, block, "sample_weight")
        )

    def _of(self, values: Any, block: Block, what: str) -> Any:
        if values is None:
            return getattr(block, what)
        if isinstance(values, str):
            return block.table.select([values]).numbers()[:, 0]
        found = np.asarray(values[block.start : block.start + block.table.n_rows])
        if len(found) < block.table.n_rows:
            raise InputError(
                f"{what} has {len(values)} entries, and {self.words} has more rows than that; give one entry a row."
            )
        return found


@dataclass(frozen=True, slots=True)
class Placed:
    """function(block) of blocks that `beside` has put labels and weights to."""

    beside: Beside
    function: Callable[[Block], Any]

    def __call__(self, block: Block) -> Any:
        return self.function(self.beside.place(block))
