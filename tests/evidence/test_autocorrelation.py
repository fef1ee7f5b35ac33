"""The autocorrelation time of series for which it is known, and beside ArviZ's."""

import arviz as az
import numpy as np
import pytest

from emvsbayes.evidence.autocorrelation import autocorrelation_time, split_rhat


def autoregression(phi, shape, seed=0):
    """x_t = φ x_t-1 + noise, stationary: τ = (1 + φ) / (1 - φ)."""
    rng = np.random.default_rng(seed)
    x = np.empty(shape)
    x[:, 0] = rng.normal(size=shape[0]) / np.sqrt(1 - phi**2)
    for t in range(1, shape[1]):
        x[:, t] = phi * x[:, t - 1] + rng.normal(size=shape[0])
    return x


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, -0.4])
def test_an_autoregression(phi):
    values = autoregression(phi, (4, 20_000))
    tau = autocorrelation_time(values)
    assert tau == pytest.approx((1 + phi) / (1 - phi), rel=0.1)
    assert values.size / tau == pytest.approx(float(az.ess(values, method="mean")), rel=0.05)


def test_chains_that_disagree_are_worth_little():
    values = autoregression(0.0, (4, 1000)) + np.arange(4)[:, None] * 5
    assert values.size / autocorrelation_time(values) < 20


def test_rhat_is_that_of_its_formula_and_of_arviz():
    values = autoregression(0.3, (4, 500))
    assert split_rhat(values) == pytest.approx(float(az.rhat(values, method="split")), abs=1e-9)
    assert split_rhat(values + np.arange(4)[:, None]) > 1.3
    assert split_rhat(np.c_[values[:, :250], values[:, 250:] + 3]) > 1.3  # a chain that drifts
    assert split_rhat(np.ones((2, 50))) == 1.0
    assert split_rhat(values[:, :3]) == 1.0


def test_constant_and_short_series():
    assert autocorrelation_time(np.ones((2, 50))) == 1.0
    assert autocorrelation_time(np.ones((2, 3))) == 1.0
