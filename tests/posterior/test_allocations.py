"""The posterior of z by a sum over every allocation, beside averages over draws."""

import numpy as np
import pytest
from cases import FIVE_TRIALS
from made import APART, allocations, exact_setting, still
from scipy.stats import entropy

import emvsbayes as eb
from emvsbayes.posterior import pairs, responsibilities
from emvsbayes.problem import pose


@pytest.fixture(scope="module")
def setting():
    problem, exact, draws = exact_setting("coins", FIVE_TRIALS, APART, n=8000, n_components=2)
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, prior=APART)
    return problem, exact, draws, fit


def test_averaged_responsibilities_are_the_exact_posterior_of_z(setting):
    problem, exact, draws, fit = setting
    weights, z = np.exp(exact.log_weights), allocations(problem)
    expected = np.stack([weights @ (z == k) for k in range(2)], axis=1)
    found = responsibilities(draws, fit, most=8000)
    error = 4 * np.array(found.sd) / np.sqrt(8000)
    assert (np.abs(np.array(found.mean) - expected) < error).all()
    np.testing.assert_allclose(np.sum(found.mean, axis=1), 1)


def test_pairs_are_exact_and_need_no_labels(setting):
    problem, exact, draws, fit = setting
    weights, z = np.exp(exact.log_weights), allocations(problem)
    expected = np.einsum("a,anm->nm", weights, (z[:, :, None] == z[:, None, :]).astype(float))
    found = pairs(draws, fit, most=8000)
    assert np.abs(np.array(found.together) - expected).max() < 0.02
    order = np.random.default_rng(1).permuted(np.tile([0, 1], (8000, 1)), axis=1)
    moved = {name: np.take_along_axis(v, order, axis=1) for name, v in draws.values.items()}
    renamed = pairs(type(draws)(draws.family, draws.data, moved, draws.like, 4), fit, most=8000)
    np.testing.assert_allclose(renamed.together, found.together, atol=1e-12)


def test_summaries_are_what_they_say(setting):
    _, _, draws, fit = setting
    found = responsibilities(draws, fit)
    plugged, mean = np.array(found.plugged), np.array(found.mean)
    np.testing.assert_allclose(plugged, fit.responsibilities)
    assert found.entropy_plugged == pytest.approx(np.mean([entropy(r) for r in plugged]))
    assert found.entropy_mean == pytest.approx(np.mean([entropy(r) for r in mean]))
    chosen = plugged.argmax(axis=1)
    assert found.errors_plugged == pytest.approx(sum(1 - plugged[n, k] for n, k in enumerate(chosen)))
    assert found.errors_mean == pytest.approx(sum(1 - mean[n, k] for n, k in enumerate(chosen)))
    assert found.errors_mean > found.errors_plugged  # five trials: EM is over-confident
    assert found.surer == np.mean([plugged[n, k] > mean[n, k] for n, k in enumerate(chosen)])


def test_draws_at_the_estimate_leave_nothing_to_tell_apart(setting):
    problem, _, _, fit = setting
    found = responsibilities(still(problem, fit.params), fit)
    np.testing.assert_allclose(found.mean, found.plugged, rtol=1e-12)
    assert found.errors_mean == pytest.approx(found.errors_plugged)
    assert np.max(found.sd) < 1e-12


def test_weights_of_rows_count():
    given = {"n_components": 2, "sample_weight": [1, 1, 0, 1, 3]}
    problem = pose("coins", FIVE_TRIALS, **given)
    fit = eb.fit("coins", FIVE_TRIALS, prior=APART, **given)
    found = responsibilities(still(problem, fit.params, 4), fit)
    doubt = 1 - np.max(found.plugged, axis=1)
    assert found.errors_plugged == pytest.approx(np.array(given["sample_weight"]) @ doubt)


def test_a_pair_counts_as_often_as_its_rows():
    given = {"n_components": 2, "sample_weight": [1, 1, 0, 1, 3]}
    problem = pose("coins", FIVE_TRIALS, **given)
    fit = eb.fit("coins", FIVE_TRIALS, prior=APART, **given)
    found = pairs(still(problem, fit.params, 4), fit)
    assert found.rows == [0, 1, 3, 4]
    upper, w = np.triu_indices(4, 1), np.array([1, 1, 1, 3])
    p, weights = np.array(found.plugged)[upper], np.outer(w, w)[upper]
    entropy = -p * np.log(p) - (1 - p) * np.log1p(-p)
    assert found.entropy_plugged == pytest.approx(np.average(entropy, weights=weights), rel=1e-12)
    assert abs(found.entropy_plugged - entropy.mean()) > 1e-3


def test_many_rows_are_thinned_and_families_without_components_refused():
    heads = np.tile([5, 9, 8], 20)
    problem = pose("coins", {"heads": heads, "tosses": np.full(60, 10)}, n_components=2)
    params = problem.start({"probs": [0.3, 0.8]})
    assert len(pairs(still(problem, params, 4), params, rows=11).rows) == 11
    x = np.linspace(0, 1, 9)
    line = pose("linear_evidence", {"X": x, "t": x**2}, settings={"n_basis": 3})
    at = line.start({"alpha": 1.0, "beta": 5.0})
    with pytest.raises(eb.InputError, match="no components"):
        responsibilities(still(line, at), at)
