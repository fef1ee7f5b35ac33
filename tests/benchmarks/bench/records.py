"""What a run of the benchmarks leaves behind: plain data, JSON in and out, from which the page is drawn.

A `Row` is one piece of work and the `Side`s that did it in turn, ours first. Times are seconds a pass (or whatever
`Row.unit` says), medians with their quartiles; a ratio is the median over the repeats of their time / our time.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

KIND = "benchmarks"


class Quartiles(msgspec.Struct, frozen=True):
    """The median of some repeats, and the quartiles below and above it."""

    median: float
    low: float
    high: float


class Side(msgspec.Struct, frozen=True):
    """One contestant. `time` is None where it did not run or did not agree; `note` then says why.

    difference: its final objective less ours, per observation, in nats (a relative one for K-means).
    """

    name: str
    time: Quartiles | None = None
    ratio: Quartiles | None = None
    difference: float | None = None
    note: str = ""


class Row(msgspec.Struct, frozen=True):
    """The same work by each side: `sizes` are N, D, K; `single` are the same sides on one thread."""

    work: str
    sizes: dict[str, int]
    sides: list[Side]
    single: list[Side] = []
    unit: str = "a pass"
    passes: int = 1
    repeats: int = 0

    def side(self, name: str, single: bool = False) -> Side | None:
        """The side of that name, if it took part."""
        return next((s for s in (self.single if single else self.sides) if s.name == name), None)


class Value(msgspec.Struct, frozen=True):
    """A measured number by itself: a floor, a size in memory, a count."""

    name: str
    value: float
    unit: str
    note: str = ""


class Trace(msgspec.Struct, frozen=True):
    """The gap to the optimum, nats per observation, against seconds: at most a few hundred points."""

    name: str
    seconds: list[float]
    gaps: list[float]
    passes: int
    arrived: float | None  # seconds until the gap is small enough


class Table(msgspec.Struct, frozen=True):
    """What one part of the benchmark measured. `x` names the size that grows, where the rows are a curve; `run` is when
    the run began, in UTC.
    """

    name: str
    title: str
    text: list[str]
    rows: list[Row] = []
    values: list[Value] = []
    traces: list[Trace] = []
    x: str = ""
    took: float = 0.0
    run: str = ""

    def value(self, name: str) -> float | None:
        """The number of that name, if it was measured."""
        return next((v.value for v in self.values if v.name == name), None)


class Goal(msgspec.Struct, frozen=True):
    """One number to reach: what was measured, whether that is enough, and what bounds it where it is not."""

    work: str
    goal: str
    measured: str
    reached: bool | None  # None: not measured in this run
    bound: str = ""


class Results(msgspec.Struct, frozen=True):
    """Everything on the page. `title` and `verdict` are what the gallery shows."""

    title: str
    verdict: list[str]
    quick: bool
    machine: dict[str, str]
    versions: dict[str, str]
    absent: dict[str, str]
    rates: list[Value]
    tables: list[Table]
    goals: list[Goal]
    kind: str = KIND

    def table(self, name: str) -> Table | None:
        """The table of that name, if it was made."""
        return next((t for t in self.tables if t.name == name), None)

    def to_json(self) -> bytes:
        """Indented, numbers in full."""
        encoded = msgspec.json.encode(self, enc_hook=lambda number: number.item())  # of NumPy
        return msgspec.json.format(encoded, indent=1) + b"\n"


def read(path: Path) -> Results:
    """The record in a results.json."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
