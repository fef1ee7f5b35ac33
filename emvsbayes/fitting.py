"""`fit`: EM from many starts, best first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import whole_number
from emvsbayes.core.chunked import ROWS, chunks_of
from emvsbayes.core.em import run_em
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.latents.categorical import weighted_sum
from emvsbayes.core.starts import (
    ALL_METHODS,
    METHODS,
    Share,
    go_on,
    methods_of,
    read_starts,
    restarts,
    shortened,
)
from emvsbayes.core.stopping import Stop
from emvsbayes.fits import Fit
from emvsbayes.plan import Plan, read_plan
from emvsbayes.problem import Problem, pose

N_STARTS = 20
RANDOM_PASSES = 200  # where q is drawn a run has no end of its own


def fit(
    family: Any,
    X: Any,
    *,
    n_components: int | None = None,
    settings: Mapping[str, Any] | None = None,
    prior: Any = None,
    start: Any = None,
    n_starts: int | str | None = None,
    n_jobs: int = 1,
    fixed: Mapping[str, Any] | None = None,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    e_step: str | None = None,
    m_step: str | None = None,
    schedule: str | None = None,
    accelerate: str | None = None,
    stop: Mapping[str, Any] | Stop | None = None,
    record: bool | str = True,
    seed: int = 0,
    client: Any = None,
) -> Fit:
    """Fit a latent-variable model with EM.

    Parameters
    ----------
    family : str or Family
        A name in `emvsbayes.FAMILIES`, or a family object.
    X : array (N,) or (N, D), DataFrame, path, or mapping of the family's data fields
    n_components : int
        K.
    settings : mapping
        The family's settings, such as {"covariance": "diag"}.
    prior : None, "default", mapping or prior record
        None is maximum likelihood; anything else is MAP.
    start : mapping of parameter fields, parameter record, `Fit` of the same model, or the name of a starting method
        With values given there is one run, unless `n_starts` says more: the first run then starts from them. A `Fit`
        goes on from its parameters. Methods: kmeans, k-means++, random_rows, random_scales, random_responsibilities,
        hierarchical; see `emvsbayes.core.starts`.
    n_starts : int or str
        20 by default; 1 for a start that draws nothing. "20:5" runs 20 starts for 20 passes each and the 5 best to
        the end.
    n_jobs : int
        Threads that share the starts; the result does not depend on it. 1 by default: measured on two busy cores, a
        second thread took between 0.7 and 1.3 times as long as none.
    fixed : mapping
        Whole parameter fields to hold at given values.
    labels : (N,) ints
        Known components, -1 where unknown.
    sample_weight : (N,)
        How often each row counts; 0 is absent.
    e_step : {"exact", "hard", "truncated:C", "mean-field", "annealed", "stochastic", "monte-carlo:M"}
        Which q is allowed; see `emvsbayes.core.esteps`. By default what the family stands for: hard for kmeans.
    m_step : {"full", "conditional", "gradient"}
        How far an M half-step goes; see `emvsbayes.core.msteps`.
    schedule : {"batch", "chunked:ROWS", "incremental:B", "stepwise:B"}
        Over which rows q is renewed at a time: all of them; all, with the memory of so many rows; B blocks. See
        `emvsbayes.core.schedules`.
    accelerate : {None, "squarem", "anderson"}
        Whether a guess may replace EM's own step; see `emvsbayes.core.acceleration`. Never below plain EM's last value.
    stop : mapping or Stop
        `tol` (change of the objective per observation, 1e-8), `max_passes` (1000), `param_tol`, `rule`, `aitken`; see
        `emvsbayes.core.stopping`.
    record : bool or "blocks"
        Keep the half-step trace of the best run; "blocks" scores every block of an incremental schedule too. False is
        for speed: without a trace q need not be stored, and `Fit.q` is None where the family has a compiled pass.
    seed : int
        Of the starts, and of a q that is drawn.
    client : distributed.Client
        Every start is a task on the workers of a Dask cluster, and the data travel to each worker once; see
        `emvsbayes.workers`. Workers on machines of one kind return what one thread here does, to the bit; processors
        that differ, to rounding.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        For input that cannot be used. A singular or unconverged fit is no error: see `Fit.status`.

    References
    ----------
    Dempster, Laird and Rubin (1977), JRSS B 39, 1-38.
    """
    problem = pose(
        family,
        X,
        n_components=n_components,
        settings=settings,
        fixed=fixed,
        labels=labels,
        sample_weight=sample_weight,
    )
    return fit_problem(
        problem,
        prior=problem.prior(prior),
        start=start,
        n_starts=n_starts,
        plan=read_plan(problem, e_step=e_step, m_step=m_step, schedule=schedule, accelerate=accelerate, seed=seed),
        stop=as_stop(stop) if stop else None,
        record=record,
        seed=seed,
        n_jobs=n_jobs,
        share=shared_over(client),
    )


def shared_over(client: Any) -> Share | None:
    """Who does the work of several starts: the workers of a client where there is one."""
    if client is None:
        return None
    from emvsbayes.workers.tasks import share_over

    return share_over(client)


def as_stop(stop: Mapping[str, Any] | Stop | None) -> Stop:
    """A `Stop` from a mapping; fields left out keep their defaults."""
    if isinstance(stop, Stop):
        return stop
    names = tuple(f.name for f in fields(Stop))
    if stop is not None and not isinstance(stop, Mapping):
        raise InputError(f"stop must be a mapping with {', '.join(names)}; it is {stop!r}.")
    for name in stop or {}:
        if name not in names:
            raise unknown("field of stop:", name, names)
    return Stop(**(stop or {}))


def fit_problem(
    problem: Problem,
    *,
    prior: Any = None,
    start: Any = None,
    n_starts: int | str | None = None,
    e_step: str | None = None,
    plan: Plan | None = None,
    stop: Stop | None = None,
    record: bool | str = True,
    seed: int = 0,
    n_jobs: int = 1,
    share: Share | None = None,
) -> Fit:
    """`fit` for a problem that is already posed; `prior` is a record or None."""
    methods, given, n, keep = check_request(problem, prior=prior, start=start, n_starts=n_starts, seed=seed)
    whole_number(n_jobs, 1, "n_jobs")
    plan = plan or read_plan(problem, e_step=e_step, seed=seed)
    random = getattr(plan.gather(problem.family), "random", False)
    stop = stop or (Stop(max_passes=RANDOM_PASSES) if random else Stop())
    check_plan(problem, plan, stop, keep)
    problem = settle(problem, start=start, n_starts=n_starts, stop=stop, seed=seed, n_jobs=n_jobs, share=share)
    family, data = problem.family, problem.data
    options = {**plan.options(family), "prior": prior}
    once = n == 1 and keep is None  # a single run is recorded as it goes
    found = restarts(
        family,
        data,
        n,
        seed,
        given=given,
        methods=methods,
        complete=problem.hold,
        options={**options, "record": record} if once else options,
        stop=stop,
        keep=keep,
        n_jobs=n_jobs,
        share=None if once else share,
    )
    best = found[0].run
    found = [replace(restart, run=restart.run.without_trace()) for restart in found]
    if record and not once:  # the same run once more, with its trace
        options["record"] = record
        best = run_em(family, data, best.start, stop=stop if keep is None else shortened(stop), **options)
        best = best if keep is None else go_on(family, data, best, stop, **options)
        found[0] = replace(found[0], run=best.without_trace())  # equal to rounding; the table shows this one
    return Fit(
        family,
        best,
        tuple(found),
        prior,
        stop,
        seed,
        float(data.row_weights.sum()),
        tuple(getattr(data, "columns", ())),
        plan,
        _certainty(family, best.params, data),
    )


def _certainty(family: Any, params: Any, data: Any) -> float | None:
    """Σ_n w_n ln max_k r_nk, with r = p(Z | X, θ) even where the E-step chose another q; a chunk of rows at a time."""
    if not {"components", "density"} <= family.capabilities:
        return None
    return sum(
        weighted_sum(rows.row_weights, family.e_step(params, rows).log_r.max(axis=1)) for rows in chunks_of(data, ROWS)
    )


def settle(
    problem: Problem,
    *,
    start: Any = None,
    n_starts: int | str | None = None,
    stop: Stop | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    share: Share | None = None,
) -> Problem:
    """The problem with every setting that is learned once and then held, such as the variance of K-means.

    It is learned at the maximum-likelihood fit of the family's own E-step; families without such settings are returned
    as they are.
    """
    settled = getattr(problem.family, "settled", None)
    if settled is None or not getattr(problem.family, "unsettled", False):
        return problem
    methods, given, n, keep = check_request(problem, start=start, n_starts=n_starts, seed=seed)
    found = restarts(
        problem.family,
        problem.data,
        n,
        seed,
        given=given,
        methods=methods,
        complete=problem.hold,
        options={"schedule": schedule_of(problem, problem.twin.e_step)},
        stop=stop,
        keep=keep,
        n_jobs=n_jobs,
        share=share,
    )
    return replace(problem, family=settled(found[0].run.params, problem.data))


def schedule_of(problem: Problem, e_step: str | None = None) -> Any:
    """The schedule of a plan that names an E-step at most."""
    return read_plan(problem, e_step=e_step).gather(problem.family)


def check_plan(problem: Problem, plan: Plan, stop: Stop, keep: int | None) -> None:
    """Raise where the plan does not go with short runs first, or with Aitken's estimate."""
    steady = plan.gather(problem.family).monotone and getattr(problem.family, "schedule", None) is None
    if keep is not None and not steady:
        raise InputError(
            "short runs that go on later need an E-step and a schedule whose bound never falls; "
            "give n_starts as one number."
        )
    if stop.aitken and not (steady and plan.accelerate is None):
        raise InputError(
            "stop.aitken reads the rate of plain EM from its last two gains, which these E-steps, schedules or "
            "accelerations do not keep; leave it out."
        )


def check_request(
    problem: Problem, *, prior: Any = None, start: Any = None, n_starts: int | str | None = None, seed: int = 0
) -> tuple[tuple[str, ...], Any, int, int | None]:
    """Starting methods, given starting values or None, the number of starts, and how many go on after a short run.

    Raises before anything is fitted.
    """
    methods, given = METHODS, None
    if isinstance(start, str):
        known = methods_of(problem.family)
        if start in ALL_METHODS and start not in known:
            raise InputError(
                f"{problem.family.name} has no start of the method {start}; choose from {', '.join(known)}."
            )
        if start not in known:
            raise unknown("starting method", start, known)
        methods = (start,)
    elif start is not None:
        given = problem.start(start.params_for(problem.family) if isinstance(start, Fit) else start)
    if n_starts is None:
        n_starts = N_STARTS if given is None and not _draws_nothing(problem, start) else 1
    n, keep = read_starts(n_starts)
    whole_number(seed, 0, "seed")
    if prior is not None:
        data = problem.data
        problem.family.pseudo_stats(
            prior, given or problem.hold(problem.family.init(data, np.random.default_rng(0), "random_rows"))
        )
    return methods, given, n, keep


def _draws_nothing(problem: Problem, start: Any) -> bool:
    """Whether every start would be the same one."""
    alike = getattr(problem.family, "starts_alike", None)
    return alike is not None and isinstance(start, str) and alike(start, problem.data)
