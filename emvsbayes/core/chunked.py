"""The chunked schedule: all rows, so many at a time, with the memory of one chunk.

    S = S(chunk 1) + S(chunk 2) + …,    ln p(X | θ) = ln p(chunk 1 | θ) + ln p(chunk 2 | θ) + …

Statistics add, so that the run is that of batch EM to rounding (promise 6). No q is stored: where a trace asks for its
entropy or its divergence from another, it is computed again, chunk by chunk, from the parameters that it belongs to.

What is swept is anything with the method `chunks(rows)` that gives data records in the same order every time; a data
record in memory is cut into views. That is all that a memory map, files or workers have to bring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from emvsbayes.core.checks import Array
from emvsbayes.core.esteps import EStep, Exact
from emvsbayes.core.gathering import gather, lost_digits
from emvsbayes.core.protocol import Expectation, Family
from emvsbayes.core.records import take_rows

ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Unstored:
    """A q that is computed when it is asked for: the choice of an E-step at `params`, for one chunk after another."""

    family: Family
    params: Any
    chunks: Iterable[Any]
    e_step: EStep
    turn: int

    def of(self, chunk: Any) -> Any:
        """The q of the rows of a chunk."""
        return self.e_step.choose(self.family.e_step(self.params, chunk), self.turn)

    def entropy(self, weights: Array) -> float:
        """H(q), in nats; the weights are those of the chunks."""
        return sum(self.of(chunk).entropy(chunk.row_weights) for chunk in self.chunks)

    def kl(self, other: Unstored, weights: Array) -> float:
        """KL(q ‖ other), in nats; the weights are those of the chunks."""
        return sum(self.of(chunk).kl(other.of(chunk), chunk.row_weights) for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Chunked:
    """Batch EM with q for `rows` rows at a time. The memory is the chunks, and how often they were swept."""

    rows: int = ROWS
    e_step: EStep = field(default_factory=Exact)
    keep_q: bool = True  # recomputed for a trace; without one nobody asks

    sweeps_a_pass = 1

    @property
    def monotone(self) -> bool:
        """Whether the objective can never fall."""
        return self.e_step.monotone

    def start(self, family: Family, data: Any) -> Any:
        """Nothing is swept yet."""
        return chunks_of(data, self.rows), 0

    def afresh(self, memory: Any) -> Any:
        """The memory before a sweep that renews q in every row, as each does."""
        return memory

    def sweep(self, family: Family, params: Any, memory: Any) -> tuple[Expectation, Any]:
        """One E-step over every chunk."""
        chunks, turn = memory
        now = self._summed(family, params, chunks, params, turn)
        if turn == 0 and lost_digits(now):
            now = self._summed(family, params, chunks, family.m_step(now.stats, params), turn)
        return now, (chunks, turn + 1)

    def _summed(self, family: Family, params: Any, chunks: Any, about: Any, turn: int) -> Expectation:
        """The expectations of all chunks, added up in their order."""
        found: Expectation | None = None
        for chunk in chunks:
            part = gather(self.e_step, family, params, chunk, about, turn, self.keep_q)
            if part.restricted and part.entropy is None:
                part = replace(part, entropy=part.q.entropy(chunk.row_weights))
            part = replace(part, q=None, exact=None)
            found = part if found is None else _added(found, part)
        assert found is not None
        if not self.keep_q:
            return found
        exact = Unstored(family, params, chunks, Exact(), turn)
        if not found.restricted:
            return replace(found, q=exact)
        return replace(found, q=Unstored(family, params, chunks, self.e_step, turn), exact=exact)


def _added(one: Expectation, other: Expectation) -> Expectation:
    """The expectation over the rows of both."""
    return replace(
        one,
        stats=one.stats + other.stats,
        log_likelihood=_sum(one.log_likelihood, other.log_likelihood),
        entropy=_sum(one.entropy, other.entropy),
    )


def _sum(one: float | None, other: float | None) -> float | None:
    """None where either is unknown."""
    return None if one is None or other is None else one + other


@dataclass(frozen=True, slots=True)
class Views:
    """The chunks of a data record in memory: views of its rows, made once."""

    chunks: tuple[Any, ...]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.chunks)


def chunks_of(data: Any, rows: int) -> Iterable[Any]:
    """Data records of at most `rows` rows, in order, as often as they are asked for."""
    own = getattr(data, "chunks", None)
    if own is not None:
        return own(rows)
    starts = range(0, data.n_rows, rows)
    return Views(tuple(take_rows(data, slice(start, start + rows)) for start in starts))
