"""Question 4: does ln p(X | θ) = ELBO(q, θ) + KL(q ‖ p(Z | X, θ)) hold at every half-step?

ELBO comes from sufficient statistics and an entropy, KL from differences of log-responsibilities, the log-likelihood
from a log-sum-exp over components: three code paths, so that their agreement is a check.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emvsbayes.comparison.record import MARKS, Climb, Decomposition, Step
from emvsbayes.core.scalars import thinned
from emvsbayes.core.starts import Restart
from emvsbayes.core.trace import Run, Status, Trace

TELLING = 30  # passes: long enough to watch, short enough to print


def teaching_start(ml: Sequence[Restart], map_: Sequence[Restart]) -> Any | None:
    """Of the starts from which both climbs reach their best optimum, the one whose ML climb is nearest to 30 passes."""
    passes = [{r.index: r.run.passes for r in found if r.optimum == 0} for found in (ml, map_)]
    shared = sorted(set(passes[0]) & set(passes[1]))
    if not shared:
        return None
    chosen = min(shared, key=lambda index: abs(passes[0][index] - TELLING))
    return next(r.run.start for r in ml if r.index == chosen)


def compare_decomposition(
    ml: Run, map_: Run, others: list[Run], e_step: str = "exact", beside: Sequence[tuple[str, Run]] = ()
) -> Decomposition:
    """The half-steps of two climbs; the largest residual is also over `others`, less the last pass of a collapse.

    `beside` are ML climbs with another E-step, and its name.
    """
    return Decomposition(
        [
            _climb("ml", ml, others[:1], e_step),
            _climb("map", map_, others[1:], e_step),
            *(_climb("ml", run, [], other) for other, run in beside),
        ]
    )


def _climb(objective: Any, run: Run, others: list[Run], e_step: Any) -> Climb:
    steps = list(run.trace)
    kept = thinned(len(steps), MARKS)
    traces = [_above_collapse(r) for r in (run, *others)]
    return Climb(
        objective=objective,
        steps=[
            Step(s.passes, s.half, s.elbo, s.kl, s.log_likelihood, s.log_prior, s.residual)
            for s in (steps[i] for i in kept)
        ],
        n_half_steps=sum(len(trace) for trace in traces),
        largest_residual=max(trace.largest_residual for trace in traces),
        rate=_rate([s.objective for s in steps if s.half == "E"]),
        e_step=e_step,
    )


def _above_collapse(run: Run) -> Trace:
    """The trace without the last pass of a run that collapses: there a covariance is singular to rounding."""
    return Trace(run.trace.half_steps[:-2]) if run.status is Status.SINGULAR else run.trace


def _rate(objective: list[float]) -> float | None:
    """Linear rate of convergence: the median ratio of successive gains over the last ten above rounding."""
    gains = np.diff(objective)
    gains = gains[gains > 1e-9 * (1 + abs(objective[-1]))][-11:]
    return float(np.median(gains[1:] / gains[:-1])) if len(gains) > 2 else None
