"""Schedules: how expectations are gathered over the data before an M-step.

`Batch` takes every row at once. Because statistics add, chunked, incremental and stepwise schedules are other ways
to form the same kind of `Expectation`; the loop does not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.protocol import Expectation, Family


@dataclass(frozen=True, slots=True)
class Batch:
    """All rows at once: the E-step of the textbook. The memory is the data, and whether they were swept before."""

    def start(self, family: Family, data: Any) -> Any:
        """Nothing is swept yet."""
        return data, False

    def sweep(self, family: Family, params: Any, memory: Any) -> tuple[Expectation, Any]:
        """One exact E-step over every row."""
        data, swept = memory
        q, about = family.e_step(params, data), params
        stats = family.expect(q, data, about)
        log_likelihood = family.log_likelihood(params, data)
        if not swept and np.isfinite(log_likelihood):
            # a start may lie far from the data; moments about it would lose (distance / σ)² of their digits
            about = family.m_step(stats, params)
            stats = family.expect(q, data, about)
        return Expectation(q, stats, log_likelihood, about), (data, True)
