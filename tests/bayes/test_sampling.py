"""`sample`: what comes back is what ArviZ expects, cached, reproducible, and right by exact enumeration."""

from __future__ import annotations

from itertools import product
from time import perf_counter

import arviz as az
import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from cases import FIVE_TRIALS, blobs
from scipy.special import betaln, logsumexp

import emvsbayes as eb
from emvsbayes.bayes import cache
from emvsbayes.relabelling import relabel_draws

pytestmark = pytest.mark.sampling
mpl.use("Agg")

HEADS, TOSSES = (np.array(FIVE_TRIALS[name]) for name in ("heads", "tosses"))
COINS = {"n_components": 2, "settings": {"weights": "fixed"}, "draws": 4000, "tune": 500, "seed": 3}
X = {"eruptions": blobs(n=24)[:, 0], "waiting": blobs(n=24)[:, 1]}
KNOWN = [0, 1, *[-1] * 22]
WEIGHTS = np.tile([0.5, 1.0, 2.0], 8)
GAUSSIANS = {"n_components": 2, "draws": 60, "tune": 100, "chains": 2, "labels": KNOWN, "sample_weight": WEIGHTS}


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMVSBAYES_CACHE", str(tmp_path_factory.mktemp("draws")))
        yield


@pytest.fixture(scope="module")
def coins():
    return eb.sample("coins", FIVE_TRIALS, **COINS)


@pytest.fixture(scope="module")
def gaussians():
    return eb.sample("gaussian_mixture", X, **GAUSSIANS)


GROUPS = {"posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data"}


def test_groups_dims_and_coords_of_the_coins(coins):
    assert GROUPS | {"map_estimate", "certificate"} == set(coins.children)
    assert list(coins["posterior"].data_vars) == ["probs"]
    assert coins["posterior"]["probs"].dims == ("chain", "draw", "component")
    assert coins["posterior"]["probs"].shape == (4, 4000, 2)
    assert coins["log_likelihood"]["heads"].dims == ("chain", "draw", "obs_id")
    np.testing.assert_array_equal(coins["observed_data"]["heads"], HEADS)
    np.testing.assert_array_equal(coins["constant_data"]["tosses"], TOSSES)
    np.testing.assert_array_equal(coins["constant_data"]["weights"], [0.5, 0.5])
    assert {"diverging", "energy", "lp", "tree_depth", "step_size"} <= set(coins["sample_stats"].data_vars)
    assert coins.attrs["sampler"] == "nutpie"
    assert coins.attrs["seed"] == 3
    assert coins.attrs["version_pymc"]


def test_groups_dims_and_coords_of_the_gaussians(gaussians):
    posterior = gaussians["posterior"]
    assert set(posterior.data_vars) == {"weights", "means", "covariances"}
    assert posterior["means"].dims == ("chain", "draw", "component", "feature")
    assert posterior["covariances"].dims == ("chain", "draw", "component", "feature", "feature_bis")
    assert posterior["feature"].values.tolist() == ["eruptions", "waiting"]
    assert posterior["means"].sel(component=1, feature="waiting").shape == (2, 60)
    assert gaussians["observed_data"]["X"].dims == ("obs_id", "feature")
    np.testing.assert_array_equal(gaussians["observed_data"]["X"], np.c_[X["eruptions"], X["waiting"]])
    np.testing.assert_array_equal(gaussians["constant_data"]["labels"], KNOWN)
    np.testing.assert_array_equal(gaussians["constant_data"]["row_weights"], WEIGHTS)
    np.testing.assert_allclose(posterior["weights"].sum("component"), 1.0)
    assert (np.linalg.eigvalsh(posterior["covariances"].values) > 0).all()
    for group in gaussians.children:
        for name, variable in gaussians[group].data_vars.items():
            assert np.isfinite(variable.values.astype(float)).all(), name


@pytest.mark.parametrize("which", ["coins", "gaussians"])
def test_the_log_likelihood_is_ours_at_every_draw(which, request):
    tree = request.getfixturevalue(which)
    fit = (
        eb.fit("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"}, n_starts=1)
        if which == "coins"
        else eb.fit("gaussian_mixture", X, n_components=2, labels=KNOWN, sample_weight=WEIGHTS, n_starts=1)
    )
    from emvsbayes.relabelling.towards_fit import data_of

    data, family = data_of(tree, fit.family), fit.family
    (theirs,) = tree["log_likelihood"].to_dataset().data_vars.values()
    for chain, draw in ((0, 0), (1, 17), (1, 59)):
        fields = {n: tree["posterior"][n].values[chain, draw] for n in tree["posterior"].data_vars}
        params = type(fit.params)(**{**{"weights": np.array([0.5, 0.5])}, **fields})
        ours = family.log_likelihood(params, data)
        np.testing.assert_allclose(theirs.values[chain, draw].sum(), ours, rtol=1e-10)


def test_the_certificate(coins, gaussians):
    for tree in (coins, gaussians):
        theirs, ours = (tree["certificate"][name].values for name in ("pymc", "emvsbayes"))
        assert len(theirs) >= 5
        assert np.max(np.abs(theirs - ours) / np.abs(ours)) < 1e-12


def test_arviz_accepts_it(coins, gaussians):
    for tree in (coins, gaussians):
        summary = az.summary(tree, ci_kind="eti", ci_prob=0.95)
        assert "probs[0]" in summary.index or "means[0, waiting]" in summary.index
        assert set(az.rhat(tree).data_vars) == set(tree["posterior"].data_vars)
    assert np.isfinite(az.loo(coins).elpd)
    az.plot_trace_dist(coins, var_names=["probs"], compact=False)


def test_netcdf_round_trip(coins, gaussians, tmp_path):
    for number, tree in enumerate((coins, gaussians)):
        path = tmp_path / f"{number}.nc"
        cache.write_netcdf(tree, path)
        with xr.open_datatree(path, engine="h5netcdf") as found:
            for group in tree.children:
                xr.testing.assert_identical(found[group].to_dataset().load(), tree[group].to_dataset())
            assert found.attrs["sampler"] == "nutpie"


def test_the_second_call_is_the_first_and_faster(coins, capsys):
    began = perf_counter()
    again = eb.sample("coins", FIVE_TRIALS, **COINS)
    assert perf_counter() - began < 1
    assert "cached" in capsys.readouterr().err
    for group in coins.children:
        xr.testing.assert_identical(again[group].to_dataset(), coins[group].to_dataset())


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    few = {**COINS, "draws": 20, "tune": 20, "chains": 2}
    one, same, other = (
        eb.sample("coins", FIVE_TRIALS, **{**few, "seed": seed}, fresh=True)["posterior"]["probs"].values
        for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.isin(one, other).any()
    assert not (one[0] == one[1]).any(), "chains have streams of their own"


# the truth, by enumeration over the 2^5 allocations with conjugate Betas


def exact_moments(functional):
    """E[functional(p) | H]: given z the two probabilities are independent Betas; `functional` maps (a, b) to E."""
    logs, values = [], []
    for z in product([0, 1], repeat=5):
        mask = np.array(z)[:, None] == [0, 1]
        a, b = 2 + HEADS @ mask, 2 + (TOSSES - HEADS) @ mask
        logs.append((betaln(a, b) - betaln(2, 2)).sum())
        values.append(functional(a, b))
    share = np.exp(np.array(logs) - logsumexp(logs))
    return share @ np.array(values)


def grid(n=400):
    """Nodes (n², 2), and the posterior's mass at them, by Gauss-Legendre quadrature."""
    x, w = np.polynomial.legendre.leggauss(n)
    x, w = (x + 1) / 2, w / 2
    p = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    prior = (p * (1 - p)).prod(axis=1)
    kernel = p[:, None, :] ** HEADS[:, None] * (1 - p[:, None, :]) ** (TOSSES - HEADS)[:, None]
    mass = prior * kernel.mean(axis=2).prod(axis=1) * np.outer(w, w).ravel()
    return p, mass / mass.sum(), kernel


def agrees(draws, exact):
    mcse = float(np.squeeze(az.mcse(draws)))
    assert mcse < 0.05 * draws.std()
    assert abs(draws.mean() - exact) < 4.5 * mcse, (draws.mean(), exact, mcse)


def test_two_coins_against_enumeration(coins):
    p = coins["posterior"]["probs"].values
    agrees(p[..., 0], exact_moments(lambda a, b: (a / (a + b))[0]))
    agrees(p[..., 1], exact_moments(lambda a, b: (a / (a + b))[1]))
    agrees(p.prod(axis=-1), exact_moments(lambda a, b: (a / (a + b)).prod()))
    agrees((p**2).sum(axis=-1), exact_moments(lambda a, b: (a * (a + 1) / (a + b) / (a + b + 1)).sum()))


def test_the_quadrature_is_the_enumeration():
    p, mass, _ = grid()
    np.testing.assert_allclose(mass @ p[:, 0], exact_moments(lambda a, b: (a / (a + b))[0]), rtol=1e-12)


def test_the_log_likelihood_against_quadrature(coins):
    from scipy.special import gammaln

    _, mass, kernel = grid()
    constant = (gammaln(TOSSES + 1) - gammaln(HEADS + 1) - gammaln(TOSSES - HEADS + 1)).sum()
    exact = mass @ np.log(kernel.mean(axis=2)).sum(axis=1) + constant
    agrees(coins["log_likelihood"]["heads"].values.sum(axis=-1), exact)


def test_relabelled_means_against_quadrature(coins):
    """The posterior mean after relabelling, by relabelling the nodes of a grid: what the page prints."""
    fit = eb.fit(
        "coins",
        FIVE_TRIALS,
        n_components=2,
        settings={"weights": "fixed"},
        prior="default",
        start={"probs": [0.6, 0.5]},
    )
    p, mass, kernel = grid(150)
    probabilities = (kernel / kernel.sum(axis=2, keepdims=True)).reshape(-1, 5, 2)
    found = relabel_draws({"probs": p}, probabilities=probabilities, pivot=fit.responsibilities)
    exact = mass @ found.apply(p)
    relabelled = eb.relabel(coins, pivot=fit)["posterior"]["probs"].values
    assert exact[0] - exact[1] > 0.1
    for k in (0, 1):
        assert abs(relabelled[..., k].mean() - exact[k]) < 4.5 * float(az.mcse(relabelled[..., k])) + 1e-3


def test_find_map_is_the_map_of_em(coins, gaussians):
    for tree, fit in (
        (coins, eb.fit("coins", FIVE_TRIALS, prior="default", n_components=2, settings={"weights": "fixed"})),
        (
            gaussians,
            eb.fit("gaussian_mixture", X, prior="default", n_components=2, labels=KNOWN, sample_weight=WEIGHTS),
        ),
    ):
        fields = {name: v.values for name, v in tree["map_estimate"].data_vars.items()}
        params = type(fit.params)(**{**{"weights": np.array([0.5, 0.5])}, **fields})
        from emvsbayes.relabelling.towards_fit import data_of

        data = data_of(tree, fit.family)
        found = fit.family.log_likelihood(params, data) + fit.family.log_prior(params, fit.prior)
        assert found < fit.log_posterior + 1e-3


def test_the_statistics_of_a_chain_in_a_frame_are_those_of_one_without(monkeypatch):
    """`lp` is PyMC's density, Jacobians included; energies of chains that moved in different coordinates agree."""
    from emvsbayes.bayes import targets
    from emvsbayes.bayes.chains import run_chains
    from emvsbayes.bayes.likelihoods import starting_point
    from emvsbayes.bayes.twins import INTERPRETED, Unconstrained
    from emvsbayes.problem import pose

    problem = pose("gaussian_mixture", X, n_components=2, labels=KNOWN)
    prior = problem.family.proper_prior(problem.prior("default"))
    about = starting_point(problem, 0)
    model = problem.twin.build(problem.family, problem.data, prior, about)
    target, at = targets.target_model(problem, prior, about, model), Unconstrained(model)
    assert target is not None
    mode = at(eb.fit("gaussian_mixture", X, prior="default", n_components=2, labels=KNOWN).params)
    log_p = model.compile_logp(mode=INTERPRETED)
    names, means = [model.rvs_to_values[rv].name for rv in model.free_RVs], []
    for most in (targets.MOST, 0):
        monkeypatch.setattr(targets, "MOST", most)
        assert (targets.framed(target, mode, np.random.SeedSequence(0))[0].frame is None) == (most == 0)
        posterior, stats = run_chains(target, [mode, mode], 2, draws=1500, tune=500, show=False)
        for chain, draw in ((0, 3), (1, 1499)):
            fields = {name: posterior[name].values[chain, draw] for name in target.shapes}
            point = dict(zip(names, at.values(type(about)(**fields)), strict=True))
            assert stats["logp"].values[chain, draw] == pytest.approx(float(log_p(point)), rel=1e-9)
        means.append((stats["energy"].values.mean(), stats["logp"].values.mean()))
    assert abs(np.log(np.diag(targets.information(target.target, mode))).sum()) > 10, "the frame matters"
    np.testing.assert_allclose(means[0], means[1], atol=2)


HOLES = (np.random.default_rng(1).random((40, 4)) < np.where(np.arange(40)[:, None] < 20, 0.85, 0.25)).astype(float)
HOLES[np.random.default_rng(2).random(HOLES.shape) < 0.2] = np.nan
SOME = np.where(np.arange(40) % 20 < 6, np.arange(40) // 20, -1)
RATES = {"probs": {"a": 1.0, "b": 1.0}, "weights": {"concentration": 2.0}}


@pytest.mark.parametrize(
    ("family", "data", "prior"), [("gaussian_mixture", blobs(n=40), "default"), ("bernoulli_mixture", HOLES, RATES)]
)
def test_either_density_gives_one_posterior(family, data, prior):
    """Names, order, dimensions and statistics of the draws, and their first two moments within four standard errors."""
    options = {"n_components": 2, "labels": SOME, "prior": prior, "draws": 1500, "tune": 500, "seed": 5}
    fused, plain = (eb.sample(family, data, **options, likelihood=name) for name in ("fused", "plain"))
    for group in ("posterior", "sample_stats"):
        ours, theirs = fused[group].to_dataset(), plain[group].to_dataset()
        assert [(n, v.dims, v.dtype) for n, v in ours.items()] == [(n, v.dims, v.dtype) for n, v in theirs.items()]
        for name in theirs.coords:
            np.testing.assert_array_equal(ours[name], theirs[name])
    for name, variable in fused["posterior"].data_vars.items():
        assert float(az.rhat(variable).max()) < 1.02
        for power in (1, 2):
            pair = variable**power, plain["posterior"][name] ** power
            error = np.hypot(*(np.asarray(az.mcse(draws)) for draws in pair))
            apart = np.subtract(*(draws.mean(("chain", "draw")).values for draws in pair))
            assert (np.abs(apart) < 4 * error).all(), (name, power)
