"""The page: whole, self-contained, valid, escaped, and equal for equal comparisons."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from emvsbayes.comparison.record import Comparison, Decomposition
from emvsbayes.report import format as fmt
from emvsbayes.report import tables
from emvsbayes.report.gallery import render_gallery
from emvsbayes.report.page import render

NAMES = ["plane", "line", "coins", "unsampled", "unresolved", "collapsed", "hostile", "hard", "regression"]
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collects addresses, ids and text; raises where tags do not nest."""

    def __init__(self, page):
        super().__init__()
        self.open, self.addresses, self.ids, self.tags, self.text = [], [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "action"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("name", NAMES)
def test_page_needs_nothing_else(pages, name):
    page = pages[name]
    found = Reader(page)
    assert found.addresses
    assert all(a.startswith(("#", "data:image/png;base64,")) for a in found.addresses)
    assert not {"script", "link", "iframe"} & set(found.tags)
    assert ("img" in found.tags) == (name == "hard")
    assert "@import" not in page
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert len(page.encode()) < 1_500_000


@pytest.mark.parametrize("name", NAMES)
def test_page_nests_and_ids_are_its_own(pages, name):
    found = Reader(pages[name])
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    targets = {a[1:] for a in found.addresses if a.startswith("#")}
    targets |= {t[1:] for t in re.findall(r"url\((#[^)]*)\)", pages[name])}
    assert targets <= set(found.ids)


@pytest.mark.parametrize("name", ["plane", "line"])
def test_equal_comparisons_give_equal_bytes(comparisons, pages, name):
    again = Comparison.from_json(comparisons[name].to_json())
    assert render(again) == pages[name]


def test_another_comparison_gives_another_page(comparisons, pages):
    other = replace(comparisons["plane"], verdict=["One.", "Two.", "Three."])
    assert render(other) != pages["plane"]


@pytest.mark.parametrize("name", NAMES)
def test_verdict_comes_first(comparisons, pages, name):
    text = unescape(pages[name])
    places = [text.index(sentence) for sentence in comparisons[name].verdict]
    assert places == sorted(places)
    assert places[-1] < text.index("<table>")


def test_page_prints_what_is_in_the_record(comparisons, pages):
    text, c = unescape(pages["plane"]), comparisons["plane"]
    wanted = [c.provenance.command, c.provenance.data_sha256, c.provenance.sampler, c.listings.em, c.listings.pymc]
    wanted += [*c.subject.prior, c.subject.prior_note, *c.subject.notes, c.subject.source, *c.switching.diagnosis]
    wanted += [p.name for p in c.points.parameters] + [check.sentence for check in c.checks]
    assert [sentence for sentence in wanted if sentence not in text] == []
    assert c.listings.steps in text
    assert "2 of 4 checks failed" in text


def test_user_text_is_escaped(pages):
    page = pages["hostile"]
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page
    text = "".join(Reader(page).text)
    assert '<b>&"x"</b><script>alert(1)</script>' in text
    assert "$x$" in text  # not set as mathematics


def test_nothing_sampled(comparisons, pages):
    assert "Nothing was sampled" in pages["unsampled"]
    headers = tables.parameters(comparisons["unsampled"].points).headers
    assert headers == ["parameter", "ML", "MAP"]
    assert 'id="switching"' not in pages["unsampled"]
    assert 'id="switching"' in pages["plane"]


def test_unresolved_labels_print_the_reason_in_place_of_columns(comparisons, pages):
    points = comparisons["unresolved"].points
    assert points.unresolved_because in pages["unresolved"]
    assert "MCSE" not in tables.parameters(points).headers
    assert "MCSE the sampling error" not in pages["unresolved"]
    assert "MCSE the sampling error" in pages["plane"]
    assert "MCSE" in tables.parameters(comparisons["plane"].points).headers
    assert 'id="points"' not in pages["unresolved"]


def test_collapsed_rows_are_named(comparisons, pages):
    table = tables.collapsed(comparisons["collapsed"].singularity.ml)
    assert [row[:4] for row in table.rows] == [["start 0", "0", "1", "0"]]
    assert table.caption in pages["collapsed"]
    assert table.caption not in pages["plane"]


def test_rows_of_a_table_are_as_wide_as_its_header(comparisons):
    c = comparisons["line"]
    found = [tables.checks(c.checks), tables.parameters(c.points), tables.scores(c.points)]
    found += [tables.labellings(c.switching), tables.switches(c.switching), tables.convergence(c.switching)]
    found += [tables.outcomes(c.singularity), tables.optima(c.singularity.ml), tables.provenance(c.provenance)]
    found += [tables.half_steps(climb) for climb in c.decomposition.climbs]
    assert all(len(row) == len(t.headers) for t in found for row in t.rows)
    assert all(t.rows for t in found)


def test_starts_of_the_fits_and_modes_of_the_chains(comparisons, pages):
    c = comparisons["plane"]
    table = tables.fit_starts(c.points)
    assert table.caption in pages["plane"]
    assert [row[0] for row in table.rows] == ["maximum likelihood", "MAP"]
    for row, side in zip(table.rows, c.points.starts, strict=True):
        assert row[1:3] == [str(side.n_starts), str(side.n_singular)]
        assert row[3].startswith(f"{fmt.fixed(side.optima[0], 3)} ({side.counts[0]})")
    modes = [row[-1] for row in tables.switches(c.switching).rows]
    assert modes == [fmt.fixed(-1141.7, 2)] * 2 + [fmt.NONE, fmt.fixed(-1144.2, 2)]


def test_a_check_without_a_value_has_failed(comparisons):
    row = tables.checks(comparisons["plane"].checks).rows[-1]
    assert row[:2] == ["MAP beaten", fmt.NONE]
    assert row[3] == tables.checks([replace(comparisons["plane"].checks[0], passed=False)]).rows[0][3]


def test_long_climbs_show_the_first_half_steps_and_the_last(comparisons):
    climb = comparisons["plane"].decomposition.climbs[0]
    rows = tables.half_steps(climb).rows
    assert len(rows) == tables.FIRST + 1 + tables.LAST < len(climb.steps)
    assert rows[-1][0] == f"{climb.steps[-1].passes:g}"


def test_gallery_links_to_every_study(comparisons):
    entries = [("old geysers", comparisons["plane"]), ("two-coins", comparisons["coins"])]
    page = render_gallery(entries)
    found = Reader(page)
    assert found.open == []
    assert [a for a in found.addresses if a.endswith(".html")] == [
        "./old%20geysers/index.html",
        "./two-coins/index.html",
    ]
    assert page.count("<svg") == 2
    assert len(found.ids) == len(set(found.ids))
    assert all(sentence in page for _, c in entries for sentence in c.verdict)
    assert render_gallery(entries) == page
    assert "No study" in render_gallery([])


def test_supplements_stand_between_the_data_and_the_first_question(comparisons, pages):
    page = pages["hard"]
    places = [page.index(f'<section id="{name}"') for name in ("q0", "extra-1", "extra-2", "q1")]
    assert places == sorted(places)
    assert '<li><a href="#extra-1">K-means, step by step</a></li>' in page
    assert "extra-1" not in pages["plane"]
    section = page[places[1] : places[2]]
    assert '<figure id="supplement-1">' in section
    assert "It &lt;ends&gt; after 4." in section
    assert "J of K-means, in squared units." in section


def test_numbers_of_a_supplement_are_printed_as_everywhere(comparisons, pages):
    table = tables.sheet(comparisons["hard"].supplements[0].sheets[0])
    assert table.rows[0] == ["2", "as printed", fmt.number(13.625), fmt.number(0.25)]
    assert table.rows[1] == ["3 & more", "<i>random</i>", fmt.number(-1234567.25), fmt.NONE]
    assert table.words == {0, 1}
    assert "<td>0.2500</td>" in pages["hard"]
    assert "&lt;i&gt;random&lt;/i&gt;" in pages["hard"]
    assert "<i>" not in pages["hard"]


def test_pictures_are_in_the_page(comparisons, pages):
    page = pages["hard"]
    rows = comparisons["hard"].supplements[1].rasters
    images = re.findall(r"<img [^>]*>", page)
    assert len(images) == sum(len(row) for row in rows)
    for image, raster in zip(images, [r for row in rows for r in row], strict=True):
        found = re.search(r'src="data:image/png;base64,([^"]*)"', image)[1]
        assert unescape(found) == raster.png
        assert base64.b64decode(found, validate=True).startswith(b"\x89PNG")
        assert f'width="{raster.width * raster.scale}"' in image
        assert unescape(re.search(r'alt="([^"]*)"', image)[1]) == raster.caption
    assert page.count("&lt;b&gt;") == 2 * len(rows[1])
    assert "<b>" not in page


def test_a_hard_e_step_is_not_called_exact(comparisons, pages):
    hard, soft = ("".join(Reader(pages[name]).text) for name in ("hard", "plane"))
    assert "leaves it open: KL = −Σ ln p(zn = k*n | xn, θ)" in hard
    assert "sets q to the posterior of Z, so that the gap is 0" not in hard
    assert "gives every row wholly" in hard
    assert "sets q to the posterior of Z, so that the gap is 0" in soft
    assert "hard" not in soft
    for name in ["maximum likelihood, hard E-step", "MAP, hard E-step", "maximum likelihood, exact E-step"]:
        assert f"Half-steps of {name}" in hard
        assert f"{fmt.sentence(name)}: the largest" in hard
    assert "Half-steps of maximum likelihood" in soft
    assert tables.optima(comparisons["hard"].singularity.ml, "hard").headers[1] == "bound"


def test_a_hard_climb_beside_exact_ones_is_named(comparisons):
    plane, hard = (comparisons[name].decomposition.climbs for name in ("plane", "hard"))
    text = "".join(Reader(render(replace(comparisons["plane"], decomposition=Decomposition([*plane, hard[0]])))).text)
    assert "sets q to the posterior of Z, so that the gap is 0" in text
    assert "A hard E half-step, drawn beside, makes q one-hot" in text
    assert "Maximum likelihood, hard E-step: the largest" in text
    assert "MAP, exact E-step: the largest" in text


def test_a_model_without_components_has_no_words_for_them(comparisons, pages):
    text = "".join(Reader(pages["regression"]).text)
    assert "This model has no components" in text
    for phrase in [
        "every row, how probable each component",
        "Components count from 0",
        "K! equal copies",
        "draws were relabelled by",
    ]:
        assert phrase in "".join(Reader(pages["plane"]).text)
        assert phrase not in text
    assert "likelihood of a mixture" not in text
    w = comparisons["regression"].switching
    assert tables.switches(w, labels=False).headers == ["chain", "mean log-likelihood", "log posterior of its mode"]
    assert tables.convergence(w, labels=False).rows == [["sigma2", "1.002", "3\u2009000"]]
    assert [row[5:7] for row in tables.scores(comparisons["regression"].points).rows] == [[fmt.NONE] * 2] * 2


def test_a_study_with_pictures_shows_them_in_the_gallery(comparisons):
    page = render_gallery([("digits", comparisons["hard"]), ("geysers", comparisons["plane"])])
    assert page.count("<img") == 4
    assert page.count("<svg") == 1
    assert comparisons["hard"].supplements[1].rasters[0][3].png in page
    assert Reader(page).open == []
