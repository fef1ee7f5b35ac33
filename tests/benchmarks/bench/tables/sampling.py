"""NUTS: effective draws a second of the compiled likelihood beside PyMC's plain mixture, and the wait for a posterior.

Both sides are compiled once, start every chain at the same parameters and take the same steps of warm-up; a time is the
seconds of all chains, warm-up included, over the smallest bulk ESS of any parameter. Each chain keeps to one labelling
here, and chains to different ones, so that the ESS is the sum of the chains' own. What must agree is the posterior mean
of E|x|², which depends on every parameter and on no label, within five Monte Carlo standard errors of the difference.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from math import hypot
from time import perf_counter
from typing import Any

import numpy as np

from bench.harness import Absent, quartiles
from bench.records import Row, Side, Table, Value
from bench.words import duration
from emvsbayes.problem import Problem, pose
from emvsbayes.report import format as fmt

PLAIN, FUSED = "the plain twin in PyMC", "emvsbayes, compiled likelihood"
CHAINS, ERRORS = 4, 5.0
FIRST = """
import time; began = time.perf_counter()
from importlib.resources import files
import emvsbayes as eb
import pymc, nutpie, arviz
imported = time.perf_counter()
path = files("emvsbayes") / "studies" / "data" / "old_faithful.csv"
tree = eb.sample("gaussian_mixture", str(path), n_components=2, draws=1000, chains=4, seed=0, fresh=True)
print("SECONDS", time.perf_counter() - began, imported - began, tree.attrs["sampling_seconds"])
"""


@dataclass(frozen=True)
class Drawn:
    """One run: seconds an effective draw, and the posterior mean of E|x|² with its standard error."""

    cost: float
    height: float
    error: float


@dataclass(frozen=True)
class Sampler:
    """A side that is compiled: `draw(seed)` runs the chains."""

    name: str
    compiled_in: float
    draw: Callable[[int], Drawn]


def sampling(quick: bool) -> Table:
    """N = 20 000, D = 2, K = 2; and the first posterior of Old Faithful."""
    n, draws, tune, repeats = (1_000, 50, 100, 2) if quick else (20_000, 250, 250, 5)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2)) + np.where(np.arange(n) < 0.4 * n, 0.0, 3.0)[:, None]
    problem = pose("gaussian_mixture", X, n_components=2)
    prior = problem.prior("default")
    found = [side(problem, prior, draws, tune) for side in (fused, plain)]
    values = [
        Value(f"compiling {s.name}", s.compiled_in, "s", "imports of PyMC not counted")
        for s in found
        if isinstance(s, Sampler)
    ]
    text = [
        f"{fmt.count(n)} rows, two components, default prior, NUTS (nutpie), {CHAINS} chains of {tune} + {draws} "
        "steps from the same starts. An effective draw is worth one independent draw; what must agree is the posterior "
        "mean of E|x|².",
        "The first posterior is the wall time of emvsbayes.sample for Old Faithful in a new process, imports included, "
        "4 x 1000 draws; first with no cache of any kind on disk, then with what that left behind (draws are not taken "
        "from their cache).",
    ]
    row = contest(found, n, repeats)
    return Table("sampling", "NUTS", text, [row], [*values, *first_posterior()])


def plain(problem: Problem, prior: Any, draws: int, tune: int) -> Sampler | Absent:
    """The twin as the page prints it."""
    return sampler(PLAIN, problem, prior, draws, tune, **({"likelihood": "plain"} if told() else {}))


def fused(problem: Problem, prior: Any, draws: int, tune: int) -> Sampler | Absent:
    """The likelihood compiled from EM's own pass, where this version has one."""
    if not told():
        return Absent(FUSED, "not measured: this version has no compiled likelihood for NUTS")
    return sampler(FUSED, problem, prior, draws, tune, likelihood="fused")


def told() -> bool:
    """Whether a twin can be compiled with another likelihood than PyMC's."""
    from emvsbayes.bayes.compiled import compile_twin

    return "likelihood" in signature(compile_twin).parameters


def sampler(name: str, problem: Problem, prior: Any, draws: int, tune: int, **options: str) -> Sampler:
    """Compile, and keep how long that took."""
    from emvsbayes.bayes.compiled import compile_twin

    began = perf_counter()
    compiled = compile_twin(problem, prior, **options)
    took = perf_counter() - began
    starts = compiled.starts(problem.data, CHAINS, 0)

    def draw(seed: int) -> Drawn:
        began = perf_counter()
        found, _ = compiled.sample(problem.data, draws=draws, tune=tune, chains=CHAINS, seed=seed, starts=starts)
        seconds = perf_counter() - began
        height = second_moment(found)
        error = float(height.std() / np.sqrt(ess(height)))
        return Drawn(seconds / min(least_ess(values) for values in found.values()), float(height.mean()), error)

    return Sampler(name, took, draw)


def second_moment(draws: dict[str, np.ndarray]) -> np.ndarray:
    """E|x|² = Σ_k π_k (|μ_k|² + tr Σ_k) of every draw (chains, draws): every parameter is in it, and no label."""
    spread = np.trace(draws["covariances"], axis1=-2, axis2=-1)
    return (draws["weights"] * ((draws["means"] ** 2).sum(axis=-1) + spread)).sum(axis=-1)


def least_ess(draws: np.ndarray) -> float:
    """The smallest ESS of the entries of (chains, draws, …)."""
    flat = draws.reshape(*draws.shape[:2], -1)
    return min(ess(flat[:, :, i]) for i in range(flat.shape[2]))


def ess(draws: np.ndarray) -> float:
    """Bulk ESS of (chains, draws), each chain by itself, added up."""
    from arviz_stats.base import array_stats  # pyright: ignore[reportPrivateImportUsage]

    found: Any = [array_stats.ess(chain[None, :], method="bulk", chain_axis=0, draw_axis=1) for chain in draws]
    return float(np.sum(found))


def contest(found: list[Sampler | Absent], n: int, repeats: int) -> Row:
    """Runs in turn, with one seed a repeat; ratios as in `harness`."""
    present = [s for s in found if isinstance(s, Sampler)]
    runs = {s.name: [] for s in present}
    for seed in range(repeats):
        for s in present:
            runs[s.name].append(s.draw(seed))
    sides = []
    for s in found:
        if isinstance(s, Absent):
            sides.append(Side(s.name, note=s.why))
            continue
        of, ours = runs[s.name], runs[present[0].name]
        off = float(np.mean([one.height - other.height for one, other in zip(of, ours, strict=True)]))
        allowed = ERRORS * hypot(mean_error(of), mean_error(ours))
        note = f"{fmt.number(1 / np.median([r.cost for r in of]), 3)} effective draws a second"
        if abs(off) > allowed:
            note = f"DISAGREES: the posterior mean of E|x|² is off by {off:.3g}, more than {allowed:.3g}"
            sides.append(Side(s.name, difference=off, note=note))
            continue
        ratio = None if s is present[0] else quartiles([a.cost / b.cost for a, b in zip(of, ours, strict=True)])
        sides.append(Side(s.name, quartiles([r.cost for r in of]), ratio, None if ratio is None else off, note))
    return Row("D = 2, K = 2", {"N": n, "D": 2, "K": 2}, sides, unit="an effective draw", repeats=repeats)


def mean_error(runs: list[Drawn]) -> float:
    """Standard error of the mean height of some independent runs."""
    return float(np.sqrt(np.sum([r.error**2 for r in runs])) / len(runs))


def first_posterior() -> list[Value]:
    """Wall seconds of the first posterior, cold and warm, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        caches = {
            "HOME": folder,
            "NUMBA_CACHE_DIR": f"{folder}/numba",
            "PYTENSOR_FLAGS": f"base_compiledir={folder}/pytensor",
            "EMVSBAYES_CACHE": f"{folder}/draws",
        }
        found = []
        for name in ("first posterior, cold caches", "first posterior, warm caches"):
            done = subprocess.run(
                [sys.executable, "-c", FIRST], env={**os.environ, **caches}, capture_output=True, text=True
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith("SECONDS")]
            if done.returncode or not lines:
                raise RuntimeError((done.stderr.strip().splitlines() or ["sampling ended without a word"])[-1])
            total, imports, drawing = map(float, lines[0].split()[1:])
            rest = total - imports - drawing
            note = (
                f"Imports {duration(imports)}, sampling {duration(drawing)}; the other {duration(rest)} are compiling, "
                "starts, pointwise log-likelihood, mode and certificate."
            )
            found.append(Value(name, total, "s", note))
    return found
