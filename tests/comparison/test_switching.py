"""Label switching on posteriors made up with known labellings."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
import xarray as xr
from cases import FIVE_TRIALS, blobs

import emvsbayes as eb
from emvsbayes.bayes.diagnosis import diagnose
from emvsbayes.comparison.scalars import scalars
from emvsbayes.comparison.switching import RHAT, compare_switching, unresolved
from emvsbayes.relabelling import permute_tree, relabel_draws

CHAINS, DRAWS, K = 4, 200, 3
FIT = eb.fit("gaussian_mixture", blobs(n=60, k=K), n_components=K, settings={"covariance": "spherical"}, n_starts=3)
SCALARS = scalars(FIT.params, FIT.family, ("a", "b"))
TRUTH = np.arange(30) % K


def made_up(turns, shift=None, rng=None, diverging=0):
    """Raw and relabelled trees of draws with labelling turns[c, d]; `shift` (chains,) moves a chain elsewhere."""
    rng = rng or np.random.default_rng(0)
    chains, draws, k = turns.shape
    shift = np.zeros(chains) if shift is None else np.asarray(shift)
    straight = {
        "weights": rng.dirichlet(np.full(k, 500.0), (chains, draws)),
        "means": 5.0 * np.arange(k)[:, None] + rng.normal(size=(chains, draws, k, 2)) + shift[:, None, None, None],
        "covariances": rng.gamma(50.0, 0.02, (chains, draws, k)),
    }
    raw = {
        name: np.take_along_axis(value, turns.reshape(*turns.shape, *[1] * (value.ndim - 3)), axis=2)
        for name, value in straight.items()
    }
    dims = ("chain", "draw", "component", "feature")
    posterior = xr.Dataset({name: (dims[: v.ndim], v) for name, v in raw.items()})
    posterior = posterior.assign_coords(chain=np.arange(chains), draw=np.arange(draws), component=np.arange(k))
    flags = np.zeros((chains, draws), dtype=bool)
    flags[0, :diverging] = True
    stats = xr.Dataset(
        {
            "diverging": (("chain", "draw"), flags),
            "energy": (("chain", "draw"), rng.normal(size=(chains, draws))),
            "reached_max_treedepth": (("chain", "draw"), np.zeros((chains, draws), dtype=bool)),
            "tree_depth": (("chain", "draw"), np.full((chains, draws), 3)),
        }
    ).assign_coords(chain=np.arange(chains), draw=np.arange(draws))
    likelihood = xr.Dataset(
        {"X": (("chain", "draw", "obs_id"), -1.0 - shift[:, None, None] + np.zeros((1, draws, 30)))}
    )
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats, "log_likelihood": likelihood})
    z = np.argsort(turns, axis=2)[:, :, TRUTH].reshape(-1, 30)
    found = relabel_draws({"means": raw["means"].reshape(-1, k, 2)}, allocations=z, pivot=TRUTH)
    return tree, permute_tree(tree, found), straight


def switching(turns, **options):
    raw, relabelled, _ = made_up(np.asarray(turns), **options)
    return compare_switching(SCALARS, raw, relabelled, "the MAP fit of EM", diagnose(relabelled))


def constant(*orders):
    """Chain c stays in the labelling orders[c]."""
    return np.repeat(np.array(orders)[:, None, :], DRAWS, axis=1)


IDENTITY = (0, 1, 2)


def test_one_labelling():
    found = switching(constant(*[IDENTITY] * CHAINS))
    assert (found.chains, found.draws) == (CHAINS, DRAWS)
    assert found.switches == [0, 0, 0, 0]
    assert (found.labellings_visited, found.labellings_possible) == (1, factorial(K))
    assert found.labelling_shares == {"0 1 2": 1.0}
    assert found.agreement == [1.0] * CHAINS
    assert unresolved(found) == ""
    for c in found.convergence:
        assert c.rhat_before == pytest.approx(c.rhat_after)
        assert c.rhat_after < 1.02


def test_every_chain_in_a_labelling_of_its_own():
    found = switching(constant(IDENTITY, (1, 2, 0), (2, 1, 0), IDENTITY))
    assert found.switches == [0, 0, 0, 0]
    assert found.labellings_visited == 3
    assert found.labelling_shares["0 1 2"] == 0.5
    assert sum(found.labelling_shares.values()) == pytest.approx(1)
    means = [c for c in found.convergence if c.name.startswith("means")]
    assert min(c.rhat_before for c in means) > 1.3
    assert max(c.rhat_after for c in means) < 1.03
    assert min(c.ess_after for c in means) > 10 * max(c.ess_before for c in means)
    assert len(found.convergence) == K * (1 + 2 + 1)


def test_switches_within_chains_are_counted():
    turns = constant(*[IDENTITY] * CHAINS)
    turns[1, 50:] = (1, 0, 2)
    turns[2, 10:20] = (2, 0, 1)
    turns[3, 100:] = (1, 0, 2)
    turns[3, 150:] = (0, 2, 1)
    found = switching(turns)
    assert found.switches == [0, 1, 2, 2]
    assert found.labellings_visited == 4
    assert found.labelling_shares["1 0 2"] == pytest.approx((150 + 50) / (CHAINS * DRAWS))
    assert unresolved(found) == ""


def test_every_draw_in_a_random_labelling():
    rng = np.random.default_rng(1)
    turns = np.array([[rng.permutation(K) for _ in range(DRAWS)] for _ in range(CHAINS)])
    found = switching(turns)
    expected = (turns[:, 1:] != turns[:, :-1]).any(axis=2).sum(axis=1)
    assert found.switches == expected.tolist()
    assert found.labellings_visited == 6
    assert unresolved(found) == ""


def test_chains_in_different_modes_are_unresolved():
    found = switching(constant(*[IDENTITY] * CHAINS), shift=[0, 0, 0, 3.0])
    reason = unresolved(found)
    assert "labels are unresolved" in reason
    assert "\n" not in reason
    worst = max(found.convergence, key=lambda c: c.rhat_after)
    assert f"R-hat of {worst.name} is {worst.rhat_after:.2f}" in reason
    assert f"from {-30 * 4:.1f} to {-30:.1f}" in reason
    assert found.log_likelihood == pytest.approx([-30, -30, -30, -120])
    assert any("R-hat" in line for line in found.diagnosis)


def test_the_bound_itself_is_not_passed():
    assert RHAT == 1.01
    found = switching(constant(*[IDENTITY] * CHAINS), shift=[0, 0.2, 0, -0.2])
    worst = max(c.rhat_after for c in found.convergence)
    assert worst > 1.01
    assert f"{worst:.2f}" in unresolved(found)


def test_divergences_are_counted_and_told():
    found = switching(constant(*[IDENTITY] * CHAINS), diverging=7)
    assert found.divergences == 7
    assert any(line.startswith("7 divergent transitions") for line in found.diagnosis)
    calm = switching(constant(*[IDENTITY] * CHAINS))
    assert calm.divergences == 0
    assert not any("divergent" in line for line in calm.diagnosis)


def test_the_trace_shows_what_tells_components_apart():
    turns = constant(IDENTITY, (1, 2, 0), IDENTITY, IDENTITY)
    raw, relabelled, straight = made_up(turns)
    found = compare_switching(SCALARS, raw, relabelled, "pivot", []).trace
    assert found.name in ("means[k, a]", "means[k, b]")
    column = "ab".index(found.name[-2])
    assert len(found.draw) * K <= 500
    assert (found.draw[0], found.draw[-1]) == (0, DRAWS - 1)
    np.testing.assert_array_equal(
        np.array(found.after), np.moveaxis(straight["means"][..., column], 2, 1)[:, :, found.draw]
    )
    np.testing.assert_array_equal(
        np.array(found.before), np.moveaxis(raw["posterior"]["means"].values[..., column], 2, 1)[:, :, found.draw]
    )


def test_series_stay_small():
    turns = np.repeat(constant(*[IDENTITY] * 2), 20, axis=1)  # 4000 draws
    found = switching(turns)
    assert found.draws == 4000
    assert sum(len(component) for component in found.trace.before[0]) <= 500


def test_one_chain_alone_cannot_be_called_resolved():
    """R-hat of one chain would compare its halves only with one another; what is not known must not pass as fine."""
    found = switching(constant(IDENTITY))
    if any(c.rhat_after is None for c in found.convergence):
        assert unresolved(found) != ""


def test_labels_that_are_not_arbitrary():
    """The same tree twice: nothing was relabelled, one labelling is possible, and both R-hats are that of the draws."""
    raw, _, _ = made_up(constant(*[IDENTITY] * CHAINS))
    found = compare_switching(SCALARS, raw, raw, "pivot", [])
    assert not found.exchangeable
    assert (found.labellings_visited, found.labellings_possible) == (1, 1)
    assert found.switches == [0] * CHAINS
    assert found.method == ""
    assert all(c.rhat_before == c.rhat_after for c in found.convergence)


def test_one_component_has_one_labelling():
    fit = eb.fit("coins", FIVE_TRIALS, n_components=1)
    listed = scalars(fit.params, fit.family, ())
    rng = np.random.default_rng(0)
    posterior = xr.Dataset(
        {
            "weights": (("chain", "draw", "component"), np.ones((2, 50, 1))),
            "probs": (("chain", "draw", "component"), rng.beta(3, 3, (2, 50, 1))),
        }
    ).assign_coords(chain=[0, 1], draw=np.arange(50), component=[0])
    raw, _, _ = made_up(np.repeat(np.array([[IDENTITY]] * 2), 50, axis=1))
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": raw["sample_stats"].to_dataset(),
            "log_likelihood": raw["log_likelihood"].to_dataset(),
        }
    )
    found = relabel_draws({"probs": posterior["probs"].values.reshape(-1, 1)}, allocations=np.zeros((100, 5)))
    result = compare_switching(listed, tree, permute_tree(tree, found), "pivot", [])
    assert (result.labellings_visited, result.labellings_possible) == (1, 1)
    assert result.switches == [0, 0]
    by_name = {c.name: c for c in result.convergence}
    assert by_name["weights[0]"].rhat_after is None  # a constant has no R-hat
    assert by_name["probs[0]"].rhat_after < 1.1
