"""float32 data stay float32 in memory; what is estimated from them is what float64 copies give."""

import numpy as np
import pytest
from cases import assert_close, blobs

import emvsbayes as eb
from emvsbayes.problem import pose

MODELS = [
    ("gaussian_mixture", {"covariance": "full"}),
    ("gaussian_mixture", {"covariance": "diag"}),
    ("kmeans", {}),
    ("kmeans", {"method": "online"}),
]


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize(("family", "settings"), MODELS)
def test_the_fit_is_that_of_a_copy_in_double_precision(family, settings, record):
    narrow = blobs(n=90, d=3, k=3).astype(np.float32)
    call = {"n_components": 3, "settings": settings, "n_starts": 3, "record": record, "stop": {"tol": 1e-12}}
    one, other = (eb.fit(family, X, **call) for X in (narrow, narrow.astype(np.float64)))
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-10)
    assert_close(one.params, other.params, rtol=1e-6, atol=1e-8)
    for field in one.params.__dataclass_fields__:
        assert getattr(one.params, field).dtype == np.float64
        assert getattr(one.restarts[-1].run.start, field).dtype == np.float64


def test_rows_are_kept_as_they_came():
    narrow = blobs().astype(np.float32)
    for family in ("gaussian_mixture", "kmeans"):
        data = pose(family, narrow, n_components=2).data
        assert data.X.dtype == np.float32
        assert data.X.nbytes == narrow.nbytes
    assert pose("gaussian_mixture", blobs(), n_components=2).data.X.dtype == np.float64
    mixed = {"a": narrow[:, 0], "b": narrow[:, 1].astype(np.float64)}
    assert pose("gaussian_mixture", mixed, n_components=2).data.X.dtype == np.float64


def test_the_covariance_is_taken_in_blocks(monkeypatch):
    X = blobs(n=100, d=3) + 1e6
    weights = np.random.default_rng(0).choice([0.0, 1.0, 2.5], size=100)
    monkeypatch.setattr("emvsbayes.core.moments.AT_ONCE", 7)
    data = pose("gaussian_mixture", X, n_components=2, sample_weight=weights).data
    centred = X - np.average(X, axis=0, weights=weights)
    np.testing.assert_allclose(data.covariance, (centred.T * weights) @ centred / (weights.sum() - 1), rtol=1e-12)
