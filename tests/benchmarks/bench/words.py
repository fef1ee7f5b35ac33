"""Numbers of the page as words: seconds in a unit that fits, ratios, sizes."""

from __future__ import annotations

from bench.records import Quartiles, Row
from emvsbayes.report import format as fmt

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "bytes"))


def duration(seconds: float | None) -> str:
    """Three significant digits and a unit."""
    return fmt.NONE if seconds is None else scaled(seconds, UNITS)


def size(count: float | None) -> str:
    """Bytes, likewise."""
    return fmt.NONE if count is None else scaled(count, SIZES)


def scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    """In the largest unit of which there is at least one."""
    scale, unit = next(((s, u) for s, u in units if abs(value) >= s), units[-1])
    return f"{fmt.number(value / scale, 3)}\u00a0{unit}"


def times(ratio: float) -> str:
    """A ratio."""
    return f"{fmt.number(ratio, 3)} times"


def amount(value: float | None, row: Row) -> str:
    """A time, or bytes in a row of bytes."""
    return size(value) if row.unit == "bytes" else duration(value)


def range_of(found: Quartiles | None, row: Row) -> str:
    """The quartiles, where there were several repeats."""
    if found is None or found.low == found.high:
        return ""
    return f"{amount(found.low, row)} to {amount(found.high, row)}"
