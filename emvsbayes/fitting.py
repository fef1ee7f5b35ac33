"""`fit`: EM from many starts, best first.

One long module, because it is one path from what users write to a `Fit`: in memory, from a source, from a checkpoint,
over a cluster. What each does differently is in `core.sampled_starts`, `checkpoints`, `sources` and `workers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.checkpoints import Keeper
from emvsbayes.core.checks import whole_number
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.latents.categorical import weighted_sum
from emvsbayes.core.sampled_starts import KEPT, STARTS, Searched, sampled_restarts
from emvsbayes.core.sources import added, chunks_of, is_source, stand_in, total_weight
from emvsbayes.core.starts import (
    ALL_METHODS,
    METHODS,
    Restart,
    Share,
    go_on,
    methods_of,
    named_run,
    read_starts,
    restarts,
    shortened,
)
from emvsbayes.core.stopping import Stop
from emvsbayes.core.trace import Run
from emvsbayes.fits import Fit
from emvsbayes.plan import Plan, read_chunk, read_plan
from emvsbayes.problem import Problem, pose
from emvsbayes.sources.note import chunks_read
from emvsbayes.workers.collections import kind_of, reader_of

N_STARTS = 20
FEW = 10_000  # rows of an explicit E-step, where nobody wants its q
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
    record: bool | str | None = None,
    chunk: int | None = None,
    checkpoint: Any = None,
    progress: Any = None,
    seed: int = 0,
    client: Any = None,
) -> Fit:
    """Fit a latent-variable model with EM.

    Parameters
    ----------
    family : str or Family
        A name in `emvsbayes.FAMILIES`, or a family object.
    X : array (N,) or (N, D), DataFrame, path, or mapping of the family's data fields
        Or a dask array or DataFrame, whose rows stay where Dask has them; see `emvsbayes.workers.reader`.
        Or data larger than memory: a path (`.npy`, `.parquet`, `.csv`) or memory map with `chunk`, a function that
        returns a new iterator of blocks of rows, an object that can be iterated again and again, or a reader
        (`emvsbayes.sources`). Blocks are arrays, DataFrames or mappings of columns, each at most a chunk in memory.
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
        the end. Of data larger than memory, "20:5" runs 20 starts to their end on a sample of at most 20 000 rows, and
        the 5 best of their distinct optima over all rows, but none that is worse there by more than chance; "20:2" is
        the default then, and a plain number asks for so many runs over all rows.
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
        for speed: without a trace q need not be stored, and `Fit.q` is None where the family has a compiled pass. By
        default True, and False for data larger than memory, which a trace would read four times as often.
    chunk : int
        Read the data so many rows at a time: the memory of the fit is that of one chunk. 200 000 by default where the
        data do not come in memory, or a file would take more than a quarter of it.
    checkpoint : path
        After each pass write where the fit stands to this file; where it is there already, and is of the same data and
        settings, the fit goes on from it. See `emvsbayes.checkpoints`.
    progress : object with `rows(n)` and `passed(passes, objective)`
        Told of rows read and passes done, such as `emvsbayes.cli.progress.Progress`.
    seed : int
        Of the starts, and of a q that is drawn.
    client : distributed.Client
        The workers of a Dask cluster (`emvsbayes.workers`). Rows in memory travel to each of them once, and every start
        is a task; rows of a dask collection are summed where they are. Workers on machines of one kind return what this
        process does, to the bit; processors that differ, to rounding. By default none, and of a collection the one that
        Dask would use. Starts that were tasks are not in a checkpoint, and are run again by a fit that goes on.

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
    if kind_of(X) is not None:
        X, labels, sample_weight = reader_of(X, labels, sample_weight, client), None, None
    chunk, schedule = read_chunk(chunk, schedule, X)
    problem = pose(
        family,
        X,
        n_components=n_components,
        settings=settings,
        fixed=fixed,
        labels=labels,
        sample_weight=sample_weight,
        larger=True,
        chunk=chunk,
        watch=progress,
    )
    if is_source(problem.data):
        schedule = f"chunked:{problem.data.rows}"
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
        checkpoint=checkpoint,
        progress=progress,
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
    record: bool | str | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    share: Share | None = None,
    checkpoint: Any = None,
    progress: Any = None,
) -> Fit:
    """`fit` for a problem that is already posed; `prior` is a record or None."""
    sourced = is_source(problem.data)
    record = (not sourced) if record is None else record
    methods, given, n, keep = check_request(problem, prior=prior, start=start, n_starts=n_starts, seed=seed)
    whole_number(n_jobs, 1, "n_jobs")
    plan = plan or read_plan(problem, e_step=e_step, seed=seed)
    if keep is not None and n_starts is None and not _steady(problem, plan):  # an annealed run begins anew on all rows
        n, keep = KEPT, None
    random = getattr(plan.gather(problem.family), "random", False)
    stop = stop or (Stop(max_passes=RANDOM_PASSES) if random else Stop())
    check_plan(problem, plan, stop, keep)
    with closing(Keeper(checkpoint, progress)) as keeper:
        keeper.open(
            problem, plan, stop, prior=prior, given=given, methods=methods, record=record, starts=(n, keep), seed=seed
        )
        problem = settle(
            problem, start=start, n_starts=n_starts, stop=stop, seed=seed, n_jobs=n_jobs, run=keeper.run, share=share
        )
        family, data = problem.family, problem.data
        options = {**plan.options(family), "prior": prior}
        once = n == 1 and keep is None  # a single run is recorded as it goes
        found, searched = searched_restarts(
            problem,
            n,
            seed,
            given=given,
            methods=methods,
            plan=plan,
            prior=prior,
            record=record if once else False,
            stop=stop,
            keep=keep,
            n_jobs=n_jobs,
            share=None if once else share,
            run=keeper.run,
        )
        best = found[0].run
        found = [replace(restart, run=restart.run.without_trace()) for restart in found]
        if record and not once:  # the same run once more, with its trace
            options["record"] = record
            short = keep is not None and not sourced
            best = keeper.run("recorded", family, data, best.start, stop=shortened(stop) if short else stop, **options)
            if short:
                best = go_on(family, data, best, stop, run=partial(keeper.run, "recorded, going on"), **options)
            found[0] = replace(found[0], run=best.without_trace())  # equal to rounding; the table shows this one
        return Fit(
            family,
            best,
            tuple(found),
            prior,
            stop,
            seed,
            total_weight(data),
            tuple(getattr(data, "columns", ())),
            plan,
            _certainty(family, best.params, data),
            chunks_read(data, searched) if sourced else None,
        )


def searched_restarts(
    problem: Problem,
    n: int,
    seed: int,
    *,
    plan: Plan,
    prior: Any = None,
    record: bool | str = False,
    keep: int | None = None,
    run: Callable[..., Run] = named_run,
    share: Share | None = None,
    **more: Any,
) -> tuple[list[Restart], Searched | None]:
    """Restarts over the data; of a source with `keep`, on its sample first. `more` are keywords of both.

    Others may `share` runs over rows in memory, of which `run` then keeps no account.
    """
    family, data = problem.family, problem.data
    more["complete"] = problem.hold
    options = {**plan.options(family), "prior": prior, "record": record}
    if not is_source(data):
        run = run if share is None else named_run
        return restarts(family, data, n, seed, options=options, keep=keep, run=run, share=share, **more), None
    if keep is None:
        return restarts(family, data, n, seed, options=options, run=run, **more), None
    on_sample = {**replace(plan, schedule="batch").options(family), "prior": prior}
    return sampled_restarts(
        family, data, n, keep, seed, on_sample=on_sample, options=options, run=run, share=share, **more
    )


def _certainty(family: Any, params: Any, data: Any) -> float | None:
    """Σ_n w_n ln max_k r_nk, with r = p(Z | X, θ) even where the E-step chose another q; a chunk of rows at a time."""
    if not {"components", "density"} <= family.capabilities:
        return None
    return added(data, partial(_certainty_of, family, params))


def _certainty_of(family: Any, params: Any, data: Any) -> float:
    """That of the rows of a chunk, fewer at a time: an explicit E-step may hold several N x K x D numbers."""
    parts = chunks_of(data, FEW)
    return sum(weighted_sum(rows.row_weights, family.e_step(params, rows).log_r.max(axis=1)) for rows in parts)


def settle(
    problem: Problem,
    *,
    start: Any = None,
    n_starts: int | str | None = None,
    stop: Stop | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    share: Share | None = None,
    run: Callable[..., Run] = named_run,
) -> Problem:
    """The problem with every setting that is learned once and then held, such as the variance of K-means.

    It is learned at the maximum-likelihood fit of the family's own E-step; families without such settings are returned
    as they are.
    """
    settled = getattr(problem.family, "settled", None)
    if settled is None or not getattr(problem.family, "unsettled", False):
        return problem
    methods, given, n, keep = check_request(problem, start=start, n_starts=n_starts, seed=seed)
    plan, posed = read_plan(problem, e_step=problem.twin.e_step), problem
    if is_source(problem.data):
        plan = replace(plan, schedule=f"chunked:{problem.data.rows}")
        posed = replace(problem, family=problem.family.interim(problem.data.sample))
    found, _ = searched_restarts(
        posed,
        n,
        seed,
        given=given,
        methods=methods,
        plan=plan,
        stop=stop,
        keep=keep,
        n_jobs=n_jobs,
        share=share,
        run=lambda name, *args, **options: run(f"{name}, for the variance", *args, **options),
    )
    return replace(problem, family=settled(found[0].run.params, problem.data))


def schedule_of(problem: Problem, e_step: str | None = None) -> Any:
    """The schedule of a plan that names an E-step at most."""
    return read_plan(problem, e_step=e_step).gather(problem.family)


def check_plan(problem: Problem, plan: Plan, stop: Stop, keep: int | None) -> None:
    """Raise where the plan does not go with short runs first, or with Aitken's estimate."""
    steady = _steady(problem, plan)
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


def _steady(problem: Problem, plan: Plan) -> bool:
    """Whether a run may stop and go on later."""
    return plan.gather(problem.family).monotone and getattr(problem.family, "schedule", None) is None


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
    if n_starts is None and is_source(problem.data):
        n_starts = f"{STARTS}:{KEPT}" if given is None and not _draws_nothing(problem, start) else 1
    if n_starts is None:
        n_starts = N_STARTS if given is None and not _draws_nothing(problem, start) else 1
    n, keep = read_starts(n_starts)
    whole_number(seed, 0, "seed")
    if prior is not None:
        data = stand_in(problem.data)
        problem.family.pseudo_stats(
            prior, given or problem.hold(problem.family.init(data, np.random.default_rng(0), "random_rows"))
        )
    return methods, given, n, keep


def _draws_nothing(problem: Problem, start: Any) -> bool:
    """Whether every start would be the same one."""
    alike = getattr(problem.family, "starts_alike", None)
    return alike is not None and isinstance(start, str) and alike(start, stand_in(problem.data))
