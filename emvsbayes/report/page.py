"""`render`: a Comparison as one HTML page that needs nothing else: no network, no script, no font, no file.

The order is that of a reader in a hurry: verdict, checks, the data and what only this study shows, then one section a
question, each with what is asked, how to read the answer, its table and its figure; then how sure each side is and what
follows from the posterior; then the prior, the code, and how to do it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from emvsbayes.comparison.record import Comparison
from emvsbayes.report import format as fmt
from emvsbayes.report import remarks, tables
from emvsbayes.report.figures import data, decomposition, points, singularity, supplement, switching

HERE = Path(__file__).parent
PARAMETERS = 60  # rows of a table above which it is folded away


@dataclass(frozen=True)
class Drawing:
    """A figure and the sentence that says what to see in it."""

    svg: Markup
    caption: str
    name: str


def render(comparison: Comparison) -> str:
    """The page.

    Parameters
    ----------
    comparison : Comparison
        Printed and drawn as it is; nothing is computed from it but places to put marks.

    Returns
    -------
    str
        HTML, the same for equal comparisons.
    """
    c = comparison
    return (
        environment()
        .get_template("page.html")
        .render(
            c=c,
            css=stylesheet(),
            tables=tables,
            fmt=fmt,
            labelled=data.has_components(c.picture),
            hard=c.subject.e_step == "hard",
            mixed=len({climb.e_step for climb in c.decomposition.climbs}) > 1,
            folded=len(c.points.parameters) > PARAMETERS,
            passed=sum(check.passed for check in c.checks),
            find_map=remarks.find_map(c.points),
            lower_climbs=remarks.lower_climbs(c),
            figures=drawings(c),
        )
    )


def drawings(c: Comparison) -> dict[str, Drawing]:
    """Every figure there is something to draw for, by name."""
    found = {
        "data": (data.draw(c.picture), data.caption(c.picture, c.subject.columns, c.subject.family)),
        "points": (points.draw(c.points), points.caption(c.points)),
        "singularity": (singularity.draw(c.singularity), singularity.caption(c.singularity, c.subject.e_step)),
        "climb": (decomposition.draw_climb(c.decomposition), decomposition.caption_climb(c.decomposition)),
        "stack": (decomposition.draw_stack(c.decomposition), decomposition.caption_stack(c.decomposition)),
    }
    if c.switching is not None:
        found["switching"] = (switching.draw(c.switching), switching.caption(c.switching, c.points.labels_resolved))
    for number, extra in enumerate([*c.supplements, *c.further], 1):
        name = f"supplement-{number}"
        found[name] = (supplement.draw(extra, name), "")
    return {name: Drawing(Markup(svg), caption, name) for name, (svg, caption) in found.items() if svg}


def environment() -> Environment:
    """Templates beside this module; everything is escaped unless it is marked as markup; unknown names are errors."""
    return Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def stylesheet() -> Markup:
    """The style sheet, to be put into the page."""
    return Markup((HERE / "page.css").read_text(encoding="utf-8"))
