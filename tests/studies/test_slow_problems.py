"""Where EM is slow a comparison runs it to the end: no other estimate beats it, and no chain seems to be elsewhere.

The draws are made up and PyMC's mode is real, so that `compare` goes its whole way without a sampler; once, with one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytensor
import pytest
import xarray as xr
from cases import slow_coins
from scipy.stats import binom

import emvsbayes as eb
from emvsbayes.bayes import sampling
from emvsbayes.bayes.twins import certify, find_mode
from emvsbayes.comparison import singularity
from emvsbayes.comparison.switching import SAME_MODE
from emvsbayes.comparison.verdict import SAME_MODE as BEATEN
from emvsbayes.core.em import run_em
from emvsbayes.core.starts import SAME_OPTIMUM
from emvsbayes.problem import pose
from emvsbayes.relabelling.climbs import TO_GAIN
from emvsbayes.studies import compare

X, WEIGHTS = slow_coins()
OPTIONS = {"n_components": 2, "sample_weight": WEIGHTS, "n_starts": 6}
CHAINS, DRAWS = 2, 200
FAR = {"weights": [0.05, 0.95], "probs": [0.42, 0.475]}  # EM stops here with most to gain


def made_up(problem, prior, *, map_start, last=None, **_):
    """What `sample_problem` returns, from draws that did not need a sampler; `last` is the last draw of every chain."""
    rng = np.random.default_rng(0)
    swaps = rng.integers(0, 2, (CHAINS, DRAWS, 1)) ^ np.arange(2)
    weights = rng.dirichlet([58.0, 42.0], (CHAINS, DRAWS))
    probs = np.array([0.415, 0.54]) + 0.01 * rng.normal(size=(CHAINS, DRAWS, 2))
    draws = {"weights": np.take_along_axis(weights, swaps, 2), "probs": np.take_along_axis(probs, swaps, 2)}
    for name, value in (last or {}).items():
        draws[name][:, -1] = value
    likelihood = np.log((draws["weights"] * binom.pmf(X["heads"][:, None, None, None], 12, draws["probs"])).sum(-1))

    about = problem.family.init(problem.data, rng, "random_rows")
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        model = problem.twin.build(problem.family, problem.data, problem.family.proper_prior(prior), about)
        mode, converged = find_mode(model, map_start)
        certificate = certify(model, problem, prior, about, 0, points=2)
    false = np.zeros((CHAINS, DRAWS), dtype=bool)
    stats = {"diverging": false, "reached_max_treedepth": false, "energy": rng.normal(size=false.shape)}
    by_draw = ("chain", "draw")
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({n: ((*by_draw, "component"), v) for n, v in draws.items()}),
            "sample_stats": xr.Dataset({n: (by_draw, v) for n, v in stats.items()}),
            "log_likelihood": xr.Dataset({"heads": ((*by_draw, "obs_id"), np.moveaxis(likelihood, 0, -1) * WEIGHTS)}),
            "observed_data": xr.Dataset({"heads": ("obs_id", X["heads"])}),
            "constant_data": xr.Dataset({"tosses": ("obs_id", X["tosses"]), "row_weights": ("obs_id", WEIGHTS)}),
            "map_estimate": xr.Dataset({n: ("component", mode[n]) for n in ("weights", "probs")}),
            "certificate": xr.Dataset({n: ("point", v) for n, v in certificate.items()}),
        }
    )
    for group in ("posterior", "sample_stats", "log_likelihood"):
        coords = {"chain": np.arange(CHAINS), "draw": np.arange(DRAWS)}
        tree[group] = tree[group].to_dataset().assign_coords(coords)
    tree["map_estimate"].attrs["converged"] = int(converged)
    tree.attrs = {"sampler": "none", "tuning_steps": 0}
    return tree


@pytest.fixture(scope="module")
def compared():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(singularity, "N_STARTS", 6)
        patch.setattr(sampling, "sample_problem", lambda *a, **k: made_up(*a, **k, last=FAR))
        yield compare("coins", X, **OPTIONS)


def checks(found):
    return {check.name: check for check in found.record.checks}


def test_nothing_beats_em(compared):
    found = checks(compared)
    for name in ("ML beaten", "MAP beaten"):
        assert found[name].passed, found[name]
        assert 0 <= found[name].value < BEATEN
    assert found["falls of the objective"].passed
    assert found["certificate of the twin"].passed
    for fit in (compared.ml, compared.map):
        assert fit.status.name == "CONVERGED"
        assert 0 <= fit.run.remaining < TO_GAIN


def test_the_fits_would_be_beaten_where_they_are_left_at_the_tolerance(compared):
    """The problem is slow enough to tell: plain `fit` stops further below PyMC's mode than the bound of the check."""
    scores = {score.name: score for score in compared.record.points.scores}
    plain = eb.fit("coins", X, **OPTIONS, prior="default")
    assert scores["pm.find_MAP"].log_posterior - plain.log_posterior > BEATEN
    assert plain.run.remaining > BEATEN
    assert compared.map.log_posterior - plain.log_posterior == pytest.approx(plain.run.remaining, rel=0.1)
    assert scores["MAP (EM)"].log_posterior == pytest.approx(compared.map.log_posterior)


def test_all_starts_reached_one_optimum(compared):
    for side, fit in zip(compared.record.points.starts, (compared.ml, compared.map), strict=True):
        assert np.ptp([r.run.objective for r in fit.restarts]) > SAME_OPTIMUM
        assert side.counts == [side.n_starts] == [6]
        assert (side.n_singular, len(side.optima)) == (0, 1)
    assert [s.objective for s in compared.record.points.starts] == ["ml", "map"]


def test_a_slow_climb_is_no_mode_of_its_own(compared):
    """EM from the chains' last draws stops far apart at the tolerance, and is run on before modes are told apart."""
    problem = pose("coins", X, n_components=2, sample_weight=WEIGHTS)
    like = compared.map.params
    last = replace(like, **{n: np.array(v) for n, v in FAR.items()})
    short = run_em(problem.family, problem.data, last, prior=compared.map.prior, record=False)
    assert compared.map.log_posterior - short.objective > SAME_MODE
    modes = compared.record.switching.mode_log_posterior
    assert modes == pytest.approx([compared.map.log_posterior] * CHAINS, abs=1e-3)


def test_a_stop_of_the_users_own_is_kept(monkeypatch):
    monkeypatch.setattr(singularity, "N_STARTS", 2)
    found = compare("coins", X, **OPTIONS, stop={"max_passes": 20}, sampling=False)
    assert (found.ml.passes, found.ml.status.name) == (20, "MAX_PASSES")
    assert found.verdict[0].startswith("The ML fit had not converged and the MAP fit had not converged; EM ended at")


def test_the_record_goes_through_json(compared):
    record = compared.record
    assert type(record).from_json(record.to_json()) == record
    assert record.subject.total_weight == WEIGHTS.sum() == 6000
    assert record.subject.n_rows == 13


@pytest.mark.sampling
def test_with_a_sampler(monkeypatch, tmp_path):
    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path))
    monkeypatch.setattr(singularity, "N_STARTS", 6)
    found = compare("coins", X, **OPTIONS, draws=300, tune=300, chains=2)
    for name in ("ML beaten", "MAP beaten", "certificate of the twin"):
        assert checks(found)[name].passed, checks(found)[name]
    modes = found.record.switching.mode_log_posterior
    assert modes == pytest.approx([found.map.log_posterior] * 2, abs=1e-3)
