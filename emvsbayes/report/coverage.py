"""`render_coverage`: the coverage study as one HTML page: verdict, pictures, tables, what to conclude."""

from __future__ import annotations

from markupsafe import Markup

from emvsbayes.calibration.coverage_record import METHODS, NOMINAL, Cell, Coverage, SettingResult
from emvsbayes.report import format as fmt
from emvsbayes.report.figures import coverage as figure
from emvsbayes.report.page import Drawing, environment, stylesheet
from emvsbayes.report.tables import Table


def render_coverage(coverage: Coverage) -> str:
    """The page; the same for equal studies."""
    figures = {
        (name := f"coverage-{setting.name}"): Drawing(Markup(figure.draw(setting)), figure.caption(setting), name)
        for setting in coverage.settings
    }
    template = environment().get_template("coverage.html")
    return template.render(
        c=coverage,
        figures=figures,
        shares={setting.name: shares(setting) for setting in coverage.settings},
        lost={setting.name: lost(setting) for setting in coverage.settings},
        replicates=fmt.listed(dict.fromkeys(fmt.count(z.replicates) for s in coverage.settings for z in s.sizes)),
        posterior=[
            c.coverage
            for s in coverage.settings
            for size in s.sizes
            for c in size.cells
            if c.method == "posterior" and c.coverage is not None
        ],
        css=stylesheet(),
        fmt=fmt,
    )


def shares(setting: SettingResult) -> Table:
    """Coverage, and width in brackets, of every quantity at every size; bold where the limits exclude 95 %."""
    rows = [
        [f"{quantity}, N = {size.rows}", *(_share(size.cell(quantity, method)) for method in METHODS)]
        for quantity in setting.quantities
        for size in setting.sizes
    ]
    return Table(
        "Coverage, and the median width",
        ["quantity and rows", *METHODS.values()],
        rows,
        note=f"Bold: the 95 % limits of the share leave out {NOMINAL:.0%}.",
    )


def lost(setting: SettingResult) -> Table:
    """Fits without a standard error, and how the sampler did."""
    rows = [
        [
            f"N = {size.rows}",
            _reasons(size.missing["ml"]),
            _reasons(size.missing["map"]),
            fmt.count(size.typical_ess),
            fmt.count(size.ess),
            fmt.count(size.unmixed),
            fmt.count(size.seconds),
        ]
        for size in setting.sizes
    ]
    headers = ["rows", "ML without SE", "MAP without SE", "ESS, median", "ESS, smallest", "R-hat above 1.05", "seconds"]
    return Table("What is missing, and the sampler", headers, rows, frozenset({1, 2}))


def _share(cell: Cell) -> str:
    if cell.coverage is None or cell.lower is None or cell.upper is None:
        return fmt.NONE
    text = f"{fmt.percent(cell.coverage)} ({fmt.number(cell.width, 3)})"
    return text if cell.lower <= NOMINAL <= cell.upper else Markup("<strong>{}</strong>").format(text)


def _reasons(found: dict[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in found.items()) or "none"
