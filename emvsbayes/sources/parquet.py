"""Rows of a Parquet file, row group by row group; only the columns that are wanted are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emvsbayes.core.errors import InputError
from emvsbayes.sources.blocks import Block
from emvsbayes.tables import Table

BUFFER = 1 << 20  # bytes of a column that are read ahead


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """Some columns of a Parquet file."""

    path: str
    columns: tuple[str, ...]

    @property
    def words(self) -> str:
        """The path."""
        return self.path

    def narrowed(self, columns: tuple[str, ...]) -> ParquetRows:
        """The same rows with some of the columns."""
        return ParquetRows(self.path, columns)

    def blocks(self, rows: int) -> Iterator[Block]:
        """Blocks of `rows` rows, in the order of the file."""
        with parquet_file(self.path) as file:
            start = 0
            batches = file.iter_batches(batch_size=rows, columns=list(self.columns))
            while True:
                try:
                    batch = next(batches, None)
                except (OSError, ValueError) as error:
                    first = str(error).splitlines()[0]
                    raise InputError(
                        f"{self.path} cannot be read from row {start} on: {first.rstrip('.')}; write it again, or "
                        "leave the column out."
                    ) from None
                if batch is None:
                    return
                if batch.num_rows:
                    yield Block(start, table_of_batch(batch, self.columns, self.path))
                start += batch.num_rows


def parquet_rows(path: Path) -> ParquetRows:
    """A reader of all columns; nothing but the schema is read now."""
    with parquet_file(str(path)) as file:
        names = tuple(file.schema_arrow.names)
    if len(set(names)) < len(names):
        raise InputError(f"{path} has two columns of the same name; rename one.")
    return ParquetRows(str(path), names)


def parquet_file(path: str) -> Any:
    """The file, opened; one that cannot be is refused in a sentence."""
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as .parquet: {str(error).splitlines()[0].rstrip('.')}; write it again."
        ) from None


def table_of_batch(batch: Any, columns: tuple[str, ...], source: str) -> Table:
    """A record batch of Arrow as a table: numbers as numbers, a null as NaN, all else as it is."""
    values = []
    for name in columns:
        column = batch.column(batch.schema.get_field_index(name))
        found = column.to_numpy(zero_copy_only=False)
        if found.dtype == object:
            found = np.asarray(column.to_pylist(), dtype=object)
        values.append(found)
    return Table(columns, tuple(values), source)
