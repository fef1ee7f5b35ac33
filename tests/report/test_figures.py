"""Every figure: well-formed, labelled, text as text, equal bytes, and nothing where there is nothing to draw."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import matplotlib
import numpy as np
import pytest

from emvsbayes.comparison.record import Snapshot
from emvsbayes.report.figures import data, decomposition, points, singularity, supplement, switching

NAMES = ["plane", "line", "coins", "unsampled", "unresolved", "collapsed", "hostile", "hard", "regression"]
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
    found |= {f"supplement {i}": supplement.draw(s, f"s-{i}") for i, s in enumerate(c.supplements)}
    return {name: svg for name, svg in found.items() if svg}


def words(svg):
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_well_formed_and_labelled(comparisons, name):
    found = figures(comparisons[name])
    assert len(found) >= 5 - (name == "regression")
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


def test_climbs_are_named_by_objective_and_e_step(comparisons):
    found = words(decomposition.draw_climb(comparisons["hard"].decomposition))
    named = [w for w in found if "E-step" in w]
    wanted = ["Maximum likelihood, hard E-step:", "MAP, hard E-step:", "Maximum likelihood, exact E-step:"]
    assert sorted(named) == sorted(2 * wanted)
    assert {"after E", "after M", "the gap after each half-step", "the gap after each M half-step"} <= set(found)
    assert "E-step" not in decomposition.draw_climb(comparisons["plane"].decomposition)
    assert "hard" not in decomposition.caption_climb(comparisons["plane"].decomposition)
    assert "leaves it open" in decomposition.caption_climb(comparisons["hard"].decomposition)


@pytest.mark.parametrize("n", range(1, 6))
def test_any_number_of_climbs(comparisons, n):
    climbs = (2 * comparisons["hard"].decomposition.climbs)[:n]
    shown = replace(comparisons["hard"].decomposition, climbs=climbs)
    assert words(decomposition.draw_climb(shown)).count("pass") == n
    assert ET.fromstring(decomposition.draw_stack(shown)).tag == f"{SVG}svg"


def test_a_model_without_components_is_drawn_as_a_curve(comparisons):
    picture = comparisons["regression"].picture
    found = words(data.draw(picture))
    assert {"predictive mean", "95 % predictive band", "rows", "start", "pass 6, the last", "y"} <= set(found)
    assert "component 0" not in found
    flat = [replace(s, band=None) for s in picture.snapshots]
    assert data.draw(replace(picture, snapshots=flat)) == ""
    assert ET.fromstring(data.thumbnail(replace(picture, snapshots=flat), "0")).tag == f"{SVG}svg"
    assert "component 0" not in words(switching.draw(comparisons["regression"].switching))


def test_a_supplement_draws_every_layer_and_names_it_once(comparisons):
    plots, pictures = comparisons["hard"].supplements
    found = words(supplement.draw(plots, "a"))
    for name in ["center 0", "center 1", "95 % band", "bound", "evidence", "test error"]:
        assert found.count(name) == 1 + (name == "evidence")  # also the title of a panel
    assert found.count("eruptions") == 5
    assert supplement.draw(pictures, "b") == ""
    nameless = [replace(p, series=[replace(s, name="") for s in p.series]) for p in plots.plots]
    assert "center 0" not in words(supplement.draw(replace(plots, plots=nameless), "a"))
    ids = [set(re.findall(r' id="([^"]*)"', supplement.draw(plots, name))) for name in ("a", "b")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_panels_of_a_hard_stack_reach_the_end(comparisons):
    steps = comparisons["hard"].decomposition.climbs[0].steps
    cuts = decomposition.windows(steps, spread=True)
    places = [steps.index(step) for cut in cuts for step in cut]
    assert len(cuts) == 3
    assert places == sorted(set(places))
    assert cuts[-1][-1].passes >= steps[-1].passes - 1


def test_round_components_are_drawn_round(comparisons):
    """Circles on axes of two scales are flat ellipses."""
    plane = comparisons["plane"].picture
    span = [[0.0, 0.0], [2.0, 1.0], [1.0, 0.5]]
    circles = [replace(s, covariances=[[[0.2, 0.0], [0.0, 0.2]]] * len(s.weights)) for s in plane.snapshots]
    assert not data._round(plane)
    assert data._round(replace(plane, points=span, snapshots=circles))
    assert not data._round(replace(plane, points=[[0.0, 0.0], [90.0, 1.0]], snapshots=circles))
    drawn = [replace(plane, points=span, labels=[0, 1, 0], snapshots=s) for s in (circles, plane.snapshots)]
    assert data.draw(drawn[0]) != data.draw(drawn[1])
