"""`render_sections`: a page of supplements alone, for what is no comparison: a title, how to do it again, sections."""

from __future__ import annotations

from markupsafe import Markup

from emvsbayes.comparison.record import Supplement
from emvsbayes.report import tables
from emvsbayes.report.figures import supplement
from emvsbayes.report.page import Drawing, environment, stylesheet


def render_sections(title: str, command: str, sections: list[Supplement]) -> str:
    """The page; the same for equal sections."""
    figures = {}
    for number, section in enumerate(sections, 1):
        name = f"supplement-{number}"
        if svg := supplement.draw(section, name):
            figures[name] = Drawing(Markup(svg), "", name)
    template = environment().get_template("sections.html")
    return template.render(
        title=title, command=command, sections=sections, figures=figures, tables=tables, css=stylesheet()
    )
