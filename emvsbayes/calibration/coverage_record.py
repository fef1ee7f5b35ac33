"""`Coverage`: how often intervals held the truth, as plain data, JSON in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from emvsbayes.core.errors import unknown
from emvsbayes.core.formats import of_this_format

FORMAT = 2  # of result.json
METHODS = {
    "ml": "ML ± 2 SE",
    "ml-scaled": "ML, interval on the log or logit scale",
    "map": "MAP ± 2 SE",
    "posterior": "posterior, 2.5 % to 97.5 %",
}
NOMINAL = 0.95


@dataclass(frozen=True)
class Cell:
    """One quantity, one method, one number of rows.

    Attributes
    ----------
    quantity, method : names
    truth : the value to be held
    intervals : replicates that have an interval
    covered : those whose interval holds the truth
    coverage : covered / intervals, None where there is none
    lower, upper : 95 % limits of the coverage (Clopper and Pearson)
    width : the median width of the intervals
    """

    quantity: str
    method: str
    truth: float
    intervals: int
    covered: int
    coverage: float | None
    lower: float | None
    upper: float | None
    width: float | None


@dataclass(frozen=True)
class SizeResult:
    """One setting at one number of rows.

    Attributes
    ----------
    rows : N
    replicates : how many data sets
    missing : for ml and map, how many have no standard error, by reason
    cells : every quantity by every method
    ess, typical_ess : smallest and median, over replicates, of the smallest effective sample size
    unmixed : replicates with an R-hat above 1.05
    seconds : of all replicates
    """

    rows: int
    replicates: int
    missing: dict[str, dict[str, int]]
    cells: list[Cell]
    ess: float
    typical_ess: float
    unmixed: int
    seconds: float

    def cell(self, quantity: str, method: str) -> Cell:
        """That of one quantity and method."""
        for found in self.cells:
            if (found.quantity, found.method) == (quantity, method):
                return found
        raise unknown("quantity and method", f"{quantity}, {method}", [f"{c.quantity}, {c.method}" for c in self.cells])

    def mean_coverage(self, method: str) -> float | None:
        """The mean over quantities; None where one has no interval at all."""
        found = [cell.coverage for cell in self.cells if cell.method == method]
        return None if None in found else sum(c for c in found if c is not None) / len(found)

    def lowest(self, method: str) -> Cell:
        """The quantity that is held least often."""
        return min(
            (c for c in self.cells if c.method == method), key=lambda c: 1.0 if c.coverage is None else c.coverage
        )


@dataclass(frozen=True)
class SettingResult:
    """One setting at every number of rows; `likelihood` says which of two equal densities was sampled."""

    name: str
    title: str
    statement: str
    likelihood: str
    quantities: list[str]
    sizes: list[SizeResult]


@dataclass(frozen=True)
class Coverage:
    """The coverage study.

    Attributes
    ----------
    settings : one result each
    methods : what each interval is
    seed : int
    sampler : chains, tune, draws, and the starts of EM
    versions : of what the draws depend on
    command : that makes it again, where there was one
    """

    settings: list[SettingResult]
    methods: dict[str, str]
    seed: int
    sampler: dict[str, int]
    versions: dict[str, str]
    command: str = ""
    kind: Literal["coverage"] = "coverage"
    format: int = FORMAT

    def __getitem__(self, name: str) -> SettingResult:
        for found in self.settings:
            if found.name == name:
                return found
        raise unknown("setting", name, [found.name for found in self.settings])

    @property
    def verdict(self) -> list[str]:
        """What came out, one sentence a setting."""
        found = []
        for setting in self.settings:
            parts = []
            for size in (setting.sizes[0], setting.sizes[-1])[: len(setting.sizes)]:
                worst = size.lowest("ml")
                parts.append(
                    f"at N = {size.rows} ML ± 2 SE holds the truth in {_percent(size.mean_coverage('ml'))} of cases "
                    f"(least for {worst.quantity}, {_percent(worst.coverage)}), the posterior interval in "
                    f"{_percent(size.mean_coverage('posterior'))}"
                )
            found.append(f"{setting.title}: {'; '.join(parts)}.")
        lost = [
            f"{sum(size.missing['ml'].values())} of {size.replicates} ({setting.name}, N = {size.rows})"
            for setting in self.settings
            for size in setting.sizes
            if size.missing["ml"]
        ]
        found.append(
            f"ML fits without a standard error, left out of the shares above: {', '.join(lost)}."
            if lost
            else "Every ML fit had a standard error."
        )
        return found

    def summary(self) -> str:
        """The verdict and a table, as text."""
        lines = list(self.verdict)
        for setting in self.settings:
            lines.append(f"{setting.name}: {setting.statement}")
            for size in setting.sizes:
                lines.append(f"  N = {size.rows}, {size.replicates} replicates, {size.seconds:.0f} s")
                for quantity in setting.quantities:
                    cells = [size.cell(quantity, method) for method in self.methods]
                    lines.append(
                        f"    {quantity:<20}"
                        + "  ".join(f"{c.method} {_percent(c.coverage)} ({_width(c.width)})" for c in cells)
                    )
        return "\n".join(lines)

    def to_json(self) -> bytes:
        """UTF-8 JSON, keys in the order of the fields."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    @classmethod
    def from_json(cls, text: bytes | str) -> Coverage:
        """The inverse of `to_json`; the error names the path of what does not fit."""
        return of_this_format(text, cls, FORMAT, "a coverage study", "emvsbayes coverage")


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f}\u00a0%"  # not to be broken at the end of a line


def _width(width: float | None) -> str:
    return "none" if width is None else f"width {width:.3g}"
