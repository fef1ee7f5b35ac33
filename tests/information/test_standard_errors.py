"""The record of standard errors: intervals, boundaries, refusals, and the way to JSON and back."""

from dataclasses import replace

import numpy as np
import pytest
from cases import FIVE_TRIALS, OLD_FAITHFUL

import emvsbayes as eb
from emvsbayes.information.record import StandardErrors

TAILS = {"heads": [0, 0, 0, 9, 8, 4, 7], "tosses": [10] * 7}


@pytest.fixture(scope="module")
def faithful():
    return eb.fit("gaussian_mixture", OLD_FAITHFUL, n_components=2, n_starts=2)


@pytest.fixture(scope="module")
def errors(faithful):
    return eb.standard_errors(faithful, OLD_FAITHFUL)


def test_there_and_back(errors):
    assert StandardErrors.from_json(errors.to_json()) == errors
    with pytest.raises(eb.InputError, match="not the JSON"):
        StandardErrors.from_json('{"names": []}')


def test_intervals_stay_where_they_may(errors):
    intervals, se = errors.interval(), errors.se()
    for name, estimate, scale in zip(errors.names, errors.estimates, errors.scales, strict=True):
        low, high = intervals[name]
        assert low < estimate < high
        if scale == "identity":
            assert high - estimate == pytest.approx(1.959964 * se[name], rel=1e-6)
        elif scale == "log":
            assert low > 0
            assert low * high == pytest.approx(estimate**2)
        else:
            assert low > 0
            assert high < 1
    assert errors.scales == ["logit"] * 2 + ["identity"] * 4 + ["log", "identity", "log"] * 2


def test_the_interval_of_a_probability_is_that_of_its_coordinate():
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, n_starts=2)
    errors = eb.standard_errors(fit, FIVE_TRIALS, level=0.9)
    half = 1.644854 * errors.methods["louis"].coordinates
    low, high = errors.interval()["probs[1]"]
    middle = np.log(errors.estimates[3] / (1 - errors.estimates[3]))
    np.testing.assert_allclose([low, high], 1 / (1 + np.exp(-(middle + half[2] * np.array([-1, 1])))), rtol=1e-6)


def test_a_boundary_estimate_has_none_and_the_others_have():
    """A coin that showed no head: the other coin's errors are those of the binomial that is left."""
    fit = eb.fit("coins", TAILS, n_components=2, n_starts=3)
    errors = eb.standard_errors(fit, TAILS, ("louis", "sem", "hessian", "bootstrap"), n_replicates=20)
    on = errors.names[int(np.argmin(errors.estimates))]
    other = errors.names[5 - errors.names.index(on)]
    assert all(errors.se(method)[on] is None for method in errors.methods)
    assert errors.interval()[on] == (None, None)
    for method in ("louis", "sem", "hessian"):  # 28 heads in 40 tosses; a trial without heads is the other's by 1e-5
        assert errors.se(method)[other] == pytest.approx(np.sqrt(0.7 * 0.3 / 40), rel=1e-3)
    assert "on the boundary" in errors.notes[0]


def test_what_is_held_has_none():
    means = [[4.3, 80.0], [2.0, 54.5]]
    fit = eb.fit("gaussian_mixture", OLD_FAITHFUL, n_components=2, fixed={"means": means}, n_starts=1)
    errors = eb.standard_errors(fit, OLD_FAITHFUL)
    assert not any(name.startswith("means") for name in errors.names)
    assert errors.notes == ["held, and without error: means."]


def test_refusals_are_sentences(faithful):
    def refusal(fit, X=OLD_FAITHFUL, *args, **more):
        with pytest.raises(eb.InputError) as error:
            eb.standard_errors(fit, X, *args, **more)
        return str(error.value)

    one = {"n_components": 2, "n_starts": 1}
    assert "hard E-step" in refusal(eb.fit("kmeans", OLD_FAITHFUL, **one))
    assert "hard E-step" in refusal(eb.fit("gaussian_mixture", OLD_FAITHFUL, e_step="hard", **one))
    assert "stochastic" in refusal(eb.fit("gaussian_mixture", OLD_FAITHFUL, e_step="stochastic", **one))
    medoids = eb.fit("kmeans", OLD_FAITHFUL, settings={"method": "medoids"}, **one)
    assert refusal(medoids).startswith("there are no standard errors: ")
    assert "singular" in refusal(eb.fit("gaussian_mixture", OLD_FAITHFUL, start="random_scales", seed=3, **one))
    assert "not the data of the fit" in refusal(faithful, np.loadtxt(OLD_FAITHFUL, delimiter=",", skiprows=1)[:100])
    assert "did you mean 'louis'" in refusal(faithful, OLD_FAITHFUL, ["luis"])
    assert "level" in refusal(faithful, OLD_FAITHFUL, level=95)
    held = {"probs": [0.8, 0.5], "weights": [0.5, 0.5]}
    coins = eb.fit("coins", FIVE_TRIALS, n_components=2, fixed=held)
    assert "every parameter is held" in refusal(coins, FIVE_TRIALS)


def test_a_saddle_is_refused():
    """Two equal components: EM stays, and the information has no inverse."""
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, n_starts=1)
    equal = replace(fit.params, probs=np.full(2, 0.66), weights=np.full(2, 0.5))
    data = fit.data_of(FIVE_TRIALS)
    saddle = replace(fit, run=replace(fit.run, params=equal, log_likelihood=fit.family.log_likelihood(equal, data)))
    with pytest.raises(eb.InputError, match="not positive definite"):
        eb.standard_errors(saddle, FIVE_TRIALS)


def test_the_summary_is_a_table(errors):
    lines = errors.summary().splitlines()
    assert lines[1].split() == ["estimate", "louis", "95%", "interval", "missing"]
    assert lines[2].split()[:2] == ["weights[0]", f"{errors.estimates[0]:.6g}"]
    assert "rate of EM" in lines[-1]


def test_on_the_bound_of_eigenvalues_only_the_bootstrap_applies():
    """The score is not zero there: an information would give 0.01 where refits spread by 0.3."""
    rng = np.random.default_rng(3)
    X = np.r_[rng.normal(0, 1, (40, 2)), rng.normal(3, 1, (40, 2))] * [1, 3]
    fit = eb.fit("gaussian_mixture", X, n_components=2, settings={"eigenvalue_ratio": 2.0}, n_starts=5)
    found = eb.standard_errors(fit, X, ["louis", "hessian", "bootstrap"], n_replicates=20)
    assert list(found.methods) == ["bootstrap"]
    assert all("eigenvalue_ratio" in sentence for sentence in found.refused.values())
    loose = eb.fit("gaussian_mixture", X, n_components=2, settings={"eigenvalue_ratio": 1e6}, n_starts=5)
    assert eb.standard_errors(loose, X).refused == {}
