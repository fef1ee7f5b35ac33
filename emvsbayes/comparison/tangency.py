"""The picture of EM: bounds that touch the log-likelihood, drawn along one coordinate.

All free coordinates but one stay at an optimum. On that line EM has one parameter c, and its E half-step at c_t gives

    ℓ(c) = ln p(X | θ(c))  ≥  L_t(c) = E_{q_t}[ln p(X, Z | θ(c))] + H(q_t),   q_t = p(Z | X, θ(c_t))

with equality at c_t, and there the slopes agree too, for ℓ - L_t = KL(q_t ‖ p(Z | X, θ(c))) has its minimum 0 at c_t.
The M half-step goes to the top of L_t. Bishop (2006), figure 9.14, drawn from numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from emvsbayes.core.checks import Array
from emvsbayes.core.records import record_fields

DROP = 30.0  # nats below the optimum at which the first bound touches
POINTS = 161


@dataclass(frozen=True)
class Touch:
    """A bound and where it touches: values and slopes of ℓ and L_t there, and the top of L_t."""

    at: float
    bound: list[float]
    value: tuple[float, float]
    slope: tuple[float, float]
    top: float


@dataclass(frozen=True)
class Tangency:
    """ℓ on a grid of one coordinate, and the bounds of successive E half-steps."""

    name: str
    grid: list[float]
    log_likelihood: list[float]
    touches: list[Touch]


def tangency(family: Any, data: Any, params: Any, coordinate: int = 0, steps: int = 3, drop: float = DROP) -> Tangency:
    """Bounds of `steps` E half-steps along a free coordinate; the first touches `drop` nats below ℓ at `params`."""
    line = _Line(family, data, params, coordinate)
    here = float(line.origin[coordinate])
    top = line.height(here)

    def short(c: float) -> float:
        return top - drop - line.height(c)

    side, reach = next((s, 2.0**i) for i in range(-10, 11) for s in (-1, 1) if short(here + s * 2.0**i) > 0)
    width = float(cast(float, brentq(lambda r: short(here + side * r), 0, reach)))
    c = here + side * width
    low, high = sorted((c + 0.15 * side * width, here - 0.6 * side * width))
    grid = np.linspace(low, high, POINTS)
    touches = []
    for _ in range(steps):
        bound, size = line.bound(c), 1e-4 * width
        found: Any = minimize_scalar(lambda x, b=bound: -b(x), bounds=(low, high), method="bounded")
        touches.append(
            Touch(
                at=c,
                bound=[float(bound(x)) for x in grid],
                value=(line.height(c), float(bound(c))),
                slope=(_slope(line.height, c, size), _slope(bound, c, size)),
                top=float(found.x),
            )
        )
        c = float(found.x)
    return Tangency(line.name, grid.tolist(), [line.height(x) for x in grid], touches)


def _slope(f: Any, x: float, h: float) -> float:
    """Central difference of fourth order."""
    return float((8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h))


class _Line:
    """Parameters along one free coordinate, all others held."""

    def __init__(self, family: Any, data: Any, params: Any, coordinate: int) -> None:
        self.family, self.data, self.params, self.coordinate = family, data, params, coordinate
        self.origin: Array = family.to_vector(params)
        self.name = _moved_most(params, self.at(self.origin[coordinate] + 1e-3))

    def at(self, c: float) -> Any:
        vector = self.origin.copy()
        vector[self.coordinate] = c
        return self.family.from_vector(vector, self.params)

    def height(self, c: float) -> float:
        return float(self.family.log_likelihood(self.at(c), self.data))

    def bound(self, c: float) -> Any:
        """L(·) of the E half-step at c."""
        params = self.at(c)
        q = self.family.e_step(params, self.data)
        stats, entropy = self.family.expect(q, self.data, params), q.entropy(self.data.row_weights)
        return lambda x: self.family.expected_log_joint(self.at(x), stats) + entropy


def _moved_most(before: Any, after: Any) -> str:
    """The field that a coordinate moves most, with its index."""
    changes = {
        name: np.round(np.abs(np.asarray(getattr(after, name)) - value), 12)  # two weights that move alike: the first
        for name, value in record_fields(before).items()
    }
    name = max(changes, key=lambda n: float(changes[n].max(initial=0)))
    index = np.unravel_index(int(changes[name].argmax()), changes[name].shape)
    return f"free coordinate of {name}" + (f"[{', '.join(map(str, index))}]" if index else "")
