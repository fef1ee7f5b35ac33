"""The one loop.

EM climbs F(q, θ) = E_q[ln p(X, Z | θ)] + H(q), plus ln p(θ) under a prior, one coordinate at a time:

    E half-step   q ← p(Z | X, θ)                           closes KL(q ‖ p(Z | X, θ))
    M half-step   θ ← argmax E_q[ln p(X, Z | θ)] + ln p(θ)  raises the bound, reopens the gap

(Dempster, Laird and Rubin 1977; Neal and Hinton 1998.) A pass is an M half-step and the E half-step that follows it,
so that the run ends with q and scores that belong to the parameters it returns. Where a schedule restricts q (hard EM,
K-means), the E half-step takes the best q allowed, KL stays open, and what is climbed is the bound. No randomness here:
starts come in from outside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.protocol import Expectation, Family, Schedule
from emvsbayes.core.schedules import Batch
from emvsbayes.core.trace import HalfStep, Run, Status, Trace

ROUNDING = 1e-14  # a gain below ROUNDING · (1 + |objective|) is none
FALL = 1e-9  # the objective may fall by rounding only: FALL · (1 + |objective|)


@dataclass(frozen=True, slots=True)
class Stop:
    """When to stop.

    Attributes
    ----------
    tol : float
        Change of the objective per observation (per unit of total weight) in one pass, in nats. 0 runs exactly
        `max_passes` passes.
    max_passes : int
        Passes over the data; one EM iteration is one pass.
    param_tol : float, optional
        When given, also stop where no free coordinate changed by more than param_tol · (1 + |coordinate|).
    """

    tol: float = 1e-8
    max_passes: int = 1000
    param_tol: float | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.tol, Real) and 0 <= self.tol < np.inf):
            raise InputError(f"stop.tol must be a number >= 0 (nats per observation); it is {self.tol!r}.")
        whole = isinstance(self.max_passes, int | np.integer) and not isinstance(self.max_passes, bool)
        if not (whole and self.max_passes >= 0):
            raise InputError(f"stop.max_passes must be a whole number >= 0; it is {self.max_passes!r}.")
        if self.param_tol is not None and not (isinstance(self.param_tol, Real) and self.param_tol > 0):
            raise InputError(f"stop.param_tol must be a number greater than 0; it is {self.param_tol!r}.")
        object.__setattr__(self, "max_passes", int(self.max_passes))

    def reason(self, gain: float, total_weight: float, before: Array | None, after: Array | None) -> str:
        """Which rule is satisfied after a pass that gained `gain` nats; empty while none is."""
        if self.tol > 0 and gain / total_weight < self.tol:  # at the optimum rounding makes gains negative
            return f"objective changed by less than {self.tol:g} nats per observation"
        if self.param_tol is not None and before is not None and after is not None:
            with np.errstate(invalid="ignore"):  # inf - inf, where an estimate stays on its boundary
                near = np.abs(after - before) <= self.param_tol * (1 + np.abs(before))
            if (near | (after == before)).all():
                return f"no free coordinate changed by more than {self.param_tol:g} of its size"
        return ""


def run_em(
    family: Family,
    data: Any,
    start: Any,
    *,
    prior: Any = None,
    schedule: Schedule | None = None,
    stop: Stop | None = None,
    record: bool = True,
) -> Run:
    """Climb from `start` until a rule of `stop` is met, a component collapses, or passes run out.

    Parameters
    ----------
    family, data, start : a Family, its data and its parameters
    prior : the family's prior record; None is maximum likelihood
    schedule : how expectations are gathered; every row at once by default
    record : False keeps no half-steps, for speed; every other field of the result is the same to the bit

    Returns
    -------
    Run
        At the last finite parameters: a singular run stops one pass before its collapse.
    """
    schedule, stop = schedule or Batch(), stop or Stop()
    scorer = _Scorer(family, data, prior, record)
    params, memory = start, schedule.start(family, data)
    moving = getattr(schedule, "moving", None)  # a schedule may know that a pass that gained nothing was not the last

    now, memory = schedule.sweep(family, params, memory)
    objective = scorer.closed(0, params, now)
    passes, events, stopped_by, remaining, last_gain = 0, (), "", None, np.inf
    status = Status.MAX_PASSES if np.isfinite(objective) else Status.NONFINITE

    while status is Status.MAX_PASSES and passes < stop.max_passes:
        stats = now.stats if now.total is None else now.total
        stats = stats if prior is None else stats + family.pseudo_stats(prior, now.about)
        moved = family.m_step(stats, params)
        events = family.inspect(moved, now.stats, data, params)
        if any(event.kind == "singular" for event in events):
            status = Status.SINGULAR
            break

        following, memory = schedule.sweep(family, moved, memory)
        passes += 1
        scorer.opened(passes, moved, now, following)
        new_objective = scorer.closed(passes, moved, following)
        gain = new_objective - objective
        remaining, last_gain = _still_to_gain(last_gain, gain, ROUNDING * (1 + abs(objective))), gain
        if not np.isfinite(new_objective):
            status = Status.NONFINITE
            break
        if schedule.monotone and (gain < -FALL * (1 + abs(objective)) or scorer.fell):
            status = Status.DECREASED
        elif not (moving and moving(now, following, gain)) and (
            stopped_by := stop.reason(
                gain if schedule.monotone else abs(gain),
                data.row_weights.sum(),
                *((family.to_vector(params), family.to_vector(moved)) if stop.param_tol else (None, None)),
            )
        ):
            status = Status.CONVERGED
        params, now, objective = moved, following, new_objective

    if status in (Status.CONVERGED, Status.MAX_PASSES):
        if passes == 0:
            events = family.inspect(params, now.stats, data, params)
        if any(event.kind == "empty" for event in events):
            status = Status.EMPTY_COMPONENT
    at = len(scorer.steps) if status is Status.SINGULAR else max(len(scorer.steps) - 2, 0)
    return Run(
        start=start,
        params=params,
        q=now.q,
        log_likelihood=now.log_likelihood,
        log_prior=scorer.log_prior(params),
        status=status,
        passes=passes,
        trace=Trace(tuple(scorer.steps)),
        events=tuple(replace(event, half_step=at if record else -1) for event in events),
        stopped_by=stopped_by,
        remaining=remaining,
        elbo=scorer.bound(params, now) if now.restricted else None,
    )


def _still_to_gain(last: float, gain: float, rounding: float) -> float | None:
    """Aitken's estimate of the gain to come: gain · ρ / (1 - ρ), the sum of gain · ρ^i, with ρ = gain / last gain.

    None while gains grow, as on the way off a saddle, and after a single pass: nothing can then be said.
    """
    if gain <= rounding:
        return 0.0
    return gain * gain / (last - gain) if gain < last < np.inf else None


class _Scorer:
    """Scores half-steps, each number by its own code path, and keeps them where they are wanted."""

    def __init__(self, family: Family, data: Any, prior: Any, record: bool) -> None:
        self.family, self.data, self.prior, self.record = family, data, prior, record
        self.steps: list[HalfStep] = []

    def log_prior(self, params: Any) -> float:
        return 0.0 if self.prior is None else self.family.log_prior(params, self.prior)

    def bound(self, params: Any, held: Expectation) -> float:
        """ELBO(q, θ) = E_q ln p(X, Z | θ) + H(q), q and its statistics those of `held`."""
        return self.family.expected_log_joint(params, held.stats) + held.q.entropy(self.data.row_weights)

    def closed(self, passes: int, params: Any, now: Expectation) -> float:
        """After an E half-step: record it; return the objective."""
        log_prior = self.log_prior(params)
        if self.record:
            self._keep(passes, "E", params, now, now, log_prior)
        return (self.bound(params, now) if now.restricted else now.log_likelihood) + log_prior

    def opened(self, passes: int, params: Any, old: Expectation, now: Expectation) -> None:
        """After an M half-step: q and its statistics are the old ones, θ and its posterior the new ones."""
        if self.record:
            self._keep(passes, "M", params, old, now, self.log_prior(params))

    def _keep(self, passes: int, half: Any, params: Any, held: Expectation, now: Expectation, log_prior: float) -> None:
        kl = held.q.kl(now.posterior, self.data.row_weights)
        self.steps.append(HalfStep(passes, half, self.bound(params, held), kl, now.log_likelihood, log_prior))

    @property
    def fell(self) -> bool:
        """Whether the bound fell in the last pass, beyond rounding."""
        last = [step.objective for step in self.steps[-3:]]
        return any(b < a - FALL * (1 + abs(a)) for a, b in pairwise(last))
