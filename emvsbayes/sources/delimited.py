"""Rows of a `.csv` file, read in blocks of bytes; every column that is asked for must hold numbers, or nothing.

Names of columns, missing cells and refusals are those of a CSV file that is read whole (`emvsbayes.tables`), but cells
are turned into numbers as they are read. An empty line is no row, and in a file of one column a missing cell.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emvsbayes.core.errors import InputError
from emvsbayes.sources.blocks import Block
from emvsbayes.sources.parquet import table_of_batch
from emvsbayes.tables import MISSING, read_header

BYTES = 1 << 23  # of a block as it is read
BAD_CELL = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to double: invalid value '(.*?)'?$")
BAD_LINE = re.compile(r"CSV parse error: (?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")


@dataclass(frozen=True, slots=True)
class CsvRows:
    """Some columns of a CSV file.

    Attributes
    ----------
    path : str
    names : of all columns
    before : lines before the first row: that of the names, where there is one, and empty ones
    columns : names of the columns that are read
    """

    path: str
    names: tuple[str, ...]
    before: int
    columns: tuple[str, ...]

    @property
    def words(self) -> str:
        """The path."""
        return self.path

    def narrowed(self, columns: tuple[str, ...]) -> CsvRows:
        """The same rows with some of the columns."""
        return CsvRows(self.path, self.names, self.before, columns)

    def blocks(self, rows: int) -> Iterator[Block]:
        """Blocks of at most `rows` rows, in the order of the file."""
        start = 0
        try:
            with self._opened() as batches:
                for batch in batches:
                    for first in range(0, batch.num_rows, rows):
                        part = batch.slice(first, rows)
                        yield Block(start, table_of_batch(part, self.columns, self.path))
                        start += part.num_rows
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(self._sentence(str(error), start)) from None

    def _opened(self) -> Any:
        from pyarrow import csv as arrow
        from pyarrow import float64

        nothing = sorted({spelt for word in MISSING for spelt in (word, word.upper(), word.capitalize(), "NaN")})
        read = arrow.ReadOptions(
            use_threads=False, block_size=BYTES, column_names=list(self.names), skip_rows=self.before
        )
        parse = arrow.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(self.names) > 1)
        convert = arrow.ConvertOptions(
            column_types=dict.fromkeys(self.columns, float64()),
            include_columns=list(self.columns),
            null_values=nothing,
        )
        return arrow.open_csv(self.path, read_options=read, parse_options=parse, convert_options=convert)

    def _sentence(self, words: str, start: int) -> str:
        """What pyarrow says, in ours; rows are counted from 0 and without the lines before the first."""
        words = words.splitlines()[0].rstrip(".")
        if found := BAD_CELL.search(words):
            at = f" at row {int(found[2]) - 1 - self.before}" if found[2] else ""
            return (
                f"column {self.names[int(found[1])]!r} of {self.path} holds text ({found[3]!r}{at}); name the numeric "
                "columns to use, or recode it."
            )
        if found := BAD_LINE.search(words):
            at = f"row {int(found[1]) - 1 - self.before}" if found[1] else "a row"
            return (
                f"{at} of {self.path} has {found[3]} cells where {found[2]} were expected; every line needs as many "
                "cells as the first."
            )
        return f"{self.path} cannot be read as .csv from row {start} on: {words}; write it again."


def csv_rows(path: Path) -> CsvRows:
    """A reader of all columns; nothing but the first lines are read now."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            first = next((cells for cells in lines if any(cell.strip() for cell in cells)), [])
            before = lines.line_num - 1
            names, named = read_header(path, first)
            more = not named or any(any(cell.strip() for cell in cells) for cells in lines)
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8; save it as CSV in that encoding.") from None
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as .csv: {error}; write it again.") from None
    if not first:
        raise InputError(f"{path} is empty; give a file with at least one row of numbers.")
    if not more:
        raise InputError(f"{path} has a header but no rows; give at least one row of numbers.")
    return CsvRows(str(path), tuple(names), before + named, tuple(names))
