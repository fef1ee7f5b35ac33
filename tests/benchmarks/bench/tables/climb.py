"""Time to the optimum: a gap of 1e-8 nats per observation, where EM is slow.

Three bivariate unit Gaussians at the corners of a triangle with sides of 1.5 standard deviations. The optimum is the
highest log-likelihood that a very long accelerated run reaches, from the same start as all others, and plain EM after
it. Ours are timed whole, every sweep stamped, the dropped guesses too. scikit-learn runs plain EM, so that it takes
the path of our plain run: it keeps the mean log-likelihood of every iteration (`lower_bounds_`, at the parameters
before its M-step), and those of its first `CHECKED` must be ours, pass by pass. Its seconds to the gap are then the
passes of that path times its seconds a pass, taken in turn with ours; run whole, it would take many minutes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import msgspec
import numpy as np

from bench import peers
from bench.harness import AGREE, PROCESSORS, REPEATS, Entrant, contest, on_threads, quartiles
from bench.records import Row, Side, Table, Trace, Value
from bench.tables.mixtures import posed
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.schedules import Batch
from emvsbayes.problem import Problem
from emvsbayes.report import format as fmt

NEAR = 1e-8  # nats per observation
WAYS = {"plain EM": None, "SQUAREM": "squarem", "Anderson": "anderson"}
POINTS = 200  # of a trace that is kept
TIMED = 20  # passes of scikit-learn in a repeat
LONG = 4.0  # seconds; a longer run is timed once
CHECKED = 500  # passes of it whose log-likelihoods are compared with ours
Path = list[tuple[float, float]]  # seconds, highest log-likelihood so far: after every sweep


class Arrived(Exception):
    """Raised out of a run that is near enough."""


@dataclass
class Stamped:
    """The batch schedule, and after every sweep the seconds so far and the highest log-likelihood."""

    target: float
    inner: Batch = field(default_factory=lambda: Batch(keep_q=False))
    begun: float = field(default_factory=perf_counter)
    stamps: Path = field(default_factory=list)
    sweeps_a_pass = 1
    monotone = True

    def start(self, family: Any, data: Any) -> Any:
        return self.inner.start(family, data)

    def afresh(self, memory: Any) -> Any:
        return self.inner.afresh(memory)

    def sweep(self, family: Any, params: Any, memory: Any) -> Any:
        now, memory = self.inner.sweep(family, params, memory)
        height = -np.inf if now.log_likelihood is None else now.log_likelihood
        best = max(height, self.stamps[-1][1]) if self.stamps else height
        self.stamps.append((perf_counter() - self.begun, best))
        if best >= self.target:
            raise Arrived
        return now, memory


def triangle(n: int) -> np.ndarray:
    """The rows."""
    rng = np.random.default_rng(1)
    corners = 1.5 * np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    return rng.normal(size=(n, 2)) + corners[rng.integers(0, 3, n)]


def climb(quick: bool) -> Table:
    """scikit-learn, and ours plain and accelerated."""
    n, most = (5_000, 4_000) if quick else (100_000, 20_000)
    X = triangle(n)
    problem, start = posed(X, X[:3] if quick else np.array([[0.2, 0.1], [1.2, 0.2], [0.7, 1.1]]))
    with on_threads(PROCESSORS):
        top = optimum(problem, start)
        target = top - NEAR * n
        runs = {name: stamps(problem, start, kind, target, most) for name, kind in WAYS.items()}
    traces = [trace(name, of, top, n) for name, of in runs.items()]
    a_pass, theirs = scikit_learn(X, problem, start, runs["plain EM"], top)
    rows = [a_pass, arrivals(n, runs, target, theirs)]
    text = [
        f"{fmt.count(n)} rows, three components, full covariances, one start. Seconds until the log-likelihood is "
        f"within {fmt.number(NEAR)} nats per observation of the optimum, every sweep counted."
    ]
    return Table("climb", "Time to the optimum", text, rows, [Value("optimum", top, "nats")], [*theirs, *traces])


def optimum(problem: Problem, start: Any) -> float:
    """The highest log-likelihood found by Anderson's run until it gains nothing, then by 200 passes of plain EM."""
    for kind, passes in (("anderson", 3_000), (None, 200)):
        run = run_em(problem.family, problem.data, start, accelerate=kind, record=False,
                     stop=Stop(tol=1e-16, max_passes=passes))  # fmt: skip
        start = run.params
    return float(run.log_likelihood)


def stamps(problem: Problem, start: Any, kind: str | None, target: float, most: int) -> list[Path]:
    """Runs as far as `target`: five, or one where `most` passes do not lead there or it takes longer than `LONG`."""
    found: list[Path] = []
    while len(found) < REPEATS and not (found and (found[0][-1][1] < target or found[0][-1][0] > LONG)):
        schedule: Any = Stamped(target)
        with suppress(Arrived):
            run_em(problem.family, problem.data, start, schedule=schedule, accelerate=kind, record=False,
                   stop=Stop(tol=0, max_passes=most))  # fmt: skip
        found.append(schedule.stamps)
    return found


def arrival(path: Path, near: float) -> tuple[int, float] | None:
    """Sweeps and seconds until `near` is reached."""
    return next(((i, s) for i, (s, height) in enumerate(path) if height >= near), None)


def trace(name: str, runs: list[Path], top: float, n: int) -> Trace:
    """The median run, thinned evenly in the logarithm of its passes."""
    runs = sorted(runs, key=lambda path: path[-1][0])
    path = runs[len(runs) // 2]
    found = arrival(path, top - NEAR * n)
    kept = thinned(len(path))
    gaps = [max((top - path[i][1]) / n, 1e-12) for i in kept]
    return Trace(name, [path[i][0] for i in kept], gaps, len(path) - 1, found[1] if found else None)


def thinned(length: int) -> list[int]:
    """Positions, denser where there are few passes."""
    return sorted({min(int(p) - 1, length - 1) for p in np.geomspace(1, length, POINTS)})


def scikit_learn(X: np.ndarray, problem: Problem, start: Any, plain: list[Path], top: float) -> tuple[Row, list[Trace]]:
    """A pass beside ours, and the trace of plain EM at their speed; no trace where they are missing or elsewhere."""
    sizes = {"N": len(X), "D": 2, "K": 3}
    row = contest("a pass", sizes, [peers.ours(problem, start, TIMED), peers.sklearn_mixture(X, start, "full", TIMED)],
                  TIMED, single=False)  # fmt: skip
    ours, side = row.sides
    if side.time is None:
        return row, []
    entrant = peers.sklearn_mixture(X, start, "full", CHECKED)
    assert isinstance(entrant, Entrant)
    heights = len(X) * np.array(entrant.work().lower_bounds_)
    path = np.array([height for _, height in plain[0][: len(heights)]])
    off = float(np.abs(heights[: len(path)] - np.maximum.accumulate(path)).max()) / len(X)
    note = (
        f"the log-likelihoods of {len(path)} passes are those of our plain EM, to {fmt.number(off, 2)} per observation"
    )
    if off > AGREE:
        row = msgspec.structs.replace(row, sides=[ours, Side(side.name, difference=off, note=f"DISAGREES: {note}")])
        return row, []
    row = msgspec.structs.replace(row, sides=[ours, msgspec.structs.replace(side, note=note)])
    at_their_speed = [(i * side.time.median, height) for i, (_, height) in enumerate(plain[0])]
    return row, [trace(peers.SKLEARN, [at_their_speed], top, len(X))]


def arrivals(n: int, runs: dict[str, list[Path]], target: float, theirs: list[Trace]) -> Row:
    """Seconds to the gap as a row: the quickest of ours first."""
    seconds: dict[str, list[float]] = {}
    for name, of in runs.items():
        found = [arrival(path, target) for path in of]
        seconds[name] = [s for _, s in (f for f in found if f is not None)]
    order: list[str] = sorted(
        (name for name, s in seconds.items() if s), key=lambda name: float(np.median(seconds[name]))
    )
    best = float(np.median(seconds[order[0]])) if order else float("nan")
    passes = {name: len(of[0]) - 1 for name, of in runs.items()}
    sides = []
    for name in order:
        ratio = None if name == order[0] else quartiles([s / best for s in seconds[name]])
        note = f"{passes[name]} sweeps{', timed once' if len(runs[name]) < REPEATS else ''}"
        sides.append(Side(f"{peers.OURS}, {name}", quartiles(seconds[name]), ratio, note=note))
    sides += [
        Side(f"{peers.OURS}, {name}", note=f"not within {passes[name]} sweeps") for name in runs if name not in order
    ]
    for other in theirs:
        reached = other.arrived is not None
        at = other.arrived if other.arrived is not None else other.seconds[-1]
        more = "" if reached else ", still further off, so that the ratio is at least this"
        sides.append(Side(other.name, quartiles([at]), quartiles([at / best]), note=f"{other.passes} passes{more}"))
    if not theirs:
        sides.append(Side(peers.SKLEARN, note=peers.missing(peers.SKLEARN) or "did not take part"))
    return Row("to the gap", {"N": n, "D": 2, "K": 3}, sides, unit="to the gap", repeats=REPEATS)
