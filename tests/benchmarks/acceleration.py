"""Passes that plain EM, SQUAREM and Anderson need to come within 1e-8 nats of the same optimum, from ten starts.

    python tests/benchmarks/acceleration.py [PASSES] > reports/benchmarks/acceleration.txt

Two problems on which EM is slow: the boys among 12 children of 6115 families as a mixture of two binomials (Saxony,
Geissler 1889), and 20 000 rows of three bivariate unit Gaussians 1.5 sd apart with full covariances. Starts that end in
another optimum are replaced by the next. Plain EM is cut off at PASSES (20000): what it has not reached then counts as
that many, so that a ratio is then an upper bound.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from emvsbayes.core.em import Stop, run_em
from emvsbayes.problem import Problem, pose

NEAR = 1e-8  # nats
STARTS = 10


def saxony() -> Problem:
    """Boys among 12 children, 6115 families: not embedded, but in the folder that EMVSBAYES_DATA names."""
    folder = Path(os.environ.get("EMVSBAYES_DATA", "../shared/data"))
    boys, families = np.loadtxt(folder / "saxony.csv", delimiter=",", skiprows=1, usecols=(1, 2)).T
    data = {"heads": boys, "tosses": np.full(len(boys), 12)}
    return pose("coins", data, n_components=2, settings={"weights": "free"}, sample_weight=families)


def triangle(n: int = 20_000) -> Problem:
    """Three unit Gaussians at the corners of a triangle with sides of 1.5."""
    rng = np.random.default_rng(1)
    corners = 1.5 * np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])
    return pose("gaussian_mixture", rng.normal(size=(n, 2)) + corners[rng.integers(0, 3, n)], n_components=3)


def climb(problem: Problem, start: object, accelerate: str | None, passes: int) -> list[tuple[float, float]]:
    """(passes, log-likelihood) after every E half-step."""
    stop = Stop(tol=1e-15, max_passes=passes)
    run = run_em(problem.family, problem.data, start, accelerate=accelerate, stop=stop)
    return [(step.passes, step.log_likelihood) for step in run.trace if step.half == "E"]


def arrival(path: list[tuple[float, float]], top: float) -> float:
    """The pass at which a climb came near the top; its last where it did not."""
    return next((passes for passes, height in path if height >= top - NEAR), path[-1][0])


def main(passes: int) -> None:
    """Print a table for each problem."""
    for name, problem in (("Saxony", saxony()), ("three Gaussians", triangle())):
        climbs, top = [], -np.inf
        for child in np.random.SeedSequence(0).spawn(40):
            start = problem.family.init(problem.data, np.random.default_rng(child), "k-means++")
            fast = {kind: climb(problem, start, kind, 5000) for kind in ("squarem", "anderson")}
            height = max(path[-1][1] for path in fast.values())
            climbs.append((start, height, fast))
            top = max(top, height)
            if sum(h > top - 1e-4 for _, h, _ in climbs) == STARTS:
                break
        print(f"{name}: optimum {top:.9f}; passes to within {NEAR:g} nats of it", flush=True)
        counts = []
        for start, height, fast in climbs:
            if height > top - 1e-4:
                plain = climb(problem, start, None, passes)
                counts.append([arrival(plain, top), *(arrival(path, top) for path in fast.values())])
                print("  plain {:6g}   squarem {:5g}   anderson {:5g}".format(*counts[-1]), flush=True)
        plain, squarem, anderson = np.median(counts, axis=0)
        print(f"  medians {plain:g}, {squarem:g}, {anderson:g}: 1/{plain / squarem:.1f} and 1/{plain / anderson:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
