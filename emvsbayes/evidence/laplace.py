"""Laplace's method: the evidence of a normal with the height and the curvature of the posterior at its mode.

    ln p(X) ≈ ln f(v̂) + P/2 ln 2π - ½ ln|H|,    H = -∂² ln f at v̂

A mode and a curvature depend on the coordinates, and so does this number. It is taken in two of them:

    natural    v̂ is the MAP estimate that EM finds, the mode of ln p(X | θ) + ln p(θ)
    free       v̂ is the mode of that plus ln |∂θ/∂v|, on coordinates without bounds, where normals fit better

At a stationary point of a function of θ its curvature by v is Jᵀ H_θ J, so that the first needs no derivative on the
natural scale: ln|H_θ| = ln|H_v| - 2 ln|J|. One mode is counted. The posterior has the same under every label, and where
these copies are apart their number belongs to the evidence: ln K! more. Where they overlap it would count them twice,
and is not added. Modes of other kinds are left out.

Source: Tierney and Kadane (1986), JASA 81, 82-86.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.gradients import curvature, derivatives
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.evidence.normals import SEPARATE, Normal, Symmetric
from emvsbayes.evidence.unconstrained import MOST, Unconstrained

NEWTON = 20  # steps at most
STILL = 1e-9  # nats still to gain
BEND = 0.1  # nats by which the function falls over a step of a difference to both sides


@dataclass(frozen=True)
class Laplace:
    """Laplace's approximation of one mode.

    Attributes
    ----------
    natural, free : ln p(X) from one mode, in nats; nothing added for its copies
    normal : on free coordinates
    copies : how many renamings leave the posterior as it is
    overlap : nats by which the copies of the normal overlap, from 0 to ln copies; see `normals`
    """

    natural: float
    free: float
    normal: Normal
    copies: int
    overlap: float

    @property
    def separate(self) -> bool:
        """Whether the copies are apart."""
        return self.overlap < SEPARATE

    @property
    def log_copies(self) -> float:
        """What is to be added for the copies: ln of their number where they are apart, else 0."""
        return float(np.log(self.copies)) if self.separate else 0.0


def laplace(target: Unconstrained, params: Any, *, seed: int = 0, most: int = MOST) -> Laplace:
    """Laplace's approximation near a MAP estimate.

    Parameters
    ----------
    target : the posterior on free coordinates
    params : the MAP estimate, or parameters near it
    most : renamings for which the overlap is measured

    Raises
    ------
    InputError
        Where there is no regular mode: an estimate on its boundary, a saddle, a direction that nothing determines.
    """
    family = target.problem.family
    start = family.to_vector(params)
    if not np.isfinite(start).all():
        raise InputError(
            "Laplace's method needs a mode inside the domain, and the MAP estimate is on its boundary; use a prior "
            "that is zero there."
        )

    def height(v: Array) -> float:
        return target(v) - _log_jacobian(target, v)

    at, information = mode(height, start)
    natural = _integral(height(at) + _log_jacobian(target, at), information)
    at, information = mode(target, start)
    normal = Normal.of(at, np.linalg.inv(information))
    rng = np.random.default_rng(seed)
    overlap = Symmetric(normal, target.renamings(rng, most)).overlap(rng) if target.copies > 1 else 0.0
    return Laplace(natural, _integral(target(at), information), normal, target.copies, overlap)


def mode(function: Callable[[Array], float], start: Array) -> tuple[Array, Array]:
    """The maximum (P,) near `start` and minus the curvature there (P, P): BFGS, then Newton's method.

    Raises
    ------
    InputError
        Where the curvature is not negative definite, or Newton's method does not come to rest.
    """
    with np.errstate(all="ignore"):  # a step of the line search may leave the domain
        at = minimize(lambda v: -function(v), start).x
    for _ in range(NEWTON):
        steps = _steps(function, at)
        information = -curvature(function, at, steps)
        if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0:
            break
        slope = derivatives(function, at, steps)
        move = np.linalg.solve(information, slope)
        if 0.5 * float(slope @ move) < STILL * (1 + abs(function(at))):
            return at, information
        at = at + move
    raise InputError(
        "Laplace's method found no regular mode: the posterior is flat in some direction, or has a ridge; use bridge "
        "sampling."
    )


def _steps(function: Callable[[Array], float], at: Array) -> Array:
    """Steps (P,) of differences, a third of the standard deviation that each coordinate has given the others."""
    middle, found = function(at), np.full(len(at), np.nan)
    for i in range(len(at)):
        step = 1e-2 * (1 + abs(at[i]))
        for _ in range(30):
            away = np.zeros(len(at))
            away[i] = step
            bend = abs(2 * middle - function(at + away) - function(at - away))
            if 0.5 * BEND <= bend <= 2 * BEND:
                found[i] = step
                break
            step *= (
                float(np.clip(np.sqrt(BEND / bend), 0.05, 20.0)) if 0 < bend < np.inf else (20 if bend == 0 else 0.1)
            )
    return found


def _integral(height: float, information: Array) -> float:
    """ln ∫ of the normal of that height and information."""
    return float(height + 0.5 * len(information) * LOG_2PI - 0.5 * np.linalg.slogdet(information).logabsdet)


def _log_jacobian(target: Unconstrained, vector: Array) -> float:
    family = target.problem.family
    return family.log_jacobian(family.from_vector(vector, target.like))
