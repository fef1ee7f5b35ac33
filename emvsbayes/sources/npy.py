"""Rows of a `.npy` file or a memory map, read so that only the chunk at hand is in memory.

Rows that lie one after another in a file are read into a new array, chunk by chunk: pages of a memory map would count
as memory of the process until the kernel wants them back. A memory map that was given as such is asked for its rows,
and its pages are let go of behind them.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emvsbayes.core.errors import InputError
from emvsbayes.sources.blocks import Block, table_of


@dataclass(frozen=True, slots=True)
class NpyRows:
    """The rows of a `.npy` file (N,) or (N, D) in C order."""

    path: str
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    stamp: tuple[int, int]

    @property
    def words(self) -> str:
        """The path."""
        return self.path

    @property
    def columns(self) -> tuple[str, ...]:
        """x0, x1, …"""
        return tuple(f"x{i}" for i in range(self.width))

    @property
    def width(self) -> int:
        """Number of columns D."""
        return 1 if len(self.shape) == 1 else self.shape[1]

    def blocks(self, rows: int) -> Iterator[Block]:
        """Blocks of `rows` rows."""
        if _stamp(self.path) != self.stamp:
            raise InputError(
                f"{self.path} was changed while it was being fitted; EM needs the same rows in every pass, so fit a "
                "copy that nobody changes."
            )
        n, d = self.shape[0], self.width
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            for start in range(0, n, rows):
                size = min(rows, n - start)
                found = np.fromfile(file, dtype=self.dtype, count=size * d)
                if len(found) < size * d:
                    raise InputError(
                        f"{self.path} ends at row {start + len(found) // d}, and its header says {n}; write it again."
                    )
                yield Block(start, table_of(found.reshape(size, d), self.path, self.columns))


@dataclass(frozen=True, slots=True)
class MappedRows:
    """The rows of an `np.memmap` (N,) or (N, D), or of any array that is only to be read a chunk at a time."""

    array: np.ndarray
    words: str = "the memory map"

    @property
    def columns(self) -> tuple[str, ...]:
        """x0, x1, …"""
        return tuple(f"x{i}" for i in range(1 if self.array.ndim == 1 else self.array.shape[1]))

    def blocks(self, rows: int) -> Iterator[Block]:
        """Blocks of `rows` rows, each a copy."""
        for start in range(0, len(self.array), rows):
            yield Block(start, table_of(np.array(self.array[start : start + rows]), self.words, self.columns))
            let_go(self.array)


def npy_rows(path: Path) -> NpyRows | MappedRows:
    """A reader of the rows of a `.npy` file, whose header alone is read now."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = header(file)
            offset = file.tell()
    except ValueError as error:
        raise InputError(f"{path} cannot be read as .npy: {str(error).splitlines()[0]}.") from None
    if len(shape) not in (1, 2) or dtype.names or dtype.kind not in "biuf":
        kind = f"shape {shape}" if len(shape) not in (1, 2) else f"type {dtype}"
        raise InputError(f"{path} must hold an array (N,) or (N, D) of real numbers; it has the {kind}; convert it.")
    reader = NpyRows(str(path), dtype, tuple(shape), offset, _stamp(str(path)))
    there = max(0, reader.stamp[0] - offset)
    if there < dtype.itemsize * math.prod(shape):
        raise InputError(
            f"{path} is not whole: its header tells of {math.prod(shape)} numbers, and {there // dtype.itemsize} are "
            "there; write it again."
        )
    if len(shape) == 2 and fortran and min(shape) > 1:  # rows are scattered over the file
        return MappedRows(np.load(path, mmap_mode="r"), str(path))
    return reader


def _stamp(path: str) -> tuple[int, int]:
    """Length and time of the last change of a file."""
    try:
        found = Path(path).stat()
    except OSError:
        raise InputError(f"{path} does not exist any more; EM needs the same rows in every pass.") from None
    return found.st_size, found.st_mtime_ns


def let_go(array: Any) -> None:
    """Give the pages of a memory map back; they are read again where they are wanted.

    Not where the map is private to the process, for its changes would be lost.
    """
    while isinstance(array, np.ndarray) and not isinstance(getattr(array, "_mmap", None), mmap.mmap):
        array = array.base
    if isinstance(array, np.memmap) and array.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # pyright: ignore
