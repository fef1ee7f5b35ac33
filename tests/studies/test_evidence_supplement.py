"""The section on the log evidence: without a sampler, with draws, and with several K."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from exact_draws import exact_draws
from msgspec.structs import replace

from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.record import Evidence, Row, decomposed
from emvsbayes.problem import pose
from emvsbayes.report.sections import render_sections
from emvsbayes.selection.models import compare_models
from emvsbayes.studies import STUDIES
from emvsbayes.studies.assembly import fit_both
from emvsbayes.studies.supplements import SUPPLEMENTS
from emvsbayes.studies.supplements.evidence import choice_section, evidence_section

DECLARED = [name for name, study in STUDIES.items() if "evidence" in study.supplements]


@pytest.fixture(scope="module")
def coins():
    study = STUDIES["two-coins"]
    problem = pose("coins", study.columns, n_components=2, settings=study.settings)
    return problem, replace(study, models="1:3"), fit_both(problem, study, problem.prior("default"))


def test_the_declared_studies():
    assert DECLARED == ["evidence-sinusoid", "old-faithful", "three-clusters", "two-coins"]
    assert STUDIES["three-clusters"].models == "1:4"


def test_without_draws(coins):
    problem, study, _ = coins
    (evidence,) = SUPPLEMENTS["evidence"](*coins, None)
    models = choice_section(compare_models("coins", study.columns, "1:3", settings=study.settings, sampling=False))
    table, second = evidence.sheets
    exact = exact_posterior(problem).log_evidence
    assert table.rows[0][:2] == ["enumeration", pytest.approx(exact, abs=1e-4)]
    for row in second.rows:
        assert row[2] + row[3] == pytest.approx(exact, abs=3e-4)  # each is rounded
    (plot,) = evidence.plots
    assert plot.y_names == [row[0] for row in table.rows]
    points = [s for s in plot.series if s.kind == "points"]
    marked = {(round(x, 4), plot.y_names[int(y)]) for s in points for x, y in zip(s.x, s.y, strict=True)}
    assert marked == {(row[1], row[0]) for row in table.rows}
    assert [row[0] for row in models.sheets[0].rows] == ["K = 1", "K = 2", "K = 3"]
    assert all(value <= 0 for series in models.plots[0].series if series.kind == "line" for value in series.y)
    page = render_sections("Two coins", "emvsbayes", [evidence, models])
    assert page.count("<svg") == 2
    assert "VB, every labelling" in page


def test_errors_are_two_standard_errors_to_each_side():
    rows = decomposed([Row("bridge", -10.0, 0.25), Row("vb", -11.0), Row("bic", -9.0)])
    found = Evidence("coins", 2, 5, rows, [], 2, 0.0, True, 0)
    (plot,) = evidence_section(found).plots
    spans = [(s.x, s.y, s.upper) for s in plot.series if s.kind == "spans"]
    assert ([-10.5], [0.0], [-9.5]) in spans
    (line,) = [s for s in plot.series if s.kind == "line"]
    assert line.x == [-10.0, -10.0]
    nothing = Evidence("coins", 2, 5, [Row("bic", -9.0)], [], 2, None, False, 0)
    section = evidence_section(nothing)
    assert len(section.sheets) == 1
    assert not [s for s in section.plots[0].series if s.kind == "line"]


def test_the_studys_own_draws_are_used(coins, monkeypatch):
    """Nothing is sampled: the draws of the page serve bridge sampling and PSIS-LOO."""
    from emvsbayes.studies.supplements import evidence as module

    problem, study, fits = coins
    rng = np.random.default_rng(0)
    drawn = exact_draws(problem, exact_posterior(problem), 800, rng)
    probs = np.array([params.probs for params in drawn]).reshape(2, 400, 2)
    rows = rng.normal(-2, 0.1, size=(2, 400, 5))
    raw = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"probs": (("chain", "draw", "component"), probs)}),
            "log_likelihood": xr.Dataset({"heads": (("chain", "draw", "obs_id"), rows)}),
        }
    )
    seen = {}

    def evidence_problem(problem, **asked):
        seen.update(asked)
        return kept(problem, **{**asked, "smc": False, "advi": False})

    kept = module.evidence_problem
    monkeypatch.setattr(module, "evidence_problem", evidence_problem)
    evidence, models = SUPPLEMENTS["evidence"](
        problem, replace(study, models="2"), fits, SimpleNamespace(raw=raw, relabelled=raw)
    )
    assert seen["posterior"] is raw
    assert (seen["smc"], seen["advi"]) == (True, True)
    assert "bridge sampling" in [row[0] for row in evidence.sheets[0].rows]
    assert models.sheets[0].rows[0][5] == pytest.approx(-10, abs=0.5)
