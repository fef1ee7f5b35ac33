"""What an E half-step gathers from some rows: statistics, log-likelihood, and q where it is wanted.

Two ways to one result, equal to rounding (`tests/contract/test_promise_fused.py`):

    explicit   q = e_step(θ, rows);  S = expect(q, rows);  ln p(rows | θ) = log_likelihood(θ, rows)
    fused      S, ln p(rows | θ) = accumulate(θ, rows)           one pass, q is never stored

The fused way is taken where nobody wants q, the E-step has such a method and the family knows it, and these data are of
a kind that it takes; this module is the one place where that is decided. Where numba is told not to compile
(NUMBA_DISABLE_JIT), the explicit way is always taken: slower, and the same to rounding.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from emvsbayes.core.esteps import EStep
from emvsbayes.core.protocol import Expectation, Family

COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") in {"", "0"}


def gather(
    e_step: EStep,
    family: Family,
    params: Any,
    data: Any,
    about: Any,
    turn: int,
    keep_q: bool,
    scored: bool = True,
    bounds: Any = None,
) -> Expectation:
    """The expectation over these rows at `params`, its statistics measured from the parameters `about`.

    Where it is not to be scored, the log-likelihood is left out of the explicit way. `bounds` are those of the same
    rows and run, see `bounds_of`.
    """
    fused = getattr(family, e_step.fused, None) if COMPILED and e_step.fused and not keep_q else None
    more = () if bounds is None else (bounds,)
    found = None if fused is None else fused(params, data, about, *more)
    if found is not None:
        stats, log_likelihood = found
        entropy = 0.0 if log_likelihood is None else None  # one-hot
        return Expectation(None, stats, log_likelihood, about, final=e_step.final(turn), entropy=entropy)
    exact = family.e_step(params, data)
    q = e_step.choose(exact, turn)
    log_likelihood = family.log_likelihood(params, data) if scored else None
    stats = family.expect(q, data, about)
    exact = None if q is exact else exact
    return Expectation(q, stats, log_likelihood, about, exact, final=e_step.final(turn))


def lost_digits(now: Expectation) -> bool:
    """Whether the statistics want to be measured again, from parameters nearer to the data.

    A start may lie far from them; moments about it lose (distance / σ)² of their digits. Later passes measure from the
    parameters of the pass before.
    """
    possible = now.log_likelihood is None or bool(np.isfinite(now.log_likelihood))
    return possible and now.stats.distant


def bounds_of(e_step: EStep, family: Family, data: Any, keep_q: bool) -> Any:
    """What a family remembers from pass to pass to spare work, where it does; results do not depend on it."""
    remembers = e_step.fused == "accumulate_hard" and not keep_q
    return family.bounds(data) if remembers and hasattr(family, "bounds") else None  # pyright: ignore
