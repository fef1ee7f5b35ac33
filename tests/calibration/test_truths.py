"""Truths follow the documented priors, and orders name components the same way in truths and draws."""

import numpy as np
import pytest
from scipy import stats

from emvsbayes import InputError
from emvsbayes.calibration.models import MODELS, find_model
from emvsbayes.calibration.ordering import ordered_draws, ordered_params
from emvsbayes.calibration.simulation import ranked
from emvsbayes.calibration.truths import draw_truth
from emvsbayes.core.records import record_fields
from emvsbayes.problem import pose


def drawn(problem, prior, n=3000):
    rng = np.random.default_rng(0)
    records = [record_fields(draw_truth(problem, prior, rng)) for _ in range(n)]
    return {name: np.array([record[name] for record in records]) for name in records[0]}


def fits(values, law):
    assert stats.kstest(np.ravel(values), law.cdf).pvalue > 0.001


def test_coins_and_bernoulli_prototypes():
    model = find_model("bernoulli")
    found = drawn(model.pose(), model.pose().prior(model.prior))
    fits(found["probs"][:, 1, 2], stats.beta(1.5, 1.0))
    fits(found["weights"][:, 0], stats.beta(5, 5))
    model = find_model("coins")
    fits(drawn(model.pose(), model.pose().prior(model.prior))["probs"][:, 0], stats.beta(2, 2))


def test_hyperparameters_of_each_component_keep_their_places():
    problem = pose("coins", {"heads": [1, 2, 3], "tosses": [5, 5, 5]}, n_components=2)
    prior = problem.prior({"probs": {"a": [1, 9], "b": [9, 1]}, "weights": {"concentration": [2, 7]}})
    found = drawn(problem, prior, 1500)
    fits(found["probs"][:, 0], stats.beta(1, 9))
    fits(found["probs"][:, 1], stats.beta(9, 1))
    fits(found["weights"][:, 1], stats.beta(7, 2))


def test_precisions_are_gammas_with_a_rate():
    model = find_model("linear-evidence")
    found = drawn(model.pose(), model.pose().prior(model.prior))
    fits(found["alpha"], stats.gamma(2, scale=1 / 2))
    fits(found["beta"], stats.gamma(3, scale=1.0))


def test_normal_inverse_wishart():
    """E Σ = Ψ / (ν - D - 1); a diagonal entry is IG((ν - D + 1) / 2, ψ / 2); L⁻¹ (μ - m) √κ is standard normal."""
    model = find_model("gaussian-2d")
    found = drawn(model.pose(), model.pose().prior(model.prior))
    sigma, scale = found["covariances"][:, 1], np.array([[7.0, 2.5], [2.5, 5.0]])
    np.testing.assert_allclose(sigma.mean(axis=0), scale / 7, atol=0.06)
    fits(sigma[:, 0, 0], stats.invgamma(9 / 2, scale=7 / 2))
    away = (found["means"][:, 1] - [0.0, 1.0]) * np.sqrt(0.1)
    standard = np.linalg.solve(np.linalg.cholesky(sigma), away[..., None])[..., 0]
    fits(standard, stats.norm())
    assert abs(np.corrcoef(standard.T)[0, 1]) < 0.07


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_every_plain_structure_has_truths_of_its_shape(covariance):
    problem = pose(
        "gaussian_mixture",
        np.random.default_rng(0).normal(size=(20, 2)),
        n_components=3,
        settings={"covariance": covariance},
    )
    prior = problem.prior(
        {
            "means": {"location": [0.0, 5.0], "strength": 2.0},
            "covariances": {"dof": 6.0, "scale": 4.0},
            "weights": {"concentration": 1.0},
        }
    )
    found = drawn(problem, prior, 800)
    problem.start({name: value[0] for name, value in found.items()})  # possible parameters
    expected = {"full": 4 / 3, "tied": 4 / 3, "diag": 1.0, "spherical": 1.0}[covariance]
    variances = found["covariances"]
    if covariance in ("full", "tied"):
        variances = np.diagonal(variances, axis1=-2, axis2=-1)
    assert variances.mean() == pytest.approx(expected, rel=0.12)
    assert found["means"][..., 1].mean() == pytest.approx(5.0, abs=0.1)
    assert found["means"][..., 0].var() == pytest.approx(expected / 2, rel=0.2)


def test_what_cannot_be_drawn_is_refused():
    problem = pose("coins", {"heads": [1, 2], "tosses": [5, 5]}, n_components=2)
    with pytest.raises(InputError, match="prior of probs is flat"):
        draw_truth(problem, problem.prior({"weights": {"concentration": 1}}), np.random.default_rng(0))
    kmeans = pose("kmeans", [[0.0], [1.0], [3.0]], n_components=2)
    with pytest.raises(InputError, match="kmeans is none of them"):
        draw_truth(kmeans, None, np.random.default_rng(0))


@pytest.mark.parametrize("name", MODELS)
def test_every_prior_is_proper_exchangeable_and_blind(name):
    """No component axis anywhere, and the same prior whatever the data."""
    model = MODELS[name]
    problem = model.pose()
    prior = problem.family.proper_prior(problem.prior(model.prior))
    truth = draw_truth(problem, prior, np.random.default_rng(0))
    assert np.isfinite(problem.family.log_prior(truth, prior))
    for k in range(problem.family.n_components - 1):
        swap = np.arange(problem.family.n_components)
        swap[[k, k + 1]] = k + 1, k
        moved = {
            name: np.take(value, swap, axis=0) if name in problem.family.component_axes else value
            for name, value in record_fields(truth).items()
        }
        there = problem.family.log_prior(type(truth)(**moved), prior)
        assert there == pytest.approx(problem.family.log_prior(truth, prior), rel=1e-12)


def test_the_last_weight_is_not_ranked_and_covariances_once():
    names = [scalar.name for scalar in ranked(find_model("gaussian-2d").pose())]
    assert names == [
        "weights[0]",
        *(f"means[{k}, x{d}]" for k in range(2) for d in range(2)),
        *(f"covariances[{k}, {entry}]" for k in range(2) for entry in ("x0, x0", "x1, x0", "x1, x1")),
    ]


def test_all_fields_move_together():
    rng = np.random.default_rng(0)
    draws = {"weights": rng.random((50, 3)), "means": rng.random((50, 3, 2)), "shared": rng.random((50, 2, 2))}
    draws["tag"] = 10 * draws["means"][:, :, 1] + draws["weights"]
    axes = {"weights": (0,), "means": (0,), "tag": (0,)}
    found = ordered_draws(draws, axes, "means[1]")
    assert (np.diff(found["means"][:, :, 1], axis=1) > 0).all()
    np.testing.assert_array_equal(found["tag"], 10 * found["means"][:, :, 1] + found["weights"])
    np.testing.assert_array_equal(found["shared"], draws["shared"])
    np.testing.assert_allclose(found["weights"].sum(axis=1), draws["weights"].sum(axis=1))


def test_two_component_axes_of_one_field_move_alike():
    """Transitions of a chain: entry (i, j) goes where i and j go."""
    values, matrix = np.array([[3.0, 1.0, 2.0]]), np.arange(9.0).reshape(1, 3, 3)
    found = ordered_draws({"rate": values, "moves": matrix}, {"rate": (0,), "moves": (0, 1)}, "rate")
    order = [1, 2, 0]
    np.testing.assert_array_equal(found["moves"][0], matrix[0][np.ix_(order, order)])


def test_a_truth_is_ordered_as_a_draw_is():
    model = find_model("gaussian-2d")
    problem = model.pose()
    axes, prior = problem.family.component_axes, problem.prior(model.prior)
    truths = [draw_truth(problem, prior, np.random.default_rng(i)) for i in range(20)]
    draws = {name: np.array([getattr(t, name) for t in truths]) for name in ("weights", "means", "covariances")}
    together = ordered_draws(draws, axes, model.order)
    for s, truth in enumerate(truths):
        alone = ordered_params(truth, axes, model.order)
        for name, value in together.items():
            np.testing.assert_array_equal(getattr(alone, name), value[s])


def test_an_unknown_model_is_named():
    with pytest.raises(InputError, match="unknown model 'coin': did you mean 'coins'"):
        find_model("coin")
