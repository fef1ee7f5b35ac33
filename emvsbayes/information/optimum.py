"""An optimum: parameters at which the score is zero, the statistics there, and the steps by which it is probed.

An asymptotic covariance is that of a maximum. A fit stops where a pass gains little; here it is carried on until a
pass gains less than 1e-12 nats an observation, and whatever then is no regular maximum is refused:

    singular, empty or not finite    the likelihood has no maximum there, or more than one
    restricted or drawn q            the estimate maximises a bound, or is an average: not where I_com - I_mis is I

An estimate on its boundary (a probability of 0 or 1) has an infinite coordinate. It has no standard error, and those of
the others are taken with it held there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.gradients import lengths, posterior_stats, score
from emvsbayes.core.protocol import Family
from emvsbayes.core.trace import Status

TOLERANCE = 1e-12  # nats per observation
PASSES = 5000
NEAR = 0.01  # standard errors to the optimum: farther is no optimum
FAR, SLIGHT = 10.0, 1e-6  # a coordinate that may be on its boundary; nats
LARGEST = 400  # free coordinates: matrices of their products are built by differences


@dataclass(frozen=True)
class Optimum:
    """Parameters at a maximum of ln p(X | θ), plus ln p(θ) under a prior."""

    family: Family
    data: Any
    params: Any
    prior: Any = None

    @cached_property
    def vector(self) -> Array:
        """Free coordinates (P,), infinite on a boundary."""
        return self.family.to_vector(self.params)

    @cached_property
    def inside(self) -> Integers:
        """Positions (F,) of the coordinates that are not on a boundary: those of every matrix here."""
        return np.flatnonzero(np.isfinite(self.vector))

    @cached_property
    def stats(self) -> Any:
        """Statistics of p(Z | X, θ), pseudo-statistics of the prior added."""
        return posterior_stats(self.family, self.params, self.data, self.prior)

    @cached_property
    def steps(self) -> Array:
        """Widths of differences (P,), a third of a complete-data standard error; NaN on a boundary.

        Raises
        ------
        InputError
            Where the model does not depend on a coordinate.
        """
        found = lengths(self.family, self.params, self.stats)
        if np.isnan(found[self.inside]).any():
            raise InputError(
                "there are no standard errors: the likelihood does not depend on every free parameter; "
                "use fewer components, or hold some with fixed."
            )
        return found

    @cached_property
    def score(self) -> Array:
        """∇ of the objective (F,), zero at an optimum."""
        return score(self.family, self.params, self.data, self.prior, self.steps)[self.inside]

    def at(self, vector: Array) -> Any:
        """The parameters of all coordinates (P,)."""
        return self.family.from_vector(vector, self.params)

    def distance(self, information: Array) -> float:
        """√(gᵀ I⁻¹ g): how far the maximum is, in standard errors along the gradient."""
        return float(np.sqrt(max(self.score @ np.linalg.solve(information, self.score), 0.0)))


def require_regular(fit: Any) -> None:
    """Raise, in one sentence, where a fit has no asymptotic covariance."""
    if fit.status in (Status.SINGULAR, Status.EMPTY_COMPONENT, Status.NONFINITE, Status.DECREASED):
        what = {
            Status.SINGULAR: "the fit is singular, and an unbounded likelihood has no maximum to measure the curvature "
            "of; use a prior (MAP) or other starts",
            Status.EMPTY_COMPONENT: "a component is empty, and the data say nothing of it; use fewer components",
        }
        raise InputError(f"there are no standard errors: {what.get(fit.status, 'the fit failed; see its status')}.")
    if "density" not in fit.family.capabilities:
        raise InputError(f"there are no standard errors: {_lowered(fit.family.absent['density'])}")
    plan = fit.plan
    if fit.run.elbo is not None or plan.e_step not in ("exact", "annealed"):
        raise InputError(
            f"there are no standard errors of a fit with a {plan.e_step} E-step: it does not maximise the likelihood; "
            "fit with e_step='exact'."
        )
    size = len(fit.family.to_vector(fit.params))
    if size == 0:
        raise InputError("there are no standard errors: every parameter is held fixed.")
    if size > LARGEST:
        raise InputError(
            f"there are no standard errors of {size} free parameters: the information is found by differences, "
            f"for at most {LARGEST}; use a smaller model."
        )


def settled(family: Family, data: Any, params: Any, prior: Any = None) -> Optimum:
    """The optimum that EM reaches from `params`, a fit of it, in at most PASSES passes more.

    Raises
    ------
    InputError
        Where it is none: a component collapses or empties on the way.
    """
    stop = Stop(tol=TOLERANCE, max_passes=PASSES)
    run = run_em(family, data, params, prior=prior, accelerate="squarem", stop=stop, record=False)
    if run.status not in (Status.CONVERGED, Status.MAX_PASSES):
        raise InputError(
            "there are no standard errors, for the fit goes on to another end than its optimum: "
            f"{_lowered(run.status.value)}"
        )
    return _on_boundary(Optimum(family, data, run.params, prior))


def _on_boundary(optimum: Optimum) -> Optimum:
    """The optimum with coordinates that run off to infinity put there: EM nears a probability of 0 for ever.

    They are those that may be moved to infinity at a loss of less than SLIGHT nats.
    """
    family, vector = optimum.family, optimum.vector
    widths = lengths(family, optimum.params, optimum.stats)
    for i in np.flatnonzero(np.isfinite(vector) & (np.abs(vector) > FAR) & ~(widths <= 1)):
        moved = vector.copy()
        moved[i] = np.sign(vector[i]) * np.inf
        if _objective(optimum, optimum.at(moved)) > _objective(optimum, optimum.params) - SLIGHT:
            vector = moved
            optimum = Optimum(family, optimum.data, optimum.at(moved), optimum.prior)
    return optimum


def _objective(optimum: Optimum, params: Any) -> float:
    """ln p(X | θ) + ln p(θ); NaN at parameters that are none."""
    family, prior = optimum.family, optimum.prior
    with np.errstate(all="ignore"):
        try:
            found = family.log_likelihood(params, optimum.data)
            return found + (0.0 if prior is None else family.log_prior(params, prior))
        except np.linalg.LinAlgError:
            return float("nan")


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
