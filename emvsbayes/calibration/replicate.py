"""One replicate of the coverage study: data from the truth, then three intervals for every parameter.

    ml          estimate ± 2 SE, and the 95 % interval of `standard_errors` (symmetric on the log or logit scale)
    map         the same of the MAP estimate, its standard errors those of the log posterior's curvature
    posterior   2.5 % and 97.5 % quantiles of relabelled draws

Components are matched to the truth by one joint assignment of their responsibilities to the truth's, all fields at
once. Draws are relabelled by ECR to the MAP estimate, as `relabel` does, and take that estimate's assignment: no draw
is matched to the truth by itself, which would pull it there. A fit that ends singular, or has no standard error, leaves
none: it is counted, and not replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any
from zlib import crc32

import numpy as np

from emvsbayes.bayes.compiled import CompiledTwin
from emvsbayes.calibration.settings import Setting
from emvsbayes.calibration.simulation import convergence
from emvsbayes.core.alignment import align_responsibilities, permute
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import take_rows
from emvsbayes.core.scalars import Scalar, scalars
from emvsbayes.fits import Fit
from emvsbayes.fitting import fit_problem
from emvsbayes.information.errors import errors_at
from emvsbayes.information.optimum import require_regular, settled
from emvsbayes.plan import read_plan
from emvsbayes.problem import Problem
from emvsbayes.relabelling import relabel_draws

CHAINS, TUNE, DRAWS = 2, 300, 500
STARTS = 5  # of EM
LEVEL = 0.95
Numbers = list[float | None]


@dataclass(frozen=True)
class Curvature:
    """An estimate and its standard errors, by quantity (Q,).

    Attributes
    ----------
    status : the name of the fit's `Status`
    reason : why there is no standard error; empty where there is
    estimates, se, lower, upper : None where there is none
    """

    status: str
    reason: str
    estimates: Numbers
    se: Numbers
    lower: Numbers
    upper: Numbers


@dataclass(frozen=True)
class Replicate:
    """One data set: intervals by ML, MAP and posterior, components matched to the truth.

    Attributes
    ----------
    index : its number, from 0
    ml, map : `Curvature`
    means, lower, upper : (Q,) of the posterior
    ess, r_hat : the smallest and the largest of the relabelled draws
    seconds : float
    """

    index: int
    ml: Curvature
    map: Curvature
    means: list[float]
    lower: list[float]
    upper: list[float]
    ess: float
    r_hat: float
    seconds: float


@dataclass(frozen=True)
class Experiment:
    """A setting at one number of rows, with its compiled twin: `run(index)` is the same whenever it is asked for."""

    setting: Setting
    problem: Problem
    compiled: CompiledTwin
    seed: int

    @cached_property
    def truth(self) -> Any:
        """The true parameters as a record."""
        return self.setting.params(self.problem)

    def run(self, index: int) -> Replicate:
        """Replicate number `index`."""
        began = perf_counter()
        n, name = self.problem.data.n_rows, crc32(self.setting.name.encode())
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, name, n, index]))
        data, _ = self.problem.family.simulate(self.truth, self.problem.data, rng)
        data = gathered(data)
        problem, seed, listed = replace(self.problem, data=data), int(rng.integers(2**31)), compared(self.problem)
        plan = read_plan(problem, accelerate="anderson", seed=seed)
        ml, mapped = (
            fit_problem(problem, prior=prior, n_starts=STARTS, plan=plan, record=False, seed=seed)
            for prior in (None, self.compiled.prior)
        )
        values, lower, upper, ess, r_hat = self._posterior(problem, mapped, listed, seed)
        return Replicate(
            index,
            curvature(ml, data, self.truth, listed),
            curvature(mapped, data, self.truth, listed),
            values.tolist(),
            lower.tolist(),
            upper.tolist(),
            ess,
            r_hat,
            round(perf_counter() - began, 3),
        )

    def _posterior(
        self, problem: Problem, mapped: Fit, listed: Sequence[Scalar], seed: int
    ) -> tuple[Array, Array, Array, float, float]:
        """Means and quantiles (Q,) of the relabelled draws, their smallest ESS and largest R-hat."""
        family, data = problem.family, problem.data
        starts = [mapped.params, family.init(data, np.random.default_rng(seed), "random_rows")]
        draws, _ = self.compiled.sample(data, draws=DRAWS, tune=TUNE, chains=CHAINS, seed=seed, starts=starts)
        flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in draws.items()}
        record = problem.twin.record(family)
        probabilities = np.array(
            [
                family.e_step(record(**{name: value[s] for name, value in flat.items()}), data).responsibilities
                for s in range(CHAINS * DRAWS)
            ]
        )
        pivot = family.e_step(mapped.params, data).responsibilities
        found = relabel_draws(
            flat, method="ecr", probabilities=probabilities, pivot=pivot, row_weights=data.row_weights
        )
        to_truth = matched(family, data, mapped.params, self.truth)
        table = np.empty((CHAINS * DRAWS, len(listed)))
        for q, scalar in enumerate(listed):
            named = found.apply(flat[scalar.field])[:, to_truth]
            table[:, q] = named[(slice(None), *scalar.index)]
        ess, r_hat = convergence(table.reshape(CHAINS, DRAWS, -1))
        lower, upper = np.quantile(table, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        return table.mean(axis=0), lower, upper, ess, r_hat


def gathered(data: Any) -> Any:
    """Equal rows once, with their number for a weight: the same likelihood, and a thousand trials are eleven rows."""
    _, first, count = np.unique(data.matrix(), axis=0, return_index=True, return_counts=True)
    return replace(take_rows(data, first), row_weights=count.astype(np.float64))


def curvature(fit: Fit, data: Any, truth: Any, listed: Sequence[Scalar]) -> Curvature:
    """Estimates and standard errors by Louis' identity, components named as the truth's; or the reason for none."""
    family = fit.family
    params = permute(fit.params, matched(family, data, fit.params, truth), family.component_axes)
    none: Numbers = [None] * len(listed)
    values: Numbers = [scalar.of(params) for scalar in listed]
    try:
        require_regular(fit)
        errors = errors_at(settled(family, data, params, fit.prior), ("louis",), level=LEVEL)
    except InputError as error:
        return Curvature(fit.status.name, str(error), values, none, none, none)
    at = [errors.names.index(scalar.name) for scalar in listed]
    found = errors.methods["louis"]
    estimates, se, lower, upper = (
        [column[i] for i in at] for column in (errors.estimates, found.se, found.lower, found.upper)
    )
    on = [scalar.name for scalar, value in zip(listed, se, strict=True) if value is None]
    reason = f"on the boundary: {', '.join(on)}" if on else ""
    return Curvature(fit.status.name, reason, list(estimates), se, lower, upper)


def matched(family: Any, data: Any, params: Any, truth: Any) -> Integers:
    """The permutation (K,) that brings the components of `params` to those of the truth, by the rows they share."""
    mine, theirs = (family.e_step(p, data).responsibilities for p in (params, truth))
    return align_responsibilities(mine, theirs, data.row_weights)


def compared(problem: Problem) -> list[Scalar]:
    """Every free scalar but the last weight, whose interval mirrors that of the first where K = 2."""
    family = problem.family
    about = family.init(problem.data, np.random.default_rng(0), "random_rows")
    listed = scalars(about, family, tuple(getattr(problem.data, "columns", ())))
    return [s for s in listed if not (s.field == "weights" and s.index == (family.n_components - 1,))]
