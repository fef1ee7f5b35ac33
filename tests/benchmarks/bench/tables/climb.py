"""Time to the optimum: a gap of 1e-8 nats per observation, where EM is slow.

Three bivariate unit Gaussians at the corners of a triangle with sides of 1.5 standard deviations. The optimum is the
highest log-likelihood that a very long accelerated run reaches, from the same start as all others, and plain EM after
it. Ours are timed whole, every sweep stamped, the dropped guesses too. scikit-learn keeps the mean log-likelihood of
every iteration (`lower_bounds_`, at the parameters before its M-step); its seconds to the gap are the passes it needs
times its seconds a pass, taken in turn with ours, for a whole run of it takes minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from bench import peers
from bench.harness import PROCESSORS, REPEATS, Entrant, contest, on_threads, quartiles
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


@dataclass
class Stamped:
    """The batch schedule, and after every sweep the seconds so far and the highest log-likelihood."""

    inner: Batch = field(default_factory=lambda: Batch(keep_q=False))
    begun: float = field(default_factory=perf_counter)
    stamps: list[tuple[float, float]] = field(default_factory=list)
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
        runs: dict[str, list[list[tuple[float, float]]]] = {}
        for name, kind in WAYS.items():
            passes = needed(problem, start, kind, top, most)
            runs[name] = [stamps(problem, start, kind, passes + 2) for _ in range(REPEATS if passes < most else 1)]
    traces = [trace(name, of, top, n) for name, of in runs.items()]
    a_pass, theirs = scikit_learn(X, problem, start, top, most)
    rows = [*([a_pass] if a_pass else []), arrivals(n, runs, top, theirs)]
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


def stamps(problem: Problem, start: Any, kind: str | None, passes: int) -> list[tuple[float, float]]:
    """(seconds, highest log-likelihood) after every sweep of one run."""
    schedule = Stamped()
    stop = Stop(tol=0, max_passes=passes)
    run_em(problem.family, problem.data, start, schedule=schedule, accelerate=kind, stop=stop, record=False)  # type: ignore[arg-type]
    return schedule.stamps


def needed(problem: Problem, start: Any, kind: str | None, top: float, most: int) -> int:
    """Passes to the gap, looked for in runs that double; `most` where it is not reached."""
    passes, gap = 64, NEAR * problem.data.n_rows
    while passes < most:
        heights = [height for _, height in stamps(problem, start, kind, passes)]
        if heights[-1] >= top - gap:
            return next(i for i, height in enumerate(heights) if height >= top - gap)
        passes *= 2
    return most


def arrival(path: list[tuple[float, float]], near: float) -> tuple[int, float] | None:
    """Sweeps and seconds until `near` is reached."""
    return next(((i, s) for i, (s, height) in enumerate(path) if height >= near), None)


def trace(name: str, runs: list[list[tuple[float, float]]], top: float, n: int) -> Trace:
    """The median run, thinned evenly in the logarithm of its passes."""
    runs = sorted(runs, key=lambda path: path[-1][0])
    path = runs[len(runs) // 2]
    found = arrival(path, top - NEAR * n)
    kept = thinned(len(path))
    gaps = [max((top - path[i][1]) / n, 1e-12) for i in kept]
    return Trace(name, [path[i][0] for i in kept], gaps, found[0] if found else len(path), found[1] if found else None)


def thinned(length: int) -> list[int]:
    """Positions, denser where there are few passes."""
    return sorted({min(int(p) - 1, length - 1) for p in np.geomspace(1, length, POINTS)})


def scikit_learn(X: np.ndarray, problem: Problem, start: Any, top: float, most: int) -> tuple[Row | None, list[Trace]]:
    """A pass beside ours, and the trace of one long run; nothing where it is not installed."""
    sizes = {"N": len(X), "D": 2, "K": 3}
    theirs = peers.sklearn_mixture(X, start, "full", TIMED)
    row = contest("a pass", sizes, [peers.ours(problem, start, TIMED), theirs], TIMED, single=False)
    side = row.sides[1]
    if not isinstance(theirs, Entrant) or side.time is None:
        return row, []
    heights = sklearn_heights(X, start, top, most)
    path = [(i * side.time.median, height) for i, height in enumerate(heights)]
    return row, [trace(peers.SKLEARN, [path], top, len(X))]


def sklearn_heights(X: np.ndarray, start: Any, top: float, most: int) -> list[float]:
    """Their log-likelihood after 0, 1, 2 … passes, as far as the gap or `most`, going on from where a run ended."""
    from sklearn.mixture import GaussianMixture

    heights: list[float] = []
    gap, now, length = NEAR * len(X), start, 1_000
    with on_threads(1):  # the numbers are the same, and this run is not timed
        while len(heights) < most and (not heights or heights[-1] < top - gap):
            model = GaussianMixture(
                3,
                reg_covar=0.0,
                tol=0.0,
                max_iter=length,
                weights_init=now.weights,
                means_init=now.means,
                precisions_init=np.linalg.inv(now.covariances),
                init_params="random_from_data",
            )
            peers.quietly(lambda model=model: model.fit(X))()
            heights += [len(X) * float(bound) for bound in model.lower_bounds_]
            now = type(start)(model.weights_, model.means_, model.covariances_)
    reached = next((i for i, height in enumerate(heights) if height >= top - gap), len(heights) - 1)
    return heights[: reached + 1]


def arrivals(n: int, runs: dict[str, list[list[tuple[float, float]]]], top: float, theirs: list[Trace]) -> Row:
    """Seconds to the gap as a row: the quickest of ours first."""
    seconds: dict[str, list[float]] = {}
    for name, of in runs.items():
        found = [arrival(path, top - NEAR * n) for path in of]
        seconds[name] = [s for _, s in (f for f in found if f is not None)]
    order: list[str] = sorted((name for name, s in seconds.items() if s), key=lambda name: float(np.median(seconds[name])))
    best = float(np.median(seconds[order[0]])) if order else float("nan")
    passes: Callable[[str], int] = lambda name: (arrival(runs[name][0], top - NEAR * n) or (len(runs[name][0]), 0))[0]  # noqa: E731
    sides = [
        Side(f"{peers.OURS}, {name}", quartiles(seconds[name]),
             None if name == order[0] else quartiles([s / best for s in seconds[name]]), note=f"{passes(name)} sweeps")
        for name in order
    ]  # fmt: skip
    sides += [
        Side(f"{peers.OURS}, {name}", note=f"not within {passes(name)} sweeps") for name in runs if name not in order
    ]
    for other in theirs:
        reached = other.arrived is not None
        at = other.arrived if other.arrived is not None else other.seconds[-1]
        more = "" if reached else ", still further off, so that the ratio is at least this"
        sides.append(Side(other.name, quartiles([at]), quartiles([at / best]), note=f"{other.passes} passes{more}"))
    if not theirs:
        sides.append(Side(peers.SKLEARN, note=peers.missing(peers.SKLEARN) or "did not take part"))
    return Row("to the gap", {"N": n, "D": 2, "K": 3}, sides, unit="to the gap", repeats=REPEATS)
