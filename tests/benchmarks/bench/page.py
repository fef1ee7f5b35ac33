"""The page of a run: verdict, goals, how to read, then a section for each table; one file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from bench import floors
from bench.figures import bars, curves, gaps
from bench.machine import BUSY
from bench.records import Results, Row, Side, Value
from bench.records import Table as Measured
from bench.tables.climb import NEAR
from bench.words import amount, duration, range_of, size, times
from emvsbayes.report import format as fmt
from emvsbayes.report.page import Drawing, environment, stylesheet
from emvsbayes.report.tables import Table

HERE = Path(__file__).parent
CLIMB = (
    "How far the log-likelihood is from the optimum, per observation, against time; marks where the gap is small. "
    "EM's last digits come slowly: a run that looks finished may be far from done."
)
SCALING = ("rows", "columns", "components")


def render(results: Results) -> str:
    """HTML, the same for equal results."""
    sections = [t for t in results.tables if t.name not in SCALING]
    scaling = [t for t in results.tables if t.name in SCALING]
    return (
        environment()
        .from_string((HERE / "page.html").read_text(encoding="utf-8"))
        .render(
            r=results,
            sections=[(t, sheets(t, results)) for t in sections],
            scaling=[(t, sheets(t, results)) for t in scaling],
            figures=drawings(results),
            rates=values("Rates of this machine, measured in this run", results.rates),
            later=later_runs(results),
            busy=BUSY in results.machine.get("other work", ""),
            operations="2 N K D (D + 1)",
            css=stylesheet(),
            fmt=fmt,
        )
    )


def later_runs(results: Results) -> str:
    """Which tables are of another run than the first, in a sentence; empty where all are of one."""
    first = min((t.run for t in results.tables), default="")
    others = [t.name for t in results.tables if t.run != first]
    if not others:
        return ""
    return (
        f"Measured again in a later run, which the rates of the machine are of too: {', '.join(others)}. The other "
        "tables are those of the run before."
    )


def sheets(table: Measured, results: Results) -> list[Table]:
    """The rows of a table side by side, its floors where they are known, and its single numbers."""
    found = [sides(table)] if table.rows else []
    if table.name == "gaussian" and results.rates:
        found.append(floor(table, results))
    return found + ([values("Single numbers", table.values)] if table.values else [])


def sides(table: Measured) -> Table:
    """A line for each side of each row."""
    single, differ = any(row.single for row in table.rows), any(s.difference is not None for s in _all(table))
    headers = ["work and side", _heading(table), "quartiles", "times ours", "quartiles"]
    headers += ["on one thread", "times ours"] if single else []
    headers += ["objective off by"] if differ else []
    noted = any(s.note for s in _all(table))
    rows = []
    for row in table.rows:
        for side in row.sides:
            cells = [f"{row.work}: {side.name}", amount(side.time.median if side.time else None, row),
                     range_of(side.time, row), *_ratio(side)]  # fmt: skip
            if single:
                alone = row.side(side.name, single=True)
                cells += [amount(alone.time.median, row), _ratio(alone)[0]] if alone and alone.time else [fmt.NONE] * 2
            cells += [_difference(side.difference)] if differ else []
            rows.append([*cells, side.note] if noted else cells)
    repeats = sorted({row.repeats for row in table.rows})
    note = f"Medians of {' or '.join(map(str, repeats))} repeats." if repeats[-1] > 1 else "One run each."
    headers = [*headers, "remarks"] if noted else headers
    used = [i for i in range(len(headers)) if any(line[i] for line in rows)]  # single runs have no quartiles
    words = frozenset({len(used) - 1}) if noted else frozenset()
    return Table(table.title, [headers[i] for i in used], [[line[i] for i in used] for line in rows], words, note)


def _all(table: Measured) -> list[Side]:
    return [side for row in table.rows for side in (*row.sides, *row.single)]


def _heading(table: Measured) -> str:
    units = list(dict.fromkeys(row.unit for row in table.rows))
    return "peak above the data" if units == ["bytes"] else "time " + ", ".join(units)


def _ratio(side: Side) -> list[str]:
    if side.ratio is None:
        return ["", ""]
    low, high = fmt.number(side.ratio.low, 3), fmt.number(side.ratio.high, 3)
    return [fmt.number(side.ratio.median, 3), f"{low} to {high}" if low != high else ""]


def _difference(value: float | None) -> str:
    return "" if value is None else fmt.number(value, 2)


def floor(table: Measured, results: Results) -> Table:
    """The floor of every size, and how far above it each side stays."""
    names = list(dict.fromkeys(side.name for row in table.rows for side in row.sides))
    rows = []
    for row in table.rows:
        parts = floors.gaussian(row.sizes, results.rates)
        least = floors.least(parts)
        rows.append([row.work, *(duration(part) for part in parts.values()), duration(least),
                     *(_above(row, name, least) for name in names)])  # fmt: skip
    headers = ["work", "products", "exponentials", "reading", "floor", *(f"{name} / floor" for name in names)]
    return Table("The floor of a pass", headers, rows, note="What a side stays above 1 is the room left to any method.")


def _above(row: Row, name: str, least: float) -> str:
    side = row.side(name)
    return times(side.time.median / least).removesuffix(" times") if side and side.time else fmt.NONE


def values(caption: str, found: list[Value]) -> Table:
    """Single numbers with their units."""
    rows = [[v.name, _value(v), v.note or fmt.NONE] for v in found]
    return Table(caption, ["what", "value", "remarks"], rows, frozenset({2}))


def _value(v: Value) -> str:
    if v.unit == "s":
        return duration(v.value)
    return size(v.value) if v.unit == "bytes" else f"{fmt.number(v.value)} {v.unit}".strip()


def drawings(results: Results) -> dict[str, Drawing]:
    """Every picture there are numbers for."""
    found: dict[str, tuple[str, str]] = {}
    if scaling := [t for t in results.tables if t.name in SCALING and t.rows]:
        found["scaling"] = (curves(scaling), "Time a pass, both axes logarithmic: a straight line of slope 1 is "
                            "proportional growth. Bars: quartiles of the repeats.")  # fmt: skip
    climb, memory, nuts = (results.table(name) for name in ("climb", "memory", "sampling"))
    if climb and climb.traces:
        found["climb-picture"] = (gaps(climb, NEAR), CLIMB)
    if memory and memory.rows and any(s.time for s in memory.rows[0].sides):
        found["memory-picture"] = (
            bars("memory", "peak memory above imports and data", memory.rows[0]),
            "Shorter is better.",
        )
    if nuts and nuts.rows and any(s.time for s in nuts.rows[0].sides):
        drawn = bars("sampling", "effective draws a second", nuts.rows[0], inverse=True)
        found["sampling-picture"] = (drawn, "Longer is better.")
    return {name: Drawing(Markup(drawn), caption, name) for name, (drawn, caption) in found.items()}
