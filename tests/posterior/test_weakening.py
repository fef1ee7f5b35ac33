"""A mixture as the prior on its covariances fades, beside draws of the exact posterior; and what is no proper prior."""

from dataclasses import replace

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs
from scipy import stats
from scipy.spatial.distance import pdist, squareform

import emvsbayes as eb
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.posterior import weakening
from emvsbayes.posterior.weakening import _closest, weakening_of, with_scale
from emvsbayes.problem import pose

X = np.array([-1.3, -0.8, -0.2, 0.3, 0.3001, 0.9, 1.8])[:, None]


@pytest.fixture(scope="module", params=["spherical", "full"])
def setting(request):
    problem = pose("gaussian_mixture", X, n_components=2, settings={"covariance": request.param})
    prior = problem.prior("default")
    return problem, prior, weakening_of(problem, prior, factors=(1.0, 1e-2, 1e-8), thresholds=(1e-1, 1e-2))


def test_evidence_and_masses_are_those_of_exact_draws(setting):
    problem, prior, found = setting
    for row in found.faded[:2]:
        exact = exact_posterior(problem, with_scale(prior, row.factor))
        assert row.log_evidence == pytest.approx(exact.log_evidence)
        assert row.source == "exact"
        rng = np.random.default_rng(0)
        picked = rng.choice(len(exact.parts), 4000, p=np.exp(exact.log_weights))
        parts = [exact.parts[i].covariances for i in picked]
        draws = np.array([part.scale.ravel() / 2 / rng.gamma(part.dof / 2) for part in parts])
        z = np.stack(np.unravel_index(picked, (2,) * 7), axis=1)
        filled = np.stack([(z == k).any(axis=1) for k in range(2)], axis=1)
        variance = float(problem.data.covariance[0, 0])
        smallest = draws.min(axis=1) / variance
        smallest_filled = np.where(filled, draws, np.inf).min(axis=1) / variance
        for t, mass, occupied in zip(found.thresholds, row.mass, row.occupied, strict=True):
            se = np.sqrt(max(mass * (1 - mass), 1e-4) / 4000)
            assert abs((smallest < t).mean() - mass) < 4 * se
            se = np.sqrt(max(occupied * (1 - occupied), 1e-4) / 4000)
            assert abs((smallest_filled < t).mean() - occupied) < 4 * se


def test_the_share_of_empty_components_is_that_of_allocations(setting):
    problem, prior, found = setting
    exact = exact_posterior(problem, prior)
    z = np.stack(np.unravel_index(np.arange(2**7), (2,) * 7), axis=1)
    empty = (z.min(axis=1) == z.max(axis=1)).astype(float)
    assert found.faded[0].empty == pytest.approx(np.exp(exact.log_weights) @ empty)


def test_a_fading_scale_empties_components(setting):
    _, _, found = setting
    assert [row.factor for row in found.faded] == [1.0, 1e-2, 1e-8]
    assert found.faded[-1].empty > 0.999
    assert found.faded[-1].mass[0] > 0.999
    assert found.faded[0].mass[1] < 0.1
    assert found.faded[-1].log_evidence < found.faded[0].log_evidence


def test_the_path_into_a_spike_is_unbounded_for_the_likelihood_alone(setting):
    _, _, found = setting
    assert X[found.row, 0] in (0.3, 0.3001)
    x = -np.log(found.widths)
    assert (found.likelihood[-1] - found.likelihood[-5]) / (x[-1] - x[-5]) == pytest.approx(0.5, abs=1e-3)  # -½ ln v
    for row in found.faded:
        assert np.argmax(row.spike) < len(row.spike) - 1
        assert row.spike[-1] < max(row.spike) - 100
        assert row.best >= max(row.spike)


def test_densities_along_the_path_are_scipys(setting):
    """The log posterior at one point of the path, written out."""
    problem, prior, found = setting
    group, m0 = prior.covariances, float(prior.means.location[0])
    i, factor = 8, found.faded[1].factor
    rest = replace(problem, family=replace(problem.family, n_components=1))
    fit = eb.fit("gaussian_mixture", X, n_components=1, settings=_settings(problem), prior=prior, n_starts=1)
    mean, variance = float(fit.params.means[0, 0]), float(fit.params.covariances.ravel()[0])
    x0, v = float(X[found.row, 0]), found.widths[i] * float(problem.data.covariance[0, 0])
    share = 1 / len(X)
    likelihood = np.log(
        share * stats.norm(x0, np.sqrt(v)).pdf(X[:, 0]) + (1 - share) * stats.norm(mean, np.sqrt(variance)).pdf(X[:, 0])
    ).sum()
    log_prior = stats.dirichlet([1, 1]).logpdf([share, 1 - share])
    for center, spread in ((x0, v), (mean, variance)):
        log_prior += stats.invgamma(group.dof / 2, scale=factor * float(np.ravel(group.scale)[0]) / 2).logpdf(spread)
        log_prior += stats.norm(m0, np.sqrt(spread / float(prior.means.strength))).logpdf(center)
    assert rest.family.n_components == 1
    assert found.likelihood[i] == pytest.approx(likelihood, rel=1e-6)
    assert found.faded[1].spike[i] == pytest.approx(likelihood + log_prior, rel=1e-6)


def _settings(problem):
    return {"covariance": problem.family.covariance}


def test_the_spike_is_put_on_one_of_the_two_rows_nearest_to_each_other():
    plane = np.random.default_rng(0).standard_normal((40, 3)) * [1.0, 10.0, 0.1]
    gaps = squareform(pdist(plane / plane.std(axis=0)))
    nearest = np.argwhere(gaps == gaps[gaps > 0].min())[0]
    assert _closest(plane) in nearest


def test_a_fit_and_its_data_are_asked_alike(setting):
    problem, _, found = setting
    fit = eb.fit("gaussian_mixture", X, n_components=2, settings=_settings(problem), prior="default", seed=0)
    assert weakening(fit, X, factors=(1.0,), thresholds=(1e-1, 1e-2)).faded == found.faded[:1]


def test_only_what_can_collapse_is_asked():
    coins = pose("coins", FIVE_TRIALS, n_components=2)
    tied = pose("gaussian_mixture", X, n_components=2, settings={"covariance": "tied"})
    one = pose("gaussian_mixture", X, n_components=1)
    for problem in (coins, tied, one):
        with pytest.raises(eb.InputError, match="this likelihood is bounded"):
            weakening_of(problem, problem.prior("default"))
    free = pose("gaussian_mixture", X, n_components=2)
    with pytest.raises(eb.InputError, match="no prior on the covariances"):
        weakening_of(free, free.prior({"means": {"location": 0, "strength": 1}}))
    with pytest.raises(eb.InputError, match="above 0"):
        weakening_of(free, free.prior("default"), factors=(0.0,))


# improper priors: that the posterior really has infinite mass, and what is said


def slope(log_density, at):
    """d ln f / d ln u between the last two places."""
    return (log_density[-1] - log_density[-2]) / (np.log(at[-1]) - np.log(at[-2]))


def test_a_flat_mean_of_a_component_that_may_be_empty_has_infinite_mass():
    """ln p(X | θ) tends to a constant as one mean leaves: ∫ dμ diverges; with one component it falls as -μ²."""
    problem = pose("gaussian_mixture", X, n_components=2)
    far = np.array([1e3, 1e6])
    unit = [[[1.0]], [[1.0]]]
    starts = [problem.start({"means": [[0.2], [u]], "covariances": unit}) for u in far]
    logs = [problem.family.log_likelihood(params, problem.data) for params in starts]
    assert slope(logs, far) == pytest.approx(0, abs=1e-9)
    one = pose("gaussian_mixture", X, n_components=1)
    logs = [one.family.log_likelihood(one.start({"means": [[u]], "covariances": [[[1.0]]]}), one.data) for u in far]
    assert slope(logs, far) < -1e6


@pytest.mark.parametrize(
    ("covariance", "finite"), [("full", False), ("spherical", False), ("tied", True), ("EII", True)]
)
def test_a_flat_variance_is_improper_unless_it_is_shared(covariance, finite):
    """The integrand over σ² falls as its power: above -1 there is infinite mass. Means have a prior ~ N(m0, σ²/κ0)."""
    problem = pose("gaussian_mixture", X, n_components=2, settings={"covariance": covariance})
    prior = problem.prior({"means": {"location": 0.0, "strength": 0.5}})
    like, wide, logs = problem.random_params(0), np.array([1e14, 1e16]), []
    for u in wide:
        covariances = like.covariances.copy()
        if finite:
            covariances = covariances / covariances.ravel()[0] * u
        else:
            covariances[1] = u
        params = replace(like, covariances=covariances)
        logs.append(problem.family.log_likelihood(params, problem.data) + problem.family.log_prior(params, prior))
    assert bool(slope(logs, wide) < -1) is finite
    with pytest.raises(eb.InputError) as caught:
        problem.family.proper_prior(prior)
    assert ("a component may be empty" in str(caught.value)) is not finite
    assert ("even where the data would make the posterior proper" in str(caught.value)) is finite


def test_flat_precisions_of_a_regression():
    """As α → ∞ the evidence tends to a constant above 0; as β → ∞ it vanishes, unless the basis fits perfectly."""
    x = np.linspace(0, 1, 12)
    problem = pose("linear_evidence", {"X": x, "t": np.sin(6 * x) + 0.1 * np.cos(40 * x)}, settings={"n_basis": 3})
    large = np.array([1e8, 1e10])

    def evidence(**precisions):
        return problem.family.log_likelihood(problem.start(precisions), problem.data)

    assert slope([evidence(alpha=u, beta=5.0) for u in large], large) == pytest.approx(0, abs=1e-6)
    assert slope([evidence(alpha=1.0, beta=u) for u in large], large) < -1e4
    gamma = {"shape": 1.0, "rate": 1.0}
    with pytest.raises(eb.InputError, match=r"alpha leaves the posterior improper \(the evidence does not vanish"):
        problem.family.proper_prior(problem.prior({"beta": gamma}))
    with pytest.raises(eb.InputError, match="flat prior on beta is improper, and only proper priors are sampled"):
        problem.family.proper_prior(problem.prior({"alpha": gamma}))


@pytest.mark.parametrize(
    ("family", "posed", "prior", "words"),
    [
        (
            "gaussian_mixture",
            {},
            {"covariances": {"dof": 4, "scale": 1.0}},
            "flat prior on means .* component may be empty",
        ),
        ("gaussian_mixture", {"n_components": 1}, {"covariances": {"dof": 4, "scale": 1}}, "only proper priors"),
        (
            "gaussian_mixture",
            {},
            {"covariances": {"dof": 1, "scale": 1.0}},
            "dof must be greater than D - 1 = 1; it is 1",
        ),
        ("gaussian_mixture", {}, {"covariances": {"dof": 4, "scale": 0.0}}, "scale must be positive definite"),
        (
            "gaussian_mixture",
            {"settings": {"covariance": "diag"}},
            {"covariances": {"dof": 4, "scale": 0.0}},
            "scale must be greater than 0; it is 0",
        ),
        (
            "gaussian_mixture",
            {"settings": {"covariance": "diag"}},
            {"covariances": {"dof": 0.0, "scale": 1.0}},
            "dof must be greater than 0; it is 0",
        ),
        ("gaussian_mixture", {}, {"means": {"location": 0, "strength": 0.0}}, "strength must be greater than 0"),
        ("gaussian_mixture", {}, {"weights": {"concentration": 0.0}}, "concentration must be greater than 0"),
        ("kmeans", {}, {}, "flat prior on centers .* component may be empty"),
        ("kmeans", {"n_components": 1}, {}, "flat prior on centers is improper, and only proper priors"),
        ("kmeans", {}, {"centers": {"location": 0, "scale": 0.0}}, "scale must be greater than 0"),
    ],
)
def test_priors_that_are_no_densities_are_refused_with_the_reason(family, posed, prior, words):
    with pytest.raises(eb.InputError, match=words) as caught:
        eb.sample(family, blobs(n=20), prior=prior, **{"n_components": 2, **posed})
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(("group", "values"), [("probs", {"a": 0, "b": 2}), ("weights", {"concentration": 0})])
def test_flat_probabilities_are_proper_and_zeros_are_not(group, values):
    with pytest.raises(eb.InputError, match="must be greater than 0; it is 0"):
        eb.sample("coins", FIVE_TRIALS, n_components=2, prior={group: values})
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    proper = problem.family.proper_prior(problem.prior({}))
    x = np.linspace(0, 1, 2001)[1:-1]
    density = [np.exp(problem.family.log_prior(problem.start({"probs": [p, 0.4]}), proper)) for p in x[::200]]
    np.testing.assert_allclose(density, 1.0)  # uniform on [0, 1]² x the simplex of two


def test_a_gamma_without_shape_or_rate_is_refused():
    x = np.linspace(0, 1, 12)
    for group in ({"shape": 0, "rate": 1}, {"shape": 1, "rate": 0}):
        with pytest.raises(eb.InputError, match="must be greater than 0; it is 0"):
            eb.sample("linear_evidence", {"X": x, "t": x**2}, prior={"alpha": group, "beta": {"shape": 1, "rate": 1}})
