"""The table of cures: a bound and a prior keep every start from collapsing, and the bound is kept."""

from types import SimpleNamespace

import pytest

from emvsbayes.problem import pose
from emvsbayes.studies.spec import STUDIES
from emvsbayes.studies.supplements import cures


def test_a_bound_and_a_prior_cure_what_maximum_likelihood_has(monkeypatch):
    monkeypatch.setattr(cures, "N_STARTS", 25)
    study = STUDIES["galaxies"]
    problem = pose(study.family, study.table(), n_components=study.n_components, settings=study.settings)
    fits = SimpleNamespace(map=SimpleNamespace(prior=problem.prior("default")))
    (section,) = cures.cures(problem, study, fits, None)
    rows = {row[0]: row[1:] for row in section.sheets[0].rows}
    assert rows["ML, nothing done"][0] > 0
    for name, (collapsed, height, _, ratio) in rows.items():
        if name != "ML, nothing done":
            assert collapsed == 0
        if "eigenvalue_ratio" in name:
            bound = float(name.split("=")[1])
            assert ratio <= bound * (1 + 1e-9)
            assert height <= rows["ML, nothing done"][1] + 1e-6
    assert rows["ML, eigenvalue_ratio = 3"][3] == pytest.approx(3)
