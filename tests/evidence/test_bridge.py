"""Bridge sampling beside the exact evidence: by enumeration, in closed form, by quadrature."""

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs
from exact_draws import exact_draws, stacked
from scipy import stats

import emvsbayes as eb
from emvsbayes.evidence import bridge
from emvsbayes.evidence.autocorrelation import split_rhat
from emvsbayes.evidence.bridge import bridge_sampling, misfit_of, optimal_bridge
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.normals import SEPARATE
from emvsbayes.evidence.rows import bridge_row
from emvsbayes.evidence.unconstrained import unconstrained, vectors
from emvsbayes.problem import pose

INFORMATIVE = {
    "means": {"location": [0.5], "strength": 0.5},
    "covariances": {"dof": 5, "scale": 2.0},
    "weights": {"concentration": 2},
}


def drawn(problem, prior="default", n=800, seed=0):
    """The target, independent draws of it in two chains, and the exact posterior."""
    target, exact = unconstrained(problem, prior), exact_posterior(problem, prior)
    draws = stacked(exact_draws(problem, exact, n, np.random.default_rng(seed)))
    return target, vectors(target, {k: v.reshape(2, n // 2, *v.shape[1:]) for k, v in draws.items()}), exact


@pytest.mark.parametrize("settings", [{"weights": "fixed"}, {}], ids=["fixed", "free"])
def test_two_coins(settings):
    target, draws, exact = drawn(pose("coins", FIVE_TRIALS, n_components=2, settings=settings), n=1600)
    found = bridge_sampling(target, draws, seed=1)
    assert abs(found.log_evidence - exact.log_evidence) < 4 * found.se < 0.05
    assert (found.copies, found.renamings, found.draws) == (2, 2, 1600)
    assert found.overlap > SEPARATE


def test_the_standard_error_is_the_spread_of_estimates():
    """Twenty sets of draws: their errors in units of the standard error are standard normal."""
    problem = pose("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"})
    scores = []
    for seed in range(20):
        target, draws, exact = drawn(problem, n=240, seed=seed)
        found = bridge_sampling(target, draws, seed=seed)
        scores.append((found.log_evidence - exact.log_evidence) / found.se)
    assert 10 < np.sum(np.square(scores)) < 38  # χ² of 20 degrees of freedom, 95 % and 99 %


@pytest.mark.parametrize(("n", "d", "covariance"), [(9, 2, "full"), (9, 2, "diag"), (30, 1, "full")])
def test_one_gaussian(n, d, covariance):
    problem = pose("gaussian_mixture", blobs(n=n, d=d), n_components=1, settings={"covariance": covariance})
    target, draws, exact = drawn(problem, n=800)
    found = bridge_sampling(target, draws)
    assert found.log_evidence == pytest.approx(exact.log_evidence, abs=0.05)
    assert abs(found.log_evidence - exact.log_evidence) < 4 * found.se
    assert found.overlap == pytest.approx(0, abs=1e-12)


def test_two_gaussians_of_few_rows():
    """Copies far apart: a chain that never left one of them gives the same evidence as one that saw both."""
    X = np.r_[blobs(n=4, d=1, k=1) * 0.3, blobs(n=5, d=1, k=1, seed=2) * 0.3 + 9]
    prior = {**INFORMATIVE, "means": {"location": [4.5], "strength": 0.05}, "weights": {"concentration": 20}}
    target, draws, exact = drawn(pose("gaussian_mixture", X, n_components=2), prior, n=500)
    found = bridge_sampling(target, draws)
    assert found.log_evidence == pytest.approx(exact.log_evidence, abs=0.05)
    low = target.problem.family.n_components - 1  # the first mean, after the weight
    swap = target.renamings(np.random.default_rng(0))[1]
    one_copy = np.where((draws[..., low] > 4.5)[..., None], draws @ swap.T, draws)
    assert (one_copy[..., low] < 4.5).mean() > 0.98
    again = bridge_sampling(target, one_copy)
    assert again.log_evidence == pytest.approx(exact.log_evidence, abs=0.05)


def test_three_overlapping_gaussians():
    target, draws, exact = drawn(pose("gaussian_mixture", blobs(n=6, d=1), n_components=3), INFORMATIVE, n=800)
    found = bridge_sampling(target, draws)
    assert (found.copies, found.renamings) == (6, 6)
    assert abs(found.log_evidence - exact.log_evidence) < 4 * found.se < 0.4
    assert found.overlap > SEPARATE


@pytest.mark.parametrize("most", [2, 3])
def test_a_random_subset_of_renamings(most):
    """Some of the renamings, and draws of one copy only: less precise, and still right."""
    heads = {"heads": [1, 10, 19, 2, 9, 18], "tosses": [20] * 6}
    target, draws, exact = drawn(pose("coins", heads, n_components=3), n=1600)
    ordered = [[target.renamed(v, np.argsort(v[-3:])) for v in chain] for chain in draws]
    found = bridge_sampling(target, np.array(ordered), most=most)
    assert (found.copies, found.renamings) == (6, most)
    assert abs(found.log_evidence - exact.log_evidence) < 4 * found.se < 0.3


def test_a_random_subset_is_without_bias():
    """Twelve sets of draws: the errors in units of the standard error are standard normal, as with all renamings."""
    problem = pose("coins", {"heads": [1, 10, 19], "tosses": [20] * 3}, n_components=3, settings={"weights": "fixed"})
    scores = []
    for seed in range(12):
        target, draws, exact = drawn(problem, n=240, seed=seed)
        found = bridge_sampling(target, draws, seed=seed, most=2)
        assert found.renamings == 2
        scores.append((found.log_evidence - exact.log_evidence) / found.se)
    assert abs(np.mean(scores)) < 3.3 / np.sqrt(12)
    assert 3.1 < np.sum(np.square(scores)) < 30  # χ² of 12 degrees of freedom, 0.5 % and 99.7 %


def test_copies_on_one_another_are_not_taken_for_separate():
    """Each draw is renamed towards one copy before the normal is fitted, which pulls the two apart: not by enough."""
    alike = {"heads": [5, 5, 5], "tosses": [10, 10, 10]}
    target, draws, exact = drawn(pose("coins", alike, n_components=2, settings={"weights": "fixed"}))
    found = bridge_sampling(target, draws)
    assert 10 * SEPARATE < found.overlap < np.log(2)
    assert abs(found.log_evidence - exact.log_evidence) < 4 * found.se


def test_components_told_apart_by_labels_have_no_copies():
    target, draws, exact = drawn(pose("coins", FIVE_TRIALS, n_components=2, labels=[0, 1, -1, 0, -1]))
    found = bridge_sampling(target, draws)
    assert found.copies == 1
    assert found.log_evidence == pytest.approx(exact.log_evidence, abs=0.03)


def test_the_ratio_of_two_normals():
    """f = 7 N(0, 1), ĝ = N(0.3, 1.2²): r = 7, autocorrelated draws included in the error."""
    rng = np.random.default_rng(3)
    g = stats.norm(0.3, 1.2)

    def log_ratio(x):
        return np.log(7) + stats.norm.logpdf(x) - g.logpdf(x)

    errors, scores = [], []
    for _ in range(25):
        x = np.empty((2, 600))
        x[:, 0] = rng.normal(size=2)
        for t in range(1, 600):
            x[:, t] = 0.9 * x[:, t - 1] + np.sqrt(1 - 0.81) * rng.normal(size=2)
        log_r, se, effective, _ = optimal_bridge(log_ratio(x), log_ratio(g.rvs(1200, random_state=rng)))
        errors.append(log_r - np.log(7))
        scores.append(errors[-1] / se)
        assert effective < 600
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(25)
    assert 0.6 < np.std(scores) < 1.5


def test_what_cannot_be_estimated_is_refused():
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    target, draws, _ = drawn(problem, n=50)
    with pytest.raises(eb.InputError, match="at least 60 draws"):
        bridge_sampling(target, draws)
    with pytest.raises(eb.InputError, match="must have shape"):
        bridge_sampling(target, draws[0])
    many = unconstrained(pose("coins", {"heads": [5] * 12, "tosses": [10] * 12}, n_components=10))
    with pytest.raises(eb.InputError, match="equal copies"):
        bridge_sampling(many, np.zeros((1, 1000, 19)))
    with pytest.raises(eb.InputError, match="same model"):
        optimal_bridge(np.full((1, 10), -np.inf), np.zeros(10))


def test_each_half_fits_and_the_other_estimates(monkeypatch):
    """What a proposal was fitted to is never what it is judged by; R-hat has the draws in their order."""
    target, draws, _ = drawn(pose("coins", FIVE_TRIALS, n_components=2, labels=[0, 1, -1, 0, -1]))
    fitted, judged = [], []
    fit, shuffle = bridge.symmetric_proposal, bridge.shuffled_draws
    monkeypatch.setattr(bridge, "symmetric_proposal", lambda t, v, *more: fitted.append(v) or fit(t, v, *more))
    monkeypatch.setattr(bridge, "shuffled_draws", lambda t, v, *more: judged.append(v) or shuffle(t, v, *more))
    found = bridge_sampling(target, draws)
    halves = [draws[:, :200], draws[:, 200:]]
    for used, half in ((fitted[0], halves[0]), (fitted[1], halves[1])):
        np.testing.assert_array_equal(used, half.reshape(-1, target.size))
    for used, half in ((judged[0], halves[1]), (judged[1], halves[0])):
        np.testing.assert_array_equal(used, half)
    heights = np.array([target.many(chain) for chain in draws])
    assert found.rhat == pytest.approx(split_rhat(heights))


def test_draws_of_another_posterior_give_no_number():
    """Of other data, or another prior: the bridge is wrong by nats and its error small; the slope tells."""
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    target, own, _ = drawn(problem)
    _, other, _ = drawn(pose("coins", {"heads": [1, 2, 1, 0, 2], "tosses": [10] * 5}, n_components=2))
    steep = unconstrained(problem, {"probs": {"a": 20, "b": 2}})
    assert bridge_row(target, own, 0)[0].misfit < 4
    for asked, draws in ((target, other), (steep, own)):
        found = bridge_sampling(asked, draws)
        assert abs(found.log_evidence - exact_posterior(problem, asked.prior).log_evidence) > 20 * found.se
        silent, row = bridge_row(asked, draws, 0)
        assert silent is None
        assert row.value is None
        assert "not of this posterior" in row.remark


def test_the_misfit_of_draws_of_the_posterior_is_standard_normal():
    """A slope of 1: E|z| = √(2/π), autocorrelated draws included; of a density that is not f it grows with √S."""
    rng, g = np.random.default_rng(5), stats.norm(0.3, 1.2)

    def log_ratio(x):
        return stats.norm.logpdf(x) - g.logpdf(x)

    def misfit(size, scale):
        x = np.empty((2, size))
        x[:, 0] = rng.normal(size=2)
        for t in range(1, size):
            x[:, t] = 0.7 * x[:, t - 1] + np.sqrt(1 - 0.49) * rng.normal(size=2)
        ours, theirs = log_ratio(scale * x), log_ratio(g.rvs(4 * size, random_state=rng))
        return misfit_of(ours, theirs, optimal_bridge(ours, theirs)[0])

    scores = [misfit(400, 1.0) for _ in range(60)]
    assert np.mean(scores) == pytest.approx(np.sqrt(2 / np.pi), abs=4 * 0.6 / np.sqrt(60))
    assert max(scores) < 4
    assert misfit(4000, 1.3) > 6
