"""Log priors in pieces, and power-scaling against posteriors that are known in closed form."""

import numpy as np
import pytest
from cases import WITH_PRIOR, blobs, posed, starting
from made import still, tree_of
from scipy import stats

import emvsbayes as eb
from emvsbayes.core.scalars import scalars
from emvsbayes.posterior import prior_tree, sensitivity
from emvsbayes.posterior.draws import Draws, tree_draws
from emvsbayes.posterior.log_prior import log_prior, log_prior_by_field
from emvsbayes.problem import pose

N = 4_000
TRIALS = {"heads": [7, 3, 9], "tosses": [10, 5, 12]}


@pytest.mark.parametrize("name", WITH_PRIOR[::4])
def test_the_pieces_of_a_log_prior_add_up(name):
    problem, prior = posed(name)
    params = problem.hold(starting(name))
    draws = still(problem, params, 1)
    pieces = log_prior_by_field(draws, prior)
    whole = problem.family.log_prior(params, prior)
    assert sum(v[0] for v in pieces.values()) == pytest.approx(whole, rel=1e-12, abs=1e-12)
    assert log_prior(draws, prior)[0] == whole
    assert not set(pieces) & problem.family.fixed


@pytest.mark.sampling
@pytest.mark.parametrize(("family", "X"), [("coins", TRIALS), ("gaussian_mixture", blobs(n=20))])
def test_pymc_has_the_same_pieces(family, X):
    """PyMC's log-density of each variable, given its parents, without Jacobians."""
    from emvsbayes.bayes.twins import Unconstrained

    problem = pose(family, X, n_components=2)
    prior = problem.prior({**_prior(family), "weights": {"concentration": 3.0}})
    params = problem.random_params(3)
    model = problem.twin.build(problem.family, problem.data, prior, params)
    point = Unconstrained(model).values(params)
    names = [model.rvs_to_values[rv].name for rv in model.free_RVs]
    pieces = log_prior_by_field(still(problem, params, 1), prior)
    for rv in model.free_RVs:
        theirs = model.compile_logp(vars=[rv], jacobian=False)(dict(zip(names, point, strict=True)))
        assert pieces[rv.name][0] == pytest.approx(float(theirs), rel=1e-10), rv.name


def _prior(family):
    if family == "coins":
        return {"probs": {"a": 2, "b": 3}}
    return {"means": {"location": [0, 1], "strength": 0.3}, "covariances": {"dof": 6, "scale": 2.0}}


def distance(base, other, low, high):
    """Cumulative Jensen-Shannon distance of two densities on [low, high], by quadrature, bounded and symmetrised."""
    x = np.linspace(low, high, 20_001)

    def divergence(p, q):
        m = (p + q) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 0, p * np.log2(p / m), 0.0)
        return np.trapezoid(terms, x) + 0.5 / np.log(2) * np.trapezoid(q - p, x)

    found = []
    for turn in (lambda p: p, lambda p: 1 - p):
        p, q = turn(base.cdf(x)), turn(other.cdf(x))
        found.append(np.sqrt((divergence(p, q) + divergence(q, p)) / np.trapezoid(p + q, x)))
    return max(found)


def by_quadrature(at, low, high):
    """The derivative that ArviZ takes, from exact posteriors `at(a)` at powers a."""
    base = at(1.0)
    lower, upper = (distance(base, at(a), low, high) for a in (0.99, 1.01))
    return (-lower / np.log2(0.99) + upper / np.log2(1.01)) / 2


@pytest.mark.parametrize(("a", "b"), [(12.0, 3.0), (3.0, 2.0)])
def test_a_beta_posterior_by_quadrature(a, b):
    problem = pose("coins", TRIALS, n_components=1)
    heads, tails = problem.data.heads.sum(), (problem.data.tosses - problem.data.heads).sum()
    prior = problem.prior({"probs": {"a": a, "b": b}})
    exact = stats.beta(a + heads, b + tails)
    values = np.random.default_rng(0).permutation(exact.ppf((np.arange(N) + 0.5) / N))[:, None]
    draws = Draws(problem.family, problem.data, {"weights": np.ones((N, 1)), "probs": values}, _like(problem), 4)
    (row,) = sensitivity(draws, prior).rows
    ends = values.min(), values.max()  # the distance is relative to the range over which it is taken
    by_prior = by_quadrature(lambda p: stats.beta(p * (a - 1) + 1 + heads, p * (b - 1) + 1 + tails), *ends)
    by_data = by_quadrature(lambda p: stats.beta(a + p * heads, b + p * tails), *ends)
    assert row.prior == pytest.approx(by_prior, rel=0.05)
    assert row.likelihood == pytest.approx(by_data, rel=0.05)
    assert row.by_field == {"probs": pytest.approx(row.prior)}
    assert bool(row.diagnosis) is (row.prior > 0.05)


def _like(problem):
    return problem.start({"probs": [0.5]})


def test_a_flat_prior_moves_nothing():
    problem = pose("coins", TRIALS, n_components=1)
    values = {"weights": np.ones((400, 1)), "probs": np.random.default_rng(0).beta(20, 9, size=(400, 1))}
    draws = Draws(problem.family, problem.data, values, _like(problem), 4)
    found = sensitivity(draws, problem.family.proper_prior(problem.prior({})))
    (row,) = found.rows
    assert row.prior == 0
    assert row.likelihood > 0.05
    assert row.diagnosis == ""
    assert any(sentence.startswith("The prior of probs has the same density") for sentence in found.notes)


def test_every_scalar_is_measured_or_evenly_many():
    X = blobs(n=30)
    problem = pose("gaussian_mixture", X, n_components=2)
    params, rng = problem.random_params(0), np.random.default_rng(1)
    like, family = problem.family.to_vector(params), problem.family
    drawn = [family.from_vector(like + 0.1 * rng.normal(size=like.size), params) for _ in range(200)]
    values = {n: np.array([getattr(p, n) for p in drawn]) for n in ("weights", "means", "covariances")}
    draws = Draws(family, problem.data, values, params, 4)
    prior = problem.prior("default")
    found = sensitivity(draws, prior)
    assert [row.name for row in found.rows] == [s.name for s in scalars(params, family, problem.data.columns)]
    assert set(found.rows[0].by_field) == {"weights", "means", "covariances"}
    few = sensitivity(draws, prior, most=3)
    assert len(few.rows) == 3
    assert few.n_scalars == len(found.rows)


def test_arvizs_own_psense_reads_the_group():
    import arviz as az

    problem = pose("coins", TRIALS, n_components=1)
    values = {"weights": np.ones((4000, 1)), "probs": np.random.default_rng(0).beta(30, 11, size=(4000, 1))}
    tree = tree_of(values, problem.family)
    draws = tree_draws(tree, problem.family, problem.data, _like(problem))
    prior = problem.prior({"probs": {"a": 12, "b": 3}})
    theirs = az.psense(prior_tree(tree, draws, prior), var_names=["probs"], group="prior")
    (row,) = sensitivity(draws, prior).rows
    assert float(theirs["probs"].values[0]) == pytest.approx(row.prior)
    assert "log_prior" not in tree.children


def test_what_cannot_be_measured_is_refused():
    problem = pose("coins", TRIALS, n_components=1)
    draws = still(problem, _like(problem), 40)
    with pytest.raises(eb.InputError, match="prior is None"):
        sensitivity(draws, None)
    with pytest.raises(eb.InputError, match="at least 20 draws of each chain"):
        sensitivity(draws, problem.prior("default"))
    with pytest.raises(eb.InputError, match="prior is None"):
        prior_tree({}, draws, None)
