"""Schedules: how expectations are gathered over the data before an M-step.

Because statistics add, every schedule forms the same kind of `Expectation`; the loop does not change. S_b are the
statistics of block b of the rows under its q, N and N_b weights of rows:

    batch          S = S(all rows)
    chunked:ROWS   the same, ROWS at a time, q recomputed and never stored            (module `chunked`)
    incremental:B  S ← S - S_b(old q) + S_b(new q), one block after another          (Neal and Hinton 1998)
    stepwise:B     S ← (1 - η_t) S + η_t (N / N_b) S_b,  η_t = (t + 2)^-κ, κ = 0.6    (Cappé and Moulines 2009)

Which q a block is given is the E-step's affair (`core.esteps`). Batch and incremental climb the bound F(q, θ) one
coordinate at a time, so that it never falls. Stepwise needs no memory of q and forgets early mistakes; it is not
monotone, and its running total is the statistics of no q: after each pass a fresh E-step over all rows is scored, and
nothing within the pass. Any κ in (½, 1] converges; the smaller, the sooner the start is forgotten and the noisier the
end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from emvsbayes.core.checks import Integers
from emvsbayes.core.errors import InputError
from emvsbayes.core.esteps import EStep, Exact
from emvsbayes.core.gathering import bounds_of, gather
from emvsbayes.core.protocol import Expectation, Family
from emvsbayes.core.records import take_rows

SCHEDULES = ("batch", "chunked:ROWS", "incremental:B", "stepwise:B")
BLOCKS = 10


@dataclass(frozen=True, slots=True)
class Batch:
    """All rows at once: the E-step of the textbook. The memory is the data, and how often they were swept.

    Without `keep_q`, which nobody needs who keeps no trace, q is not stored where the family can do without it.
    """

    e_step: EStep = field(default_factory=Exact)
    keep_q: bool = True

    sweeps_a_pass = 1

    @property
    def monotone(self) -> bool:
        """Whether the objective can never fall."""
        return self.e_step.monotone

    @property
    def random(self) -> bool:
        """Whether q is drawn, so that the path is averaged."""
        return self.e_step.random

    def start(self, family: Family, data: Any) -> Any:
        """Nothing is swept yet."""
        return data, 0, bounds_of(self.e_step, family, data, self.keep_q)

    def afresh(self, memory: Any) -> Any:
        """The memory before a sweep that renews q in every row, as each does."""
        return memory

    def turn(self, memory: Any) -> int:
        """The number of the last sweep, counted from 0."""
        return memory[1] - 1

    def resumed(self, memory: Any, turn: int) -> Any:
        """The memory before the sweep of this number."""
        return memory[0], turn, memory[2]

    def sweep(self, family: Family, params: Any, memory: Any) -> tuple[Expectation, Any]:
        """One E-step over every row."""
        data, turn, bounds = memory
        now = gather(self.e_step, family, params, data, params, turn, self.keep_q, bounds=bounds)
        if turn == 0 and (now.log_likelihood is None or np.isfinite(now.log_likelihood)):
            # a start may lie far from the data; moments about it would lose (distance / σ)² of their digits
            about = family.m_step(now.stats, params)
            if now.q is None:
                now = gather(self.e_step, family, params, data, about, turn, False, bounds=bounds)
            else:
                now = replace(now, stats=family.expect(now.q, data, about), about=about)
        return now, (data, turn + 1, bounds)


class Blocks(NamedTuple):
    """The memory of incremental EM: for each block its rows, data, q and statistics; the total; what comes next."""

    data: Any
    rows: list[Integers]
    blocks: list[Any]
    q: list[Any]
    stats: list[Any]
    total: Any
    about: Any
    turn: int  # sweeps so far; -1 before the first, which takes all rows


@dataclass(frozen=True, slots=True)
class Incremental:
    """A block of rows at a time keeps its q until its turn comes again; the M-step uses the total of all.

    The rows of block b are b, b + B, b + 2B, …. A sweep is one block; B of them are a pass, at the end of which the
    total is built again from the blocks, so that rounding does not add up. Scoring a block costs a whole pass, hence
    once a pass, or after every block where `score_blocks`.
    """

    blocks: int = BLOCKS
    e_step: EStep = field(default_factory=Exact)
    score_blocks: bool = False

    @property
    def monotone(self) -> bool:
        """Whether the bound can never fall."""
        return self.e_step.monotone

    @property
    def random(self) -> bool:
        """Whether q is drawn, so that the path is averaged."""
        return self.e_step.random

    @property
    def sweeps_a_pass(self) -> int:
        """One a block."""
        return self.blocks

    def start(self, family: Family, data: Any) -> Blocks:
        """The blocks; no q yet."""
        rows = _split(data, self.blocks)
        return Blocks(data, rows, [take_rows(data, r) for r in rows], [], [], None, None, -1)

    def afresh(self, memory: Blocks) -> Blocks:
        """The memory before a sweep that renews q in every row."""
        return memory._replace(turn=-1)

    def sweep(self, family: Family, params: Any, memory: Blocks) -> tuple[Expectation, Blocks]:
        """A new q for the next block; for every block on the first sweep."""
        turn = memory.turn + 1
        if turn == 0:
            return self._first(family, params, memory)
        block = (turn - 1) % self.blocks
        q, stats = list(memory.q), list(memory.stats)
        q[block] = self.e_step.choose(family.e_step(params, memory.blocks[block]), turn)
        stats[block] = family.expect(q[block], memory.blocks[block], memory.about)
        memory = memory._replace(q=q, stats=stats, total=memory.total - memory.stats[block] + stats[block], turn=turn)
        whole = block == self.blocks - 1
        if whole:
            memory = self._anew(family, params, memory)
        if whole or self.score_blocks:
            return self._scored(family, params, memory, whole), memory
        return Expectation(None, memory.total, None, memory.about, whole=False), memory

    def _first(self, family: Family, params: Any, memory: Blocks) -> tuple[Expectation, Blocks]:
        """All rows, as in a batch; then the statistics block by block, about the parameters of the first M-step."""
        q = [self.e_step.choose(family.e_step(params, block), 0) for block in memory.blocks]
        memory = self._anew(family, params, memory._replace(q=q, turn=0))
        now = self._scored(family, params, memory, True)
        if now.log_likelihood is not None and np.isfinite(now.log_likelihood):
            memory = self._anew(family, family.m_step(memory.total, params), memory)
            now = replace(now, stats=memory.total, about=memory.about)
        return now, memory

    def _anew(self, family: Family, about: Any, memory: Blocks) -> Blocks:
        """The total built again from every block's q, about other parameters."""
        stats = [family.expect(q, block, about) for q, block in zip(memory.q, memory.blocks, strict=True)]
        total = stats[0]
        for other in stats[1:]:
            total = total + other
        return memory._replace(stats=stats, total=total, about=about)

    def _scored(self, family: Family, params: Any, memory: Blocks, whole: bool) -> Expectation:
        """The q of all rows beside the posterior of all rows."""
        q = type(memory.q[0]).joined(memory.q, memory.rows)
        exact = family.e_step(params, memory.data)
        log_likelihood = family.log_likelihood(params, memory.data)
        final = self.e_step.final(memory.turn)
        return Expectation(q, memory.total, log_likelihood, memory.about, exact, whole=whole, final=final)


class Running(NamedTuple):
    """The memory of stepwise EM: blocks of data and their weights, the running total, blocks taken so far."""

    data: Any
    blocks: list[Any]
    total: Any
    about: Any
    turn: int


@dataclass(frozen=True, slots=True)
class Stepwise:
    """The M-step is given a running total, in which the block at hand counts as if it were all the data, by η_t.

    η_t = (t + 2)^-κ after t blocks, κ the `exponent`.
    """

    blocks: int = BLOCKS
    e_step: EStep = field(default_factory=Exact)
    exponent: float = 0.6
    keep_q: bool = True

    monotone = False

    @property
    def sweeps_a_pass(self) -> int:
        """One a block."""
        return self.blocks

    def start(self, family: Family, data: Any) -> Running:
        """The blocks; no total yet."""
        return Running(data, [take_rows(data, rows) for rows in _split(data, self.blocks)], None, None, -1)

    def sweep(self, family: Family, params: Any, memory: Running) -> tuple[Expectation, Running]:
        """Mix the next block in; all rows on the first sweep."""
        turn = memory.turn + 1
        if turn == 0:
            now, _ = Batch(self.e_step, self.keep_q).sweep(family, params, (memory.data, 0, None))
            return now, memory._replace(total=now.stats, about=now.about, turn=0)
        block = memory.blocks[(turn - 1) % self.blocks]
        stats = gather(self.e_step, family, params, block, memory.about, turn, self.keep_q, scored=False).stats
        weight = block.row_weights.sum()  # a block of absent rows says nothing
        share = memory.data.row_weights.sum() / weight if weight > 0 else 0.0
        total = mixed(memory.total, stats * share, step_size(turn - 1, self.exponent)) if share else memory.total
        memory = memory._replace(total=total, turn=turn)
        if turn % self.blocks:
            return Expectation(None, total, None, memory.about, whole=False, total=total), memory
        now = gather(self.e_step, family, params, memory.data, memory.about, turn, self.keep_q)
        return replace(now, total=total), memory


def step_size(turn: int, exponent: float) -> float:
    """η_t = (t + 2)^-κ."""
    return (turn + 2) ** -exponent


def mixed(total: Any, stats: Any, step: float) -> Any:
    """(1 - η) S + η S_b."""
    return total * (1 - step) + stats * step


def _split(data: Any, blocks: int) -> list[Integers]:
    """Rows b, b + B, b + 2B, … for each block b."""
    if blocks > data.n_rows:
        raise InputError(f"{blocks} blocks need at least as many rows; there are {data.n_rows}.")
    return [np.arange(b, data.n_rows, blocks) for b in range(blocks)]
