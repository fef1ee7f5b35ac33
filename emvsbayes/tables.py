"""Data as they arrive: files, DataFrames, arrays and mappings, all as one `Table` of named columns.

A cell stays text until a family asks for its column as numbers, so that a text column is an error only where it is
used, and the error can name the row and the line of the file.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from emvsbayes.core.checks import Array, row_number
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.images import idx_columns, is_idx, unpack

MISSING = {"", "na", "nan", "null", "none"}


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns of equal length, each an array of numbers or of text.

    `source` names where they came from in messages; `first_line` is the line of the file that holds row 0, or None.
    `whole` are the columns as the one array (N, D) that they came as, where nobody will change it afterwards; or None.
    """

    columns: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    source: str = "the data"
    first_line: int | None = None
    whole: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        return len(self.values[0]) if self.values else 0

    def select(self, names: Sequence[str]) -> Table:
        """The named columns, in the order asked for."""
        for name in names:
            if list(names).count(name) > 1:
                raise InputError(f"column {name!r} is named twice; name it once.")
            if name not in self.columns:
                raise unknown(f"column of {self.source}:", name, self.columns)
        if tuple(names) == self.columns:
            return self
        values = tuple(self.values[self.columns.index(n)] for n in names)
        return replace(self, columns=tuple(names), values=values, whole=None)

    def to_csv(self) -> str:
        """The table as CSV text, numbers to the last digit."""
        rows = zip(*(column.tolist() for column in self.values), strict=True)
        lines = [",".join(self.columns), *(",".join(_cell(value) for value in row) for row in rows)]
        return "\n".join(lines) + "\n"

    def numbers(self, single: bool = False) -> Array:
        """All columns as one (N, D) array; NaN for a missing cell.

        With `single`, columns that are all float32 stay so: half the memory, for rows whose sums are taken in float64.
        """
        if self.n_rows == 0:
            raise InputError(f"{self.source} holds no rows; give at least one row of numbers.")
        if self.whole is not None and self.whole.dtype in (np.float64, *((np.float32,) if single else ())):
            return self.whole
        if single and all(values.dtype == np.float32 for values in self.values):
            return np.column_stack(self.values)
        return np.column_stack([self._column(n, v) for n, v in zip(self.columns, self.values, strict=True)])

    def _column(self, name: str, values: np.ndarray) -> Array:
        if values.dtype.kind in "biuf":
            return values.astype(np.float64)
        if values.dtype.kind == "c":
            raise InputError(f"column {name!r} of {self.source} holds complex numbers; give real ones.")
        out = np.empty(len(values))
        for row, cell in enumerate(values):
            try:
                out[row] = np.nan if cell is None or str(cell).strip().lower() in MISSING else float(cell)
            except (TypeError, ValueError, OverflowError):
                line = "" if self.first_line is None else f", line {self.first_line + row} of the file"
                raise InputError(
                    f"column {name!r} of {self.source} holds text ({cell!r} at row {row_number(row)}{line}); "
                    "name the numeric columns to use, or recode it."
                ) from None
        return out


def _cell(value: Any) -> str:
    """A number as text, a whole one without a point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def read_table(path: str | Path) -> Table:
    """A `.csv`, `.parquet`, `.npy`, `.npz` or IDX file (`emvsbayes.images`) as a table."""
    path = Path(path)
    readers = {".csv": _read_csv, ".parquet": _read_parquet, ".npy": _read_numpy, ".npz": _read_numpy}
    refuse_folder(path)
    reader = _read_idx if is_idx(path) else readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is not a .csv, .parquet, .npy or .npz file; convert it to one of these.")
    if not is_file(path):
        raise InputError(f"{path} does not exist or is not a file; check the path.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; give a file with at least one row of numbers.")
    try:
        return reader(path)
    except InputError:
        raise
    except (OSError, EOFError, ValueError, BadZipFile, csv.Error) as error:
        raise InputError(f"{path} cannot be read as {path.suffix}: {str(error).splitlines()[0]}.") from None


def is_file(path: str | Path) -> bool:
    """Whether there is a file of this name."""
    try:
        return Path(path).is_file()
    except OSError:  # a name that no file system takes
        return False


def refuse_folder(path: Path) -> None:
    """Raise where the path is that of a folder."""
    try:
        folder = path.is_dir()
    except OSError:  # a name that no file system takes
        folder = False
    if folder:
        raise InputError(
            f"{path} is a folder, not a file; give one file, or the files of a folder as a collection, such as "
            "dask.dataframe.read_parquet(folder)."
        )


def as_table(X: Any) -> Table:
    """A path, DataFrame, mapping of columns, or array (N,) or (N, D) as a table."""
    if isinstance(X, Table):
        return X
    if isinstance(X, (str, Path)):
        return read_table(X)
    if isinstance(X, Mapping):
        return _from_mapping(X)
    if hasattr(X, "columns") and hasattr(X, "to_numpy"):
        return _from_mapping({str(name): np.asarray(X[name]) for name in X.columns})
    return _from_array(X)


def _from_array(X: Any, source: str = "the data") -> Table:
    try:
        array = np.asarray(X)
    except ValueError:
        raise InputError(f"{source} must be a rectangular array; its rows have unequal lengths.") from None
    array = unmasked(array if not isinstance(X, np.ma.MaskedArray) else X)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise InputError(f"{source} must be an array of shape (N,) or (N, D); its shape is {array.shape}.")
    names = tuple(f"x{i}" for i in range(array.shape[1]))
    return Table(names, tuple(array[:, i] for i in range(array.shape[1])), source)


def _from_mapping(columns: Mapping[Any, Any], source: str = "the data") -> Table:
    if list(columns) == ["X"]:
        return _from_array(columns["X"], source)
    values = tuple(_column_array(name, column, source) for name, column in columns.items())
    if any(value.ndim != 1 for value in values):
        name, value = next((n, v) for n, v in zip(columns, values, strict=True) if v.ndim != 1)
        raise InputError(f"column {name!r} of {source} must have one axis; its shape is {value.shape}.")
    if len({len(value) for value in values}) > 1:
        lengths = ", ".join(f"{name}: {len(v)}" for name, v in zip(columns, values, strict=True))
        raise InputError(f"the columns of {source} have unequal lengths ({lengths}).")
    return Table(tuple(str(name) for name in columns), values, source)


def _column_array(name: Any, column: Any, source: str) -> np.ndarray:
    try:
        return unmasked(column if isinstance(column, np.ma.MaskedArray) else np.asarray(column))
    except ValueError:
        raise InputError(f"column {name!r} of {source} must have one axis; its entries have unequal lengths.") from None


def unmasked(array: np.ndarray) -> np.ndarray:
    """Masked entries are missing: NaN."""
    return np.ma.filled(array.astype(np.float64), np.nan) if isinstance(array, np.ma.MaskedArray) else array


def _read_csv(path: Path) -> Table:
    """Rows of cells; a line of separators, or an empty one below a header of one column, is a row of missing cells.

    Blank lines at either end are no rows, nor are those between rows of several cells.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8; save it as CSV in that encoding.") from None
    lines = list(enumerate(csv.reader(StringIO(text, newline="")), start=1))
    filled = [at for at, (_, row) in enumerate(lines) if any(cell.strip() for cell in row)]
    if not filled:
        raise InputError(f"{path} is empty; give a file with at least one row of numbers.")
    last = max(at for at, (_, row) in enumerate(lines) if len(row) > 1 or at == filled[-1])
    rows = lines[filled[0] : last + 1]
    header, named = read_header(path, rows[0][1])
    rows = rows[named:]
    rows = [(n, row or [""]) for n, row in rows if len(header) == 1 or len(row) > 1 or any(c.strip() for c in row)]
    if not any(cell.strip() for _, row in rows for cell in row):
        raise InputError(f"{path} has a header but no rows; give at least one row of numbers.")
    for number, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"line {number} of {path} has {len(row)} cells where {len(header)} were expected; "
                "every line needs as many cells as the first."
            )
    cells = np.array([row for _, row in rows], dtype=object)
    contiguous = rows[-1][0] - rows[0][0] == len(rows) - 1
    return Table(
        tuple(header), tuple(cells[:, i] for i in range(len(header))), str(path), rows[0][0] if contiguous else None
    )


def read_header(path: str | Path, first: Sequence[str]) -> tuple[list[str], bool]:
    """The names of the columns, and whether the first line, whose cells these are, holds them: not where it is a row.

    Raises
    ------
    InputError
        Where a name stands for two columns, or where the cells seem to be separated by anything but commas.
    """
    names = [cell.strip() for cell in first]
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise InputError(
                f"the cells of {path} seem to be separated by {name} ({names[0]!r}); separate them by commas."
            )
    if all(is_number(cell) or cell.lower() in MISSING for cell in names) and any(map(is_number, names)):
        return [f"x{i}" for i in range(len(names))], False
    if len(set(names)) < len(names):
        raise InputError(f"{path} has two columns of the same name; rename one.")
    return names, True


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_parquet(path: Path) -> Table:
    from pyarrow.parquet import read_table as read_parquet

    frame = read_parquet(path)
    columns = {name: np.asarray(frame[name].to_pylist(), dtype=object) for name in frame.column_names}
    return _from_mapping(columns, str(path))


def _read_numpy(path: Path) -> Table:
    with path.open("rb") as file:  # np.load leaves a broken archive open
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return _from_array(loaded, str(path))
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    return _from_mapping(unpack(arrays) if {"bits", "shape"} <= set(arrays) else arrays, str(path))


def _read_idx(path: Path) -> Table:
    return _from_mapping(idx_columns(path), str(path))
