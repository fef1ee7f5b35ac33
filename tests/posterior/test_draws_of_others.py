"""Draws, estimates, statistics and priors from elsewhere: taken where they are meant, else refused in a sentence."""

from typing import Any

import numpy as np
import pytest
from made import fitted, tree_of

import emvsbayes as eb
from emvsbayes.posterior import (
    ladder,
    pairs,
    predictive_checks,
    predictive_density,
    read_draws,
    responsibilities,
    sensitivity,
    weakening,
)

TRIALS = {"heads": np.array([5.0, 9, 8, 4, 7]), "tosses": np.full(5, 10.0)}


def coins(prior: Any = "default", n=120, **given):
    """A fit of two coins, and draws about it by field."""
    fit = fitted("coins", TRIALS, prior, n_components=2, **given)
    rng = np.random.default_rng(0)
    p = fit.params.probs
    return fit, {
        "weights": rng.dirichlet(40 * fit.params.weights, n),
        "probs": rng.beta(1 + 20 * p, 21 - 20 * p, (n, 2)),
    }


def read(fit, values):
    return read_draws(tree_of(values, fit.family), fit, TRIALS)


def refused(words, ask):
    with pytest.raises(eb.InputError, match=words) as caught:
        ask()
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("weights", [-0.2, 1.2], "draw 3 of chain 1 is outside the model: weights must not be negative"),
        ("weights", [0.5, 0.7], "draw 3 of chain 1 is outside the model: weights must add to 1"),
        ("probs", [0.2, 1.5], r"draw 3 of chain 1 is outside the model: probs must lie in \[0, 1\]"),
    ],
)
def test_draws_outside_the_model_are_refused(field, value, words):
    fit, values = coins()
    values[field][33] = value
    refused(words, lambda: read(fit, values))


def test_negative_variances_and_trees_without_draws_are_refused():
    X = np.r_[np.linspace(-3, -1, 12), np.linspace(1, 4, 13)]
    fit = fitted("gaussian_mixture", X, n_components=2, settings={"covariance": "diag"})
    values = {n: np.repeat(getattr(fit.params, n)[None], 40, axis=0) for n in ("weights", "means", "covariances")}
    read_draws(tree_of(values, fit.family), fit, X)
    none = tree_of(values, fit.family).isel(draw=slice(0, 0))
    refused("4 chains of 0 draws", lambda: read_draws(none, fit, X))
    values["covariances"][7] *= -1
    refused("covariances must be greater than 0", lambda: read_draws(tree_of(values, fit.family), fit, X))


def test_weights_in_single_precision_are_weights():
    fit, values = coins()
    rounded = {name: v.astype(np.float32) for name, v in values.items()}
    draws, exact = read(fit, rounded), read(fit, values)
    assert draws.values["weights"].dtype == np.float64
    np.testing.assert_allclose(draws.values["weights"].sum(axis=1), 1, rtol=1e-15)
    ours, theirs = (responsibilities(one, fit).errors_mean for one in (draws, exact))
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert predictive_checks(draws, most=20).n_draws == 20


def test_the_data_must_be_those_of_the_fit():
    fit, values = coins(sample_weight=np.array([2.0, 1, 1, 1, 1]))
    refused("have 5 rows .by weight., and the fit was made with 6", lambda: read(fit, values))
    X = np.linspace(0, 1, 20)
    mixture = fitted("gaussian_mixture", X, n_components=2)
    refused("the fit was made with 20", lambda: weakening(mixture, X[:10]))


def test_estimates_of_other_models_are_refused():
    fit, values = coins()
    draws, three = read(fit, values), fitted("coins", TRIALS, n_components=3)
    for ask in (
        lambda e: responsibilities(draws, e),
        lambda e: pairs(draws, e),
        lambda e: predictive_density(draws, {"a": e}),
    ):
        refused("has the shape .3,., and of the draws .2,.", lambda ask=ask: ask(three))
        refused("or its CoinsParams; it is a dict", lambda ask=ask: ask({"weights": [0.5, 0.5]}))
    bad: Any = [fit]
    refused("estimates must be named", lambda: predictive_density(draws, bad[0]))


def test_a_statistic_is_a_number_of_every_replicate_or_left_out():
    fit, values = coins()
    draws, asked = read(fit, values), []

    def now_and_then(data):
        asked.append(data)
        return {"mean": float(data.heads.mean()), **({"odd": 1.0} if len(asked) % 3 else {})}

    found = predictive_checks(draws, now_and_then)
    assert [check.name for check in found.checks] == ["mean"]
    assert found.notes == ["Not every replicate has odd: left out."]
    refused("statistic a is nan", lambda: predictive_checks(draws, lambda data: {"a": float("nan")}))

    def bad(data) -> Any:
        return 3.0

    refused("statistic must return a mapping", lambda: predictive_checks(draws, bad))


def test_priors_strengths_and_factors_of_the_wrong_kind():
    fit, values = coins()
    draws = read(fit, values)
    for prior in ("default", {"probs": {"a": 2, "b": 2}}):
        refused("must be a prior record", lambda prior=prior: sensitivity(draws, prior))
    bad: Any = [["weak"], 0.5]
    refused("must be a number above 0; it is 'weak'", lambda: ladder(draws, fit, strengths=bad[0]))
    refused("a list of at least one strength", lambda: ladder(draws, fit, strengths=bad[1]))
    X = np.linspace(0, 1, 20)
    refused(
        "factors must have 1 axes", lambda: weakening(fitted("gaussian_mixture", X, n_components=2), X, factors=bad[1])
    )


def test_a_prior_that_is_flat_in_every_field_moves_nothing():
    fit, values = coins(prior={})
    found = sensitivity(read(fit, values), fit.prior)
    assert {row.prior for row in found.rows} == {0.0}
    assert min(row.likelihood for row in found.rows) > 0
    assert found.notes == ["Every prior is flat: no power changes it."]
