"""Rows that a program makes: a function that returns an iterator of blocks, or an object that can be iterated again.

EM passes over the data many times, so that an iterator that is used up by its first pass is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from emvsbayes.core.errors import InputError
from emvsbayes.sources.blocks import Block, cut, table_of
from emvsbayes.tables import Table

ONCE = (
    "a generator is used up after one pass, and EM needs many: give a function that returns a new iterator of blocks "
    "(without calling it), or feed its chunks one by one to emvsbayes.Stream with partial_fit."
)


@dataclass(frozen=True, slots=True)
class IterableRows:
    """Blocks from `again()`, a new iterator every time; blocks longer than a chunk are cut, shorter ones not joined."""

    again: Callable[[], Iterable[Any]]
    columns: tuple[str, ...]
    words: str

    def blocks(self, rows: int) -> Iterator[Block]:
        """The blocks as they come; empty ones are left out."""
        start = 0
        for number, found in enumerate(self.again()):
            table = self._table(number, found)
            for first in range(0, table.n_rows, rows):
                part = cut(table, first, rows)
                yield Block(start, part)
                start += part.n_rows

    def _table(self, number: int, found: Any) -> Table:
        words = f"block {number} of {self.words}"
        if _is_empty(found):
            return Table(self.columns, tuple(np.empty(0) for _ in self.columns), self.words)
        table = table_of(found, words, self.columns)
        if table.columns != self.columns:
            raise InputError(
                f"every block needs the same columns: {words} has {', '.join(table.columns)}, and the first has "
                f"{', '.join(self.columns)}."
            )
        return table


def iterable_rows(X: Any) -> IterableRows:
    """A reader of a callable or an iterable; its first block is made now, to learn the columns."""
    name = getattr(X, "__name__", type(X).__name__)
    words = (f"{name}()" if callable(X) else name) if name.isidentifier() else "the function"
    if not callable(X) and iter(X) is X:
        raise InputError(ONCE)
    again: Any = X if callable(X) else lambda: iter(X)
    try:
        signature(again).bind()
    except TypeError:
        raise InputError(
            f"{words} needs arguments; give a function without any, such as lambda: {name}(...)."
        ) from None
    except ValueError:  # a function in C that does not tell
        pass
    first = again()
    if isinstance(first, np.ndarray | str | bytes | Mapping) or not isinstance(first, Iterable):
        raise InputError(
            f"{words} must return an iterator of blocks of rows, a new one by every call; it returned a value of type "
            f"{type(first).__name__}."
        )
    if callable(X) and iter(first) is first and first is again():
        raise InputError(ONCE)
    for found in first:
        if _is_empty(found):
            continue
        return IterableRows(again, table_of(found, f"the first block of {words}").columns, words)
    raise InputError(f"{words} brought no rows; give at least one row of numbers.")


def is_iterable_of_blocks(X: Any) -> bool:
    """Whether X can be no table: a function, or what is iterated and has neither a shape nor names of columns."""
    if callable(X) and not isinstance(X, type):
        return True
    told = isinstance(X, Sequence | Mapping | Table) or hasattr(X, "__array__")
    return isinstance(X, Iterable) and not told and not hasattr(X, "columns") and not hasattr(X, "__fspath__")


def _is_empty(found: Any) -> bool:
    """Whether a block is an array or a list without rows, which need not have the columns of the others."""
    return (isinstance(found, np.ndarray) and found.size == 0) or (isinstance(found, list | tuple) and not found)
