"""Schedules: how expectations are gathered over the data before an M-step, and which q the E-step may choose from.

`Batch` takes every row at once. Because statistics add, chunked, incremental and stepwise schedules are other ways
to form the same kind of `Expectation`; the loop does not change.

    exact   q = p(Z | X, θ)                                  every q is allowed: KL closes
    hard    q = one-hot at argmax_k p(z_n = k | x_n, θ)      one-hot q only: KL = -Σ_n ln max_k p(z_n = k | x_n, θ)

Both maximise the bound over the q they allow, so that it never falls (Celeux and Govaert 1992 for the hard one, which
they call classification EM).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.protocol import Expectation, Family

E_STEPS = ("exact", "hard")


@dataclass(frozen=True, slots=True)
class Batch:
    """All rows at once: the E-step of the textbook. The memory is the data, and whether they were swept before."""

    e_step: str = "exact"
    monotone = True

    def start(self, family: Family, data: Any) -> Any:
        """Nothing is swept yet."""
        return data, False

    def sweep(self, family: Family, params: Any, memory: Any) -> tuple[Expectation, Any]:
        """One E-step over every row."""
        data, swept = memory
        exact, about = family.e_step(params, data), params
        q = exact.hardened() if self.e_step == "hard" else exact
        stats = family.expect(q, data, about)
        log_likelihood = family.log_likelihood(params, data)
        if not swept and np.isfinite(log_likelihood):
            # a start may lie far from the data; moments about it would lose (distance / σ)² of their digits
            about = family.m_step(stats, params)
            stats = family.expect(q, data, about)
        return Expectation(q, stats, log_likelihood, about, None if q is exact else exact), (data, True)
