"""The page of a selection: self-contained, the numbers of the record, one mark a score."""

import re
from dataclasses import replace

import numpy as np
import pytest
from cases import blobs

import emvsbayes as eb
from emvsbayes.report.figures import selection as figure
from emvsbayes.report.selection import candidates, render_selection

COLLAPSING = np.r_[blobs(n=40, k=1), [[9.0, 9.0]] * 6, [[-9.0, 9.0]] * 6]


@pytest.fixture(scope="module")
def chosen():
    return eb.select(
        "gaussian_mixture",
        COLLAPSING,
        "1:3",
        settings={"covariance": "full,tied"},
        prior="both",
        start="kmeans",
        n_starts=2,
    )


def test_the_page_needs_nothing_else(chosen):
    page = render_selection(chosen)
    assert page == render_selection(eb.Selection.from_json(chosen.to_json()))
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)|src=", page)
    assert not re.findall(r'href="(?!#)', page)
    assert page.count("<svg") == 1
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_table_prints_the_record(chosen):
    table = candidates(chosen)
    assert len(table.rows) == len(chosen.candidates) == 12
    column = table.headers.index("BIC")
    for row, c in zip(table.rows, chosen.candidates, strict=True):
        text = re.sub(r"<[^>]*>", "", str(row[column])).replace("\u2009", "")
        assert text == ("–" if c.bic is None else f"{c.bic:.2f}" + " *" * ("bic" in c.best))
    assert sum("*" in str(cell) for row in table.rows for cell in row) == 6
    assert any(row[-1] == "collapsed" for row in table.rows)
    assert "use a prior (MAP)" in render_selection(chosen)


def marks(svg):
    """Markers drawn: one <use> each."""
    return len(re.findall(r"<use ", svg))


def test_the_figure_has_a_mark_for_every_candidate(chosen):
    """Dropping one candidate drops one mark."""
    rest = [c for c in chosen.candidates if c.n_components != 2 or c.best]
    dropped = len(chosen.candidates) - len(rest)
    assert dropped > 0
    assert marks(figure.draw(chosen)) - marks(figure.draw(replace(chosen, candidates=rest))) >= dropped


def test_nothing_is_drawn_where_nothing_is_scored(chosen):
    empty = replace(chosen, candidates=[c for c in chosen.candidates if c.remark])
    assert empty.candidates
    assert figure.draw(empty) == ""
    assert "No candidate can win" in render_selection(empty)


def test_text_of_the_user_is_escaped(chosen):
    page = render_selection(replace(chosen, source="<b>x</b>", columns=["<i>", "$y$"], command="a < b"))
    assert "<b>x</b>" not in page
    assert "&lt;i&gt;" in page
