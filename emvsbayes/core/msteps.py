"""How far an M half-step goes.

    full          θ ← argmax_θ Q(θ)                                            EM
    conditional   each field in turn, θ_f ← argmax_{θ_f} Q(θ), others held     ECM (Meng and Rubin 1993)
    gradient      θ ← θ + t ∇Q, t by a line search that raises Q               generalized EM (Lange 1995)

Q(θ) = E_q[ln p(X, Z | θ)] + ln p(θ) up to a constant, through its statistics. Each raises the bound, and that is all
that a generalized EM needs (Dempster, Laird and Rubin 1977). The gradient is taken in the free coordinates of the
family, divided by the total count, and the first step tried is the one that a parabola through Q along the gradient
asks for.

Sources: Meng and Rubin (1993), Biometrika 80, 267-278; Lange (1995), JRSS B 57, 425-437 (there with a Newton step).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.core.gradients import gradient
from emvsbayes.core.records import record_fields

M_STEPS = ("full", "conditional", "gradient")
HALVINGS = 60  # of a step that does not raise Q; then θ stays where it is
ENOUGH = 1e-4  # share of the first-order gain that a step must have (Armijo)


def m_steps(kind: str, family: Any, stats: Any, params: Any) -> Iterator[Any]:
    """The parameters after every part of an M half-step; one part, unless it is conditional."""
    if kind == "full":
        yield family.m_step(stats, params)
    elif kind == "gradient":
        yield ascended(family, stats, params)
    else:
        yield from conditional(family, stats, params)


def conditional(family: Any, stats: Any, params: Any) -> Iterator[Any]:
    """One field after another, by the family's own M-step with all other fields held."""
    free = [name for name in record_fields(params) if name not in family.fixed]
    for name in free:
        held = replace(family, fixed=family.fixed | (frozenset(free) - {name}))
        params = held.m_step(stats, params)
        yield params
    if not free:
        yield params


def ascended(family: Any, stats: Any, params: Any) -> Any:
    """One step along the gradient; `params` themselves where no step raises Q, as at an optimum."""
    slope = gradient(family, params, stats)
    steepness = float(slope @ slope)
    if not np.isfinite(steepness) or steepness == 0:
        return params
    origin = family.to_vector(params)

    def at(t: float) -> tuple[Any, float]:
        with np.errstate(all="ignore"):  # a step too far may overflow; it is not taken
            moved = family.from_vector(origin + t * slope, params)
            try:
                return moved, family.expected_log_joint(moved, stats)
            except np.linalg.LinAlgError:  # so far that a covariance underflowed
                return params, -np.inf

    start = family.expected_log_joint(params, stats)
    t = _parabola(at, start, steepness)
    for _ in range(HALVINGS):
        moved, height = at(t)
        if height >= start + ENOUGH * t * steepness:
            return moved
        t *= 0.5
    return params


def _parabola(at: Any, start: float, steepness: float) -> float:
    """The top of the parabola with Q's height and slope at 0 and its height at a small step."""
    t = 1e-3 / np.sqrt(steepness)
    bend = 2 * (at(t)[1] - start - t * steepness) / t**2
    return float(steepness / -bend) if bend < 0 and np.isfinite(bend) else float(1 / np.sqrt(steepness))
