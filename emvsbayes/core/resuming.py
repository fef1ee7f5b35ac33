"""Where a run of EM stands after a pass, so that it can go on from there as if it had never stopped.

EM has no memory but its parameters: the E half-step at θ is a function of θ and of the number of sweeps so far, and is
done again. What else the loop holds are a few numbers (the objective and the last gain, for the stopping rules) and, by
variant, the recorded half-steps, the steps an accelerator remembers, and the sum of a random path. With these the rest
of the run is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np

from emvsbayes.core.records import plain
from emvsbayes.core.trace import Event, HalfStep, Status


@dataclass(frozen=True, slots=True)
class State:
    """A run after a whole pass.

    Attributes
    ----------
    params : the parameters
    passes, sweeps : done so far
    turn : the sweep that the E half-step at `params` was, counted from 0
    objective, last_gain : of the last pass, in nats
    status, stopped_by, remaining, events : what is known of the end; `core.trace.Run` where this pass was the last
    steps, seen : the recorded half-steps, and how many of them were held against one another
    path : the number of parameters added to a random path, and their sum in free coordinates
    leaper : what the accelerator remembers, by name; None without one
    """

    params: Any
    passes: int
    sweeps: int
    turn: int
    objective: float
    last_gain: float
    status: Status = Status.MAX_PASSES
    stopped_by: str = ""
    remaining: float | None = None
    events: tuple[Event, ...] = ()
    steps: tuple[HalfStep, ...] = ()
    seen: int = 0
    path: tuple[int, Any] | None = None
    leaper: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; every float to the last bit."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self) if f.name != "status"} | {
            "status": self.status.name
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], like: Any) -> State:
        """The inverse of `to_dict`, for parameters of the type of `like`."""
        steps = tuple(HalfStep(**step) for step in raw["steps"])
        path = None if raw["path"] is None else (raw["path"][0], np.array(raw["path"][1]))
        events = tuple(Event(**{**event, "rows": tuple(event["rows"])}) for event in raw["events"])
        read = {"params": params_of(raw["params"], like), "status": Status[raw["status"]]}
        return cls(**{**raw, **read, "events": events, "steps": steps, "path": path})


class Watch(Protocol):
    """Told of a run as it goes."""

    def passed(self, state: State) -> None:
        """After every whole pass."""
        ...


def params_of(raw: Mapping[str, Any], like: Any) -> Any:
    """Parameters of the type of `like` from plain lists."""
    return replace(like, **{name: np.array(value) for name, value in raw.items()})
