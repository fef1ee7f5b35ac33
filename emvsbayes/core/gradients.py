"""Derivatives on free coordinates: of the expected log joint, of the log-likelihood, of anything smooth.

Fisher's identity makes the E-step the gradient of the likelihood (Dempster, Laird and Rubin 1977, section 3):

    ∇ ln p(X | θ) = ∇_θ' E_q[ln p(X, Z | θ')] at θ' = θ,   q = p(Z | X, θ)

The function on the right depends on statistics only, so that its gradient costs nothing of N. A family may bring a
`gradient(params, stats)` of its own; otherwise it is made of central differences D(h) = {f(x + h) - f(x - h)} / 2h:

    quick      {4 D(h) - D(2h)} / 3 = f'(x) + O(h⁴)                          a direction to climb
    careful    {64 D(h/4) - 20 D(h/2) + D(h)} / 45 = f'(x) + O(h⁶)           to be differentiated again

Careful steps have no unit of their own: a third of the standard error that complete data would give a coordinate, which
is small against anything in which the model is curved. Where an extrapolation is in doubt, its steps are shortened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.protocol import Family

STEP = 1e-3  # of a quick difference, for a coordinate of size 1: the fifth root of the rounding error
BEND = (0.03, 0.3)  # nats by which the expected log joint falls over a step to both sides: h² of a standard error
DOUBT = 1e-7  # of the largest derivative: an extrapolation that moves by more takes shorter steps
ROUNDING = 50 * float(np.finfo(float).eps)  # of the largest value, divided by the step: less is noise
SHORTER = 6  # times a step is shortened, by a factor of 8 each


def gradient(family: Family, params: Any, stats: Any, steps: Array | None = None) -> Array:
    """∇_θ of `expected_log_joint(θ, stats)` on free coordinates, (P,).

    Parameters
    ----------
    family, params : the family, and the parameters at which the gradient is taken
    stats : statistics of any q; with pseudo-statistics added, the gradient is that of E_q ln p(X, Z | θ) + ln p(θ)
    steps : (P,) widths of careful differences, as of `lengths`; without them the differences are quick
    """
    own = getattr(family, "gradient", None)
    if own is not None:
        return own(params, stats)
    at = family.to_vector(params)

    def height(v: Array) -> float:
        return family.expected_log_joint(family.from_vector(v, params), stats)

    if steps is not None:
        return derivatives(height, at, steps)
    found = np.empty(len(at))
    for i in range(len(at)):
        h = STEP * max(1.0, abs(at[i]))
        found[i] = (4 * _central(height, at, i, h)[0] - _central(height, at, i, 2 * h)[0]) / 3
    return found


def score(family: Family, params: Any, data: Any, prior: Any = None, steps: Array | None = None) -> Array:
    """∇_θ ln p(X | θ), plus ∇_θ ln p(θ) under a prior, by Fisher's identity; (P,) on free coordinates.

    The statistics are those of the exact posterior, whatever E-step a fit was made with.
    """
    return gradient(family, params, posterior_stats(family, params, data, prior), steps)


def posterior_stats(family: Family, params: Any, data: Any, prior: Any = None) -> Any:
    """Statistics of p(Z | X, θ), pseudo-statistics of the prior added."""
    stats = family.expect(family.e_step(params, data), data, params)
    return stats if prior is None else stats + family.pseudo_stats(prior, params)


def lengths(family: Family, params: Any, stats: Any) -> Array:
    """Steps (P,) over which the expected log joint bends by about a tenth of a nat: a third of a standard error.

    NaN for a coordinate on which it does not depend.
    """
    at = family.to_vector(params)

    def q(i: int, step: float) -> float:
        try:
            return family.expected_log_joint(family.from_vector(_moved(at, i, step), params), stats)
        except np.linalg.LinAlgError:  # a covariance beyond floating point
            return np.nan

    found = np.full(len(at), np.nan)
    with np.errstate(all="ignore"):  # a step too far is shortened, whatever it met
        for i in range(len(at)):
            step, middle = 1e-3 * (1 + abs(at[i])), q(i, 0.0)
            for _ in range(60):
                bend = abs(2 * middle - q(i, step) - q(i, -step))
                if BEND[0] <= bend <= BEND[1]:
                    found[i] = step
                    break
                # where the function is a parabola, one correction is enough
                factor = np.sqrt(0.1 / bend) if bend > 0 else np.inf
                step *= float(np.clip(factor, 1e-3, 1e3)) if np.isfinite(bend) else 1e-2
                if not 0 < step < 1e100:
                    break
    return found


def derivatives(function: Callable[[Array], Any], at: Array, steps: Array) -> Array:
    """∂f/∂x_i at `at` (P,), stacked: (P, …) for a function with values of shape (…); NaN where the step is none."""
    with np.errstate(all="ignore"):  # a step may leave the domain; it is then shortened
        return np.array([_derivative(function, at, i, float(step)) for i, step in enumerate(steps)])


def curvature(function: Callable[[Array], float], at: Array, steps: Array) -> Array:
    """∂²f/∂x_i ∂x_j at `at`, (P, P); NaN where one of the steps is none.

    C(h) = {f(++) - f(+-) - f(-+) + f(--)} / 4 h_i h_j, extrapolated as the derivatives are; ++ moves both coordinates.
    A sixth of the evaluations of a derivative of derivatives.
    """
    found = np.full((len(at), len(at)), np.nan)
    inside = [i for i in range(len(at)) if np.isfinite(steps[i])]
    with np.errstate(all="ignore"):
        middle = function(at)
        for i in inside:
            found[i, i] = _curved(function, at, middle, (i, i), steps, 0.0)
        for i in inside:
            for j in inside[: inside.index(i)]:
                size = float(np.sqrt(np.abs(found[i, i] * found[j, j])))
                found[i, j] = found[j, i] = _curved(function, at, middle, (i, j), steps, size)
    return found


def _curved(
    function: Callable[[Array], float], at: Array, middle: float, ij: tuple[int, int], steps: Array, size: float
) -> float:
    """One entry; `size` is what it is small against, where it is not itself."""
    i, j = ij

    def f(a: float, b: float) -> float:
        moved = at.copy()
        moved[i] += a
        moved[j] += b
        return function(moved)

    def difference(h: float, k: float) -> float:
        if i == j:
            return (f(h, 0.0) - 2 * middle + f(-h, 0.0)) / h**2
        return (f(h, k) - f(h, -k) - f(-h, k) + f(-h, -k)) / (4 * h * k)

    best, least, shrink = np.nan, np.inf, 1.0
    for _ in range(SHORTER):
        h, k = _exact(at[i], steps[i] * shrink), _exact(at[j], steps[j] * shrink)
        coarse, half, fine = (difference(h / 2**n, k / 2**n) for n in range(3))
        fourth = (4 * half - coarse) / 3, (4 * fine - half) / 3
        estimate = (16 * fourth[1] - fourth[0]) / 15
        doubt = abs(estimate - fourth[1])
        if doubt < least:
            best, least = estimate, doubt
        if doubt <= max(DOUBT * max(size, abs(estimate)), ROUNDING * abs(middle) / abs(h * k / 16)):
            break
        shrink /= 3
    return best


def _exact(at: float, step: float) -> float:
    """A step that is a multiple of four units in the last place of `at + step`, so that quarters of it are exact."""
    unit = 8 * float(np.spacing(abs(at) + abs(step)))
    return max(round(step / unit), 1) * unit


def _derivative(function: Callable[[Array], Any], at: Array, i: int, step: float) -> Array:
    if not np.isfinite(step):
        return np.asarray(function(at)) * np.nan
    best, least = np.asarray(function(at)) * np.nan, np.inf
    for _ in range(SHORTER):
        coarse, middle, fine, size = *(_central(function, at, i, step / 2**j) for j in range(3)), step / 4
        fourth = [(4 * b[0] - a[0]) / 3 for a, b in ((coarse, middle), (middle, fine))]
        estimate = (16 * fourth[1] - fourth[0]) / 15
        doubt = float(np.max(np.abs(estimate - fourth[1]), initial=0.0))
        if doubt < least:
            best, least = estimate, doubt
        noise = ROUNDING * max(coarse[1], fine[1]) / size
        if doubt <= max(DOUBT * float(np.max(np.abs(estimate), initial=0.0)), noise):
            break
        step /= 8
    return best


def _central(function: Callable[[Array], Any], at: Array, i: int, step: float) -> tuple[Array, float]:
    """D(step), and the largest value met; the divisor is the step as rounded, which matters far from the origin."""
    right, left = _moved(at, i, step), _moved(at, i, -step)
    up, down = np.asarray(function(right)), np.asarray(function(left))
    return (up - down) / (right[i] - left[i]), float(np.max(np.abs(up), initial=0.0))


def _moved(at: Array, i: int, step: float) -> Array:
    moved = at.copy()
    moved[i] += step
    return moved
