"""What variational Bayes promises for every family: it climbs, its numbers agree, each half-step maximises."""

import json
from functools import cache

import numpy as np
import pytest
from cases import CASES, HARD_ONLY, WITH_PRIOR, assert_close, leaves, posed, random_q, rows, starting
from scipy import stats

import emvsbayes as eb
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.errors import InputError
from emvsbayes.densities import conjugate_moments
from emvsbayes.families import FAMILIES
from emvsbayes.problem import pose
from emvsbayes.vb.fitting import adapt

HAVE = {"coins", "gaussian_mixture", "bernoulli_mixture", "linear_evidence"}
FLAT = {"gaussian_mixture", "linear_evidence"}  # a flat group is refused here, and is a uniform density elsewhere
NAMES = [n for n in WITH_PRIOR if CASES[n].family in HAVE and not ("only-" in n and CASES[n].family in FLAT)]
PASSES = 12


@cache
def adapted(name):
    problem, prior = posed(name)
    return adapt(problem, prior)


@cache
def climbed(name):
    """A dozen passes from the case's start."""
    problem, adapter = posed(name)[0], adapted(name)
    return run_em(adapter, problem.data, adapter.started(starting(name), problem.data), stop=Stop(0, PASSES))


def test_which_families_have_it():
    assert {name for name, twin in FAMILIES.items() if twin.conjugate} == HAVE
    assert {CASES[name].family for name in NAMES} == HAVE


@pytest.mark.parametrize("name", ["kmeans-plain-ml", "kmeans-medoids-euclidean"])
def test_which_families_do_not_and_why(name):
    case = {**CASES, **HARD_ONLY}[name]
    with pytest.raises(InputError, match="no variational Bayes"):
        eb.variational("kmeans", case.X, n_components=2, settings=case.settings)


@pytest.mark.parametrize("name", NAMES)
def test_the_elbo_never_falls_and_the_three_numbers_agree(name):
    trace = climbed(name).trace
    assert [step.half for step in trace] == ["E", *["M", "E"] * PASSES]
    for before, after in zip(trace.half_steps, trace.half_steps[1:], strict=False):
        assert after.elbo >= before.elbo - 1e-9 * (1 + abs(before.elbo))
    assert trace.largest_residual < 1e-10
    assert all(abs(step.kl) < 1e-9 for step in trace if step.half == "E")
    assert all(step.kl >= -1e-12 * abs(step.log_likelihood) for step in trace)


@pytest.mark.parametrize("name", NAMES)
def test_the_identity_holds_for_any_q(name):
    """ELBO(q(Z), q(θ)) + KL(q(Z) ‖ best q(Z)) = ELBO(best q(Z), q(θ)), q(Z) drawn at random."""
    data, adapter, post = posed(name)[0].data, adapted(name), climbed(name).params
    best = adapter.e_step(post, data)
    q = random_q(best, np.random.default_rng(0))
    elbo = adapter.expected_log_joint(post, adapter.expect(q, data, post)) + q.entropy(data.row_weights)
    top, kl = adapter.log_likelihood(post, data), q.kl(best, data.row_weights)
    assert elbo + kl == pytest.approx(top, abs=1e-10 * max(1, abs(top), kl))
    assert kl > 0 or name.endswith("as-many-components-as-rows") or "one-" in name or "all-labelled" in name


def perturbed(post, rng, size, matrices):
    """The posterior record with every hyperparameter moved: locations along the line, the rest by a positive factor."""

    def moved(group):
        if group is None:
            return None
        values = {}
        for name in group.__dataclass_fields__:
            value = getattr(group, name)
            if name == "location":
                values[name] = value + size * rng.normal(size=value.shape) * np.abs(value).max()
            elif name == "scale" and matrices:
                factor = np.exp(0.5 * size * rng.normal(size=value.shape[:-1]))
                values[name] = value * factor[..., :, None] * factor[..., None, :]
            else:
                values[name] = value * np.exp(size * rng.normal(size=value.shape))
        return type(group)(**values)

    return type(post)(*(moved(getattr(post, name)) for name in post.__dataclass_fields__))


@pytest.mark.parametrize("name", NAMES)
def test_no_other_posterior_has_a_higher_elbo(name):
    """At the same q(Z) the conjugate update is the maximum over every hyperparameter."""
    problem, adapter, post = posed(name)[0], adapted(name), climbed(name).params
    expected = adapter.expect(adapter.e_step(post, problem.data), problem.data, post)
    best = adapter.m_step(expected, post)
    top, rng = adapter.expected_log_joint(best, expected), np.random.default_rng(0)
    matrices = getattr(problem.family, "covariance", "") in ("full", "tied")
    for size in (1e-4, 1e-2, 0.3) * 3:
        other = adapter.expected_log_joint(perturbed(best, rng, size, matrices), expected)
        assert other <= top + 1e-11 * abs(top)
    everything_held = all(value is None for value in (getattr(best, f) for f in best.__dataclass_fields__))
    assert everything_held or other < top


SWAPPED = [n for n in NAMES if CASES[n].k == 2 and CASES[n].labels is None and CASES[n].fixed is None]


@pytest.mark.parametrize("name", [n for n in SWAPPED if n.endswith(("default", "informative", "plain-map"))])
def test_labels_are_arbitrary(name):
    case, problem = CASES[name], posed(name)[0]
    start = starting(name)
    swapped = type(start)(
        *(
            np.flip(getattr(start, f), axis=0) if f in problem.family.component_axes else getattr(start, f)
            for f in start.__dataclass_fields__
        )
    )
    fits = [
        eb.variational(case.family, case.X, **case.posed, prior=case.prior, start=s, stop={"max_passes": 20})
        for s in (start, swapped)
    ]
    assert fits[0].elbo == pytest.approx(fits[1].elbo, rel=1e-12)
    assert fits[0].log_symmetry == pytest.approx(np.log(2))
    np.testing.assert_allclose(fits[0].responsibilities, fits[1].responsibilities[:, ::-1], atol=1e-9)


@pytest.mark.parametrize(
    "name", ["coins-by-component", "bernoulli_mixture-by-component", "gaussian_mixture-full-by-component"]
)
def test_a_prior_that_tells_components_apart_leaves_nothing_to_add(name):
    case = CASES[name]
    fit = eb.variational(case.family, case.X, **case.posed, prior=case.prior, n_starts=2)
    assert fit.log_symmetry == 0
    assert fit.elbo_relabelled == fit.elbo


@pytest.mark.parametrize(
    "name",
    [
        "coins-plain-map",
        "bernoulli_mixture-missing-map",
        "gaussian_mixture-full-informative",
        "linear_evidence-informative",
    ],
)
def test_weights_of_rows(name):
    """Weight 0 is an absent row; weight 2 the row twice."""
    problem, adapter = posed(name)[0], adapted(name)
    data, n = problem.data, problem.data.n_rows
    counts = np.random.default_rng(3).integers(0, 3, size=n)
    weighted = rows(data, slice(None), row_weights=counts.astype(float))
    repeated = rows(data, np.repeat(np.arange(n), counts), row_weights=np.ones(counts.sum()))
    runs = [run_em(adapter, d, adapter.started(starting(name), d), stop=Stop(0, 5)) for d in (weighted, repeated)]
    assert runs[0].log_likelihood == pytest.approx(runs[1].log_likelihood, rel=1e-11)
    assert_close(runs[0].params, runs[1].params)


def test_unobserved_entries_have_no_effect():
    name = "bernoulli_mixture-missing-map"
    problem, adapter = posed(name)[0], adapted(name)
    garbage = np.where(problem.data.observed > 0, problem.data.X, 0.7)
    data = rows(problem.data, slice(None), X=garbage)
    other = run_em(adapter, data, adapter.started(starting(name), data), stop=Stop(0, PASSES))
    assert other.log_likelihood == climbed(name).log_likelihood


def test_fractional_entries_are_expected_bits():
    """Half a bit in one row is both bits, each in half a row."""
    problem = pose("bernoulli_mixture", np.array([[0.5, 1.0], [1.0, 0.0], [0.0, 0.0]]), n_components=1)
    split = pose(
        "bernoulli_mixture",
        np.array([[1, 1], [0, 1], [1, 0], [0, 0]]),
        n_components=1,
        sample_weight=[0.5, 0.5, 1, 1],
    )
    elbos = [eb.variational(p.family, p.data.X, sample_weight=p.data.row_weights).elbo for p in (problem, split)]
    assert elbos[0] == pytest.approx(elbos[1], abs=1e-12)


def test_fields_that_are_held_have_no_distribution():
    case = CASES["gaussian_mixture-diag-fixed-means-map"]
    fit = eb.variational(case.family, case.X, **case.posed, n_starts=2)
    assert fit.posterior.means is None
    np.testing.assert_array_equal(fit.means.means, case.fixed["means"])
    assert (fit.sds.means == 0).all()
    assert fit.log_symmetry == 0


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith(("default", "plain-map", "gaussian-map"))])
def test_json_and_back(name):
    case = CASES[name]
    fit = eb.variational(case.family, case.X, **case.posed, prior=case.prior, n_starts=2)
    text = fit.to_json()
    again = eb.VariationalFit.from_json(text)
    assert again.to_json() == text
    json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    assert again.elbo == fit.elbo
    assert_close(again.means, fit.means, rtol=0)
    assert str(round(fit.elbo, 3))[:-1] in fit.summary()
    assert eb.variational(case.family, case.X, **case.posed, prior=case.prior, n_starts=2).to_json() == text


def test_moments_are_those_of_scipy():
    """Of both inverse families, and infinite where scipy has none; means of a mixture by total variance."""
    scale = np.array([[2.0, 0.4], [0.4, 1.0]])
    for dof in (5.5, 9.0):
        mean, sd = conjugate_moments.inverse_wishart(np.array(dof), scale)
        np.testing.assert_allclose(mean, stats.invwishart(dof, scale).mean())
        np.testing.assert_allclose(sd**2, stats.invwishart(dof, scale).var())
        mean, sd = conjugate_moments.inverse_gamma(np.array(dof), np.array(1.5))
        frozen = stats.invgamma(dof / 2, scale=0.75)
        assert (mean, sd) == pytest.approx((frozen.mean(), frozen.std()))
    assert np.isinf(conjugate_moments.inverse_wishart(np.array(4.9), scale)[1]).all()
    assert np.isinf(conjugate_moments.inverse_wishart(np.array(2.9), scale)[0]).all()
    assert np.isinf(conjugate_moments.inverse_gamma(np.array(2.0), np.array(1.5))).all()
    assert np.isinf(conjugate_moments.inverse_gamma(np.array(4.0), np.array(1.5))[1])
    case = CASES["gaussian_mixture-full-informative"]
    fit = eb.variational(case.family, case.X, **case.posed, prior=case.prior, n_starts=2)
    post = fit.posterior
    dof, strength = post.covariances.dof[0] - 1, post.means.strength[0]
    student = stats.t(dof, scale=np.sqrt(post.covariances.scale[0, 0, 0] / (strength * dof)))  # Bishop 2006, 10.81
    assert fit.sds.means[0, 0] == pytest.approx(student.std())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"prior": None}, "needs a prior"),
        ({"prior": {"weights": {"concentration": 1}}}, "flat prior on means"),
        ({"start": {"means": [[0, 0], [0, 0]]}}, "start equal"),
        ({"stop": {"tolerance": 1}}, "field of stop"),
        ({"n_starts": 0}, "n_starts must be"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(InputError, match=words):
        eb.variational("gaussian_mixture", CASES["gaussian_mixture-full-ml"].X, n_components=2, **call)


def test_a_run_may_stop_at_hyperparameters_that_stay():
    stop = {"tol": 0, "param_tol": 1e-9, "max_passes": 500}
    case = CASES["coins-plain-map"]
    fit = eb.variational(case.family, case.X, n_components=2, stop=stop, n_starts=2)
    assert fit.run.stopped_by.startswith("no free coordinate changed")


def test_a_start_that_makes_a_row_impossible_is_refused():
    with pytest.raises(InputError, match="probability zero"):
        eb.variational("coins", {"heads": [3, 4], "tosses": [5, 6]}, n_components=2, start={"probs": [0.0, 1.0]})


def test_every_array_of_a_posterior_is_finite():
    for name in NAMES:
        assert all(np.isfinite(value).all() for _, value in leaves(climbed(name).params)), name
