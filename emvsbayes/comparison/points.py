"""Question 1: where do the point estimates agree?

Every estimate is set against the posterior's own spread, z = (estimate - posterior mean) / posterior sd. All sides
carry the labels of the MAP fit, by one joint alignment each; component-wise summaries of a posterior whose labels are
unresolved are not computed at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emvsbayes.comparison.record import FitStarts, Marginal, Parameter, Points, Score
from emvsbayes.core.checks import Array
from emvsbayes.core.scalars import Scalar

INTERVAL = 0.95  # equal-tailed
BINS = 50


def score(name: str, fit: Any, prior: Any, data: Any) -> Score:
    """The scores of an EM fit; the prior is evaluated at an ML fit too, for comparison."""
    family, params = fit.family, fit.params
    log_prior = family.log_prior(params, prior)
    icl = None
    if "components" in family.capabilities:
        best = family.e_step(params, data).responsibilities.max(axis=1)
        icl = fit.bic - 2 * float(data.row_weights @ np.log(best))
    return Score(
        name=name,
        log_likelihood=fit.log_likelihood,
        log_prior=_finite(log_prior),
        log_posterior=_finite(fit.log_likelihood + log_prior),
        status=fit.status.name,
        passes=fit.passes,
        bic=fit.bic,
        icl=icl,
    )


def score_at(name: str, family: Any, params: Any, prior: Any, data: Any, status: str) -> Score:
    """The scores of parameters that EM did not find."""
    log_likelihood = family.log_likelihood(params, data)
    log_prior = family.log_prior(params, prior)
    return Score(name, log_likelihood, _finite(log_prior), _finite(log_likelihood + log_prior), status)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def fit_starts(objective: Any, fit: Any) -> FitStarts:
    """What became of the starts of a fit."""
    singular = sum(not r.run.status.usable for r in fit.restarts)
    optima = fit.optima
    return FitStarts(objective, len(fit.restarts), singular, [o for o, _ in optima], [n for _, n in optima])


def compare_points(
    scalars: list[Scalar],
    ml: Any,
    map_: Any,
    mode: Any | None,
    posterior: Mapping[str, Any] | None,
    scores: list[Score],
    starts: list[FitStarts],
    unresolved_because: str,
) -> Points:
    """Estimates and posterior summaries of every scalar.

    ml, map_ and mode are aligned parameter records; `posterior` is the relabelled posterior dataset, or None where
    nothing was sampled or labels are unresolved (`unresolved_because` then says which).
    """
    parameters, marginals = [], []
    for scalar in scalars:
        at_ml, at_map, at_mode = scalar.of(ml), scalar.of(map_), None if mode is None else scalar.of(mode)
        summary = {}
        if posterior is not None:
            draws = scalar.draws(posterior)
            summary = _summary(draws, at_ml, at_map)
            marginals.append(_marginal(scalar.name, draws, at_ml, at_map))
        parameters.append(Parameter(scalar.name, scalar.field, scalar.component, at_ml, at_map, at_mode, **summary))
    return Points(
        parameters,
        scores,
        starts,
        marginals,
        f"{INTERVAL:.0%} interval".replace("%", " %"),
        posterior is not None,
        unresolved_because,
    )


def _summary(draws: Array, ml: float, map_: float) -> dict[str, float | None]:
    from arviz_stats.base.array import array_stats

    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    lower, upper = np.quantile(draws, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return {
        "mean": mean,
        "median": float(np.median(draws)),
        "sd": sd,
        "lower": float(lower),
        "upper": float(upper),
        "mcse": float(np.squeeze(array_stats.mcse(draws, chain_axis=0, draw_axis=1))),
        "z_ml": (ml - mean) / sd if sd > 0 else None,
        "z_map": (map_ - mean) / sd if sd > 0 else None,
    }


def _marginal(name: str, draws: Array, ml: float, map_: float) -> Marginal:
    """A histogram over the central 99.8 % of the draws, stretched to hold both estimates where they are near."""
    low, high = np.quantile(draws, [0.001, 0.999])
    width = high - low
    near = [x for x in (ml, map_) if low - width < x < high + width]
    density, edges = np.histogram(draws, bins=BINS, range=(min([low, *near]), max([high, *near])), density=True)
    return Marginal(name, edges.tolist(), density.tolist(), ml, map_)
