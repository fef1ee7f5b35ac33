"""The same prior from weak to strong: EM's mode at every strength, beside the posterior.

`core.priors` says what strength λ is: λ times what the prior adds to the statistics; 1 is the prior itself, towards 0
the mode goes to maximum likelihood (or into a singularity, where the prior was all that kept it away), and towards ∞ to
what the prior says. The mode is found by EM at every rung, from the modes of its neighbour, of λ = 1, and from other
starts. The posterior at a rung comes from the draws of the nearest rung that was drawn, reweighted by the ratio of the
two priors where the weights can be trusted (`reweighting`), and else, if asked for, from NUTS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np

from emvsbayes.core.alignment import align_responsibilities, label_classes, permute
from emvsbayes.core.checks import Integers
from emvsbayes.core.em import Stop
from emvsbayes.core.errors import InputError
from emvsbayes.core.scalars import Scalar, scalars
from emvsbayes.fitting import fit_problem
from emvsbayes.posterior.draws import Draws, problem_of
from emvsbayes.posterior.log_prior import log_prior
from emvsbayes.posterior.record import LEVEL, Ladder, Rung
from emvsbayes.posterior.reweighting import Weighted, reweighted
from emvsbayes.problem import Problem

STRENGTHS = tuple(10.0 ** (i / 2) for i in range(-4, 5))  # 0.01 to 100
SAME = 1e-3
STOP = Stop(tol=1e-12, max_passes=5000)  # where two components are about to be one, EM is slow
STARTS = 5  # of EM at every rung, beside the modes of its neighbours

DrawAt = Callable[[Any], Draws]


@dataclass(frozen=True)
class _Source:
    """Draws at one strength, and their log prior there."""

    strength: float
    draws: Draws
    log_prior: Any


def scaled_prior(family: Any, prior: Any, strength: float) -> Any:
    """The prior with every group at λ times its strength; held fields keep theirs, which has no effect."""
    if not (isinstance(strength, int | float | np.number) and 0 < strength < np.inf):
        raise InputError(f"the strength of a prior must be a number above 0; it is {strength!r}.")
    groups = {f.name: getattr(prior, f.name) for f in fields(prior)}
    free = {name: g for name, g in groups.items() if g is not None and name not in family.fixed}
    return replace(prior, **{name: g.scaled(float(strength)) for name, g in free.items()})


def ladder(
    draws: Draws,
    fit: Any,
    *,
    strengths: Sequence[float] = STRENGTHS,
    draw_at: DrawAt | None = None,
    seed: int = 0,
) -> Ladder:
    """EM's mode and the posterior under the prior of a fit, at every strength.

    Parameters
    ----------
    draws : Draws
        Under the prior of the fit, and relabelled to it.
    fit : Fit
        MAP, of the same model; its prior is strength 1, and its labels are those of every rung.
    strengths : numbers above 0
    draw_at : callable, optional
        A prior record -> relabelled `Draws` under it, for rungs that reweighting does not reach; without it their
        posterior stays open.
    seed : int
        Of the starts.

    Returns
    -------
    Ladder
        Rungs from weak to strong.

    Raises
    ------
    InputError
        Where the fit has no prior, or a strength leaves none.
    """
    return ladder_of(
        problem_of(draws.family, draws.data, draws.like), fit, draws, strengths=strengths, draw_at=draw_at, seed=seed
    )


def ladder_of(
    problem: Problem,
    fit: Any,
    draws: Draws | None,
    *,
    strengths: Sequence[float] = STRENGTHS,
    draw_at: DrawAt | None = None,
    seed: int = 0,
) -> Ladder:
    """`ladder` of a problem that is already posed; without draws the modes alone."""
    if fit.prior is None:
        raise InputError("a ladder scales a prior, and this fit has none; fit with prior='default', or give one.")
    family, data = problem.family, problem.data
    listed = scalars(fit.params, family, getattr(data, "columns", ()), problem.twin.log_scale)
    if np.ndim(strengths) != 1 or not len(strengths):
        raise InputError("a ladder needs a list of at least one strength.")
    made = [(scaled_prior(family, fit.prior, s), float(s)) for s in strengths]
    priors = {s: prior for prior, s in made}
    order = sorted(priors)
    modes = _modes(problem, fit, order, priors, seed)
    sources = [] if draws is None else [_Source(1.0, draws, log_prior(draws, fit.prior))]
    rungs: dict[float, Rung] = {}
    for strength in sorted(order, key=lambda s: (abs(np.log(s)), s)):  # from 1 outwards: neighbours are drawn first
        found = modes[strength]
        rung = Rung(
            strength,
            family.describe_prior(priors[strength]),
            found.status.name,
            float(found.log_posterior),
            {s.name: s.of(found.params) for s in listed},
            _met(problem, found.params),
        )
        if sources:
            rung = _with_posterior(rung, listed, priors[strength], sources, draw_at)
        rungs[strength] = rung
    return Ladder([s.name for s in listed], [rungs[s] for s in order])


def _modes(problem: Problem, fit: Any, order: Sequence[float], priors: dict[float, Any], seed: int) -> dict[float, Any]:
    """The best of EM's ends at every rung, under the labels of the fit."""
    found: dict[float, Any] = {}
    classes = label_classes(problem.family, problem.data, fit.prior, problem.random_params(seed))
    for strength in sorted(order, key=lambda s: (abs(np.log(s)), s)):
        prior = priors[strength]
        nearest = min(found, key=lambda s: abs(np.log(s / strength)), default=None)
        known = [fit.params] if nearest is None else [found[nearest].params, fit.params]
        tried = [fit_problem(problem, prior=prior, start=params, stop=STOP, record=False) for params in known]
        tried.append(fit_problem(problem, prior=prior, n_starts=STARTS, stop=STOP, seed=seed, record=False))
        usable = [one for one in tried if one.status.usable] or tried
        best = max(usable, key=lambda one: one.log_posterior if np.isfinite(one.log_posterior) else -np.inf)
        found[strength] = _named(problem, fit, best, classes)
    return found


def _named(problem: Problem, fit: Any, other: Any, classes: Integers) -> Any:
    """A fit with its components named as those of the reference are, within their classes."""
    if "components" not in problem.family.capabilities or problem.family.n_components == 1:
        return other
    r = problem.family.e_step(other.params, problem.data).responsibilities
    named = align_responsibilities(r, fit.responsibilities, problem.data.row_weights, classes)
    params = permute(other.params, named, problem.family.component_axes)
    return replace(other, run=replace(other.run, params=params))


def _met(problem: Problem, params: Any) -> list[list[int]]:
    """Pairs of components with the same mean and covariance, in units of the data's standard deviations."""
    if "components" not in problem.family.capabilities:
        return []
    means, covariances = problem.family.component_moments(params, problem.data)
    spread = problem.family.points(problem.data)[0].std(axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    scaled = np.hstack([means / unit, (covariances / np.outer(unit, unit)).reshape(len(means), -1)])
    gaps = np.abs(scaled[:, None] - scaled[None, :]).max(axis=-1)
    return [[j, k] for j, k in combinations(range(len(means)), 2) if gaps[j, k] < SAME]


def _with_posterior(
    rung: Rung, listed: list[Scalar], prior: Any, sources: list[_Source], draw_at: DrawAt | None
) -> Rung:
    """The rung with the posterior from the nearest draws, or from new ones, which become a source themselves."""
    source = min(sources, key=lambda s: abs(np.log(s.strength / rung.strength)))
    if source.strength == rung.strength:
        return _filled(rung, listed, source.draws, _equal(source.draws), "NUTS")
    found = reweighted(log_prior(source.draws, prior) - source.log_prior)
    if found.trusted:
        return _filled(rung, listed, source.draws, found, f"λ = {source.strength:.3g} reweighted")
    if draw_at is None:
        return replace(rung, khat=found.khat, ess=found.ess)
    draws = draw_at(prior)
    sources.append(_Source(rung.strength, draws, log_prior(draws, prior)))
    return replace(_filled(rung, listed, draws, _equal(draws), "NUTS"), khat=found.khat, ess=found.ess)


def _equal(draws: Draws) -> Weighted:
    return Weighted(np.full(draws.size, 1 / draws.size), 0.0, float(draws.size))


def _filled(rung: Rung, listed: list[Scalar], draws: Draws, weighted: Weighted, source: str) -> Rung:
    """Mean and interval of every scalar."""
    values = {s.name: draws.scalar(s) for s in listed}
    return replace(
        rung,
        source=source,
        khat=None if source == "NUTS" else weighted.khat,
        ess=None if source == "NUTS" else weighted.ess,
        mean={name: weighted.mean(v) for name, v in values.items()},
        lower={name: weighted.quantile(v, (1 - LEVEL) / 2) for name, v in values.items()},
        upper={name: weighted.quantile(v, (1 + LEVEL) / 2) for name, v in values.items()},
    )
