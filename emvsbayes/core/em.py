"""The one loop.

EM climbs F(q, θ) = E_q[ln p(X, Z | θ)] + H(q), plus ln p(θ) under a prior, one coordinate at a time:

    E half-step   q ← p(Z | X, θ)                           closes KL(q ‖ p(Z | X, θ))
    M half-step   θ ← argmax E_q[ln p(X, Z | θ)] + ln p(θ)  raises the bound, reopens the gap

(Dempster, Laird and Rubin 1977; Neal and Hinton 1998.) A pass is an M half-step and the E half-step that follows it,
so that the run ends with q and scores that belong to the parameters it returns. Four axes vary it: which q is allowed
(`core.esteps`), over which rows it is renewed at a time (`core.schedules`), how far the M half-step goes
(`core.msteps`) and whether a guess may replace its end (`core.acceleration`). Where q is restricted KL stays open, and
what is climbed is the bound. No randomness here: starts and seeds come in from outside.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.core.acceleration import ACCELERATORS, Leaper
from emvsbayes.core.chunked import Unstored
from emvsbayes.core.errors import InputError
from emvsbayes.core.esteps import Exact
from emvsbayes.core.msteps import m_steps
from emvsbayes.core.protocol import Family, Schedule
from emvsbayes.core.resuming import State, Watch
from emvsbayes.core.schedules import Batch
from emvsbayes.core.scoring import FALL, Scorer
from emvsbayes.core.sources import total_weight
from emvsbayes.core.stopping import Stop as Stop
from emvsbayes.core.stopping import still_to_gain
from emvsbayes.core.trace import Run, Status, Trace

SHORTEST_PATH = 5  # passes of which an average says something
ROUNDING = 1e-14  # a gain below ROUNDING · (1 + |objective|) is none


def run_em(
    family: Family,
    data: Any,
    start: Any,
    *,
    prior: Any = None,
    schedule: Schedule | None = None,
    m_step: str = "full",
    accelerate: str | None = None,
    stop: Stop | None = None,
    record: bool | str = True,
    watch: Watch | None = None,
    resume: State | None = None,
) -> Run:
    """Climb from `start` until a rule of `stop` is met, a component collapses, or passes run out.

    Parameters
    ----------
    family, data, start : a Family, its data and its parameters
    prior : the family's prior record; None is maximum likelihood
    schedule : how expectations are gathered, and which q; every row at once and exact by default
    m_step : how far an M half-step goes, one of `core.msteps.M_STEPS`
    accelerate : None, or one of `core.acceleration.ACCELERATORS`
    record : False keeps no half-steps and, where the family has a compiled pass (`core.gathering`), no q, for speed;
        every other field of the result is the same to rounding. "blocks" also scores every block of an incremental
        schedule, at the price of a pass each.
    watch : told of the state after every whole pass (`core.resuming`)
    resume : such a state of the same run, to go on from; under batch and chunked schedules

    Returns
    -------
    Run
        At the last finite parameters: a singular run stops one pass before its collapse. Where q is drawn, at the
        average of the second half of the path, with its exact posterior.
    """
    if record not in (True, False, "blocks"):
        raise InputError(f"record must be True, False or 'blocks'; it is {record!r}.")
    stop = stop or Stop()
    schedule = _recording(schedule or Batch(), record)
    scorer = Scorer(family, data, prior, bool(record))
    leaper = None if accelerate is None else Leaper(ACCELERATORS[accelerate](), family, data, schedule, scorer, start)
    memory = schedule.start(family, data)
    moving = getattr(schedule, "moving", None)  # a schedule may know that a pass that gained nothing was not the last
    a_pass = getattr(schedule, "sweeps_a_pass", 1)
    path = _Path(family, stop.max_passes) if getattr(schedule, "random", False) else None

    if resume is None:
        params, sweeps, passes, last_gain = start, 0, 0, np.inf
        now, memory = schedule.sweep(family, params, memory)
        objective = scorer.closed(0, params, now)
    else:
        params, sweeps, passes, last_gain = resume.params, resume.sweeps, resume.passes, resume.last_gain
        now, memory = schedule.sweep(family, params, _at_turn(schedule, memory, resume.turn))
        objective = resume.objective
        scorer.steps, scorer.seen = list(resume.steps), resume.seen
        if path is not None and resume.path is not None:
            path.length, path.sum = resume.path
        if leaper is not None and resume.leaper is not None:
            leaper.recall(resume.leaper, params)
    weight = total_weight(data)
    events, stopped_by, remaining = (), "", None
    status = Status.MAX_PASSES if np.isfinite(objective) else Status.NONFINITE
    if resume is not None:
        events, stopped_by, remaining, status = resume.events, resume.stopped_by, resume.remaining, resume.status
    before = params  # at the end of the last whole pass

    while status is Status.MAX_PASSES and passes < stop.max_passes:
        stats = now.stats if now.total is None else now.total
        stats = stats if prior is None else stats + family.pseudo_stats(prior, now.about)
        parts = list(m_steps(m_step, family, stats, params))
        moved = parts[-1]
        events = family.inspect(moved, now.stats, data, params)
        if any(event.kind == "singular" for event in events):
            status = Status.SINGULAR
            break

        room = passes + 2 <= stop.max_passes  # for a guess, and for EM's own pass where it is dropped
        leap = leaper.leap(moved, now, memory, objective) if leaper is not None and room else None
        sweeps += 0 if leap is None else a_pass
        leapt = False
        if leap is not None and leap.higher:
            leapt, moved, following, memory = True, leap.guess, leap.following, leap.memory
            parts = [moved]
        else:
            following, memory = schedule.sweep(family, moved, memory)
            sweeps += 1
        passes = _passes(sweeps, a_pass)
        if following.log_likelihood is None and not following.whole:  # a block within a pass
            params, now = moved, following
            continue
        for part in parts[:-1]:
            scorer.between(passes, part, now)
        scorer.opened(passes, moved, now, following, "A" if leapt else "M")
        new_objective = scorer.closed(passes, moved, following)
        if not np.isfinite(new_objective):
            status = Status.NONFINITE
            break
        if not following.whole:
            params, now = moved, following
            continue
        gain = new_objective - objective
        remaining, last_gain = still_to_gain(last_gain, gain, ROUNDING * (1 + abs(objective))), gain
        if schedule.monotone and (gain < -FALL * (1 + abs(objective)) or scorer.fell()):
            status = Status.DECREASED
        elif following.final and not (moving and moving(now, following, gain)):
            stopped_by = stop.reason(
                gain if schedule.monotone else abs(gain),
                weight,
                *((family.to_vector(before), family.to_vector(moved)) if stop.param_tol else (None, None)),
                remaining,
            )
            status = Status.CONVERGED if stopped_by else status
        params, now, objective, before = moved, following, new_objective, moved
        if path is not None:
            path.add(passes, params)
        if watch is not None:
            watch.passed(
                State(
                    params,
                    int(passes),
                    sweeps,
                    schedule.turn(memory) if hasattr(schedule, "turn") else sweeps,  # pyright: ignore
                    objective,
                    last_gain,
                    status,
                    stopped_by,
                    remaining,
                    events,
                    tuple(scorer.steps),
                    scorer.seen,
                    None if path is None else (path.length, path.sum),
                    None if leaper is None else leaper.remembered(),
                )
            )

    if path is not None and path.length >= SHORTEST_PATH and status is Status.MAX_PASSES:
        params = path.average(params)
        now, _ = Batch().sweep(family, params, (data, 1, None))
        scorer.closed(passes, params, now)
        status, stopped_by, remaining = Status.CONVERGED, f"average of the last {path.length} passes", None
    if status in (Status.CONVERGED, Status.MAX_PASSES):
        if passes == 0:
            events = family.inspect(params, now.stats, data, params)
        if any(event.kind == "empty" for event in events):
            status = Status.EMPTY_COMPONENT
    at = len(scorer.steps) if status is Status.SINGULAR else max(len(scorer.steps) - 2, 0)
    if now.log_likelihood is None and not now.whole:  # broken off within a pass, by a collapse
        now, _ = Batch(getattr(schedule, "e_step", Exact())).sweep(family, params, (data, 1, None))
    return Run(
        start=start,
        params=params,
        q=None if isinstance(now.q, Unstored) else now.q,
        log_likelihood=scorer.log_likelihood(params, now),
        log_prior=scorer.log_prior(params),
        status=status,
        passes=passes,
        trace=Trace(tuple(scorer.steps)),
        events=tuple(replace(event, half_step=at if record else -1) for event in events),
        stopped_by=stopped_by,
        remaining=remaining,
        elbo=scorer.bound(params, now) if now.restricted else None,
    )


def _recording(schedule: Any, record: bool | str) -> Schedule:
    """The schedule: q is kept for a trace only, and every block is scored where that is asked for and it has blocks."""
    if record == "blocks" and hasattr(schedule, "score_blocks"):
        return replace(schedule, score_blocks=True)
    return replace(schedule, keep_q=False) if not record and hasattr(schedule, "keep_q") else schedule


def _at_turn(schedule: Any, memory: Any, turn: int) -> Any:
    """The memory of a schedule that has only to know how many sweeps there were."""
    if not hasattr(schedule, "resumed"):
        raise InputError("only batch and chunked schedules go on from a checkpoint; leave the checkpoint out.")
    return schedule.resumed(memory, turn)


def _passes(sweeps: int, a_pass: int) -> int | float:
    """Passes over the data, whole where they are."""
    return sweeps // a_pass if sweeps % a_pass == 0 else sweeps / a_pass


class _Path:
    """The second half of a random path, averaged in free coordinates (Celeux and Diebolt 1985)."""

    def __init__(self, family: Family, max_passes: int) -> None:
        self.family, self.after, self.length, self.sum = family, max_passes / 2, 0, np.zeros(())

    def add(self, passes: float, params: Any) -> None:
        vector = self.family.to_vector(params)
        if passes > self.after and np.isfinite(vector).all():
            self.length, self.sum = self.length + 1, self.sum + vector

    def average(self, like: Any) -> Any:
        return self.family.from_vector(self.sum / self.length, like)
