"""The ladder of prior strengths and the fading prior as sections of their studies, without a sampler."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from msgspec.structs import replace
from scipy import stats

from emvsbayes.problem import pose
from emvsbayes.studies import STUDIES
from emvsbayes.studies.assembly import fit_both
from emvsbayes.studies.supplements import SUPPLEMENTS, weakening


@pytest.fixture(scope="module")
def coins():
    study = STUDIES["two-coins"]
    problem = pose("coins", study.columns, n_components=2, settings=study.settings)
    return problem, study, fit_both(problem, study, problem.prior("default"))


def test_the_studies_declare_them():
    assert [name for name, study in STUDIES.items() if "ladder" in study.supplements] == ["two-coins"]
    assert [name for name, study in STUDIES.items() if "weakening" in study.supplements] == ["galaxies"]


def test_the_ladder_without_a_posterior_has_modes_alone(coins):
    (section,) = SUPPLEMENTS["ladder"](*coins, None)
    assert [plot.title for plot in section.plots] == ["probs[0]", "probs[1]"]
    assert [series.name for series in section.plots[0].series] == ["EM's mode"]
    assert len(section.sheets[0].rows) == 9
    assert any("no posterior with resolved labels" in sentence for sentence in section.text)
    assert any(sentence.startswith("At λ = ") and "components that are one" in sentence for sentence in section.text)


def test_the_ladder_takes_draws_and_asks_nuts_where_they_do_not_reach(coins, monkeypatch):
    problem, study, fits = coins
    rng, asked = np.random.default_rng(0), []

    def drawn(center, sharpness):
        values = [rng.beta(sharpness * p, sharpness * (1 - p), size=(4, 500)) for p in center]
        data = xr.Dataset({"probs": (("chain", "draw", "component"), np.stack(values, axis=-1))})
        return xr.DataTree.from_dict({"posterior": data})

    def sample(problem, prior, **given):
        asked.append(float(prior.probs.a))
        return drawn([0.5, 0.5], 200)

    monkeypatch.setattr("emvsbayes.bayes.sampling.sample_problem", sample)
    monkeypatch.setattr("emvsbayes.relabelling.trees.relabel", lambda tree, **given: tree)
    posterior = SimpleNamespace(relabelled=drawn(fits.map.params.probs, 60), resolved=True)
    (section,) = SUPPLEMENTS["ladder"](problem, study, fits, posterior)
    assert asked
    assert all(a > 2 for a in asked)
    sources = [row[3] for row in section.sheets[0].rows]
    assert "NUTS" in sources
    assert "λ = 1 reweighted" in sources
    names = [series.name for series in section.plots[0].series]
    assert names == ["95 % of the posterior", "posterior mean", "drawn by NUTS", "EM's mode"]


def galaxies():
    """The study, with few starts."""
    study = replace(STUDIES["galaxies"], n_starts=3)
    table = study.table()
    problem = pose("gaussian_mixture", table, n_components=3, settings=study.settings)
    return problem, study, fit_both(problem, study, problem.prior("default"))


def test_the_fading_prior_is_exact_on_few_rows_and_silent_on_many(monkeypatch):
    monkeypatch.setattr(weakening, "FEW", 6)
    monkeypatch.setattr(weakening, "FACTORS", (1.0, 1e-8))
    problem, study, fits = galaxies()
    (section,) = SUPPLEMENTS["weakening"](problem, study, fits, None)
    whole, exact = section.sheets
    assert all(row[-3:] == [None, None, None] for row in whole.rows)
    assert [row[0] for row in exact.rows] == ["1", "1e-08"]
    assert exact.rows[-1][2] > 0.9  # some component is empty
    assert exact.rows[0][2] < exact.rows[-1][2]
    names = [series.name for series in section.plots[0].series]
    assert names[0] == "likelihood"
    assert "6 rows" in section.text[2]
    assert "64 allocations" in section.text[2]


def test_the_rows_about_the_closest_pair_hold_it():
    data = pose("gaussian_mixture", stats.norm.ppf((np.arange(30) + 0.5) / 30)[:, None], n_components=2).data
    for row in (0, 15, 29):
        kept = weakening._around(data, row)
        assert len(kept) == weakening.FEW
        assert row in kept
