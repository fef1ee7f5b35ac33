"""When to stop: what is measured after a pass, which rule it satisfies, and how much is still to gain.

With F_i the objective after pass i, W the total weight and θ_i the free coordinates, a run stops where

    the gain is small          (F_i - F_{i-1}) / W < tol
    the gain to come is small  g ρ / (1 - ρ) / W < tol,  g = F_i - F_{i-1},  ρ = g / (F_{i-1} - F_{i-2})     aitken=True
    nothing moves              |θ_i - θ_{i-1}| <= param_tol (1 + |θ_{i-1}|), coordinate by coordinate

EM converges linearly: with a rate ρ of 0.999 what is still to come is a thousand times the last gain. Aitken's estimate
sums the geometric series g ρ + g ρ² + …, so that a slow rate is not mistaken for convergence. It sees the rate of the
last two gains only: while a fast part of the error still hides a slow one, it is too small.

Sources: Böhning, Dietz, Schaub, Schlattmann and Lindsay (1994), Ann. Inst. Statist. Math. 46, 373-388; Lindsay (1995),
Mixture Models; McNicholas, Murphy, McDaid and Frost (2010), Comput. Stat. Data Anal. 54, 711-723, whose estimate of the
limit, F_{i-1} + g / (1 - ρ), is ours: they subtract F_{i-1} from it, we F_i, which is the value that is returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError, unknown

RULES = ("either", "both")


@dataclass(frozen=True, slots=True)
class Stop:
    """When to stop.

    Attributes
    ----------
    tol : float
        Change of the objective per observation (per unit of total weight) in one pass, in nats. 0 runs exactly
        `max_passes` passes.
    max_passes : int
        Passes over the data; one EM iteration is one pass.
    param_tol : float, optional
        When given, also stop where no free coordinate changed by more than param_tol · (1 + |coordinate|).
    rule : {"either", "both"}
        Whether one of the two tolerances is enough, or both must hold after the same pass.
    aitken : bool
        `tol` bounds Aitken's estimate of all the gain still to come, per observation, in the place of the last gain.
        A run then never stops while its gains still grow, nor after its first pass.
    """

    tol: float = 1e-8
    max_passes: int = 1000
    param_tol: float | None = None
    rule: str = "either"
    aitken: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.tol, Real) and 0 <= self.tol < np.inf):
            raise InputError(f"stop.tol must be a number >= 0 (nats per observation); it is {self.tol!r}.")
        whole = isinstance(self.max_passes, int | np.integer) and not isinstance(self.max_passes, bool)
        if not (whole and self.max_passes >= 0):
            raise InputError(f"stop.max_passes must be a whole number >= 0; it is {self.max_passes!r}.")
        if self.param_tol is not None and not (isinstance(self.param_tol, Real) and self.param_tol > 0):
            raise InputError(f"stop.param_tol must be a number greater than 0; it is {self.param_tol!r}.")
        if self.rule not in RULES:
            raise unknown("stop.rule", self.rule, RULES)
        if self.rule == "both" and (self.param_tol is None or self.tol == 0):
            raise InputError(
                "stop.rule both needs two tolerances; give a tol and a param_tol greater than 0, or leave rule out."
            )
        if not isinstance(self.aitken, bool):
            raise InputError(f"stop.aitken must be true or false; it is {self.aitken!r}.")
        if self.aitken and self.tol == 0:
            raise InputError("stop.aitken bounds the gain to come by tol; give a tol greater than 0, or leave it out.")
        object.__setattr__(self, "max_passes", int(self.max_passes))

    def reason(
        self,
        gain: float,
        total_weight: float,
        before: Array | None,
        after: Array | None,
        remaining: float | None = None,
    ) -> str:
        """Which rule is satisfied after a pass that gained `gain` nats; empty while none is.

        `before` and `after` are free coordinates (P,), needed with `param_tol` only; `remaining` is `still_to_gain`.
        """
        found = [self._height(gain, total_weight, remaining), self._motion(before, after)]
        reasons = [reason for reason in found if reason]
        if self.rule == "both":
            return ", and ".join(reasons) if len(reasons) == 2 else ""
        return reasons[0] if reasons else ""

    def _height(self, gain: float, total_weight: float, remaining: float | None) -> str:
        if self.aitken:
            if remaining is None or remaining / total_weight >= self.tol:
                return ""
            return f"less than {self.tol:g} nats per observation still to gain, by Aitken's estimate"
        if self.tol > 0 and gain / total_weight < self.tol:  # at the optimum rounding makes gains negative
            return f"objective changed by less than {self.tol:g} nats per observation"
        return ""

    def _motion(self, before: Array | None, after: Array | None) -> str:
        if self.param_tol is None or before is None or after is None:
            return ""
        with np.errstate(invalid="ignore"):  # inf - inf, where an estimate stays on its boundary
            near = np.abs(after - before) <= self.param_tol * (1 + np.abs(before))
        if not (near | (after == before)).all():
            return ""
        return f"no free coordinate changed by more than {self.param_tol:g} of its size"


def still_to_gain(last: float, gain: float, rounding: float) -> float | None:
    """Aitken's estimate of the gain to come: gain · ρ / (1 - ρ), the sum of gain · ρ^i, with ρ = gain / last gain.

    None while gains grow, as on the way off a saddle, and after a single pass: nothing can then be said.
    """
    if gain <= rounding:
        return 0.0
    return gain * gain / (last - gain) if gain < last < np.inf else None
