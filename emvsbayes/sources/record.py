"""A source: a reader and its survey, together what the loop sweeps in the place of data in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from emvsbayes.core.checks import part_of_rows
from emvsbayes.core.errors import InputError
from emvsbayes.sources.blocks import Block, map_blocks
from emvsbayes.sources.survey import Survey, survey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Through:
    """function(data record) of a block, the record made where the block is; and how many rows it has."""

    record: Any
    columns: tuple[str, ...]
    words: str
    function: Callable[[Any], Any]

    def __call__(self, block: Block) -> tuple[int, Any]:
        return self.of(read_block(self.record, block, self.columns, self.words), block.start)

    def of(self, data: Any, start: int) -> tuple[int, Any]:
        """The same of the block's data record, for readers that keep it."""
        return data.n_rows, self.function(data)


def read_block(record: Any, block: Block, columns: tuple[str, ...], words: str) -> Any:
    """A block as the family's data record; messages name rows by their numbers among all."""
    with part_of_rows(block.start):
        if block.table.columns != columns:
            raise InputError(
                f"every block of {words} needs the columns {', '.join(columns)}; the one that begins at row "
                f"{block.start} has {', '.join(block.table.columns) or 'none'}."
            )
        return record.read(block.table, block.labels, block.sample_weight)


def itself(data: Any) -> Any:
    """The data record."""
    return data


@dataclass(frozen=True)
class Source:
    """Rows that are read again for every pass (`core.sources.Source`).

    Attributes
    ----------
    reader : brings the rows (`sources.blocks.Reader`)
    record : the family's type of data
    rows : most rows of a chunk
    surveyed : what the first pass found
    sample : a data record of some rows, whose moments are those of all
    watch : told of every chunk that was swept, for progress; or None
    """

    reader: Any
    record: Any
    rows: int
    surveyed: Survey
    sample: Any
    watch: Any = field(default=None, compare=False)

    @property
    def n_rows(self) -> int:
        """Number of rows N."""
        return self.surveyed.n_rows

    @property
    def total_weight(self) -> float:
        """Sum of the sample weights."""
        return self.surveyed.total_weight

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the data record."""
        return self.sample.columns

    @property
    def labels(self) -> Any:
        """Known components of the sampled rows; None where nothing is known of any row."""
        return self.sample.labels

    def map(self, function: Callable[[Any], T]) -> Iterator[T]:
        """function(data record) of every chunk, one by one, in the order of the rows."""
        through, seen = Through(self.record, tuple(self.reader.columns), self.reader.words, function), 0
        for n_rows, found in map_blocks(self.reader, through, self.rows):
            seen += n_rows
            if self.watch is not None:
                self.watch.rows(n_rows)
            yield found
        if seen != self.n_rows:
            raise InputError(
                f"{self.reader.words} brought {self.n_rows} rows in the first pass and {seen} in a later one; EM needs "
                "the same rows in every pass, so fit a copy that nobody changes."
            )

    def chunks(self) -> Iterator[Any]:
        """The data records of all chunks, one by one."""
        return self.map(itself)


def open_source(reader: Any, record: Any, rows: int, watch: Any = None) -> Source:
    """Survey the rows of a reader, for data of the type `record`, in chunks of `rows`."""
    found = survey(reader, record, rows, watch)
    if hasattr(reader, "check_rows"):
        reader.check_rows(found.n_rows)
    if watch is not None and hasattr(watch, "total"):
        watch.total(found.n_rows)
    standing = getattr(found.sample, "standing_for", None)
    sample = found.sample if standing is None else standing(found.moments)
    return Source(reader, record, rows, found, sample, watch)
