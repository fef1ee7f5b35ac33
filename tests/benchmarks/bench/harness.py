"""How sides are timed: in turn, on the same work, and only where they end at the same objective.

Every repeat runs each side once, one after the other, so that whatever else the machine does falls on all of them; a
ratio is taken within a repeat, and the median of the repeats is reported with its quartiles. A first round that is not
timed compiles, warms the caches and gives the objective at the end of each side, which must be the same: a faster way
to another answer is no benchmark.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Any

import numba
import numpy as np
from threadpoolctl import threadpool_limits

from bench.records import Quartiles, Row, Side
from emvsbayes.core.threads import using_threads

REPEATS = 5
AGREE = 1e-9  # nats per observation, by which the objectives of two sides may differ at the end
MOST = numba.get_num_threads()  # that numba was started with
PAUSE = (
    0.1  # seconds before a call is timed: threads of BLAS and OpenMP spin on for a while, and would take a processor
)
# from whoever comes next
PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Entrant:
    """A side that can run: `work()` is timed, `objective` of what it returns is compared and is not timed."""

    name: str
    work: Callable[[], Any]
    objective: Callable[[Any], float]


@dataclass(frozen=True)
class Absent:
    """A side that cannot run here, and why."""

    name: str
    why: str


@contextmanager
def on_threads(number: int) -> Iterator[None]:
    """So many threads for everything: our passes, BLAS, OpenMP and numba, whatever the environment asked for."""
    before = numba.get_num_threads()
    numba.set_num_threads(min(number, MOST))
    try:
        with threadpool_limits(number), using_threads(number):
            yield
    finally:
        numba.set_num_threads(before)


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = perf_counter()
    work()
    return perf_counter() - start


def quartiles(values: Sequence[float] | np.ndarray, scale: float = 1.0) -> Quartiles:
    """The median and the quartiles of some repeats, each times `scale`."""
    low, median, high = (float(v) * scale for v in np.quantile(values, (0.25, 0.5, 0.75)))
    return Quartiles(median, low, high)


def interleave(works: Sequence[Callable[[], Any]], repeats: int) -> np.ndarray:
    """Seconds (repeats, sides): each repeat runs every side once, and starts with the next one; each rests before."""
    times = np.empty((repeats, len(works)))
    for repeat in range(repeats):
        for place in range(len(works)):
            side = (repeat + place) % len(works)
            sleep(PAUSE)
            times[repeat, side] = seconds(works[side])
    return times


def race(
    entrants: Sequence[Entrant | Absent],
    passes: int,
    per_observation: float,
    *,
    repeats: int = REPEATS,
    agree: float = AGREE,
) -> list[Side]:
    """The sides, ours first, timed in turn.

    Parameters
    ----------
    entrants : the first is ours, and must be able to run
    passes : what a time is divided by
    per_observation : what a difference of objectives is divided by, the number of rows
    agree : the largest such difference from ours; a side further off has no time, and says so
    """
    present, objectives, broken = [e for e in entrants if isinstance(e, Entrant)], {}, {}
    ours = entrants[0].name
    for entrant in present:
        try:
            objectives[entrant.name] = entrant.objective(entrant.work())
        except Exception as error:  # a peer may raise anything; ours may not
            if entrant.name == ours:
                raise
            broken[entrant.name] = f"FAILED: {type(error).__name__}: {error}"
    off = {name: (value - objectives[ours]) / per_observation for name, value in objectives.items()}
    agreeing = [e for e in present if e.name in off and abs(off[e.name]) <= agree]  # not a number is no agreement
    times = interleave([e.work for e in agreeing], repeats)
    column = {e.name: times[:, i] for i, e in enumerate(agreeing)}
    sides = []
    for entrant in entrants:
        name = entrant.name
        if isinstance(entrant, Absent):
            sides.append(Side(name, note=entrant.why))
        elif name in broken:
            sides.append(Side(name, note=broken[name]))
        elif name not in column:
            words = f"DISAGREES: its objective is off by {off[name]:.3g} per observation, more than {agree:g}"
            sides.append(Side(name, difference=off[name], note=words))
        else:
            ratio = None if name == ours else quartiles(column[name] / column[ours])
            difference = None if name == ours else off[name]
            sides.append(Side(name, quartiles(column[name], 1 / passes), ratio, difference))
    return sides


def contest(
    work: str,
    sizes: dict[str, int],
    entrants: Sequence[Entrant | Absent],
    passes: int,
    *,
    repeats: int = REPEATS,
    agree: float = AGREE,
    unit: str = "a pass",
    single: bool = True,
    per_observation: float | None = None,
) -> Row:
    """A row: the race on all processors and, where `single`, on one thread."""
    per = float(sizes["N"]) if per_observation is None else per_observation
    found = []
    for number in (PROCESSORS, 1) if single and PROCESSORS > 1 else (PROCESSORS,):
        with on_threads(number):
            found.append(race(entrants, passes, per, repeats=repeats, agree=agree))
    return Row(work, sizes, found[0], found[1] if len(found) > 1 else [], unit, passes, repeats)


def disagreements(rows: Sequence[Row]) -> list[str]:
    """A sentence for each side that ended elsewhere, or nowhere."""
    return [
        f"{row.work}: {side.name} {side.note}"
        for row in rows
        for side in (*row.sides, *row.single)
        if side.note.startswith(("DISAGREES", "FAILED"))
    ]
