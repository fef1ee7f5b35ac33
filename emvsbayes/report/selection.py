"""`render_selection`: a Selection as one HTML page that needs nothing else: verdict, picture, table, how to read it."""

from __future__ import annotations

from markupsafe import Markup

from emvsbayes.report import format as fmt
from emvsbayes.report.figures import selection as figure
from emvsbayes.report.page import Drawing, environment, stylesheet
from emvsbayes.report.tables import Table
from emvsbayes.selection.record import CRITERIA, ESTIMATES, Candidate, Selection


def render_selection(selection: Selection) -> str:
    """The page; the same for equal selections."""
    svg, caption = figure.draw(selection), figure.caption(selection)
    figures = {"selection": Drawing(Markup(svg), caption, "selection")} if svg else {}
    remarks = list(dict.fromkeys(c.remark for c in selection.candidates if c.remark))
    ks = sorted({c.n_components for c in selection.candidates})
    template = environment().get_template("selection.html")
    return template.render(
        s=selection,
        ks=fmt.listed(ks, 20),
        chosen=[v for v in selection.verdict if f" by {selection.criterion.upper()}:" in v],
        others=[v for v in selection.verdict if f" by {selection.criterion.upper()}:" not in v],
        figures=figures,
        table=candidates(selection),
        remarks=remarks,
        css=stylesheet(),
        fmt=fmt,
    )


def candidates(selection: Selection) -> Table:
    """One row a fit; the best value of each criterion, among ML and among MAP fits, is bold with a star."""
    mapped = "map" in selection.estimates
    headers = ["model", *([", ".join(selection.varied)] if selection.varied else []), "K", "log-likelihood"]
    headers += ["log posterior"] * mapped + ["parameters", *(name.upper() for name in CRITERIA)]
    headers += ["passes", "collapsed starts", "status"]
    words = {0, len(headers) - 1} | ({1} if selection.varied else set())
    rows = [_row(c, selection, mapped) for c in selection.candidates]
    note = "A star marks the smallest value of a column, for ML and for MAP. Log-densities are in nats."
    return Table("Every candidate", headers, rows, frozenset(words), note)


def _row(c: Candidate, selection: Selection, mapped: bool) -> list[str]:
    def score(name: str) -> str:
        text = fmt.fixed(getattr(c, name), 2)
        return Markup('<strong class="good">{} *</strong>').format(text) if name in c.best else text

    return [
        ESTIMATES[c.estimate],
        *([c.structure] if selection.varied else []),
        str(c.n_components),
        fmt.fixed(c.log_likelihood, 3),
        *([fmt.fixed(c.log_posterior, 3) if c.estimate == "map" else fmt.NONE] if mapped else []),
        fmt.count(c.n_parameters),
        *(score(name) for name in CRITERIA),
        fmt.NONE if c.passes is None else fmt.number(c.passes),
        f"{c.n_collapsed} of {c.n_starts}" if c.n_starts else fmt.NONE,
        "refused" if c.status == "REFUSED" else fmt.status(c.status),
    ]
