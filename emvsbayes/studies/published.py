"""Numbers in print beside ours: EM from the study's start, one M-step with labels known, or a fit to another sample.

Where the data behind the print are gone, ours are another sample of the same model, and rounding decides nothing. What
two samples may differ by is measured: data sets of our size are drawn from our fit and fitted from the same start,

    X* ~ p(X | θ̂),   θ* = EM(X*),   sd of an entry = its standard deviation over the θ*     (parametric bootstrap)

and the two agree where every entry in print lies within `WITHIN` sds of ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.comparison.record import Published
from emvsbayes.core.alignment import align_responsibilities, permute
from emvsbayes.core.checks import Array
from emvsbayes.core.em import run_em
from emvsbayes.core.trace import Run
from emvsbayes.fitting import as_stop, schedule_of
from emvsbayes.problem import Problem
from emvsbayes.studies.spec import PublishedNumber, Study

WITHIN = 4.0  # sampling sds


def published_numbers(study: Study, problem: Problem) -> list[Published]:
    """Every number in print that the study lists, beside ours."""
    sample = max((entry.sampling for entry in study.published), default=0)
    drawn = _bootstrap(study, problem, sample) if sample else []
    return [_published(entry, study, problem, drawn[: entry.sampling]) for entry in study.published]


def watched(study: Study, problem: Problem) -> list[str]:
    """How far EM is from its end after the `watch` passes that a source stops at, in a sentence."""
    if not study.watch:
        return []
    early = _from_start(study, problem, problem.data, {"tol": 0.0, "max_passes": study.watch})
    end = _from_start(study, problem, problem.data, study.stop)
    return [
        f"After {study.watch} passes from the study's start the log-likelihood is "
        f"{end.log_likelihood - early.log_likelihood:.1f} nats below where EM converges (after {end.passes} passes): "
        f"iteration {study.watch} is not converged."
    ]


def _published(entry: PublishedNumber, study: Study, problem: Problem, drawn: list[Any]) -> Published:
    data = problem.data if entry.labels is None else replace(problem.data, labels=np.asarray(entry.labels))
    stop = {"tol": 0.0, "max_passes": entry.passes if entry.labels is None else 1}
    run = _from_start(study, problem, data, stop, entry.e_step)
    ours = _entries(run.params, entry.field)
    if not drawn:
        agree = all(round(a, entry.digits) == round(b, entry.digits) for a, b in zip(ours, entry.values, strict=True))
        return Published(entry.what, entry.field, entry.values, ours.tolist(), entry.digits, agree)
    sds = np.std([_entries(params, entry.field) for params in drawn], axis=0, ddof=1)
    agree = bool((np.abs(ours - entry.values) <= WITHIN * sds).all())
    return Published(entry.what, entry.field, entry.values, ours.tolist(), entry.digits, agree, sds.tolist())


def _bootstrap(study: Study, problem: Problem, n: int) -> list[Any]:
    """EM's parameters on `n` data sets drawn from our fit, each with the labels of that fit."""
    family, rng = problem.family, np.random.default_rng(study.seed)
    ours = _from_start(study, problem, problem.data, study.stop).params
    found = []
    for _ in range(n):
        data, _ = family.simulate(ours, problem.data, rng)
        theirs = _from_start(study, problem, data, study.stop).params
        moving, reference = (family.e_step(params, data).responsibilities for params in (theirs, ours))
        order = align_responsibilities(moving, reference, data.row_weights)
        found.append(permute(theirs, order, family.component_axes))
    return found


def _from_start(study: Study, problem: Problem, data: Any, stop: dict[str, Any], e_step: str | None = None) -> Run:
    """EM from the study's start; `e_step` is the study's own where it is left out."""
    schedule = schedule_of(problem, e_step or study.e_step or problem.twin.e_step)
    start = problem.start(study.start)
    return run_em(problem.family, data, start, schedule=schedule, stop=as_stop(stop), record=False)


def _entries(params: Any, field: str) -> Array:
    return np.ravel(getattr(params, field))
