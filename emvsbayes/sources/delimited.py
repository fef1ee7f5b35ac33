"""Rows of a `.csv` file, read in blocks of bytes; every column that is asked for must hold numbers, or nothing.

Unlike a CSV file that is read whole (`emvsbayes.tables`), cells are turned into numbers as they are read, and a cell of
text is named by its column only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emvsbayes.core.errors import InputError
from emvsbayes.sources.blocks import Block
from emvsbayes.sources.parquet import table_of_batch
from emvsbayes.tables import MISSING, is_number

BYTES = 1 << 23  # of a block as it is read


@dataclass(frozen=True, slots=True)
class CsvRows:
    """Some columns of a CSV file with `names` in its first line, or none where that holds numbers."""

    path: str
    names: tuple[str, ...]
    header: bool
    columns: tuple[str, ...]

    @property
    def words(self) -> str:
        """The path."""
        return self.path

    def narrowed(self, columns: tuple[str, ...]) -> CsvRows:
        """The same rows with some of the columns."""
        return CsvRows(self.path, self.names, self.header, columns)

    def blocks(self, rows: int) -> Iterator[Block]:
        """Blocks of at most `rows` rows, in the order of the file."""
        from pyarrow import csv as arrow
        from pyarrow import float64

        nothing = sorted({spelt for word in MISSING for spelt in (word, word.upper(), word.capitalize(), "NaN")})
        read = arrow.ReadOptions(
            use_threads=False, block_size=BYTES, column_names=list(self.names), skip_rows=int(self.header)
        )
        convert = arrow.ConvertOptions(
            column_types=dict.fromkeys(self.columns, float64()),
            include_columns=list(self.columns),
            null_values=nothing,
        )
        start = 0
        try:
            with arrow.open_csv(self.path, read_options=read, convert_options=convert) as batches:
                for batch in batches:
                    for first in range(0, batch.num_rows, rows):
                        part = batch.slice(first, rows)
                        yield Block(start, table_of_batch(part, self.columns, self.path))
                        start += part.num_rows
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            first = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"{self.path} cannot be read as numbers from row {start} on: {first}; name the numeric columns to use."
            ) from None


def csv_rows(path: Path) -> CsvRows:
    """A reader of all columns; nothing but the first line is read now."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = [cell.strip() for cell in next(csv.reader(file), [])]
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8; save it as CSV in that encoding.") from None
    header = not any(map(is_number, first))
    names = tuple(first) if header else tuple(f"x{i}" for i in range(len(first)))
    if not names or len(set(names)) < len(names):
        raise InputError(f"{path} needs names of columns in its first line, each once; it has {', '.join(names)!r}.")
    return CsvRows(str(path), names, header, names)
