"""What a run of EM leaves behind: the half-step trace, its status, its events.

    ln p(X | θ) = ELBO(q, θ) + KL(q ‖ p(Z | X, θ))

An E half-step changes q and closes the gap; an M half-step changes θ, raises the bound and reopens the gap. The three
numbers of a `HalfStep` come from three code paths, so that `residual` is a check and not a definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal


class Status(Enum):
    """How a run ended, as a sentence with a remedy."""

    CONVERGED = "Converged: a stopping rule was met."
    MAX_PASSES = "Not converged: max_passes was reached first; allow more passes, or a larger tolerance."
    SINGULAR = (
        "Singular: the likelihood is unbounded where a component collapses; "
        "use a prior (MAP), a tied covariance, fewer components or other starts."
    )
    EMPTY_COMPONENT = "A component is responsible for no data; use fewer components, other starts, or a prior."
    DECREASED = "The objective fell, which EM cannot do: please report this with the data."
    NONFINITE = (
        "The objective is not finite: a row has probability zero under the parameters; start elsewhere, or use a prior."
    )

    @property
    def usable(self) -> bool:
        """Whether the run ended at finite parameters that may be ranked against others."""
        return self not in (Status.SINGULAR, Status.NONFINITE)


@dataclass(frozen=True, slots=True)
class Event:
    """Something a reader must know: which component, which rows, how far, when.

    Attributes
    ----------
    kind : {"singular", "empty", "boundary"}
    component : int
        Counted from 0.
    rows : tuple of int
        The rows concerned, counted from 0 (none for a boundary estimate).
    value : float
        What was compared with the threshold: the relative eigenvalue, the weight of the component, the probability.
    sentence : str
        The event in words.
    half_step : int
        Position in the trace of the half-step that caused it (one past its end for a collapse, which is not taken);
        -1 where no trace was kept.
    """

    kind: Literal["singular", "empty", "boundary"]
    component: int
    rows: tuple[int, ...]
    value: float
    sentence: str
    half_step: int = -1

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True)
class HalfStep:
    """The score after one half-step, all four numbers at the same q and θ, in nats.

    `passes` counts passes over the data; `log_prior` is 0.0 under maximum likelihood. Half "A" is a guess of an
    accelerator in the place of an M half-step: the bound of the old q may fall there, the log-likelihood may not.
    """

    passes: float
    half: Literal["E", "M", "A"]
    elbo: float
    kl: float
    log_likelihood: float
    log_prior: float

    @property
    def residual(self) -> float:
        """elbo + kl - log_likelihood, relative to max(1, |log_likelihood|): zero up to rounding."""
        return (self.elbo + self.kl - self.log_likelihood) / max(1.0, abs(self.log_likelihood))

    @property
    def objective(self) -> float:
        """What both half-steps climb: elbo + log_prior."""
        return (self.log_likelihood if self.elbo is None else self.elbo) + self.log_prior


@dataclass(frozen=True, slots=True)
class Trace:
    """The half-steps in order; empty where `record=False`."""

    half_steps: tuple[HalfStep, ...] = ()

    def __iter__(self) -> Iterator[HalfStep]:
        return iter(self.half_steps)

    def __len__(self) -> int:
        return len(self.half_steps)

    def __getitem__(self, index: int) -> HalfStep:
        return self.half_steps[index]

    @property
    def largest_residual(self) -> float:
        """The largest |elbo + kl - log_likelihood|, relative; 0.0 for an empty trace."""
        found = [abs(step.residual) for step in self.half_steps]
        return max((float("inf") if r != r else r for r in found), default=0.0)  # NaN is no number below any bound


@dataclass(frozen=True)
class Run:
    """One run of EM from one start.

    `log_likelihood`, `elbo`, `log_prior` and `q` belong to `params`, never to the parameters before. `remaining` is
    Aitken's estimate of the objective still to be gained, in nats: where EM is slow, a small last gain is not a small
    gap. None where it cannot be estimated, because gains still grow.
    """

    start: Any
    params: Any
    q: Any
    log_likelihood: float
    log_prior: float
    status: Status
    passes: int | float
    trace: Trace = field(default_factory=Trace)
    events: tuple[Event, ...] = ()
    stopped_by: str = ""
    remaining: float | None = None
    elbo: float | None = None  # where it is not the log-likelihood, because q was restricted

    def without_trace(self) -> Run:
        """The same run as one that was not recorded."""
        return replace(self, trace=Trace(), events=tuple(replace(event, half_step=-1) for event in self.events))

    @property
    def objective(self) -> float:
        """What was climbed: ELBO + ln p(θ), which is ln p(X | θ) + ln p(θ) after an exact E half-step."""
        return (self.log_likelihood if self.elbo is None else self.elbo) + self.log_prior
