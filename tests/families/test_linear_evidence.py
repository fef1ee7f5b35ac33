"""Evidence EM against dense linear algebra, scikit-learn and the fixed point of Bishop; its edges; bad input."""

from dataclasses import replace

import numpy as np
import pytest
from cases import CASES, posed, random_params, random_q, run, starting
from click.testing import CliRunner
from scipy import stats
from sklearn.linear_model import BayesianRidge

import emvsbayes as eb
from emvsbayes.cli import main
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.latents.gaussian import Gaussian
from emvsbayes.core.priors import GammaPrior
from emvsbayes.core.trace import Status
from emvsbayes.problem import pose

MINE = [name for name, case in CASES.items() if case.family == "linear_evidence"]
FREE = [name for name in MINE if not CASES[name].fixed and CASES[name].prior is None]


def sine(n=30, noise=0.2, seed=0):
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, n)
    return {"X": x, "t": np.sin(2 * np.pi * x) + noise * rng.normal(size=n)}


def plane(n=40, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return {"X": X, "t": X @ [1.5, -2.0, 0.0, 0.3] + 0.5 * rng.normal(size=n)}


# q


def test_entropy_and_kl_are_those_of_scipy():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(4, 4)))[0]

    def random():
        root = np.tril(rng.normal(size=(4, 4)), -1) + np.diag(np.exp(rng.normal(size=4)))
        return Gaussian(rng.normal(size=4), root, axes)

    p, q = random(), random()
    theirs = [stats.multivariate_normal(g.mean, g.covariance) for g in (p, q)]
    assert p.entropy(np.ones(3)) == pytest.approx(theirs[0].entropy(), rel=1e-12)
    draws = theirs[0].rvs(200_000, random_state=1)
    gaps = theirs[0].logpdf(draws) - theirs[1].logpdf(draws)
    assert p.kl(q, np.ones(3)) == pytest.approx(gaps.mean(), abs=5 * gaps.std() / np.sqrt(len(gaps)))
    inverse = np.linalg.inv(q.covariance)
    shift = q.mean - p.mean
    by_hand = np.trace(inverse @ p.covariance) + shift @ inverse @ shift - 4
    by_hand += np.linalg.slogdet(q.covariance)[1] - np.linalg.slogdet(p.covariance)[1]
    assert p.kl(q, np.ones(3)) == pytest.approx(0.5 * by_hand, rel=1e-10)
    assert p.kl(p, np.ones(3)) == 0
    np.testing.assert_allclose(p.variances, np.diag(axes.T @ p.covariance @ axes), rtol=1e-10)


def test_draws_have_the_moments_of_q():
    problem, params = posed("linear_evidence-polynomial-ml")[0], run("linear_evidence-polynomial-ml").params
    q, rng = problem.family.conditional(params, problem.data), np.random.default_rng(0)
    draws = np.array([q.draw(rng) for _ in range(20_000)])
    error = np.sqrt(np.diag(q.covariance) / len(draws))
    assert (np.abs(draws.mean(axis=0) - q.mean) < 5 * error).all()
    np.testing.assert_allclose(np.cov(draws.T), q.covariance, atol=0.05 * q.covariance.max())
    drawn = problem.family.draw_weights(np.full(7, params.alpha), np.full((7, 1), params.beta), problem.data, rng)
    assert drawn.shape == (7, 4)


def test_gaussians_of_different_data_are_not_compared():
    one, other = (
        posed(f"linear_evidence-{n}-ml")[0].family.e_step(
            starting(f"linear_evidence-{n}-ml"), posed(f"linear_evidence-{n}-ml")[0].data
        )
        for n in ("gaussian", "weighted")
    )
    with pytest.raises(ValueError, match="different axes"):
        one.kl(other, np.ones(1))


# M-step as printed, and its optimum


@pytest.mark.parametrize("name", [name for name in MINE if not CASES[name].fixed])
def test_both_printed_m_steps_are_the_same(name):
    """1/β = (‖t - Φm‖² + tr(ΦᵀΦS)) / N = (‖t - Φm‖² + β_old⁻¹ Σ γ_i) / N, and α = M / (mᵀm + tr S)."""
    problem, old = posed(name)[0], starting(name)
    family, data = problem.family, problem.data
    q = family.e_step(old, data)
    new = family.m_step(family.expect(q, data, old), old)
    seen = family.spectrum(data)
    misfit = seen.rest + ((seen.targets - seen.scales * q.center) ** 2).sum()
    printed = (misfit + family.effective_parameters(old, data) / old.beta) / seen.total
    assert 1 / new.beta == pytest.approx(printed, rel=1e-10)
    m, s = q.mean, q.covariance
    assert new.alpha == pytest.approx(len(m) / (m @ m + np.trace(s)), rel=1e-9)
    if not any(word in name for word in ("units", "offset", "extreme")):  # dense products have no digits left there
        design = family.design(data)
        residual = data.t - design @ m
        dense = data.row_weights @ residual**2 + np.trace(design.T @ (data.row_weights[:, None] * design) @ s)
        assert 1 / new.beta == pytest.approx(dense / data.row_weights.sum(), rel=1e-8)


@pytest.mark.parametrize("source", [sine(), plane()])
def test_the_optimum_is_bishops_fixed_point(source):
    """γ = α mᵀm and N - γ = β ‖t - Φm‖²."""
    problem = pose("linear_evidence", source)
    fit = eb.fit("linear_evidence", source, stop={"tol": 1e-13, "max_passes": 5000})
    family, data, params = problem.family, problem.data, fit.params
    assert fit.status is Status.CONVERGED
    assert len(fit.optima) == 1
    m, gamma = family.e_step(params, data).mean, family.effective_parameters(params, data)
    assert gamma == pytest.approx(params.alpha * m @ m, rel=1e-4)
    assert data.n_rows - gamma == pytest.approx(params.beta * ((data.t - family.design(data) @ m) ** 2).sum(), rel=1e-4)
    alpha, beta = params.alpha, params.beta
    for _ in range(2000):  # the fixed point that Bishop iterates instead of EM (3.92, 3.95)
        here = replace(params, alpha=np.asarray(alpha), beta=np.asarray(beta))
        m, gamma = family.e_step(here, data).mean, family.effective_parameters(here, data)
        alpha, beta = gamma / (m @ m), (data.n_rows - gamma) / ((data.t - family.design(data) @ m) ** 2).sum()
    assert params.alpha == pytest.approx(alpha, rel=1e-4)
    assert params.beta == pytest.approx(beta, rel=1e-4)


def test_scikit_learn_finds_the_same():
    source = plane()
    settings = {"basis": "identity", "intercept": False}
    ridge = BayesianRidge(
        fit_intercept=False, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, tol=1e-12, max_iter=5000, compute_score=True
    )
    ridge.fit(source["X"], source["t"])
    fit = eb.fit("linear_evidence", source, settings=settings, stop={"tol": 1e-13, "max_passes": 5000})
    problem = pose("linear_evidence", source, settings=settings)
    assert fit.params.alpha == pytest.approx(ridge.lambda_, rel=1e-4)
    assert fit.params.beta == pytest.approx(ridge.alpha_, rel=1e-4)
    np.testing.assert_allclose(problem.family.e_step(fit.params, problem.data).mean, ridge.coef_, rtol=1e-4)
    assert fit.log_likelihood == pytest.approx(ridge.scores_[-1], rel=1e-8)
    mean, variance = problem.family.predictive(fit.params, problem.data, source["X"][:5])
    theirs, deviation = ridge.predict(source["X"][:5], return_std=True)
    np.testing.assert_allclose(mean, theirs, rtol=1e-3)
    np.testing.assert_allclose(np.sqrt(variance), deviation, rtol=1e-3)


@pytest.mark.parametrize("name", [name for name in MINE if "units" not in name and "offset" not in name])
def test_the_evidence_is_a_dense_gaussian_with_weights_too(name):
    problem, rng = posed(name)[0], np.random.default_rng(3)
    family, data = problem.family, problem.data
    keep = data.row_weights > 0
    w, design = data.row_weights[keep], family.design(data)[keep]
    if w.max() / w.min() > 1e6:  # a dense covariance has no digits left
        w, keep = np.ones(len(w)), keep
        data = replace(data, row_weights=np.ones(data.n_rows))
    for params in (starting(name), random_params(name, rng)):
        rows = np.sqrt(w)[:, None] * design
        dense = np.eye(len(w)) / params.beta + rows @ rows.T / params.alpha
        expected = stats.multivariate_normal(np.zeros(len(w)), dense).logpdf(np.sqrt(w) * data.t[keep])
        expected += 0.5 * (w - 1).sum() * np.log(params.beta / (2 * np.pi))
        assert family.log_likelihood(params, data) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_split_holds_for_bad_scales_at_extreme_precisions(scale):
    x = np.linspace(1000, 1010, 25)
    problem = pose("linear_evidence", {"X": x, "t": scale * np.sin(x)}, settings={"basis": "polynomial", "degree": "7"})
    family, data, rng = problem.family, problem.data, np.random.default_rng(0)
    for alpha in (1e-12, 1.0, 1e12):
        for beta in (1e-6, 1e6):
            params = problem.start({"alpha": alpha, "beta": beta})
            exact = family.e_step(params, data)
            for q in (exact, random_q(exact, rng)):
                bound = family.expected_log_joint(params, family.expect(q, data, params)) + q.entropy(data.row_weights)
                log_likelihood = family.log_likelihood(params, data)
                residual = bound + q.kl(exact, data.row_weights) - log_likelihood
                assert abs(residual) < 1e-10 * max(1, abs(log_likelihood))
    fit = run_em(family, data, problem.start({}), stop=Stop(tol=0, max_passes=200))
    assert fit.trace.largest_residual < 1e-10
    assert fit.status is Status.MAX_PASSES


def test_a_passage_to_other_units_changes_the_precisions_and_nothing_else():
    source = sine()
    one = eb.fit("linear_evidence", source, stop={"tol": 1e-12})
    other = eb.fit("linear_evidence", {"X": 7 * source["X"] - 3, "t": 1e3 * source["t"]}, stop={"tol": 1e-12})
    assert other.params.alpha == pytest.approx(1e-6 * one.params.alpha, rel=1e-6)
    assert other.params.beta == pytest.approx(1e-6 * one.params.beta, rel=1e-6)
    assert other.log_likelihood == pytest.approx(one.log_likelihood - 30 * np.log(1e3), rel=1e-10)


# basis functions


def test_basis_functions_by_hand():
    x = np.array([0.0, 1.0, 4.0])
    source = {"X": x, "t": [1.0, 2.0, 0.0]}

    def design(**settings):
        problem = pose("linear_evidence", source, settings=settings)
        return problem.family.design(problem.data)

    np.testing.assert_array_equal(design(basis="identity"), np.column_stack([np.ones(3), x]))
    np.testing.assert_array_equal(design(basis="identity", intercept="no"), x[:, None])
    np.testing.assert_array_equal(design(basis="polynomial", degree=2), np.column_stack([np.ones(3), x, x**2]))
    z = (x[:, None] - [0.0, 2.0, 4.0]) / 2.0
    np.testing.assert_allclose(design(n_basis=3, intercept=False), np.exp(-0.5 * z**2), rtol=1e-14)
    np.testing.assert_allclose(
        design(basis="sigmoid", n_basis="3", width="0.5", intercept=False), 1 / (1 + np.exp(-4 * z)), rtol=1e-12
    )
    assert design(n_basis=1).shape == (3, 2)


def test_new_inputs_meet_the_basis_of_the_training_data():
    problem = pose("linear_evidence", sine())
    family, data = problem.family, problem.data
    params = problem.start({"alpha": 1.0, "beta": 20.0})
    whole, _ = family.predictive(params, data, data.X)
    part, _ = family.predictive(params, data, data.X[3:5])
    np.testing.assert_allclose(part, whole[3:5], rtol=1e-12)
    absent = pose("linear_evidence", sine(), sample_weight=np.where(np.arange(30) < 29, 1.0, 0.0))
    assert absent.family.basis_functions(absent.data).centers.max() == data.X[28, 0]
    fit = eb.fit("linear_evidence", sine(), n_starts=1)
    assert fit.family.range == ((0.0, 1.0),)
    assert eb.Fit.from_json(fit.to_json()).family == fit.family
    narrow = eb.Fit.from_json(fit.to_json()).simulate({"x0": [0.2, 0.3], "t": [0.0, 1.0]}, seed=1)
    assert narrow.columns == ("x0", "t")
    again = eb.fit(fit.family, sine(), n_starts=1)
    assert again.params.beta == fit.params.beta


def test_prediction_and_band():
    problem, fit = pose("linear_evidence", sine(noise=0.1)), eb.fit("linear_evidence", sine(noise=0.1))
    family, data = problem.family, problem.data
    x, mean, lower, upper = family.band(fit.params, data, n=50)
    assert x.shape == mean.shape == (50,)
    assert np.abs(mean - np.sin(2 * np.pi * x)).max() < 0.25
    assert (lower < mean).all()
    assert (mean < upper).all()
    design, q = family.design(data), family.e_step(fit.params, data)
    mean, variance = family.predictive(fit.params, data, data.X)
    _, inside = family.predictive(fit.params, data, data.X, noise=False)
    np.testing.assert_allclose(mean, design @ q.mean, rtol=1e-10)
    np.testing.assert_allclose(inside, np.einsum("nm,ml,nl->n", design, q.covariance, design), rtol=1e-9)
    np.testing.assert_allclose(variance - inside, 1 / fit.params.beta, rtol=1e-9)
    covered = np.abs(data.t - mean) < 1.96 * np.sqrt(variance)
    assert covered.mean() > 0.85
    several = pose("linear_evidence", plane())
    assert several.family.band(several.start({}), several.data) is None
    with pytest.raises(InputError, match=r"X_new must have 4 column\(s\)"):
        several.family.predictive(several.start({}), several.data, np.zeros((3, 2)))


@pytest.mark.parametrize(("source", "names"), [(sine(), ("x0", "t")), (plane(), ("least-squares fit", "t"))])
def test_points_and_moments(source, names):
    problem = pose("linear_evidence", source)
    points, columns = problem.family.points(problem.data)
    assert points.shape == (problem.data.n_rows, 2)
    assert columns == names
    fit = eb.fit("linear_evidence", source)
    mean, covariance = problem.family.component_moments(fit.params, problem.data)
    np.testing.assert_allclose(mean[0], points.mean(axis=0), atol=0.2)
    np.testing.assert_allclose(covariance[0], np.cov(points.T), rtol=0.5, atol=0.05)


# edges


@pytest.mark.parametrize("n", [5, 30])
def test_a_perfect_fit_is_singular(n):
    x = np.linspace(0, 1, n)
    fit = eb.fit("linear_evidence", {"X": x, "t": 3 * x + 1}, settings={"basis": "identity"})
    assert fit.status is Status.SINGULAR
    (event,) = fit.events
    assert (event.kind, event.component) == ("singular", -1)
    assert event.value < 1e-10
    assert "the basis fits t perfectly" in event.sentence
    assert np.isfinite([fit.params.alpha, fit.params.beta, fit.log_likelihood]).all()
    assert fit.trace.largest_residual < 1e-10
    bounded = eb.fit("linear_evidence", {"X": x, "t": 3 * x + 1}, settings={"basis": "identity"}, prior="default")
    assert bounded.status is Status.CONVERGED
    held = eb.fit("linear_evidence", {"X": x, "t": 3 * x + 1}, settings={"basis": "identity"}, fixed={"beta": 4.0})
    assert held.status is Status.CONVERGED


def test_little_noise_is_not_none():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 30)
    t = 3 * x + 1 + 1e-8 * rng.normal(size=30)
    fit = eb.fit("linear_evidence", {"X": x, "t": t}, settings={"basis": "identity"})
    assert fit.status is Status.CONVERGED
    assert fit.params.beta == pytest.approx(1e16, rel=1)
    assert fit.trace.largest_residual < 1e-10


def test_nothing_to_explain_is_a_boundary_estimate():
    rng = np.random.default_rng(3)
    source = {"X": np.linspace(-1, 1, 40), "t": rng.normal(size=40)}
    settings = {"basis": "polynomial", "intercept": False}
    fit = eb.fit("linear_evidence", source, settings=settings, n_starts=3)
    problem = pose("linear_evidence", source, settings=settings)
    assert fit.status in (Status.MAX_PASSES, Status.CONVERGED)
    (event,) = fit.events
    assert event.kind == "boundary"
    assert "the weights shrink to 0" in event.sentence
    assert event.value == problem.family.effective_parameters(fit.params, problem.data) < 0.1
    beyond = problem.start({"alpha": 1e12, "beta": fit.params.beta})
    assert problem.family.log_likelihood(beyond, problem.data) > fit.log_likelihood
    far = eb.fit("linear_evidence", source, settings=settings, start={"alpha": 1e250, "beta": 1.0})
    assert far.status is Status.CONVERGED
    assert far.events[0].kind == "boundary"


def test_no_boundary_where_there_is_an_optimum():
    assert eb.fit("linear_evidence", sine()).events == ()
    assert eb.fit("linear_evidence", plane(), prior="default").events == ()


def test_interpolation_without_noise_is_a_boundary_estimate():
    """As many functions as rows: the evidence stays bounded as beta grows, and its optimum is at infinity."""
    x = np.linspace(0, 1, 6)
    fit = eb.fit("linear_evidence", {"X": x, "t": np.sin(3 * x)}, settings={"n_basis": 12}, n_starts=1)
    assert fit.status in (Status.MAX_PASSES, Status.CONVERGED)
    assert {event.kind for event in fit.events} == {"boundary"}
    assert "without noise" in str(fit.events[0])
    problem = pose("linear_evidence", {"X": x, "t": np.sin(3 * x)}, settings={"n_basis": 12})
    assert problem.family.spectrum(problem.data).rank <= 6
    assert fit.trace.largest_residual < 1e-10


def test_collinear_columns_and_spare_columns_change_little():
    X, t = plane()["X"], plane()["t"]
    settings = {"basis": "identity"}
    doubled = eb.fit("linear_evidence", {"X": np.c_[X, X], "t": t}, settings=settings, stop={"tol": 1e-12})
    single = eb.fit("linear_evidence", {"X": np.sqrt(2) * X, "t": t}, settings=settings)
    assert doubled.status is single.status is Status.CONVERGED
    assert doubled.trace.largest_residual < 1e-12
    problem = pose("linear_evidence", {"X": np.c_[X, X], "t": t}, settings=settings)
    one = pose("linear_evidence", {"X": np.sqrt(2) * X, "t": t}, settings=settings)
    params = problem.start({"alpha": 2.0, "beta": 3.0})
    assert problem.family.log_likelihood(params, problem.data) == pytest.approx(
        one.family.log_likelihood(params, one.data), rel=1e-12
    )


@pytest.mark.parametrize("how", ["kmeans", "k-means++", "random_rows", "random_scales"])
def test_starts(how):
    fit = eb.fit("linear_evidence", sine(), start=how, n_starts=3, seed=2)
    assert len(fit.optima) == 1
    problem = pose("linear_evidence", sine())
    one, same = (problem.family.init(problem.data, np.random.default_rng(4), how) for _ in range(2))
    assert (one.alpha, one.beta) == (same.alpha, same.beta)
    with pytest.raises(InputError, match="unknown starting method 'k-mean'"):
        problem.family.init(problem.data, np.random.default_rng(4), "k-mean")


def test_simulated_data_have_the_moments_of_the_model():
    problem, rng = pose("linear_evidence", sine()), np.random.default_rng(0)
    family, params = problem.family, problem.start({"alpha": 2.0, "beta": 5.0})
    drawn = [family.simulate(params, problem.data, rng) for _ in range(4000)]
    t, w = np.array([data.t for data, _ in drawn]), np.array([w for _, w in drawn])
    design = family.design(problem.data)
    assert w.var() == pytest.approx(0.5, rel=0.05)
    expected = np.eye(30) / 5 + design @ design.T / 2
    np.testing.assert_allclose(t.T @ t / 4000, expected, atol=0.1 * expected.max())
    fits = [eb.fit("linear_evidence", {"X": problem.data.X, "t": row}, start="kmeans", n_starts=1) for row in t[:20]]
    assert np.median([fit.params.beta for fit in fits]) == pytest.approx(5, rel=0.2)


# priors


def test_map_is_the_mode_of_evidence_times_prior():
    prior = {"alpha": {"shape": 3, "rate": 2}, "beta": {"shape": 4, "rate": 0.5}}
    fit = eb.fit("linear_evidence", sine(), prior=prior, stop={"tol": 1e-14, "max_passes": 5000})
    problem = pose("linear_evidence", sine())
    record = problem.prior(prior)

    def objective(a, b):
        params = problem.start({"alpha": a, "beta": b})
        return problem.family.log_likelihood(params, problem.data) + problem.family.log_prior(params, record)

    a, b = float(fit.params.alpha), float(fit.params.beta)
    for change in (0.999, 1.001):
        assert objective(a * change, b) < fit.log_posterior
        assert objective(a, b * change) < fit.log_posterior
    expected = stats.gamma(3, scale=1 / 2).logpdf(a) + stats.gamma(4, scale=1 / 0.5).logpdf(b)
    assert fit.log_prior == pytest.approx(expected, rel=1e-12)
    assert problem.family.describe_prior(record) == [
        "alpha ~ Gamma(3, rate 2)",
        "beta ~ Gamma(4, rate 0.5)",
    ]


def test_the_default_prior_is_weak_and_has_units():
    problem = pose("linear_evidence", sine())
    prior = problem.prior("default")
    fit, free = eb.fit("linear_evidence", sine(), prior="default"), eb.fit("linear_evidence", sine())
    assert fit.params.alpha == pytest.approx(free.params.alpha, rel=0.1)
    assert fit.params.beta == pytest.approx(free.params.beta, rel=0.1)
    scaled = pose("linear_evidence", {"X": sine()["X"], "t": 10 * sine()["t"]}).prior("default")
    assert scaled.beta.rate == pytest.approx(100 * prior.beta.rate)
    assert scaled.alpha.rate == pytest.approx(100 * prior.alpha.rate)


BAD_PRIORS = {
    "prior rate of a Gamma must be greater than 0": {"alpha": {"shape": 1, "rate": 0}},
    "prior shape of a Gamma must be a number; its shape is": {"alpha": {"shape": [1, 2], "rate": 1}},
    "prior alpha lacks rate": {"alpha": {"shape": 1}},
    "unknown prior group 'gamma'": {"gamma": {"shape": 1, "rate": 1}},
}


@pytest.mark.parametrize("sentence", BAD_PRIORS)
def test_bad_priors(sentence):
    with pytest.raises(InputError, match=sentence):
        eb.fit("linear_evidence", sine(), prior=BAD_PRIORS[sentence])


def test_flat_precisions_are_not_sampled():
    problem = pose("linear_evidence", sine())
    given = GammaPrior(np.array(1.0), np.array(1.0))
    for name, other in (("alpha", "beta"), ("beta", "alpha")):
        with pytest.raises(InputError, match=f"a flat prior on {name} .*improper.* give .*{name}"):
            problem.family.proper_prior(problem.prior({other: {"shape": 1, "rate": 1}}))
    held = pose("linear_evidence", sine(), fixed={"alpha": 2.0})
    assert held.family.proper_prior(held.prior({"beta": given})).alpha is None
    assert held.family.describe_prior(held.prior({"beta": given}))[0] == "alpha: held fixed, no prior"


def test_a_shape_that_outweighs_the_data_is_refused():
    problem = pose("linear_evidence", sine(), settings={"basis": "identity", "intercept": False})
    with pytest.raises(InputError, match=r"prior alpha.shape must be greater than 0.5 here \(it is 0.4\)"):
        problem.prior({"alpha": {"shape": 0.4, "rate": 1}})


# bad input


X, T = sine()["X"], sine()["t"]
BAD = {
    "X and t must have the same number of rows; X has 30 and t has 29": ({"X": X, "t": T[1:]}, {}),
    "'y' is neither": ({"X": X, "t": T, "y": T}, {}),
    "t must be one column; it has 2": ({"X": X, "t": np.c_[T, T]}, {}),
    "needs a target t and at least one column of inputs; the data has x0": (T, {}),
    "an entry is missing .* at row 3 .*, column 'x0'": ({"X": np.where(np.arange(30) == 3, np.nan, X), "t": T}, {}),
    "an entry is infinite at row 4 .*, column 't'": ({"X": X, "t": np.where(np.arange(30) == 4, np.inf, T)}, {}),
    "t is 2 in every row of positive weight": ({"X": X, "t": np.full(30, 2.0)}, {}),
    "every basis function is 0": ({"X": 0 * X, "t": T}, {"settings": {"basis": "identity", "intercept": False}}),
    "has no components, so that labels mean nothing": ({"X": X, "t": T}, {"labels": np.zeros(30)}),
    "has no components; leave n_components out": ({"X": X, "t": T}, {"n_components": 2}),
    "unknown basis 'gausian': did you mean 'gaussian'": ({"X": X, "t": T}, {"settings": {"basis": "gausian"}}),
    "degree must be a whole number >= 1; it is '2.5'": ({"X": X, "t": T}, {"settings": {"degree": "2.5"}}),
    "n_basis must be a whole number >= 1; it is 0": ({"X": X, "t": T}, {"settings": {"n_basis": 0}}),
    "width must be 'spacing' or a number greater than 0": ({"X": X, "t": T}, {"settings": {"width": -1}}),
    "range must be a lowest and a highest number": ({"X": X, "t": T}, {"settings": {"range": "3,1"}}),
    r"range must have a pair of numbers for each of the 1 input column\(s\); it has 2": (
        {"X": X, "t": T},
        {"settings": {"range": [[0, 1], [0, 1]]}},
    ),
    "intercept must be yes or no; it is 'maybe'": ({"X": X, "t": T}, {"settings": {"intercept": "maybe"}}),
    "input column 0 .* has one value only": ({"X": 0 * X, "t": T}, {}),
    "too large for floating-point numbers": (
        {"X": 1e10 * X, "t": T},
        {"settings": {"basis": "polynomial", "degree": 40}},
    ),
    "alpha must be greater than 0": ({"X": X, "t": T}, {"start": {"alpha": 0.0}}),
    "beta must have shape ()": ({"X": X, "t": T}, {"start": {"beta": [1.0, 2.0]}}),
    "beta must be greater than 0; it is -1": ({"X": X, "t": T}, {"fixed": {"beta": -1}}),
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_input(sentence):
    source, options = BAD[sentence]
    with pytest.raises(InputError, match=sentence.replace("()", r"\(\)")) as raised:
        eb.fit("linear_evidence", source, **options)
    assert "\n" not in str(raised.value)


def test_tables_name_their_target():
    source = sine()
    by_name = pose("linear_evidence", {"t": source["t"], "dose": source["X"]}).data
    by_place = pose("linear_evidence", {"dose": source["X"], "response": source["t"]}).data
    assert by_name.columns == ("dose", "t")
    assert by_place.columns == ("dose", "response")
    np.testing.assert_array_equal(by_name.matrix(), by_place.matrix())
    array = pose("linear_evidence", np.column_stack([source["X"], source["t"]])).data
    np.testing.assert_array_equal(array.t, source["t"])


def test_the_command_line_needs_no_components(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = sine()
    lines = ["x,t", *(f"{x:.17g},{t:.17g}" for x, t in zip(source["X"], source["t"], strict=True))]
    (tmp_path / "data.csv").write_text("\n".join(lines))
    words = ["em", "data.csv", "-f", "linear_evidence", "--set", "basis=polynomial", "--set", "degree=5"]
    done = CliRunner().invoke(main, [*words, "--set", "intercept=yes", "--json", "fit.json"])
    assert done.exit_code == 0, done.output
    fit = eb.Fit.from_json((tmp_path / "fit.json").read_text())
    assert (fit.family.degree, fit.family.intercept, fit.family.basis) == (5, True, "polynomial")
    expected = eb.fit("linear_evidence", source, settings={"basis": "polynomial", "degree": 5})
    assert fit.params.beta == expected.params.beta
    assert CliRunner().invoke(main, [*words, "-k", "3"]).exit_code == 2
    mixture = CliRunner().invoke(main, ["em", "data.csv", "-f", "gaussian_mixture"])
    assert mixture.exit_code == 2
    assert "needs n_components" in mixture.output
    assert "degree" in CliRunner().invoke(main, ["list"]).output


def test_what_it_cannot_do_is_said_in_sentences():
    family = posed(MINE[0])[0].family
    assert set(family.absent) == {"rowwise", "components", "bounded"}
    assert not set(family.absent) & family.capabilities
    assert all(sentence.endswith(".") for sentence in family.absent.values())
    with pytest.raises(InputError, match="hard E-step assigns rows to components; linear_evidence has none"):
        eb.fit("linear_evidence", sine(), e_step="hard")


@pytest.mark.parametrize("name", FREE)
def test_every_maximum_likelihood_case_has_one_optimum(name):
    case = CASES[name]
    fit = eb.fit(case.family, case.X, **case.posed, n_starts=6, stop={"tol": 1e-10, "max_passes": 4000}, record=False)
    assert len(fit.optima) == 1 or fit.events


# the twin


@pytest.mark.sampling
def test_the_posterior_of_the_precisions_is_where_the_evidence_is():
    prior = {"alpha": {"shape": 2, "rate": 0.5}, "beta": {"shape": 2, "rate": 0.05}}
    tree = eb.sample("linear_evidence", sine(), prior=prior, draws=500, tune=500, chains=4, fresh=True)
    found = {name: tree["posterior"][name].values for name in ("alpha", "beta")}
    problem = pose("linear_evidence", sine())
    record = problem.prior(prior)
    # the posterior by quadrature on a grid of (ln α, ln β)
    grid = np.stack(np.meshgrid(np.linspace(-4, 5, 181), np.linspace(1, 6, 121), indexing="ij"), axis=-1).reshape(-1, 2)
    density = []
    for vector in grid:
        params = problem.family.from_vector(vector, problem.start({}))
        objective = problem.family.log_likelihood(params, problem.data) + problem.family.log_prior(params, record)
        density.append(objective + vector.sum())
    mass = np.exp(density - np.max(density))
    mass /= mass.sum()
    for i, name in enumerate(("alpha", "beta")):
        mean = mass @ grid[:, i]
        spread = np.sqrt(mass @ (grid[:, i] - mean) ** 2)
        assert np.log(found[name]).mean() == pytest.approx(mean, abs=0.2 * spread)
        assert np.log(found[name]).std() == pytest.approx(spread, rel=0.15)
    assert set(tree["log_likelihood"].data_vars) == {"t"}
    certificate = tree["certificate"]
    np.testing.assert_allclose(certificate["pymc"], certificate["emvsbayes"], rtol=1e-8)
    drawn = problem.family.draw_weights(
        found["alpha"][0, :50], found["beta"][0, :50], problem.data, np.random.default_rng(0)
    )
    assert drawn.shape == (50, 10)


def test_under_a_prior_no_estimate_lies_at_infinity():
    x, t = np.linspace(0, 1, 20), np.random.default_rng(3).normal(size=20)
    given = {"settings": {"basis": "polynomial", "degree": 3, "intercept": False}, "n_starts": 3}
    assert [event.kind for event in eb.fit("linear_evidence", {"X": x, "t": t}, **given).events] == ["boundary"]
    fit = eb.fit("linear_evidence", {"X": x, "t": t}, prior="default", **given)
    assert fit.status is Status.CONVERGED
    assert fit.events == ()


@pytest.mark.parametrize("settings", [{"n_basis": 10**9}, {"basis": "polynomial", "degree": 100_000}])
def test_more_functions_than_memory_holds_are_refused(settings):
    with pytest.raises(InputError, match="lower n_basis or degree"):
        pose("linear_evidence", sine(), settings=settings)


def test_new_rows_are_scored_given_the_training_rows():
    """The score is that of the predictive density, and not the evidence of the new rows as data of their own."""
    train, new = sine(), {"X": [0.15, 0.4, 0.8], "t": [0.9, 0.5, -1.0]}
    fit = eb.fit("linear_evidence", train)
    problem = pose("linear_evidence", train)
    mean, variance = problem.family.predictive(fit.params, problem.data, new["X"])
    expected = stats.norm(mean, np.sqrt(variance)).logpdf(new["t"]).mean()
    assert fit.log_score(new) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(InputError, match="holds no posterior to predict with"):
        eb.Fit.from_json(fit.to_json()).log_score(new)


def test_a_summary_speaks_of_the_evidence_and_not_of_components():
    x, t = np.linspace(0, 1, 20), np.random.default_rng(3).normal(size=20)
    settings = {"basis": "polynomial", "degree": 3, "intercept": False}
    boundary = eb.fit("linear_evidence", {"X": x, "t": t}, settings=settings, n_starts=1)
    first, second, *_ = boundary.summary().splitlines()
    assert first == "linear_evidence, maximum likelihood"
    assert boundary.status is Status.MAX_PASSES
    assert second.startswith("A boundary estimate: ")
    assert "give alpha a prior" in boundary.summary()
    perfect = eb.fit("linear_evidence", {"X": x, "t": 2 * x}, settings={"basis": "identity"}, n_starts=1)
    assert perfect.status is Status.SINGULAR
    assert "component" not in perfect.summary()
