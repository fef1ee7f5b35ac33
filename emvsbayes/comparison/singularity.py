"""Question 3: how often does maximum likelihood collapse, and what does the prior do about it?

The same random starts are climbed twice, under the likelihood and under the posterior density. Starts draw the spread
of each component log-uniformly from the data's own down to a hundredth of it (`random_scales`): spikes of the
likelihood are narrow, and starts that are all wide would never show them.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from emvsbayes.comparison.record import MARKS, Optimum, Path, Restarts, Singularity, Start
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.records import plain
from emvsbayes.core.scalars import thinned
from emvsbayes.core.starts import Restart, restarts
from emvsbayes.core.trace import Status

HOW = "random_scales"
N_STARTS = 100
LARGE, FEW = 1_000_000, 5  # more entries (N · D) than this: a climb takes seconds, and these are the starts
N_LISTED = 10  # optima that keep their parameters; a lesser one may be one of a hundred
N_PATHS = 6  # of collapsed starts, those with the longest way first, beside the best one


def compare_singularity(problem: Any, prior: Any, stop: Any, seed: int, schedule: Any = None) -> Singularity:
    """The same random starts under both objectives."""
    n_starts = N_STARTS if problem.data.n_rows * len(problem.data.columns) <= LARGE else FEW
    records = {}
    for objective, with_prior in (("ml", None), ("map", prior)):
        found = restarts(
            problem.family,
            problem.data,
            n_starts,
            seed,
            methods=(HOW,),
            complete=problem.hold,
            prior=with_prior,
            options={"schedule": schedule},
            stop=stop,
        )
        records[objective] = _record(problem, objective, found, with_prior, schedule)
    family = problem.family
    return Singularity(family.scattered_note, "bounded" in family.capabilities, n_starts, **records)


def _record(problem: Any, objective: Any, found: list[Restart], prior: Any, schedule: Any) -> Restarts:
    collapsed = [r for r in found if r.run.status is Status.SINGULAR]
    counts: dict[int, list[Restart]] = {}
    for restart in found:
        if restart.optimum >= 0:
            counts.setdefault(restart.optimum, []).append(restart)
    optima = [
        Optimum(number, group[0].run.objective, len(group), plain(group[0].run.params) if number < N_LISTED else {})
        for number, group in sorted(counts.items())
    ]
    longest = sorted(collapsed, key=lambda r: (-r.run.passes, r.index))
    shown = [r for r in found[:1] if r.optimum >= 0] + longest[:N_PATHS]
    return Restarts(
        objective,
        [_start(r) for r in found],
        optima,
        len(collapsed),
        [_path(problem, r, prior, schedule) for r in shown],
    )


def _start(restart: Restart) -> Start:
    run = restart.run
    event = next((e for e in run.events if e.kind == "singular"), None)
    return Start(
        index=restart.index,
        status=run.status.name,
        log_likelihood=_finite(run.log_likelihood),
        objective=_finite(run.objective),
        passes=int(run.passes),
        optimum=restart.optimum,
        component=None if event is None else event.component,
        rows=[] if event is None else list(event.rows[:8]),
        n_collapsed_rows=0 if event is None else len(event.rows),
    )


def _path(problem: Any, restart: Restart, prior: Any, schedule: Any) -> Path:
    """The log-likelihood after each pass, by running the start again with its trace."""
    passes = restart.run.passes + (restart.run.status is Status.SINGULAR)
    stop = Stop(tol=0.0, max_passes=int(passes))
    run = run_em(problem.family, problem.data, restart.run.start, prior=prior, schedule=schedule, stop=stop)
    steps = [step for step in run.trace if step.half == "E" and isfinite(step.log_likelihood)]
    kept = thinned(len(steps), MARKS // (N_PATHS + 1))
    return Path(
        restart.index,
        restart.run.status.name,
        [int(steps[i].passes) for i in kept],
        [steps[i].log_likelihood for i in kept],
    )


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
