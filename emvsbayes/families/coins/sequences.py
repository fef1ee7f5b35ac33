"""Raw tosses to counts: `HTTHH` is 3 heads of 5 tosses; a row of 0/1 cells is the same, a head coded 1, a tail 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import row_number
from emvsbayes.core.errors import InputError
from emvsbayes.tables import Table, as_table

SIDES = {"H": 1.0, "T": 0.0, "1": 1.0, "0": 0.0}


def counted(source: Any) -> Table:
    """Columns heads and tosses from raw tosses; a table that holds counts already is returned as it is.

    One column of text is read as sequences. A table of more than two columns is read as 0/1 cells; two columns are
    heads and tosses, unless 0 and 1 is all they hold: these could be two tosses a row as well.
    """
    if isinstance(source, list | tuple) and source and all(isinstance(item, str) for item in source):
        source = {"sequence": np.array(source, dtype=object)}
    table = as_table(source)
    if {"heads", "tosses"} <= set(table.columns):
        return table
    if len(table.columns) == 2:
        return _two_columns(table)
    for name in table.columns:
        if len(name) > 1 and set(name.upper()) <= {"H", "T"}:
            raise InputError(
                f"the first line of {table.source} holds tosses ({name}); give the column a name above it."
            )
    text = [i for i, values in enumerate(table.values) if _holds_sequences(values, alone=len(table.columns) == 1)]
    if len(text) == 1:
        return _from_text(table, text[0])
    if len(table.columns) > 2 and not text:
        return _from_bits(table)
    raise InputError(
        f"coins need the columns heads and tosses, or raw tosses (one column of sequences such as HTTHH, or 0/1 "
        f"cells); {table.source} has {', '.join(table.columns) or 'no columns'}."
    )


def _two_columns(table: Table) -> Table:
    """Counts by position; refused where they may be raw tosses."""
    cells = table.numbers()
    if np.isin(cells[~np.isnan(cells)], (0.0, 1.0)).all():
        raise InputError(
            f"the two columns of {table.source} hold 0 and 1 only, and may be tosses or counts; name counts heads and "
            "tosses, or write the tosses of a row as one sequence such as HT."
        )
    return table


def _holds_sequences(values: np.ndarray, alone: bool) -> bool:
    """Whether a column of text holds tosses: letters H or T, or, where there is no other column, any text."""
    return values.dtype.kind in "OUS" and (alone or any(set(str(v).strip().upper()) & {"H", "T"} for v in values))


def _from_text(table: Table, column: int) -> Table:
    heads, tosses = [], []
    for row, cell in enumerate(table.values[column]):
        sequence = str(cell).strip().upper()
        wrong = sorted(set(sequence) - set(SIDES))
        if wrong or not sequence:
            found = f"has {wrong[0]!r}" if wrong else "is empty"
            raise InputError(
                f"a sequence of tosses is written with H and T (or 1 and 0); row {row_number(row)} {found}."
            )
        heads.append(sum(SIDES[side] for side in sequence))
        tosses.append(float(len(sequence)))
    return _counts(table, heads, tosses)


def _from_bits(table: Table) -> Table:
    cells = table.numbers()
    seen = ~np.isnan(cells)
    wrong = seen & (cells != 0) & (cells != 1)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"coins need the columns heads and tosses, or raw tosses coded 1 (head) and 0 (tail); {table.source} has "
            f"{', '.join(table.columns)}, and row {row_number(row)}, column {table.columns[column]!r} has "
            f"{cells[row, column]:g}."
        )
    return _counts(table, np.where(seen, cells, 0.0).sum(axis=1), seen.sum(axis=1).astype(np.float64))


def _counts(table: Table, heads: Any, tosses: Any) -> Table:
    columns = (np.asarray(heads, dtype=np.float64), np.asarray(tosses, dtype=np.float64))
    return Table(("heads", "tosses"), columns, table.source, table.first_line)
