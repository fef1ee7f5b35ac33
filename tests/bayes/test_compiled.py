"""A twin compiled once: new data reach it as the builder would put them; its draws are those of a fresh compilation."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from emvsbayes import InputError
from emvsbayes.bayes.chains import NUDGE, _begin_at
from emvsbayes.bayes.compiled import CompiledTwin, _inputs, compile_twin
from emvsbayes.bayes.sampling import sample
from emvsbayes.bayes.twins import Unconstrained
from emvsbayes.calibration.models import MODELS
from emvsbayes.calibration.truths import draw_truth
from emvsbayes.problem import pose


def uncompiled(problem, prior):
    """A `CompiledTwin` whose code is a mirror: it gives back the values it is given."""
    about = problem.hold(problem.family.init(problem.data, np.random.default_rng(0), "random_rows"))
    model = problem.twin.build(problem.family, problem.data, prior, about)
    inputs = {name: value.shape for name, value in _inputs(model).items()}
    code = SimpleNamespace(with_data=lambda **values: values)
    names = tuple(rv.name for rv in model.free_RVs)
    return model, CompiledTwin(problem, prior, about, names, inputs, code, Unconstrained(model))


@pytest.mark.parametrize("name", ["coins", "gaussian-1d", "bernoulli", "linear-evidence"])
def test_one_graph_serves_other_data(name):
    """The log-density of the first graph with new values is that of a model built for the new data, and ours."""
    import pymc as pm

    model = MODELS[name]
    problem = model.pose()
    prior, rng = problem.prior(model.prior), np.random.default_rng(3)
    graph, twin = uncompiled(problem, prior)
    truth = draw_truth(problem, prior, rng)
    data, _ = problem.family.simulate(truth, problem.data, rng)
    if name != "linear-evidence":  # whose inputs are part of the data record: fewer rows as well
        data = replace(data, **{k: v[:17] for k, v in vars(data).items() if isinstance(v, np.ndarray)})
    values = twin.with_data(data)
    at = dict(
        zip([graph.rvs_to_values[rv].name for rv in graph.free_RVs], twin.unconstrained.values(truth), strict=True)
    )
    with graph:
        rows = "direction" if name == "linear-evidence" else "obs_id"
        pm.set_data(values, coords={rows: np.arange(data.n_rows)})
    there = float(graph.compile_logp(jacobian=False, mode="FAST_COMPILE")(at))
    ours = problem.family.log_likelihood(truth, data) + problem.family.log_prior(truth, prior)
    assert there == pytest.approx(ours, rel=1e-9)


def test_data_of_another_kind_are_refused():
    X = np.random.default_rng(0).normal(size=(20, 2))
    problem = pose("gaussian_mixture", X, n_components=2, settings={"covariance": "diag"})
    _, twin = uncompiled(problem, problem.prior("default"))
    with pytest.raises(InputError, match=r"compiled for data of another kind: labels stands on one side only"):
        twin.with_data(replace(problem.data, labels=np.full(20, -1)))
    wide = pose("gaussian_mixture", np.c_[X, X[:, 0] ** 2], n_components=2, settings={"covariance": "diag"})
    with pytest.raises(InputError):
        twin.with_data(wide.data)


def test_a_refused_start_is_nudged_and_an_accepted_one_is_not():
    start = np.array([0.0, 1.0, -2.0])
    point = _begin_at(start)
    first, second, third = point(11), point(12), point(13)
    np.testing.assert_array_equal(first, start)
    assert first is not start
    assert 0 < np.abs(second - start).max() < 6 * NUDGE
    assert not np.array_equal(second, third)
    np.testing.assert_array_equal(_begin_at(start)(11), start)


@pytest.mark.sampling
def test_a_gradient_of_exactly_zero_is_no_end():
    """Binary rows as a start, and a likelihood that is symmetric in one coordinate: nutpie refuses the point itself."""
    X = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    problem = pose("bernoulli_mixture", X, n_components=2)
    prior = problem.prior({"probs": {"a": 1.0, "b": 1.0}, "weights": {"concentration": 1.0}})
    twin = compile_twin(problem, prior)
    flat = replace(twin.about, weights=np.array([0.5, 0.5]), probs=np.full((2, 2), 0.5))
    draws, _ = twin.sample(problem.data, draws=50, tune=100, chains=1, seed=0, starts=[flat])
    assert np.isfinite(draws["probs"]).all()


@pytest.mark.sampling
def test_a_component_that_em_emptied_is_no_end(tmp_path, monkeypatch):
    """Ten rows in three columns, where MAP leaves one component a weight of 1e-5 and probabilities of ½ each."""
    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path))
    X = (np.random.default_rng(2).random((10, 3)) < 0.5).astype(float)
    tree = sample("bernoulli_mixture", X, n_components=2, draws=50, tune=100, chains=1, seed=0)
    assert np.isfinite(tree["posterior"]["probs"].values).all()


@pytest.mark.sampling
def test_draws_are_those_of_a_fresh_compilation():
    """Also for another number of rows."""
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(30, 2)), rng.normal(size=30)
    settings = {"basis": "identity"}  # the others take the range of their centres from the data
    first = pose("linear_evidence", {"X": X[:20], "t": t[:20]}, settings=settings)
    other = pose("linear_evidence", {"X": X, "t": t}, settings=settings)
    prior = first.prior({"alpha": {"shape": 2, "rate": 2}, "beta": {"shape": 2, "rate": 1}})
    request = {"draws": 50, "tune": 50, "chains": 2, "seed": 4}
    reused, _ = compile_twin(first, prior).sample(other.data, **request)
    fresh, _ = compile_twin(other, prior).sample(other.data, **request)
    for name in ("alpha", "beta"):
        assert reused[name].shape == (2, 50)
        np.testing.assert_allclose(reused[name], fresh[name], rtol=1e-12)
