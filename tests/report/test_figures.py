"""Every figure: well-formed, labelled, text as text, equal bytes, and nothing where there is nothing to draw."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import matplotlib
import numpy as np
import pytest

from emvsbayes.comparison.record import Snapshot
from emvsbayes.report.figures import data, decomposition, points, singularity, switching

NAMES = ["plane", "line", "coins", "unsampled", "unresolved", "collapsed", "hostile"]
SVG = "{http://www.w3.org/2000/svg}"


def figures(c):
    found = {
        "data": data.draw(c.picture),
        "thumbnail": data.thumbnail(c.picture, "0"),
        "points": points.draw(c.points),
        "singularity": singularity.draw(c.singularity),
        "climb": decomposition.draw_climb(c.decomposition),
        "stack": decomposition.draw_stack(c.decomposition),
    }
    if c.switching:
        found["switching"] = switching.draw(c.switching)
    return {name: svg for name, svg in found.items() if svg}


def words(svg):
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_well_formed_and_labelled(comparisons, name):
    found = figures(comparisons[name])
    assert len(found) >= 5
    for svg in found.values():
        root = ET.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert root.get("width") is None
        assert "<style" not in svg
        assert "<metadata" not in svg


def test_figures_leave_the_readers_settings_alone_and_ignore_them(comparisons):
    c = comparisons["line"]
    before = figures(c)
    with matplotlib.rc_context({"axes.facecolor": "red", "svg.fonttype": "path", "font.size": 30}):
        assert figures(c) == before
        assert matplotlib.rcParams["font.size"] == 30


def test_text_stays_text(comparisons):
    assert {"eruptions", "waiting", "start", "component 1"} <= set(words(data.draw(comparisons["plane"].picture)))
    assert '<b>&"x"</b><script>alert(1)</script>' in words(data.draw(comparisons["hostile"].picture))


def test_one_panel_a_snapshot(comparisons):
    picture = comparisons["plane"].picture
    titles = [w for w in words(data.draw(picture)) if w == "start" or w.startswith("pass ")]
    assert len(titles) == len(picture.snapshots) > 3


@pytest.mark.parametrize("n", range(1, 9))
def test_any_number_of_snapshots(comparisons, n):
    picture = comparisons["plane"].picture
    shown = replace(picture, snapshots=[replace(picture.snapshots[0], passes=p) for p in range(n)])
    assert words(data.draw(shown)).count("eruptions") == {1: 1, 2: 2, 4: 4, 7: 4, 8: 4}.get(n, 3)


def test_a_collapsed_component_can_be_drawn(comparisons):
    flat = Snapshot(0, [0.5, 0.5], [[2.0, 55.0], [4.0, 80.0]], [[[0.0, 0.0], [0.0, 0.0]], [[0.1, 0.0], [0.0, 30.0]]])
    assert "nan" not in data.draw(replace(comparisons["plane"].picture, snapshots=[flat])).lower()
    line = Snapshot(0, [0.5, 0.25, 0.25], [[20.0], [9.0], [30.0]], [[[0.0]], [[1.0]], [[1.0]]])
    assert "nan" not in data.draw(replace(comparisons["line"].picture, snapshots=[line])).lower()


def test_nothing_to_draw_is_no_figure(comparisons):
    c = comparisons["plane"]
    assert data.draw(replace(c.picture, snapshots=[])) == ""
    assert points.draw(replace(c.points, marginals=[])) == ""
    assert decomposition.draw_climb(replace(c.decomposition, climbs=[])) == ""
    assert decomposition.draw_stack(replace(c.decomposition, climbs=[])) == ""
    assert switching.draw(replace(c.switching, trace=replace(c.switching.trace, before=[], after=[]))) == ""


def test_many_marks_become_an_image(comparisons):
    trace = comparisons["plane"].switching.trace
    long = [[series * 2 for series in chain] for chain in trace.before]
    longer = replace(trace, draw=list(range(500)), before=long, after=long)
    assert "data:image/png" not in switching.draw(comparisons["plane"].switching)
    assert "data:image/png" in switching.draw(replace(comparisons["plane"].switching, trace=longer))


def test_starts_without_a_finite_likelihood_are_drawn_too(comparisons):
    found = comparisons["plane"].singularity
    lost = replace(found.ml.starts[-1], status="NONFINITE", log_likelihood=None, objective=None, optimum=-1)
    changed = replace(found, ml=replace(found.ml, starts=[*found.ml.starts[:-1], lost]))
    assert "not usable" in words(singularity.draw(changed))
    assert "not usable" not in words(singularity.draw(found))
    assert "collapsed" in words(singularity.draw(comparisons["collapsed"].singularity))


def test_panels_of_the_stack_are_consecutive_half_steps(comparisons):
    steps = comparisons["plane"].decomposition.climbs[0].steps
    cuts = decomposition.windows(steps)
    places = [[steps.index(step) for step in cut] for cut in cuts]
    assert len(cuts) == 3
    assert all(np.diff(place).tolist() == [1] * (len(place) - 1) for place in places)
    assert decomposition.windows(steps[:3]) == [steps[:3]]
