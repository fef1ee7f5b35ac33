"""`render_gallery`: one card a study for `reports/index.html`: a thumbnail, the verdict, a relative link."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from markupsafe import Markup

from emvsbayes.comparison.record import Comparison
from emvsbayes.report import format as fmt
from emvsbayes.report.figures import data
from emvsbayes.report.page import environment, stylesheet


def render_gallery(entries: Iterable[tuple[str, Comparison]]) -> str:
    """The gallery page.

    Parameters
    ----------
    entries : pairs of a folder's name and the Comparison whose page is `<folder>/index.html`
        In the order in which the cards appear.

    Returns
    -------
    str
        HTML, self-contained but for the relative links to the studies.
    """
    cards = [
        {
            "href": f"./{quote(folder)}/index.html",
            "thumbnail": Markup(data.thumbnail(comparison.picture, str(number))),
            "c": comparison,
            "passed": sum(check.passed for check in comparison.checks),
        }
        for number, (folder, comparison) in enumerate(entries)
    ]
    return environment().get_template("gallery.html").render(cards=cards, css=stylesheet(), fmt=fmt)
