"""One simulation: truth from the prior, data from the truth, draws from the posterior, ranks.

The truth comes from `truths` (NumPy and SciPy), the data from the family's `simulate`, the draws from the twin as
`sample` draws them: the compiled posterior, whose likelihood is EM's own pass, or the PyMC model. Uniform ranks say
that all of them speak of one model. NUTS runs as in `sample` (nutpie, four chains, starts of `bayes.chains`), only
shorter. If the smallest effective sample size is below `ENOUGH`, the data are sampled again with twice the draws, up to
`LONGEST`: at three times the draws that are kept, neighbours among these are correlated by about exp(-6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any
from zlib import crc32

import numpy as np

from emvsbayes.bayes.compiled import CompiledTwin
from emvsbayes.calibration.models import Model
from emvsbayes.calibration.ordering import ordered_draws, ordered_params
from emvsbayes.calibration.ranks import KEPT, narrowed, ranks, spaced
from emvsbayes.calibration.truths import draw_truth
from emvsbayes.core.checks import Array
from emvsbayes.core.scalars import Scalar, scalars
from emvsbayes.problem import Problem

CHAINS, TUNE, DRAWS = 4, 500, 500
ENOUGH = 3 * KEPT
LONGEST = 4000  # draws of a chain
CONTROL = 0.8  # how much narrower the draws of the control are
LOG_LIKELIHOOD = "log-likelihood"


@dataclass(frozen=True)
class Simulation:
    """What one simulation leaves behind.

    Attributes
    ----------
    index : its number, from 0
    ranks, control : (Q,)
        Of the truth among the draws, and among the same draws narrowed by `CONTROL`.
    ess, r_hat : the smallest effective sample size and the largest R-hat of the ordered scalars
    divergences, draws : of all chains together
    runs : how often the data were sampled until the draws were enough
    seconds : of the sampler and its starts
    """

    index: int
    ranks: list[int]
    control: list[int]
    ess: float
    r_hat: float
    divergences: int
    draws: int
    runs: int
    seconds: float


@dataclass(frozen=True)
class Simulator:
    """A model ready to be simulated from: `simulate(index)` is the same whenever it is asked for."""

    model: Model
    compiled: CompiledTwin
    seed: int

    @cached_property
    def listed(self) -> list[Scalar]:
        """What is ranked beside the log-likelihood, (Q - 1,)."""
        return ranked(self.compiled.problem)

    def simulate(self, index: int) -> Simulation:
        """Simulation number `index`."""
        began = perf_counter()
        family, order = self.compiled.problem.family, self.model.order
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, crc32(self.model.name.encode()), index]))
        truth = draw_truth(self.compiled.problem, self.compiled.prior, rng)
        data, _ = family.simulate(truth, self.compiled.problem.data, rng)
        seed = int(rng.integers(2**31))
        starts = self.compiled.starts(data, CHAINS, seed)
        draws, runs = DRAWS, 0
        while True:
            posterior, stats = self.compiled.sample(
                data, draws=draws, tune=TUNE, chains=CHAINS, seed=seed + runs, starts=starts
            )
            runs += 1
            flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in posterior.items()}
            flat = ordered_draws(flat, family.component_axes, order)
            values = np.stack([flat[s.field][(slice(None), *s.index)] for s in self.listed], axis=1)
            ess, r_hat = convergence(values.reshape(CHAINS, draws, -1))
            if ess >= ENOUGH or draws >= LONGEST:
                break
            draws *= 2

        kept = spaced(len(values))
        record = self.compiled.problem.twin.record(family)
        likelihoods = [
            family.log_likelihood(record(**{name: value[s] for name, value in flat.items()}), data) for s in kept
        ]
        among = np.column_stack([values[kept], likelihoods])
        mine = ordered_params(truth, family.component_axes, order)
        at = np.array([*(s.of(mine) for s in self.listed), family.log_likelihood(truth, data)])
        return Simulation(
            index=index,
            ranks=ranks(at, among, rng).tolist(),
            control=ranks(at, narrowed(among, CONTROL), rng).tolist(),
            ess=float(ess),
            r_hat=float(r_hat),
            divergences=int(stats["diverging"].sum()),
            draws=len(values),
            runs=runs,
            seconds=round(perf_counter() - began, 3),
        )


def ranked(problem: Problem) -> list[Scalar]:
    """Every free scalar of a record but the last weight, which the others determine."""
    family = problem.family
    about = problem.hold(family.init(problem.data, np.random.default_rng(0), "random_rows"))
    listed = scalars(about, family, tuple(getattr(problem.data, "columns", ())))
    return [s for s in listed if not (s.field == "weights" and s.index == (family.n_components - 1,))]


def convergence(values: Array) -> tuple[float, float]:
    """The smallest bulk effective sample size and the largest rank-normalised R-hat of draws (C, S, Q).

    Source: Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16, 667-718.
    """
    from arviz_stats.base.array import array_stats

    stats: Any = array_stats  # whose annotations allow for datasets

    columns = [values[:, :, q] for q in range(values.shape[2])]
    ess = [float(stats.ess(c, method="bulk", chain_axis=0, draw_axis=1)) for c in columns]
    r_hat = [float(stats.rhat(c, method="rank", chain_axis=0, draw_axis=1)) for c in columns]
    return min(ess), max(r_hat)
