"""The sections on predictions, checks, the posterior of z and the prior, from draws that no sampler made."""

import msgspec
import numpy as np
import pytest
from cases import FIVE_TRIALS, OLD_FAITHFUL, blobs
from exact_draws import exact_draws, stacked

import emvsbayes as eb
from emvsbayes.comparison import certainty
from emvsbayes.comparison.certainty import certainty_section
from emvsbayes.comparison.posterior import CAVEAT, compare_posterior
from emvsbayes.comparison.predictions import checks_section, predictive_section
from emvsbayes.comparison.record import MARKS, Points
from emvsbayes.comparison.sensitivity import sensitivity_section
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.fitting import fit_problem
from emvsbayes.posterior import pairs, predictive_checks, predictive_density, responsibilities
from emvsbayes.posterior.draws import Draws
from emvsbayes.problem import pose
from emvsbayes.report.figures.supplement import draw

PRIOR = {"probs": {"a": [4, 1.5], "b": [1.5, 3]}, "weights": {"concentration": [3.0, 2.0]}}


def points(resolved=True, because=""):
    return Points([], [], [], [], "", resolved, because)


def about(family, X, spread=0.03, n=200, prior="default", **posed):
    """Problem, both fits, and `Draws` scattered about the MAP estimate in free coordinates."""
    problem = pose(family, X, **posed)
    record = problem.prior(prior)
    ml, map_ = (fit_problem(problem, prior=p, n_starts=3, seed=1) for p in (None, record))
    center, rng = problem.family.to_vector(map_.params), np.random.default_rng(0)
    drawn = [problem.family.from_vector(center + spread * rng.normal(size=center.size), map_.params) for _ in range(n)]
    names = [name for name in problem.fields if name not in problem.family.fixed]
    values = {name: np.array([getattr(p, name) for p in drawn]) for name in names}
    return problem, ml, map_, Draws(problem.family, problem.data, values, map_.params, 4)


@pytest.fixture(scope="module")
def coins():
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    prior = problem.prior(PRIOR)
    ml, map_ = (fit_problem(problem, prior=p, seed=1) for p in (None, prior))
    drawn = stacked(exact_draws(problem, exact_posterior(problem, PRIOR), 800, np.random.default_rng(0)))
    return problem, ml, map_, Draws(problem.family, problem.data, drawn, map_.params, 4)


class Tree:
    """As much of a DataTree as is read."""

    def __init__(self, draws):
        import xarray as xr

        data = {}
        for name, v in draws.values.items():
            split = v.reshape(*draws.shape, *v.shape[1:])
            data[name] = (("chain", "draw", *(f"{name}_{i}" for i in range(split.ndim - 2))), split)
        self.tree = xr.DataTree.from_dict({"posterior": xr.Dataset(data)})


def test_all_sections_hold_what_the_questions_answer(coins):
    problem, ml, map_, draws = coins
    lines = []
    found = compare_posterior(problem, ml, map_, Tree(draws).tree, points(), 7, lines.append)
    titles = [section.title for section in found]
    assert titles == [
        "What is predicted",
        "Would the model have produced these data?",
        "How sure is EM of the components?",
        "What does the prior decide?",
    ]
    assert len(lines) == 1
    density = predictive_density(draws, {"ML": ml, "MAP": map_}, seed=7).views[0]
    assert found[0].sheets[0].rows == [
        ["heads in 10 tosses", *(p[n] for p in (density.distance, density.outside) for n in ("ML", "MAP"))]
    ]
    lines = {series.name: series for series in found[0].plots[0].series}
    assert lines["posterior predictive"].y == density.mean
    assert lines["data"].upper == [0, 0, 0, 0, 0.2, 0.2, 0, 0.2, 0.2, 0.2, 0]
    checks = predictive_checks(draws, seed=7).checks
    assert [row[:2] for row in found[1].sheets[0].rows] == [[c.name, c.observed] for c in checks]
    certainty = responsibilities(draws, map_)
    assert found[2].sheets[0].rows[1][1:] == [certainty.errors_plugged, certainty.errors_mean]
    assert "EM is over-confident" in found[2].text[1]
    assert [row[0] for row in found[3].sheets[0].rows] == ["weights[0]", "weights[1]", "probs[0]", "probs[1]"]
    again = compare_posterior(problem, ml, map_, Tree(draws).tree, points(), 7, str)
    assert msgspec.json.encode(again) == msgspec.json.encode(found)
    for number, section in enumerate(found[:3]):
        assert draw(section, f"extra-{number}").startswith("<svg")


def test_unresolved_labels_are_asked_pair_by_pair_and_said_to_be_so(coins):
    problem, ml, map_, draws = coins
    found = compare_posterior(problem, ml, map_, Tree(draws).tree, points(False, "R-hat is 3."), 7, str)
    assert [CAVEAT in section.text for section in found] == [True, True, True, False]
    assert "do not agree" not in CAVEAT  # chains may be too short, or there may be one alone
    together = pairs(draws, map_)
    assert found[2].sheets[0].rows[0][1:] == [together.entropy_plugged, together.entropy_mean]
    assert found[3].sheets == []
    assert found[3].text == ["Not measured parameter by parameter: R-hat is 3."]


def test_gaussian_sections_are_small_and_thinned():
    problem, ml, map_, draws = about("gaussian_mixture", OLD_FAITHFUL, n_components=2)
    found = compare_posterior(problem, ml, map_, Tree(draws).tree, points(), 0, str)
    assert [plot.title for plot in found[0].plots] == ["eruptions", "waiting"]
    for section in found:
        assert all(len(series.x) <= MARKS for plot in section.plots for series in plot.series)
    assert len(msgspec.json.encode(found)) < 200_000
    rows = found[2].sheets[1].rows
    assert [float(row[0]) for row in rows] == sorted(float(row[0]) for row in rows)
    assert len(rows) == 8
    n, k = int(rows[0][0]), int(rows[0][3])
    assert rows[0][4] == pytest.approx(map_.responsibilities[n, k])
    assert rows[0][1:3] == problem.data.X[n].tolist()


def test_data_are_drawn_on_the_scale_of_the_density():
    problem, ml, map_, draws = about("gaussian_mixture", blobs(n=60), n_components=2, sample_weight=np.arange(60) % 3)
    (section,) = predictive_section(draws, ml, map_, 0)
    bars = next(series for series in section.plots[0].series if series.kind == "bars")
    width = bars.x[1] - bars.x[0]
    assert sum(bars.upper) * width == pytest.approx(1)
    assert problem.data.n_rows == 60


def test_other_families_have_their_own_pictures():
    rng = np.random.default_rng(1)
    bits = (rng.random((40, 3)) < [0.2, 0.5, 0.8]).astype(float)
    bits[0, 0] = np.nan
    _, ml, map_, draws = about("bernoulli_mixture", bits, n_components=2)
    (section,) = predictive_section(draws, ml, map_, 0)
    data = section.plots[0].series[0]
    np.testing.assert_allclose(data.y, np.nanmean(bits, axis=0))
    assert section.sheets[0].headers[1] == "largest distance, ML"
    x = np.linspace(0, 1, 20)
    given = {"X": x, "t": np.sin(6 * x) + 0.1 * rng.normal(size=20)}
    problem, ml, map_, draws = about("linear_evidence", given, settings={"n_basis": 4})
    found = compare_posterior(problem, ml, map_, Tree(draws).tree, points(), 0, str)
    assert [section.title for section in found][-1] == "What does the prior decide?"
    assert len(found) == 3  # no components to be sure of
    assert found[0].plots[0].series[0].y == given["t"].tolist()
    assert "No labels enter" not in found[0].text[0]


def test_what_has_no_answer_says_so():
    problem, ml, map_, draws = about("coins", FIVE_TRIALS, n_components=2, sample_weight=[0.5, 1, 1, 1, 1])
    (section,) = checks_section(draws, 0)
    assert section.text[0].startswith("Not checked: replicated data have rows that count once")
    few = draws.kept(4)
    (section,) = sensitivity_section(few, map_.prior, resolved=True, unresolved_because="", log_scale=frozenset())
    assert section.text[0].startswith("Not measured: sensitivity needs at least 20 draws of each chain")
    labelled, _, fit, known = about("coins", FIVE_TRIALS, n_components=2, labels=[0, 1, 1, 0, 1])
    assert certainty_section(known, fit, resolved=True) == []
    one, _, fit, single = about("coins", FIVE_TRIALS, n_components=1)
    assert certainty_section(single, fit, resolved=True) == []
    assert {labelled.family.n_components, one.family.n_components, problem.family.n_components} == {1, 2}
    assert ml is not None


def test_known_labels_and_large_counts_are_no_obstacle():
    heads = np.array([5, 9, 8, 4, 7]) * 10**6
    given = {"heads": heads, "tosses": np.full(5, 10**7)}
    problem, ml, map_, draws = about("coins", given, spread=1e-3, n_components=2, labels=[0, -1, -1, 0, -1])
    found = compare_posterior(problem, ml, map_, Tree(draws).tree, points(), 0, str)
    assert found[0].plots[0].y_label == "density"
    assert any("Known labels are not replicated" in sentence for sentence in found[1].text)
    assert isinstance(eb.posterior.predictive_density(draws).views[0].mean[0], float)


@pytest.mark.parametrize(
    ("ratio", "errors", "words"),
    [
        (3.0, 1e-6, "By neither"),
        (None, 0.5, "no row is in doubt at all"),
        (1.2, 0.5, "EM is over-confident"),
        (0.8, 0.5, "less sure than the posterior"),
        (1.01, 0.5, "The two agree"),
    ],
)
def test_the_conclusion_follows_from_the_numbers(ratio, errors, words):
    assert words in certainty._conclusion(ratio, errors)


def test_many_rows_are_thinned_and_keep_their_numbers(monkeypatch):
    monkeypatch.setattr(certainty, "ROWS", 30)
    problem, _, map_, draws = about("gaussian_mixture", blobs(n=100), n_components=2)
    (section,) = certainty_section(draws, map_, resolved=True)
    assert "here of 30 rows of 100, evenly spaced" in section.text[0]
    for row in section.sheets[1].rows:
        n, k = int(row[0]), int(row[3])
        assert row[1:3] == problem.data.X[n].tolist()
        assert row[4] == pytest.approx(map_.responsibilities[n, k])
    assert max(int(row[0]) for row in section.sheets[1].rows) > 30
