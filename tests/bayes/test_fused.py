"""What the sampler climbs is the PyMC model: value and gradient of the compiled posteriors and of the Op, beside it."""

from __future__ import annotations

import numpy as np
import pytensor
import pytest
from cases import CASES

from emvsbayes.bayes.likelihoods import chosen_likelihood
from emvsbayes.bayes.marginal import MarginalLikelihood, fused_model
from emvsbayes.bayes.targets import framed, functions, information, target_model, value_and_gradient
from emvsbayes.bayes.twins import INTERPRETED, Unconstrained, find_mode
from emvsbayes.core.errors import InputError
from emvsbayes.core.starts import restarts
from emvsbayes.fitting import settle
from emvsbayes.problem import pose

TOLERANCE = 1e-8
QUICK = (
    "coins-labelled-map",
    "gaussian_mixture-full-weighted-map",
    "gaussian_mixture-tied-by-component",
    "gaussian_mixture-diag-all-labelled-map",
    "gaussian_mixture-spherical-fixed-covariances-map",
    "bernoulli_mixture-missing-map",
    "kmeans-three-components-map",
)


def posed(name):
    """A case as problem, proper prior and random parameters; None where there is nothing to sample."""
    case = CASES[name]
    problem = settle(pose(case.family, case.X, **case.posed), seed=0)
    if "twin" not in problem.family.capabilities or case.prior is None:
        return None
    try:
        prior = problem.family.proper_prior(problem.prior(case.prior))
    except InputError:
        return None
    if len(problem.family.fixed) == len(problem.fields):
        return None
    return problem, prior, problem.random_params(3, spread=0.6)


def by_pytensor(model):
    """The model's own density on free coordinates, Jacobians included, and its gradient, one field after the other."""
    height = model.logp()
    values = [model.rvs_to_values[rv] for rv in model.free_RVs]
    outputs = [height, *pytensor.grad(height, values)]
    found = model.compile_fn(outputs, inputs=model.value_vars, mode=INTERPRETED, on_unused_input="ignore")

    def evaluate(params):
        at = dict(zip([value.name for value in values], Unconstrained(model).values(params), strict=True))
        value, *gradients = found(at)
        return float(value), np.concatenate([np.ravel(g) for g in gradients])

    return evaluate


def equal(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=TOLERANCE)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=TOLERANCE * np.abs(expected[1]).max())
    assert np.abs(expected[1]).max() > 1e-3


def compare(name):
    problem, prior, params = posed(name)
    target = problem.twin.compiled_target(problem.family, problem.data, prior, params)
    model = problem.twin.build(problem.family, problem.data, prior, params)
    assert list(target.fields) == [rv.name for rv in model.free_RVs]
    equal(value_and_gradient(target, Unconstrained(model)(params)), by_pytensor(model)(params))


@pytest.mark.parametrize("name", QUICK)
def test_the_compiled_posterior_is_the_models(name):
    compare(name)


SAMPLED = [name for name, case in CASES.items() if case.prior is not None and "grey" not in name]


@pytest.mark.sampling
@pytest.mark.parametrize("name", SAMPLED)
def test_every_compiled_posterior_is_its_models(name):
    """All structures, held fields, weights, labels, missing entries."""
    if CASES[name].family == "linear_evidence" or posed(name) is None:
        assert CASES[name].family == "linear_evidence" or "only" in name or "medoids" in name or "fixed" in name
        return
    compare(name)


@pytest.mark.parametrize(
    "name",
    ["gaussian_mixture-full-labelled-map", "gaussian_mixture-diag-weighted-map", "bernoulli_mixture-missing-map"],
)
def test_the_op_is_the_models_likelihood(name):
    """The PyMC model with its likelihood in one operation: the same density, from one node of the graph."""
    problem, prior, params = posed(name)
    plain = problem.twin.build(problem.family, problem.data, prior, params)
    fused = fused_model(problem, prior, params)
    equal(by_pytensor(fused)(params), by_pytensor(plain)(params))


def test_one_pass_gives_value_and_gradient():
    """In the compiled function there is one node of the Op, whose outputs are both; the data are swept once."""
    problem, prior, params = posed("coins-labelled-map")
    model = fused_model(problem, prior, params)
    height = model.logp()
    outputs = [height, *pytensor.grad(height, model.value_vars)]
    compiled = model.compile_fn(outputs, inputs=model.value_vars, mode="FAST_COMPILE", point_fn=False)
    nodes = [node for node in compiled.maker.fgraph.apply_nodes if isinstance(node.op, MarginalLikelihood)]
    assert len(nodes) == 1


def test_pymc_finds_the_mode_of_em_with_the_op():
    """One of the things that PyMC does with a model: its optimiser, by value and gradient."""
    import emvsbayes as eb

    X = np.random.default_rng(0).normal(size=(40, 2)) + np.where(np.arange(40)[:, None] < 15, 0.0, 5.0)
    posed = {"n_components": 2, "settings": {"covariance": "diag"}}
    problem = pose("gaussian_mixture", X, **posed)
    prior, about = problem.family.proper_prior(problem.prior("default")), problem.random_params(seed=0)
    model = fused_model(problem, prior, about)
    assert model is not None
    mode, converged = find_mode(model, about, {"mode": INTERPRETED})
    assert converged
    fit = eb.fit("gaussian_mixture", X, prior="default", **posed)
    order, ours = np.argsort(mode["means"][:, 0]), np.argsort(fit.params.means[:, 0])
    for field in ("weights", "means", "covariances"):
        np.testing.assert_allclose(mode[field][order], getattr(fit.params, field)[ours], rtol=1e-3, atol=1e-3)


@pytest.mark.sampling
def test_pymcs_own_sampler_climbs_the_op():
    """And its sampler: means within four standard errors of the compiled posterior's."""
    import arviz as az
    import pymc as pm

    from emvsbayes.bayes.chains import run_chains

    X = np.random.default_rng(0).normal(size=(40, 1)) + np.where(np.arange(40)[:, None] < 15, 0.0, 9.0)
    problem = pose("gaussian_mixture", X, n_components=2, labels=np.where(np.arange(40) < 15, 0, 1))
    prior, about = problem.family.proper_prior(problem.prior("default")), problem.random_params(seed=0)
    model = fused_model(problem, prior, about)
    assert model is not None
    with model:
        theirs = pm.sample(nuts_sampler="pymc", draws=1000, chains=2, cores=1, random_seed=0, progressbar=False)
    compiled = target_model(problem, prior, about, problem.twin.build(problem.family, problem.data, prior, about))
    assert compiled is not None
    ours, _ = run_chains(compiled, [Unconstrained(model)(about)] * 2, 0, draws=2000, tune=500, show=False)
    for field in ("weights", "means", "covariances"):
        pair = ours[field], theirs["posterior"][field]
        error = np.hypot(*(np.asarray(az.mcse(draws)) for draws in pair))
        apart = np.subtract(*(draws.mean(("chain", "draw")).values for draws in pair))
        assert (np.abs(apart) < 4 * error).all(), field
        assert (error > 0).all()


@pytest.mark.parametrize("name", ["gaussian_mixture-full-informative", "gaussian_mixture-EEI-informative"])
def test_the_fields_at_a_point_are_the_parameters(name):
    """What nutpie writes down as draws."""
    import ctypes

    problem, prior, params = posed(name)
    target = problem.twin.compiled_target(problem.family, problem.data, prior, params)
    model = problem.twin.build(problem.family, problem.data, prior, params)
    point = Unconstrained(model)(params)
    expected = np.concatenate([np.ravel(getattr(params, field)) for field in target.fields])
    from emvsbayes.densities.kernels.calls import words_of

    words, out = words_of(target.arrays), np.zeros(expected.size)
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, *(ctypes.c_void_p,) * 3)
    kind(functions(target)[1].address)(target.size, out.size, point.ctypes.data, out.ctypes.data, words.ctypes.data)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-14)


def test_what_has_no_compiled_posterior_is_sampled_as_printed():
    grey, prior, _ = posed("bernoulli_mixture-grey-map")
    assert chosen_likelihood(grey, prior, "auto", 0) == "plain"
    with pytest.raises(InputError, match="bernoulli_mixture has no fused likelihood for these data"):
        chosen_likelihood(grey, prior, "fused", 0)
    coins, prior, _ = posed("coins-labelled-map")
    assert chosen_likelihood(coins, prior, "auto", 0) == "fused"
    assert chosen_likelihood(coins, prior, "plain", 0) == "plain"
    with pytest.raises(InputError, match=r"likelihood.*fast"):
        chosen_likelihood(coins, prior, "fast", 0)


def near_and_far(name):
    """A target model, the MAP estimate of EM and random rows as points."""
    problem, prior, params = posed(name)
    model = problem.twin.build(problem.family, problem.data, prior, params)
    at = Unconstrained(model)
    starts = restarts(problem.family, problem.data, 5, 0, complete=problem.hold, prior=prior)
    return target_model(problem, prior, params, model), at(starts[0].run.params), at(params)


def test_chains_near_a_mode_move_in_the_frame_of_its_information():
    """There the covariance of the posterior is the identity, to second order; elsewhere nothing changes."""
    model, mode, elsewhere = near_and_far("gaussian_mixture-diag-default")
    moved, start = framed(model, mode, np.random.SeedSequence(1))
    again, same = framed(model, mode, np.random.SeedSequence(1))
    assert moved.frame is not None
    np.testing.assert_array_equal(start, same)
    np.testing.assert_allclose(
        moved.frame.T @ information(model.target, mode) @ moved.frame, np.eye(len(mode)), atol=1e-6
    )
    jitter = start - np.linalg.solve(moved.frame, mode)
    assert 0.2 < np.sqrt(np.mean(jitter**2)) < 3
    untouched, there = framed(model, elsewhere, np.random.SeedSequence(1))
    assert untouched is model
    np.testing.assert_array_equal(there, elsewhere)
    assert again.frame is not None


def test_in_a_frame_the_density_is_that_of_the_point_it_stands_for():
    model, mode, _ = near_and_far("gaussian_mixture-diag-default")
    frame = np.tril(np.random.default_rng(0).normal(size=(len(mode), len(mode)))) + 2 * np.eye(len(mode))
    moved = model.in_frame(frame)
    value, gradient = value_and_gradient(model.target, mode)
    there = value_and_gradient(model.target, np.linalg.solve(frame, mode), moved.words)
    assert there[0] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(there[1], frame.T @ gradient, atol=1e-8 * np.abs(frame.T @ gradient).max())
