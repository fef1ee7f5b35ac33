"""Schedules: how expectations are gathered over the data before an M-step.

`Batch` takes every row at once. Because statistics add, chunked, incremental and stepwise schedules are other ways
to form the same kind of `Expectation`; the loop does not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emvsbayes.core.protocol import Family


@dataclass(frozen=True, slots=True)
class Expectation:
    """The outcome of an E half-step at some θ.

    Attributes
    ----------
    q : the distribution over latents, or None where it was never stored
    stats : expected sufficient statistics under q
    log_likelihood : ln p(X | θ), from its own code path
    """

    q: Any
    stats: Any
    log_likelihood: float


@dataclass(frozen=True, slots=True)
class Batch:
    """All rows at once: the E-step of the textbook."""

    def start(self, family: Family, data: Any) -> Any:
        """The memory is the data itself."""
        return data

    def sweep(self, family: Family, params: Any, memory: Any) -> tuple[Expectation, Any]:
        """One exact E-step over every row."""
        q = family.e_step(params, memory)
        stats = family.expect(q, memory, params)
        return Expectation(q, stats, family.log_likelihood(params, memory)), memory
