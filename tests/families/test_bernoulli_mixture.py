"""The Bernoulli mixture: what it reads, what unobserved entries do, and its update rules as Bishop prints them."""

from itertools import product

import numpy as np
import pytest
from cases import posed, random_params
from scipy import stats

import emvsbayes as eb
from emvsbayes.core.errors import InputError
from emvsbayes.families.bernoulli_mixture.em import BernoulliMixture
from emvsbayes.families.bernoulli_mixture.records import BernoulliData, BernoulliParams

BITS = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0]], dtype=float)
PARAMS = BernoulliParams(np.array([0.3, 0.7]), np.array([[0.9, 0.6, 0.2], [0.25, 0.5, 0.8]]))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (BITS + 1, ["coded 1 and 2", "subtract 1"]),
        (np.where(np.arange(18).reshape(6, 3) == 7, 1.5, BITS), ["row 2", "'x1'", "1.5", "[0, 1]"]),
        (-BITS, ["[0, 1]", "-1"]),
        ({"X": BITS, "observed": np.ones((6, 2))}, ["observed", "(6, 3)", "(6, 2)"]),
        ({"X": BITS, "observed": np.full((6, 3), 2)}, ["observed", "0 and 1"]),
        ({"X": BITS, "observed": np.arange(6)[:, None] != np.full(3, 4)}, ["row 4", "no observed entry"]),
        (np.where(np.arange(6)[:, None] == 1, np.nan, BITS), ["row 1", "no observed entry"]),
    ],
)
def test_bad_input_is_one_sentence(source, words):
    with pytest.raises(eb.InputError) as caught:
        eb.fit("bernoulli_mixture", source, n_components=2)
    for word in words:
        assert word in str(caught.value)


def test_nan_and_a_mask_are_the_same():
    seen = np.random.default_rng(0).random(BITS.shape) < 0.7
    seen[:, 0] = True
    one = BernoulliData.read({"X": BITS, "observed": seen})
    other = BernoulliData.read(np.where(seen, BITS, np.nan))
    np.testing.assert_array_equal(one.X, other.X)
    np.testing.assert_array_equal(one.observed, other.observed)


def test_masked_entries_may_be_garbage():
    """Promise 9: what is not observed has no effect on any number."""
    seen = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1], [1, 0, 0], [0, 1, 1]])
    garbage = np.where(seen == 1, BITS, np.random.default_rng(1).normal(scale=1e6, size=BITS.shape))
    garbage[0, 2] = np.nan
    fits = [
        eb.fit("bernoulli_mixture", {"X": X, "observed": seen}, n_components=2, prior="default", n_starts=4, seed=3)
        for X in (BITS, garbage)
    ]
    assert fits[0].to_json() == fits[1].to_json()


def test_completion_is_a_sum_over_the_missing_bits():
    """E[x | x_obs] from the joint distribution of z and every missing bit, by enumeration."""
    seen = np.array([1, 0, 0])
    data = BernoulliData.read({"X": BITS[:1], "observed": seen[None]})
    total, mean = 0.0, np.zeros(3)
    for z, second, third in product((0, 1), (0, 1), (0, 1)):
        x = np.array([BITS[0, 0], second, third])
        p = PARAMS.weights[z] * stats.bernoulli.pmf(x, PARAMS.probs[z]).prod()
        total, mean = total + p, mean + p * x
    expected = (mean / total)[1:]
    np.testing.assert_allclose(BernoulliMixture(2).predict_entries(PARAMS, data)[0, 1:], expected, rtol=1e-12)


def test_updates_as_printed():
    """π_k = (N_k + α - 1) / (N + K (α - 1)) and μ_kd = (Σ r x + a - 1) / (N_k + a + b - 2)."""
    family, data = BernoulliMixture(2), BernoulliData.read(BITS)
    prior = {"probs": {"a": 3.0, "b": 2.0}, "weights": {"concentration": 4.0}}
    fit = eb.fit("bernoulli_mixture", BITS, n_components=2, prior=prior, start=PARAMS, stop={"tol": 0, "max_passes": 1})
    r = family.e_step(PARAMS, data).responsibilities
    n = r.sum(axis=0)
    np.testing.assert_allclose(fit.params.weights, (n + 3) / (6 + 2 * 3), rtol=1e-12)
    np.testing.assert_allclose(fit.params.probs, (r.T @ BITS + 2) / (n[:, None] + 3), rtol=1e-12)


def test_known_labels_are_class_frequencies():
    fit = eb.fit("bernoulli_mixture", BITS, n_components=2, labels=[0, 0, 1, 1, 0, 1])
    np.testing.assert_allclose(fit.params.weights, [0.5, 0.5])
    np.testing.assert_allclose(fit.params.probs, [BITS[[0, 1, 4]].mean(axis=0), BITS[[2, 3, 5]].mean(axis=0)])
    assert {event.kind for event in fit.events} == {"boundary"}  # column 0 is 1 in every row of component 0


@pytest.mark.parametrize("a", [2.0, np.array([2.0, 0.7]), 1 + np.arange(10.0).reshape(2, 5)])
def test_log_prior(a):
    problem = posed("bernoulli_mixture-plain-ml")[0]
    params = random_params("bernoulli_mixture-plain-ml", np.random.default_rng(0))
    prior = problem.prior({"probs": {"a": a, "b": 3.0}, "weights": {"concentration": [2.0, 3.5]}})
    by_entry = a[:, None] if np.ndim(a) == 1 else a
    expected = stats.beta.logpdf(params.probs, by_entry, 3.0).sum() + stats.dirichlet.logpdf(params.weights, [2.0, 3.5])
    assert problem.family.log_prior(params, prior) == pytest.approx(expected, rel=1e-10)


def test_predict_takes_a_mask():
    fit = eb.fit("bernoulli_mixture", BITS, n_components=2, prior="default", seed=1)
    half = fit.predict({"X": BITS, "observed": np.tile([1, 0, 0], (6, 1))})
    np.testing.assert_allclose(half.sum(axis=1), 1.0)
    np.testing.assert_allclose(half[BITS[:, 0] == 1], np.tile(half[0], (3, 1)))


def test_grey_levels_beyond_1_are_refused_with_a_remedy():
    with pytest.raises(InputError, match="divide grey levels by the largest possible one"):
        eb.fit("bernoulli_mixture", [[0.0, 128.0], [255.0, 3.0]], n_components=1)
