"""`render_gallery`: one card a study for `reports/index.html`: a thumbnail, the verdict, a relative link."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from markupsafe import Markup

from emvsbayes.comparison.record import Comparison, Raster
from emvsbayes.report import format as fmt
from emvsbayes.report.figures import data
from emvsbayes.report.page import environment, stylesheet

PICTURES = 4  # most of them on one card


def pictures(comparison: Comparison) -> list[Raster]:
    """The first pictures of the longest row among the supplements; a study with pictures shows these for a figure."""
    rows = [row for supplement in comparison.supplements for row in supplement.rasters]
    return max(rows, key=len, default=[])[:PICTURES]


def render_gallery(entries: Iterable[tuple[str, Comparison]], checks: Iterable[tuple[str, str, list[str]]] = ()) -> str:
    """The gallery page.

    Parameters
    ----------
    entries : pairs of a folder's name and the Comparison whose page is `<folder>/index.html`
        In the order in which the cards appear.
    checks : triples of a folder's name, a title and sentences
        Pages on the package itself: calibration, coverage, speed.

    Returns
    -------
    str
        HTML, self-contained but for the relative links to the studies.
    """
    cards = [
        {
            "href": f"./{quote(folder)}/index.html",
            "pictures": pictures(comparison),
            "thumbnail": Markup(data.thumbnail(comparison.picture, str(number))),
            "c": comparison,
            "passed": sum(check.passed for check in comparison.checks),
        }
        for number, (folder, comparison) in enumerate(entries)
    ]
    below = [
        {"href": f"./{quote(folder)}/index.html", "title": title, "verdict": verdict}
        for folder, title, verdict in checks
    ]
    return environment().get_template("gallery.html").render(cards=cards, checks=below, css=stylesheet(), fmt=fmt)
