"""Starting values, and restarts from many of them.

A likelihood of a mixture has many local maxima, so one start is an anecdote. Restarts cycle through three methods, each
from its own child of one seed:

    kmeans        the K-means solution, seeded by k-means++ (Lloyd 1982)
    k-means++     K rows, each drawn ∝ squared distance to the nearest so far (Arthur and Vassilvitskii 2007)
    random_rows   K distinct rows, drawn uniformly

Others are asked for by name:

    random_scales            K rows, with spreads drawn log-uniformly from the data's own down to a hundredth of it: for
                             looking at singularities on purpose
    random_responsibilities  one M-step on responsibilities drawn from Dirichlet(1) for each row; of many rows the
                             components then start nearly equal, close to a saddle that EM is slow to leave
    hierarchical             Ward's agglomerative clusters of a subsample (Gaussian mixtures)

Short runs come first where they are asked for: every start runs for SHORT_PASSES passes, the best few go on from where
they stood, the others are given up (the emEM of Biernacki, Celeux and Govaert 2003, Comput. Stat. Data Anal. 41,
561-575, with a number of passes in the place of their tolerance). It is cheap and no guarantee: on six Gaussian
mixtures with four seeds each, 20:5 took a quarter of the passes of 20 full runs and found the best of their optima 19
times in 24, five full runs 18 times.

Ranking: by the objective that was climbed; singular and non-finite runs last, those given up just before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emvsbayes.core.checks import Array
from emvsbayes.core.em import run_em
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.latents.categorical import clamp_labels, posterior
from emvsbayes.core.protocol import Family
from emvsbayes.core.sources import stand_in
from emvsbayes.core.stopping import Stop
from emvsbayes.core.threads import processors, using_threads
from emvsbayes.core.trace import Run, Status, Trace

METHODS = ("kmeans", "k-means++", "random_rows")
ANYWHERE = (*METHODS, "random_scales")  # what every family knows
ALL_METHODS = (*ANYWHERE, "random_responsibilities", "hierarchical")
SHORT_PASSES = 20  # of a short run
SAME_OPTIMUM = 0.01  # nats: runs closer than this, up to what they had still to gain, reached the same optimum


type Share = Callable[[Callable[[Any, Any], Any], Any, Sequence[Any]], list[Any]]
"""(function, data, jobs) -> function(data, job) of every job, in order: who does the work of several starts."""


@dataclass(frozen=True, slots=True)
class Restart:
    """One start among several and where it led.

    `optimum` numbers the distinct optima from the best (0) down; singular and non-finite runs have -1, and so have runs
    that were given up after a short run: they had not reached one. Those given up after a run on the sample of a source
    (`core.sampled_starts`) have the scores of the sample, which are no scores of all rows.
    """

    index: int
    how: str
    run: Run
    optimum: int = -1
    given_up: bool = False


def methods_of(family: Any) -> tuple[str, ...]:
    """The starting methods that a family knows."""
    return (*ANYWHERE, *getattr(family, "more_starts", ()))


def choose_rows(points: Array, weights: Array, k: int, rng: np.random.Generator, how: str) -> NDArray[np.int64]:
    """Row numbers (k,) of the starting centres; rows of weight 0 are never drawn."""
    candidates = np.flatnonzero(weights > 0)
    distinct = candidates[np.unique(points[candidates], axis=0, return_index=True)[1]]
    if len(distinct) >= k:  # two equal centres would stay equal for ever
        candidates = distinct
    if how not in ANYWHERE:
        raise unknown("starting method", how, ANYWHERE)
    if how.startswith("random"):
        return rng.choice(candidates, size=k, replace=False)
    chosen = [int(rng.choice(candidates, p=weights[candidates] / weights[candidates].sum()))]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < k:
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        mass = weights * nearest
        if mass.sum() == 0:  # fewer distinct rows than components: ties are unavoidable
            mass = weights.copy()
            mass[chosen] = 0.0
        chosen.append(int(rng.choice(len(points), p=mass / mass.sum())))
    return np.array(chosen)


def lloyd(points: Array, weights: Array, centers: Array, max_passes: int = 100) -> NDArray[np.int64]:
    """The K-means partition (N,) reached from `centers` (K, D); an empty cluster keeps its centre.

    ‖x_n - c_k‖² = ‖x_n‖² - 2 x_n·c_k + ‖c_k‖², of which the first term is the same for every k.
    """
    origin = points.mean(axis=0)  # far from the origin the products would lose the digits that tell centres apart
    points, centers, labels = points - origin, centers - origin, None
    for _ in range(max_passes):
        moved = ((centers**2).sum(axis=1) - points @ (2 * centers.T)).argmin(axis=1)
        if labels is not None and (moved == labels).all():
            break
        labels = moved
        one_hot = (labels[:, None] == np.arange(len(centers))) * weights[:, None]
        mass = one_hot.sum(axis=0)
        full = mass > 0
        centers[full] = (one_hot.T @ points)[full] / mass[full, None]
    assert labels is not None
    return labels


def labelled_centers(centers: Array, points: Array, labels: NDArray[np.int64] | None, weights: Array) -> Array:
    """Centres (K, D) with those of labelled components moved to the mean of their labelled rows."""
    if labels is None:
        return centers
    centers = centers.copy()
    for k in range(len(centers)):
        mass = weights * (labels == k)
        if mass.sum() > 0:
            centers[k] = mass @ points / mass.sum()
    return centers


def random_responsibilities(family: Any, data: Any, rng: np.random.Generator, about: Any) -> Any:
    """Parameters after one M-step, nothing held, on responsibilities r_n ~ Dirichlet(1, …, 1) of rows without a label.

    `about` are parameters of the family, for the origin of its moments and for what no row determines.
    """
    drawn = np.log(rng.standard_exponential((data.n_rows, family.n_components)))  # normalised exponentials
    q = posterior(clamp_labels(drawn, data.labels))
    free = replace(family, fixed=frozenset())
    return free.m_step(free.expect(q, data, about), about)


def read_starts(value: Any) -> tuple[int, int | None]:
    """20 starts as (20, None); "20:5", 20 short runs of which the 5 best go on, as (20, 5)."""
    parts = str(value).split(":") if isinstance(value, str | int | np.integer) and not isinstance(value, bool) else []
    numbers = [int(part) for part in parts if part.strip().isdecimal()]
    if not 1 <= len(parts) == len(numbers) <= 2 or min(numbers) < 1 or numbers[-1] > numbers[0]:
        raise InputError(
            "n_starts must be a whole number >= 1, or two as in 20:5, for 20 short runs of which the 5 best go on; "
            f"it is {value!r}."
        )
    return numbers[0], numbers[1] if len(numbers) == 2 else None


def named_run(name: str, family: Family, data: Any, start: Any, **options: Any) -> Run:
    """`run_em`; nobody asks for the name of a run."""
    return run_em(family, data, start, **options)


def restarts(
    family: Family,
    data: Any,
    n: int,
    seed: int,
    *,
    given: Any = None,
    methods: Sequence[str] = METHODS,
    complete: Callable[[Any], Any] = lambda params: params,
    prior: Any = None,
    options: Mapping[str, Any] | None = None,
    stop: Stop | None = None,
    keep: int | None = None,
    n_jobs: int = 1,
    share: Share | None = None,
    run: Callable[..., Run] = named_run,
) -> list[Restart]:
    """`n` runs without a trace, best first.

    `options` are keywords of `run_em`. `given` starting values are the first start; `complete` puts held values into
    drawn ones. Each start has a child of `seed` of its own, so that the first ten of twenty starts are those of a call
    with ten. With `keep` the runs are short ones first, and so many go on. `n_jobs` threads share the runs, or `share`
    gives them to others; the result does not depend on who does a run. `run` is `run_em` with a name for each run in
    front, for who keeps account of them; one that others are to call can be pickled.
    """
    stop = stop or Stop()
    options = {"prior": prior, "record": False, **(options or {})}

    def first(data: Any, job: tuple[int, np.random.SeedSequence]) -> Restart:
        index, child = job
        if index == 0 and given is not None:
            how, start = "given", given
        else:
            how = methods[index % len(methods)]
            start = complete(family.init(stand_in(data), np.random.default_rng(child), how))
        limit = stop if keep is None else shortened(stop)
        return Restart(index, how, run(f"start {index}", family, data, start, stop=limit, **options))

    def on(data: Any, restart: Restart) -> Restart:
        key = f"start {restart.index} goes on"
        return replace(restart, run=go_on(family, data, restart.run, stop, run=partial(run, key), **options))

    share = share or partial(_shared, n_jobs=n_jobs)
    found = share(first, data, list(enumerate(np.random.SeedSequence(seed).spawn(n))))
    return ranked(found if keep is None else _best_go_on(found, keep, lambda some: share(on, data, some)))


def shortened(stop: Stop) -> Stop:
    """The same rules with at most SHORT_PASSES passes."""
    return replace(stop, max_passes=min(SHORT_PASSES, stop.max_passes))


def go_on(family: Family, data: Any, short: Run, stop: Stop, run: Callable[..., Run] = run_em, **options: Any) -> Run:
    """The run continued to its end from where a short one stood; its passes and half-steps count from the first.

    A run that ended for another reason than its number of passes is returned as it is.
    """
    left = int(stop.max_passes - short.passes)
    if short.status is not Status.MAX_PASSES or left <= 0:
        return short
    rest = run(family, data, short.params, stop=replace(stop, max_passes=left), **options)
    before = max(len(short.trace) - 1, 0)  # the closing E half-step of one is the opening one of the other
    later = [replace(step, passes=step.passes + short.passes) for step in rest.trace.half_steps[1:]]
    events = [replace(e, half_step=e.half_step + before) if e.half_step >= 0 else e for e in rest.events]
    return replace(
        rest,
        start=short.start,
        passes=short.passes + rest.passes,
        trace=Trace((*short.trace.half_steps, *later)),
        events=tuple(events),
    )


def _best_go_on(short: list[Restart], keep: int, on: Callable[[list[Restart]], list[Restart]]) -> list[Restart]:
    """Short runs, of which the best go on until `keep` have ended well: the next replaces one that collapses."""
    order = ranked(short)
    queue, ended = [r for r in order if r.run.status.usable], [r for r in order if not r.run.status.usable]
    missing = keep
    while queue and missing > 0:
        some, queue = queue[:missing], queue[missing:]
        done = on(some)
        ended += done
        missing -= sum(r.run.status.usable for r in done)
    return ended + [replace(r, given_up=r.run.status is Status.MAX_PASSES) for r in queue]


def _shared(function: Callable[[Any, Any], Any], data: Any, jobs: Sequence[Any], n_jobs: int = 1) -> list[Any]:
    """The function of the data and every job, in order, by so many threads.

    Threads and not processes: they see the same arrays, so that every sum is the same to the bit. NumPy lets go of the
    interpreter in large operations only, compiled passes always; each job has its share of the processors.
    """
    if n_jobs == 1:
        return [function(data, job) for job in jobs]
    share = max(1, processors() // n_jobs)

    def alone(job: Any) -> Any:
        with using_threads(share):
            return function(data, job)

    with ThreadPoolExecutor(n_jobs) as pool:
        return list(pool.map(alone, jobs))


def ranked(found: Sequence[Restart]) -> list[Restart]:
    """Best objective first, unusable runs last; distinct optima numbered from the best."""
    ordered = sorted(found, key=lambda r: (not r.run.status.usable, r.given_up, -r.run.objective, r.index))
    numbered, optimum, level = [], -1, np.inf
    for restart in ordered:
        if restart.given_up or not restart.run.status.usable:
            numbered.append(replace(restart, optimum=-1))
            continue
        if level - restart.run.objective > SAME_OPTIMUM + (restart.run.remaining or 0.0):
            optimum, level = optimum + 1, restart.run.objective
        numbered.append(replace(restart, optimum=optimum))
    return numbered
