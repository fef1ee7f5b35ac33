"""The whole way with NUTS: draws of two coins beside sums over every allocation."""

import numpy as np
import pytest
from cases import FIVE_TRIALS
from made import APART, allocations
from scipy import stats

import emvsbayes as eb
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.problem import pose

pytestmark = pytest.mark.sampling


@pytest.fixture(scope="module")
def drawn():
    tree = eb.sample("coins", FIVE_TRIALS, n_components=2, prior=APART, seed=1)
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, prior=APART, seed=1)
    return tree, fit, eb.posterior.read_draws(tree, fit, FIVE_TRIALS)


def test_predictions_and_allocations_are_the_exact_ones(drawn):
    """The prior tells the coins apart, so that nothing is relabelled."""
    _, fit, draws = drawn
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    exact = exact_posterior(problem, APART)
    weights, z = np.exp(exact.log_weights), allocations(problem)
    expected = np.zeros(11)
    for weight, part in zip(weights, exact.parts, strict=True):
        pi = part.weights.concentration / part.weights.concentration.sum()
        both = [stats.betabinom(10, part.probs.a[k], part.probs.b[k]).pmf(np.arange(11)) for k in range(2)]
        expected += weight * (pi @ both)
    (view,) = eb.posterior.predictive_density(draws, {"MAP": fit}, most=4000).views
    np.testing.assert_allclose(view.mean, expected, atol=0.006)
    found = eb.posterior.responsibilities(draws, fit, most=4000)
    np.testing.assert_allclose(found.mean, np.stack([weights @ (z == k) for k in range(2)], axis=1), atol=0.03)


def test_every_question_has_an_answer_and_arviz_reads_the_groups(drawn):
    import arviz as az

    tree, fit, draws = drawn
    assert len(eb.posterior.predictive_checks(draws).checks) == 5
    rows = eb.posterior.sensitivity(draws, fit.prior).rows
    assert [row.name for row in rows] == ["weights[0]", "weights[1]", "probs[0]", "probs[1]"]
    assert all(row.prior > 0.05 for row in rows[2:])  # five trials
    rungs = eb.posterior.ladder(draws, fit, strengths=(0.5, 1, 2)).rungs
    assert [rung.source for rung in rungs] == ["λ = 1 reweighted", "NUTS", "λ = 1 reweighted"]
    replicated = eb.posterior.replicated_tree(tree, draws, most=50)
    assert replicated["posterior_predictive"]["heads"].shape == (4, 50, 5)
    by_hand = az.psense(eb.posterior.prior_tree(tree, draws, fit.prior), var_names=["probs"], group="prior")
    np.testing.assert_allclose(by_hand["probs"].values, [row.prior for row in rows[2:]])
