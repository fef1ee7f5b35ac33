"""The section on variational Bayes: without a sampler, with draws of known moments, and with labels unresolved."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import emvsbayes as eb
from emvsbayes.problem import pose
from emvsbayes.report.page import render
from emvsbayes.studies import STUDIES, runner
from emvsbayes.studies.assembly import fit_both
from emvsbayes.studies.supplements import SUPPLEMENTS

DECLARED = [name for name, study in STUDIES.items() if "variational" in study.supplements]


@pytest.fixture(scope="module")
def coins():
    study = STUDIES["two-coins"]
    problem = pose("coins", study.columns, n_components=2, settings=study.settings)
    return problem, study, fit_both(problem, study, problem.prior("default"))


def sheets(*arguments):
    (found,) = SUPPLEMENTS["variational"](*arguments)
    return found, {sheet.caption.split(" ")[0]: sheet.rows for sheet in found.sheets}


def fake(fit, resolved=True):
    """Draws from q(θ) itself, put as relabelled draws are."""
    order = np.argsort(-fit.means.probs)
    post, rng = fit.posterior.probs, np.random.default_rng(0)
    draws = stats.beta(post.a[order], post.b[order]).rvs((4, 5000, 2), random_state=rng)
    data = xr.Dataset({"probs": (("chain", "draw", "component"), draws)})
    return SimpleNamespace(relabelled={"posterior": data}, resolved=resolved)


def test_the_declared_studies_are_conjugate():
    assert {STUDIES[name].family for name in DECLARED} == {"coins", "gaussian_mixture", "linear_evidence"}


def test_scores_and_moments_without_a_posterior(coins):
    _, found = sheets(*coins, None)
    elbo, copies, exact = (row[1] for row in found["ELBO,"])
    assert elbo < exact
    assert copies == pytest.approx(elbo + np.log(2))
    assert [row[0] for row in found["Mean"]] == ["probs[0]", "probs[1]"]
    assert all(row[3:] == [None, None, None] for row in found["Mean"])


def test_components_carry_the_labels_of_the_map_fit(coins):
    fits = coins[2]
    _, found = sheets(*coins, None)
    ours = [row[1] for row in found["Mean"]]
    assert np.argsort(ours).tolist() == np.argsort(fits.map.params.probs).tolist()


def test_ratios_are_one_where_the_posterior_is_q(coins):
    _, study, fits = coins
    fit = eb.variational("coins", study.columns, n_components=2, settings=study.settings)
    draws = fake(fit)
    if fits.map.params.probs[0] < fits.map.params.probs[1]:
        draws.relabelled["posterior"] = draws.relabelled["posterior"].isel(component=[1, 0])
    section, found = sheets(*coins, draws)
    for _, mean, sd, center, spread, ratio in found["Mean"]:
        assert center == pytest.approx(mean, abs=0.01)
        assert spread == pytest.approx(sd, rel=0.03)
        assert ratio == pytest.approx(sd / spread)
    assert "times the posterior's" in section.text[1]


def test_unresolved_labels_have_no_moments(coins):
    fit = eb.variational("coins", coins[1].columns, n_components=2, settings=coins[1].settings)
    section, found = sheets(*coins, fake(fit, resolved=False))
    assert all(row[3:] == [None, None, None] for row in found["Mean"])
    assert "unresolved" in section.text[1]


@pytest.mark.parametrize("name", ["two-coins", "evidence-sinusoid"])
def test_the_page_has_the_section(name):
    found = runner.run_study(STUDIES[name], sampling=False)
    (section,) = [s for s in found.record.supplements if s.title.startswith("Variational")]
    assert section.sheets[0].rows[0][1] < 0
    assert all(row[2] > 0 for row in section.sheets[1].rows)
    assert "Variational Bayes beside the posterior" in render(found.record)
