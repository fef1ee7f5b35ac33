"""Point estimates beside a posterior made up with known moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from cases import FIVE_TRIALS, blobs
from scipy import stats

import emvsbayes as eb
from emvsbayes.comparison.points import compare_points, fit_starts, score, score_at
from emvsbayes.core.scalars import scalars
from emvsbayes.problem import pose

PROBLEM = pose("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"})
FIT = eb.fit("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"}, start={"probs": [0.6, 0.5]})
SCALARS = scalars(FIT.params, PROBLEM.family, ())


def posterior(draws):
    return {"probs": xr.DataArray(draws, dims=("chain", "draw", "component"))}


def points(draws, ml=(0.3, 0.6), map_=(0.31, 0.62), mode=None):
    def record(probs):
        return replace(FIT.params, probs=np.array(probs))

    at = None if draws is None else posterior(draws)
    return compare_points(
        SCALARS, record(ml), record(map_), None if mode is None else record(mode), at, [], [], "nothing was sampled"
    )


def test_summaries_and_z_scores():
    rng = np.random.default_rng(0)
    draws = rng.normal([0.3, 0.7], [0.02, 0.05], size=(4, 500, 2))
    found = points(draws, mode=(0.32, 0.63))
    assert [p.name for p in found.parameters] == ["probs[0]", "probs[1]"]
    assert found.labels_resolved
    assert found.interval == "95 % interval"
    for k, p in enumerate(found.parameters):
        values = draws[..., k]
        mean, sd = values.mean(), values.std(ddof=1)
        assert p.mean == pytest.approx(mean)
        assert p.sd == pytest.approx(sd)
        assert p.median == pytest.approx(np.median(values))
        assert (p.lower, p.upper) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
        assert np.mean((values > p.lower) & (values < p.upper)) == pytest.approx(0.95, abs=0.002)
        assert p.mcse == pytest.approx(sd / np.sqrt(values.size), rel=0.2)
        assert p.z_ml == pytest.approx((p.ml - mean) / sd)
        assert p.z_map == pytest.approx((p.map - mean) / sd)
        assert (p.field, p.component) == ("probs", k)
    assert [p.pymc_map for p in found.parameters] == [0.32, 0.63]
    assert found.parameters[1].z_ml < 0 < found.parameters[0].z_map


def test_mcse_grows_with_autocorrelation():
    rng = np.random.default_rng(1)
    slow = np.repeat(rng.normal(size=(4, 25, 2)), 20, axis=1) + 1e-6 * rng.normal(size=(4, 500, 2))
    mixed = rng.permuted(slow, axis=1)
    assert points(slow).parameters[0].mcse > 2.5 * points(mixed).parameters[0].mcse


def test_nothing_is_printed_by_component_while_labels_are_unresolved():
    found = points(None)
    assert not found.labels_resolved
    assert found.unresolved_because == "nothing was sampled"
    assert found.marginals == []
    for p in found.parameters:
        assert (p.mean, p.median, p.sd, p.lower, p.upper, p.mcse, p.z_ml, p.z_map, p.pymc_map) == (None,) * 9
        assert p.ml > 0


@pytest.mark.parametrize("far", [0.0, 0.05, 5.0])
def test_marginals_are_densities_with_the_estimates_on_them(far):
    draws = np.random.default_rng(2).normal([0.3, 0.7], 0.02, size=(2, 400, 2))
    for marginal in points(draws, ml=(0.3 + far, 0.7 - far)).marginals:
        edges, density = np.array(marginal.edges), np.array(marginal.density)
        assert len(edges) == len(density) + 1
        assert (np.diff(edges) > 0).all()
        assert density @ np.diff(edges) == pytest.approx(1.0)
        assert edges[0] <= marginal.map <= edges[-1]
        assert (edges[0] <= marginal.ml <= edges[-1]) == (far < 1)


def test_a_parameter_without_spread_has_no_z_score():
    """One component: its weight is 1 in every draw."""
    found = points(np.ones((2, 50, 2)) * [1.0, 0.5] + [0, 1] * np.random.default_rng(3).normal(size=(2, 50, 2)))
    assert found.parameters[0].sd == 0
    assert found.parameters[0].z_ml is None
    assert found.parameters[0].z_map is None
    assert found.parameters[1].z_ml is not None


def test_scores_of_a_fit():
    X = blobs(n=40)
    fit = eb.fit("gaussian_mixture", X, n_components=2, n_starts=3)
    problem = pose("gaussian_mixture", X, n_components=2)
    prior = problem.prior("default")
    found = score("ML (EM)", fit, prior, problem.data)
    assert found.log_likelihood == fit.log_likelihood
    assert found.log_prior == problem.family.log_prior(fit.params, prior)
    assert found.log_posterior == found.log_likelihood + found.log_prior
    assert found.bic == pytest.approx(-2 * fit.log_likelihood + 11 * np.log(40))
    assert found.icl == pytest.approx(found.bic - 2 * np.log(fit.responsibilities.max(axis=1)).sum())
    assert found.icl > found.bic
    again = score_at("pm.find_MAP", problem.family, fit.params, prior, problem.data, "")
    assert again.log_posterior == found.log_posterior
    assert again.bic is None


def test_weights_count_in_the_scores():
    X = blobs(n=40)
    weights = np.full(40, 2.0)
    options = {"n_components": 2, "n_starts": 3}
    twice = eb.fit("gaussian_mixture", np.r_[X, X], **options)
    weighted = eb.fit("gaussian_mixture", X, sample_weight=weights, **options)
    problem = pose("gaussian_mixture", X, n_components=2, sample_weight=weights)
    double = pose("gaussian_mixture", np.r_[X, X], n_components=2)
    prior = problem.prior("default")
    one, other = score("a", weighted, prior, problem.data), score("a", twice, prior, double.data)
    assert one.bic == pytest.approx(other.bic, rel=1e-6)
    assert one.icl == pytest.approx(other.icl, rel=1e-6)


def test_the_normal_theory_in_one_dimension():
    """A posterior that is normal: half of it lies below the median, and z follows from the quantile."""
    draws = stats.norm(0.5, 0.1).ppf((np.arange(2000) + 0.5) / 2000).reshape(4, 500, order="F")
    found = points(np.stack([draws, draws], axis=-1), ml=(0.6, 0.4), map_=(0.5, 0.7))
    assert found.parameters[0].z_ml == pytest.approx(1.0, abs=0.01)
    assert found.parameters[1].z_ml == pytest.approx(-1.0, abs=0.01)
    assert found.parameters[1].z_map == pytest.approx(2.0, abs=0.02)
    assert found.parameters[0].upper == pytest.approx(0.5 + 0.1 * 1.96, abs=0.002)


def test_a_score_where_the_prior_is_zero_has_no_log_posterior():
    params = replace(FIT.params, probs=np.array([0.0, 0.5]))
    data = replace(PROBLEM.data, heads=np.array([0.0, 0, 5, 5, 0]))
    found = score_at("there", PROBLEM.family, params, PROBLEM.prior("default"), data, "")
    assert np.isfinite(found.log_likelihood)
    assert (found.log_prior, found.log_posterior) == (None, None)


def test_what_became_of_the_starts():
    fit = eb.fit("gaussian_mixture", blobs(n=40, k=3), n_components=3, n_starts=12)
    found = fit_starts("ml", fit)
    assert (found.objective, found.n_starts) == ("ml", 12)
    assert found.n_singular + sum(found.counts) == 12
    assert found.optima == sorted(found.optima, reverse=True)
    assert found.optima[0] == max(r.run.objective for r in fit.restarts if r.optimum == 0)
    assert len(found.optima) == len(found.counts) == 1 + max(r.optimum for r in fit.restarts)
