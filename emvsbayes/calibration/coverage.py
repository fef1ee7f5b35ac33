"""`coverage`: how often intervals by EM and by the posterior hold the truth, at fixed true parameters; resumable.

    coverage = #{replicates whose interval holds θ*} / #{replicates that have an interval}

with the limits of Clopper and Pearson (1934) for a binomial share. Fits that end singular, or on a boundary, have no
standard error: they are counted by reason and left out of the share, which is then that of the fits one would report.

Source: Basford, Greenway, McLachlan and Peel (1997), Standard errors of fitted component means of normal mixtures,
Computational Statistics 12, 1-17, for the question; standard errors by Louis (1982), JRSS B 44, 226-233.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from scipy.stats import binomtest

from emvsbayes.calibration.coverage_record import METHODS, Cell, Coverage, SettingResult, SizeResult
from emvsbayes.calibration.replicate import (
    CHAINS,
    DRAWS,
    STARTS,
    TUNE,
    Curvature,
    Experiment,
    Replicate,
    compared,
)
from emvsbayes.calibration.sbc import MIXED, clock
from emvsbayes.calibration.settings import SETTINGS, Setting, find_setting
from emvsbayes.calibration.store import Store, code_of, versions
from emvsbayes.core.checks import whole_number
from emvsbayes.core.records import record_fields

HERE = Path(__file__).parent
REPLICATES = 200
EVERY = 20  # replicates between two lines of progress
REASONS = {"SINGULAR": "singular", "EMPTY_COMPONENT": "an empty component", "NONFINITE": "not finite"}


def coverage(
    settings: str | Sequence[str] | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    fresh: bool = False,
    say: Callable[[str], object] | None = None,
) -> Coverage:
    """How often do ML ± 2 SE, MAP ± 2 SE and the 95 % posterior interval hold the truth?

    Parameters
    ----------
    settings : names among separated, overlapping, coins
        All of them by default; each at several numbers of rows.
    replicates : int
        Data sets of each setting and size, at least 20.
    seed : int
        The same seed gives the same intervals; more replicates go on where fewer stopped.
    fresh : bool
        Compute again even what is kept from an earlier run.
    say : callable, optional
        Given a line of progress now and then.

    Returns
    -------
    Coverage
    """
    whole_number(replicates, 20, "replicates")
    whole_number(seed, 0, "seed")
    chosen = [find_setting(name) for name in ([settings] if isinstance(settings, str) else settings or SETTINGS)]
    say = say or (lambda line: None)
    results = [_run(setting, replicates, seed, fresh, say) for setting in chosen]
    sampler = {"chains": CHAINS, "tune": TUNE, "draws": DRAWS, "starts": STARTS}
    return Coverage(results, dict(METHODS), seed, sampler, versions())


def _run(setting: Setting, replicates: int, seed: int, fresh: bool, say: Callable[[str], object]) -> SettingResult:
    """A setting at every size; compiled once, and only if something is missing."""
    from emvsbayes.bayes.compiled import compile_twin
    from emvsbayes.bayes.likelihoods import available_likelihood

    problem = setting.pose(setting.sizes[0])
    prior = problem.prior(setting.prior)
    likelihood = available_likelihood(problem, prior, say)
    stores = {
        n: Store(Replicate, f"coverage-{setting.name}-{n}", specification(setting, n, seed, likelihood))
        for n in setting.sizes
    }
    if fresh:
        for store in stores.values():
            store.clear()
    done = {n: store.load() for n, store in stores.items()}
    missing = [(n, index) for n in setting.sizes for index in range(replicates) if index not in done[n]]
    if missing:
        kept = replicates * len(setting.sizes) - len(missing)
        if kept:
            say(f"{setting.name}: {kept} replicates are kept from an earlier run")
        say(f"{setting.name}: compiling")
        compiled = compile_twin(problem, prior, likelihood)
        experiments = {n: Experiment(setting, setting.pose(n), compiled, seed) for n in setting.sizes}
        began = perf_counter()
        for number, (n, index) in enumerate(missing, 1):
            stores[n].append(found := experiments[n].run(index))
            done[n][index] = found
            if number % EVERY == 0 or number == len(missing):
                left = (perf_counter() - began) / number * (len(missing) - number)
                say(f"{setting.name}, N = {n}: {number} of {len(missing)} replicates, {clock(left)} left")
    sizes = [size_result(setting, n, [done[n][index] for index in range(replicates)]) for n in setting.sizes]
    names = [scalar.name for scalar in compared(problem)]
    return SettingResult(setting.name, setting.title, setting.statement, likelihood, names, sizes)


def specification(setting: Setting, n: int, seed: int, likelihood: str) -> dict[str, Any]:
    """Everything that the intervals of a setting depend on."""
    root = HERE.parent
    own = [HERE / "replicate.py", *(root / "core" / f"{name}.py" for name in ("alignment", "gradients", "scalars"))]
    own += [root / "information" / f"{name}.py" for name in ("errors", "natural", "observed", "optimum")]
    own += [root / "relabelling" / f"{name}.py" for name in ("assignments", "draws", "ecr", "rows")]
    what = {k: v for k, v in record_fields(setting).items() if k not in ("title", "statement", "sizes")}
    code = code_of(setting.family, setting.pose(n).twin, likelihood, *own)
    return {"setting": what, "rows": n, "seed": seed, "versions": versions(), "code": code}


def size_result(setting: Setting, n: int, done: Sequence[Replicate]) -> SizeResult:
    """Coverage and width of every quantity by every method."""
    problem = setting.pose(n)
    listed, truth = compared(problem), setting.params(problem)
    cells = [
        cell(scalar.name, method, scalar.of(truth), np.array([_interval(r, method, q) for r in done]))
        for q, scalar in enumerate(listed)
        for method in METHODS
    ]
    ess = [replicate.ess for replicate in done]
    reasons = {name: Counter(_reason(getattr(r, name)) for r in done) for name in ("ml", "map")}
    return SizeResult(
        rows=n,
        replicates=len(done),
        missing={name: {k: v for k, v in found.items() if k} for name, found in reasons.items()},
        cells=cells,
        ess=min(ess),
        typical_ess=float(np.median(ess)),
        unmixed=sum(r.r_hat > MIXED for r in done),
        seconds=round(sum(r.seconds for r in done), 1),
    )


def cell(quantity: str, method: str, truth: float, intervals: np.ndarray) -> Cell:
    """The share of intervals (R, 2) that hold the truth; NaN is none."""
    there = intervals[~np.isnan(intervals).any(axis=1)]
    covered = int(((there[:, 0] <= truth) & (truth <= there[:, 1])).sum())
    if not len(there):
        return Cell(quantity, method, truth, 0, 0, None, None, None, None)
    limits = binomtest(covered, len(there)).proportion_ci(0.95, method="exact")
    width = float(np.median(there[:, 1] - there[:, 0]))
    return Cell(
        quantity, method, truth, len(there), covered, covered / len(there), float(limits.low), float(limits.high), width
    )


def _interval(replicate: Replicate, method: str, q: int) -> tuple[float, float]:
    """The ends for quantity q; NaN where the method has none."""
    if method == "posterior":
        return replicate.lower[q], replicate.upper[q]
    found = replicate.map if method == "map" else replicate.ml
    if method == "ml-scaled":
        low, high = found.lower[q], found.upper[q]
        return (np.nan, np.nan) if low is None or high is None else (low, high)
    estimate, se = found.estimates[q], found.se[q]
    if estimate is None or se is None:
        return np.nan, np.nan
    return estimate - 2 * se, estimate + 2 * se


def _reason(found: Curvature) -> str:
    """Why there is no standard error, in a word or two; empty where every quantity has one."""
    if not found.reason:
        return ""
    if found.reason.startswith("on the boundary"):
        return "on the boundary"
    return REASONS.get(found.status, "no regular maximum")
