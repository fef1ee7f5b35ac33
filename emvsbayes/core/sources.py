"""Sources: data that do not fit in memory, as far as the algorithm is concerned.

A data record in memory is all its rows. A source is rows that are read a chunk at a time, as often as they are asked
for, in the same order every time. Everything that EM asks of data is a sum over chunks,

    S = Σ_c S(chunk c),    ln p(X | θ) = Σ_c ln p(chunk c | θ),

and those sums are taken here, in an order that depends on the number of chunks alone: pairs, pairs of pairs, and so on

    ((1 + 2) + (3 + 4)) + ((5 + 6) + 7),

so that whoever computes the terms, and in whatever order they are ready, the result has the same bits; the rounding
error grows with the logarithm of their number (Higham 1993, SIAM J. Sci. Comput. 14, 783-799).

What is no sum (starting values, pictures, the shape of a prior) is asked of `sample`: a data record of some of the
rows, whose moments are nevertheless those of all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from emvsbayes.core.records import take_rows

T = TypeVar("T")
ROWS = 100_000  # of a chunk, where nobody says


class Source(Protocol):
    """Rows that are read again for every pass."""

    @property
    def n_rows(self) -> int:
        """Number of rows N."""
        ...

    @property
    def total_weight(self) -> float:
        """Sum of the sample weights, N where there are none."""
        ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def sample(self) -> Any:
        """A data record of rows drawn without replacement, in their order; its moments are those of all rows."""
        ...

    def map(self, function: Callable[[Any], T]) -> Iterator[T]:
        """function(data record) of every chunk, one by one, in the order of the rows; chunks have the same bounds
        every time.

        The function can be pickled and what it returns is small: it may be called in another process.
        """
        ...

    def chunks(self) -> Iterator[Any]:
        """The data records themselves."""
        ...


def is_source(data: Any) -> bool:
    """Whether these data are read a chunk at a time."""
    return hasattr(data, "sample") and hasattr(data, "map")


def stand_in(data: Any) -> Any:
    """A data record to ask what is no sum over rows: the data themselves, or the sample of a source."""
    return data.sample if is_source(data) else data


def total_weight(data: Any) -> float:
    """Sum of the sample weights."""
    return float(data.total_weight if is_source(data) else data.row_weights.sum())


@dataclass(frozen=True, slots=True)
class Views:
    """The chunks of a data record in memory: views of its rows, made once."""

    chunks: tuple[Any, ...]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.chunks)

    def map(self, function: Callable[[Any], T]) -> Iterator[T]:
        """function(chunk), one by one."""
        return map(function, self.chunks)


@dataclass(frozen=True, slots=True)
class Sweep:
    """The chunks of a source, as often as they are asked for."""

    source: Source

    def __iter__(self) -> Iterator[Any]:
        return iter(self.source.chunks())

    def map(self, function: Callable[[Any], T]) -> Iterator[T]:
        """function(chunk), one by one, wherever the source computes it."""
        return self.source.map(function)


def chunks_of(data: Any, rows: int) -> Views | Sweep:
    """Data records of at most `rows` rows, in order, as often as they are asked for; a source has its own bounds."""
    if is_source(data):
        return Sweep(data)
    starts = range(0, data.n_rows, rows)
    return Views(tuple(take_rows(data, slice(start, start + rows)) for start in starts))


def pairwise[T](parts: Iterable[T], add: Callable[[T, T], T]) -> T:
    """Σ parts, in pairs and pairs of pairs; at most log2 of their number is held at once.

    Raises
    ------
    ValueError
        Where there are none.
    """
    held: list[tuple[int, T]] = []
    for part in parts:
        size = 1
        while held and held[-1][0] == size:
            part, size = add(held.pop()[1], part), 2 * size
        held.append((size, part))
    if not held:
        raise ValueError("there is nothing to add.")
    total = held.pop()[1]
    while held:
        total = add(held.pop()[1], total)
    return total


def plus(one: Any, other: Any) -> Any:
    """one + other."""
    return one + other


def added(data: Any, function: Callable[[Any], Any], rows: int = ROWS) -> Any:
    """Σ function(chunk) over chunks of `rows` rows."""
    return pairwise(chunks_of(data, rows).map(function), plus)


HELD = 1e-6  # a row with a smaller share of a component cannot hold it open


@dataclass(frozen=True, slots=True)
class Holding:
    """Rows of a chunk that component k takes responsibility for at `params`, by number, and how much."""

    family: Any
    params: Any
    k: int

    def __call__(self, chunk: Any) -> tuple[int, float, np.ndarray, np.ndarray]:
        mass = self.family.e_step(self.params, chunk).responsibilities[:, self.k] * chunk.row_weights
        total = mass.sum()
        rows = np.flatnonzero(mass > HELD * total)  # no fewer than of all rows: a chunk's total is the smaller
        return chunk.n_rows, float(total), rows, mass[rows]


def holding_rows(family: Any, params: Any, data: Any, k: int) -> np.ndarray:
    """Numbers of the rows that hold component k at `params`: each more than a millionth of its weight."""
    start, total, numbers, masses = 0, 0.0, [], []
    for n, weight, found, mass in chunks_of(data, ROWS).map(Holding(family, params, k)):
        numbers.append(found + start)
        masses.append(mass)
        start, total = start + n, total + weight
    return np.concatenate(numbers)[np.concatenate(masses) > HELD * total]
