"""A plan: how EM is to climb, on four axes that are chosen independently, checked against what the family can do.

e_step       which q is allowed                         core.esteps
schedule     the rows whose q is renewed at a time      core.schedules
m_step       how far an M half-step goes                core.msteps
accelerate   whether a guess may replace its end        core.acceleration
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emvsbayes.core.acceleration import ACCELERATORS
from emvsbayes.core.checks import whole_number
from emvsbayes.core.chunked import ROWS, Chunked
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.esteps import EStep, Exact, Truncated, read_e_step
from emvsbayes.core.msteps import M_STEPS
from emvsbayes.core.protocol import Schedule
from emvsbayes.core.schedules import BLOCKS, SCHEDULES, Batch, Incremental, Stepwise
from emvsbayes.sources.opening import by_chunks

KINDS = {"components": "assigns rows to components", "shared": "is for one latent that all rows share"}


@dataclass(frozen=True, slots=True)
class Plan:
    """The four axes by name, and the seed of whatever is drawn."""

    e_step: str = "exact"
    m_step: str = "full"
    schedule: str = "batch"
    accelerate: str | None = None
    seed: int = 0

    def gather(self, family: Any) -> Schedule:
        """The schedule: the family's own where it has one (online K-means, K-medoids)."""
        own = getattr(family, "schedule", None)
        return own or read_schedule(self.schedule, read_e_step(self.e_step, self.seed))

    def options(self, family: Any) -> dict[str, Any]:
        """Keywords of `run_em`."""
        return {"schedule": self.gather(family), "m_step": self.m_step, "accelerate": self.accelerate}

    @property
    def words(self) -> str:
        """What is not the default, in words; empty for plain EM."""
        found = [] if self.e_step == "exact" else [f"{self.e_step} E-step"]
        found += [] if self.m_step == "full" else [f"{self.m_step} M-step"]
        found += [] if self.schedule == "batch" else [self.schedule]
        found += [self.accelerate] if self.accelerate else []
        return ", ".join(found)


def read_plan(
    problem: Any,
    *,
    e_step: str | None = None,
    m_step: str | None = None,
    schedule: str | None = None,
    accelerate: str | None = None,
    seed: int = 0,
) -> Plan:
    """The plan asked for; what is left out is what the family stands for. Raises where the family has no such thing."""
    for axis, value in (("e_step", e_step), ("m_step", m_step), ("schedule", schedule), ("accelerate", accelerate)):
        if not (value is None or isinstance(value, str)):
            raise InputError(f"{axis} must be a name; it is {value!r}.")
    e_step, m_step, schedule = e_step or str(problem.twin.e_step), m_step or "full", schedule or "batch"
    chosen = read_e_step(e_step, seed)
    family, name = problem.family, problem.family.name
    if m_step not in M_STEPS:
        raise unknown("m_step", m_step, M_STEPS)
    if accelerate is not None and accelerate not in ACCELERATORS:
        raise unknown("accelerate", accelerate, ACCELERATORS)
    found = read_schedule(schedule, chosen)
    refused = getattr(family, "absent", {}).get(m_step)
    if refused:
        raise InputError(refused)
    kind = "components" if "components" in family.capabilities else "shared"
    if kind not in chosen.latents:
        raise InputError(f"a {chosen.name} E-step {KINDS[chosen.latents[0]]}; {name} has none.")
    if isinstance(chosen, Truncated) and chosen.size >= family.n_components:
        e_step, found = "exact", read_schedule(schedule, read_e_step("exact"))  # nothing is left out
    if getattr(family, "schedule", None) is not None:
        if (e_step, m_step, schedule, accelerate) != ("hard", "full", "batch", None):
            raise InputError(
                f"this method of {name} has a hard E-step and a schedule of its own; leave e_step, m_step, schedule "
                "and accelerate out."
            )
        return Plan("hard")
    if not isinstance(found, Batch) and "rowwise" not in family.capabilities:
        raise InputError(f"{name} knows the batch schedule only. {family.absent['rowwise']}")
    if accelerate and not found.monotone:
        raise InputError(
            f"{accelerate} needs a schedule and an E-step under which the objective never falls, for it says whether a "
            f"guess is good; leave accelerate out, or {Plan(e_step, schedule=schedule).words}."
        )
    return Plan(e_step, m_step, schedule, accelerate, seed)


def read_chunk(chunk: int | None, schedule: str | None, X: Any) -> tuple[int | None, str | None]:
    """Rows of a chunk and the schedule, where one of them says both; raises where they disagree."""
    if chunk is not None:
        whole_number(chunk, 1, "chunk")
        if schedule not in (None, "chunked", f"chunked:{chunk}"):
            raise InputError(
                f"chunk={chunk} reads so many rows at a time, in the schedule chunked:{chunk}; leave the schedule "
                f"{schedule!r} out."
            )
        return chunk, f"chunked:{chunk}"
    if not by_chunks(X, None):
        return None, schedule
    name, _, rows = (schedule or "chunked").partition(":")
    if name != "chunked":
        raise InputError(
            f"data that are read a chunk at a time are fitted in the schedule chunked:ROWS; leave the schedule "
            f"{schedule!r} out."
        )
    return (read_schedule(schedule, Exact()).rows if schedule and rows else None), schedule  # pyright: ignore


def read_schedule(text: str, e_step: EStep) -> Schedule:
    """A schedule from its name; incremental:20 and stepwise:20 carry a number of blocks, chunked:20000 of rows."""
    name, _, number = text.partition(":")
    if text == "batch":
        return Batch(e_step)
    kinds: dict[str, tuple[Any, int, str]] = {
        "chunked": (Chunked, ROWS, "rows of a chunk"),
        "incremental": (Incremental, BLOCKS, "blocks of incremental"),
        "stepwise": (Stepwise, BLOCKS, "blocks of stepwise"),
    }
    if name not in kinds:
        raise unknown("schedule", text, SCHEDULES)
    kind, default, what = kinds[name]
    try:
        size = whole_number(int(number or default), 1, f"the number of {what}")
    except ValueError:
        raise InputError(f"the number of {what} must be a whole number >= 1; it is {number!r}.") from None
    if kind is Chunked and e_step.random:
        raise InputError(
            "a q that is drawn is drawn for all rows at once; use the batch schedule, or another e_step than "
            f"{e_step.name}."
        )
    return kind(size, e_step)
