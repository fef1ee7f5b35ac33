"""Standard errors of both sides on one scale, and the words for where they differ."""

from dataclasses import replace

import numpy as np
import pytest
from cases import OLD_FAITHFUL

import emvsbayes as eb
from emvsbayes.comparison.errors import WORDS, compare_errors, reasons
from emvsbayes.comparison.points import compare_points
from emvsbayes.comparison.record import Parameter
from emvsbayes.core.scalars import scalars
from emvsbayes.core.trace import Status
from emvsbayes.problem import pose


def parameter(**posterior):
    return Parameter("p", "probs", 0, 0.5, 0.5, **posterior)


SYMMETRIC = {"lower": -2.0, "median": 0.0, "upper": 2.0}
SKEWED = {"lower": -1.0, "median": 0.0, "upper": 3.0}


@pytest.mark.parametrize(
    ("given", "numbers", "flags", "expected"),
    [
        ({"sd": 1.0, **SYMMETRIC}, (1.0, 1.1, 1.0), {}, []),
        ({"sd": 1.0, **SYMMETRIC}, (1.5, None, 1.0), {}, ["prior"]),
        ({"sd": 1.5, **SKEWED}, (1.0, None, 1.0), {}, ["skewness"]),
        ({"sd": 1.5, **SYMMETRIC}, (1.0, None, 1.0), {}, ["tails"]),
        ({"sd": 1.5, **SYMMETRIC}, (1.5, None, 1.0), {}, ["prior", "tails"]),
        ({"sd": 1.5, **SYMMETRIC}, (1.0, None, 1.0), {"rivals": True}, ["multimodality"]),
        ({"sd": 1.0, **SYMMETRIC}, (1.0, None, 1.0), {"rivals": True}, []),
        ({"sd": 1.0, **SYMMETRIC}, (None, None, 1.0), {"boundary": True}, ["boundary"]),
        ({}, (1.0, 0.5, 1.0), {}, ["model"]),
        ({}, (1.0, None, None), {}, []),
    ],
)
def test_a_difference_has_a_reason(given, numbers, flags, expected):
    found = reasons(parameter(**given), *numbers, **{"boundary": False, "rivals": False, **flags})
    assert found == expected
    assert set(found) <= set(WORDS)


@pytest.fixture(scope="module")
def setting():
    problem = pose("gaussian_mixture", OLD_FAITHFUL, n_components=2)
    given = {"n_components": 2, "n_starts": 2}
    ml, map_ = (eb.fit("gaussian_mixture", OLD_FAITHFUL, prior=prior, **given) for prior in (None, "default"))
    listed = scalars(map_.params, problem.family, problem.data.columns)
    points = compare_points(listed, ml.params, map_.params, None, None, [], [], "nothing was sampled")
    return problem, ml, map_, points


def test_the_section_holds_what_standard_errors_says(setting):
    problem, ml, map_, points = setting
    (section,) = compare_errors(problem, ml, map_, points, 20, 3, str)
    columns = list(zip(*section.sheets[0].rows, strict=True))
    at_ml = eb.standard_errors(ml, OLD_FAITHFUL, ("louis", "bootstrap"), n_replicates=20, seed=3)
    at_map = eb.standard_errors(map_, OLD_FAITHFUL, ("louis",))
    assert list(columns[0]) == at_ml.names
    np.testing.assert_allclose(columns[1], at_ml.methods["louis"].se)
    np.testing.assert_allclose(columns[2], at_ml.methods["bootstrap"].se)
    np.testing.assert_allclose(columns[3], at_map.methods["louis"].se)
    assert set(columns[4]) == {None}
    assert "There is no posterior sd: nothing was sampled." in section.text
    (plot,) = section.plots
    assert [series.name for series in plot.series] == ["EM (ML) se", "bootstrap sd", "Laplace sd"]
    np.testing.assert_allclose(plot.series[0].y, np.array(columns[1]) / np.array(columns[3]))


def test_a_singular_fit_is_said_to_have_none(setting):
    problem, ml, map_, points = setting
    singular = replace(ml, run=replace(ml.run, status=Status.SINGULAR))
    (section,) = compare_errors(problem, singular, map_, points, 0, 0, str)
    assert any(
        sentence.startswith("ML: there are no standard errors: the fit is singular") for sentence in section.text
    )
    assert all(row[1] is None and row[3] is not None and row[-1] == "" for row in section.sheets[0].rows)
    both = replace(map_, run=replace(map_.run, status=Status.SINGULAR))
    (section,) = compare_errors(problem, singular, both, points, 0, 0, str)
    assert section.sheets == []
    assert len(section.text) == 2
