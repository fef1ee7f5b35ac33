"""The chunked schedule: all rows, so many at a time, with the memory of one chunk.

    S = S(chunk 1) + S(chunk 2) + …,    ln p(X | θ) = ln p(chunk 1 | θ) + ln p(chunk 2 | θ) + …

Statistics add, so that the run is that of batch EM to rounding (promise 6). They are added in an order that depends on
the number of chunks alone (`core.sources.pairwise`). No q is stored: where a trace asks for its entropy or its
divergence from another, it is computed again, chunk by chunk, from the parameters that it belongs to.

What is swept is a data record in memory, cut into views, or a source (`core.sources`): a memory map, files, workers.
What is asked of a chunk is a small record that can be pickled and called with it, and that returns no rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.esteps import EStep, Exact
from emvsbayes.core.gathering import gather
from emvsbayes.core.protocol import Expectation, Family
from emvsbayes.core.sources import ROWS as ROWS
from emvsbayes.core.sources import chunks_of as chunks_of
from emvsbayes.core.sources import pairwise, plus


@dataclass(frozen=True, slots=True)
class Choice:
    """The q that an E-step chooses at `params`, for any chunk."""

    family: Family
    params: Any
    e_step: EStep
    turn: int

    def of(self, chunk: Any) -> Any:
        """The q of the rows of a chunk."""
        return self.e_step.choose(self.family.e_step(self.params, chunk), self.turn)

    def entropy(self, chunk: Any) -> float:
        """H(q) of the rows of a chunk, in nats."""
        return self.of(chunk).entropy(chunk.row_weights)

    def kl(self, chunk: Any, other: Choice) -> float:
        """KL(q ‖ other) of the rows of a chunk, in nats."""
        return self.of(chunk).kl(other.of(chunk), chunk.row_weights)


@dataclass(frozen=True, slots=True)
class Unstored:
    """A q that is computed when it is asked for, chunk after chunk."""

    choice: Choice
    chunks: Any

    def entropy(self, weights: Array) -> float:
        """H(q), in nats; the weights are those of the chunks."""
        return pairwise(self.chunks.map(self.choice.entropy), plus)

    def kl(self, other: Unstored, weights: Array) -> float:
        """KL(q ‖ other), in nats; the weights are those of the chunks."""
        return pairwise(self.chunks.map(partial(self.choice.kl, other=other.choice)), plus)


@dataclass(frozen=True, slots=True)
class Part:
    """What a chunk adds to the expectation over all rows; its q, where it has one, is not kept."""

    choice: Choice
    about: Any
    keep_q: bool

    def __call__(self, chunk: Any) -> Expectation:
        c = self.choice
        part = gather(c.e_step, c.family, c.params, chunk, self.about, c.turn, self.keep_q)
        if part.restricted and part.entropy is None:
            part = replace(part, entropy=part.q.entropy(chunk.row_weights))
        return replace(part, q=None, exact=None)


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

    def turn(self, memory: Any) -> int:
        """The number of the last sweep, counted from 0."""
        return memory[1] - 1

    def resumed(self, memory: Any, turn: int) -> Any:
        """The memory before the sweep of this number."""
        return memory[0], turn

    def sweep(self, family: Family, params: Any, memory: Any) -> tuple[Expectation, Any]:
        """One E-step over every chunk."""
        chunks, turn = memory
        now = self._summed(family, params, chunks, params, turn)
        if turn == 0 and (now.log_likelihood is None or np.isfinite(now.log_likelihood)):
            now = self._summed(family, params, chunks, family.m_step(now.stats, params), turn)
        return now, (chunks, turn + 1)

    def _summed(self, family: Family, params: Any, chunks: Any, about: Any, turn: int) -> Expectation:
        """The expectations of all chunks, added up."""
        choice = Choice(family, params, self.e_step, turn)
        found = pairwise(chunks.map(Part(choice, about, self.keep_q)), _added)
        if not self.keep_q:
            return found
        exact = Unstored(replace(choice, e_step=Exact()), chunks)
        if not found.restricted:
            return replace(found, q=exact)
        return replace(found, q=Unstored(choice, chunks), exact=exact)


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
