"""From free coordinates to the parameters a reader knows: the delta method, and intervals that stay where they may.

    Cov[g(v)] ≈ G Cov[v] Gᵀ,   G_ia = ∂g_i / ∂v_a        G by differences of `from_vector`

An interval is symmetric on a scale that has no ends, and mapped back, so that none leaves its domain:

    weights, probabilities      logit      p ± … = expit(logit p ± z se / p(1 - p))
    variances and precisions    log        s² ± … = s² exp(± z se / s²)
    means and covariances       as they are

For a probability with a coordinate of its own this is the interval of that coordinate. Without it the interval of a
variance of few rows would reach below 0. Where an estimate is far from normal no such interval is good, and the
bootstrap's percentiles or the posterior say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit, ndtri

from emvsbayes.core.checks import Array
from emvsbayes.core.gradients import derivatives
from emvsbayes.core.scalars import Scalar, scalars
from emvsbayes.information.optimum import Optimum

RATES = ("weights", "probs", "initial", "transitions")
SCALES = ("alpha", "beta", "sigma2", "variance", "rates")


@dataclass(frozen=True)
class Quantity:
    """One parameter on its natural scale, and the scale on which its interval is symmetric: identity, log, logit."""

    scalar: Scalar
    scale: str

    @property
    def name(self) -> str:
        return self.scalar.name

    def interval(self, estimate: float, se: float, level: float) -> tuple[float, float]:
        """Ends of the interval of the given level."""
        reach = float(ndtri((1 + level) / 2)) * se
        if self.scale == "log":
            return estimate * float(np.exp(-reach / estimate)), estimate * float(np.exp(reach / estimate))
        if self.scale == "logit":
            middle, half = logit(estimate), reach / (estimate * (1 - estimate))
            return float(expit(middle - half)), float(expit(middle + half))
        return estimate - reach, estimate + reach


def quantities(params: Any, family: Any, columns: tuple[str, ...]) -> list[Quantity]:
    """The free parameters of a record; held fields have no error and are left out."""
    return [Quantity(scalar, _scale(scalar, family)) for scalar in scalars(params, family, columns)]


def _scale(scalar: Scalar, family: Any) -> str:
    if scalar.field in RATES:
        return "logit"
    if scalar.field in SCALES:
        return "log"
    if scalar.field == "covariances":
        shared = family.component_axes.get("covariances", ())
        inner = [i for axis, i in enumerate(scalar.index) if axis not in shared]
        return "log" if len(inner) < 2 or inner[0] == inner[1] else "identity"
    return "identity"


def estimates(listed: list[Quantity], params: Any) -> Array:
    """Their values, (Q,)."""
    return np.array([quantity.scalar.of(params) for quantity in listed])


def transformation(listed: list[Quantity], optimum: Optimum) -> Array:
    """G (Q, F): derivatives of the quantities by the coordinates inside."""
    found = derivatives(lambda v: estimates(listed, optimum.at(v)), optimum.vector, optimum.steps)
    return found[optimum.inside].T


def delta(slopes: Array, covariance: Array) -> Array:
    """Standard errors (Q,): √ diag(G C Gᵀ); NaN for a quantity that no coordinate inside moves, one on its boundary."""
    found = np.sqrt(np.maximum(np.einsum("qf,fg,qg->q", slopes, covariance, slopes), 0.0))
    return np.where((slopes != 0).any(axis=1), found, np.nan)
