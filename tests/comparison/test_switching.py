"""Label switching on posteriors made up with known labellings."""

from __future__ import annotations

from dataclasses import replace
from math import factorial

import numpy as np
import pytest
import xarray as xr
from cases import FIVE_TRIALS, blobs

import emvsbayes as eb
from emvsbayes.bayes.diagnosis import diagnose
from emvsbayes.comparison.switching import RHAT, SAME_MODE, compare_switching, unresolved, worst_rhat
from emvsbayes.core.scalars import scalars
from emvsbayes.relabelling import permute_tree, relabel_draws

CHAINS, DRAWS, K = 4, 200, 3
FIT = eb.fit("gaussian_mixture", blobs(n=60, k=K), n_components=K, settings={"covariance": "spherical"}, n_starts=3)
SCALARS = scalars(FIT.params, FIT.family, ("a", "b"))
TRUTH = np.arange(30) % K


def made_up(turns, shift=None, rng=None, diverging=0, classes=None):
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
    classes = np.zeros(k, dtype=int) if classes is None else np.asarray(classes)
    found = relabel_draws({"means": raw["means"].reshape(-1, k, 2)}, allocations=z, pivot=TRUTH, classes=classes)
    return tree, permute_tree(tree, found, classes), straight


def switching(turns, modes=None, **options):
    raw, relabelled, _ = made_up(np.asarray(turns), **options)
    modes = [-200.0] * len(turns) if modes is None else modes
    return compare_switching(SCALARS, raw, relabelled, "the MAP fit of EM", diagnose(relabelled), modes)


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
    found = switching(constant(*[IDENTITY] * CHAINS), modes=[-200, -200.01, -200, -203.04], shift=[0, 0, 0, 3.0])
    reason = unresolved(found)
    worst = max(found.convergence, key=lambda c: c.rhat_after)
    assert worst_rhat(found) == (worst.rhat_after, worst.name)
    assert reason.startswith(f"R-hat of {worst.name} is {worst.rhat_after:.2f} after relabelling: chain 3 ended at a ")
    assert "its log posterior is lower by 3 (in nats)" in reason
    assert "cannot say how much of the posterior lies there" in reason
    assert "too short" not in reason
    assert reason.endswith(".")
    assert "\n" not in reason
    assert found.mode_log_posterior == [-200, -200.01, -200, -203.04]
    assert found.log_likelihood == pytest.approx([-30, -30, -30, -120])
    assert found.agreement == [1.0] * CHAINS
    assert any("R-hat" in line for line in found.diagnosis)


@pytest.mark.parametrize(
    ("modes", "words", "absent"),
    [
        ([-200, -202.5, -200, -204.25], ["chains 1, 3 ended", "lower by 2.5 to 4.2 (in nats)"], ["too short"]),
        ([-202.5, -200, -202.5, -202.5], ["chains 0, 2, 3 ended", "lower by 2.5 (in nats)"], [" to "]),
        ([-200, None, -200, -201], [": chain 3 ended", "lower by 1 (in nats)"], ["1, 3", "too short"]),
        # one mode, to within what EM leaves to gain: nothing is said of other modes
        ([-200, -200.04, -200, -200.0], ["same mode", "chains are too short"], ["ended at a mode", "lower"]),
        ([-200 - 1.01 * SAME_MODE, -200, -200, -200], [": chain 0 ended", "lower by 0.1 (in nats)"], ["too short"]),
    ],
)
def test_which_chains_are_stuck_is_told(modes, words, absent):
    found = switching(constant(*[IDENTITY] * CHAINS), modes=modes, shift=[0, 0, 0, 3.0])
    reason = unresolved(found)
    for word in words:
        assert word in reason
    for word in absent:
        assert word not in reason
    assert not reason.endswith("..")
    assert "None" not in reason


def test_where_em_reaches_no_mode_nothing_is_said_of_one():
    """Runs that collapse know no mode, so that neither another mode nor the same one may be claimed."""
    reason = unresolved(switching(constant(*[IDENTITY] * CHAINS), modes=[None] * CHAINS, shift=[0, 0, 0, 3.0]))
    assert "R-hat of" in reason
    assert "reaches the same mode" not in reason
    assert "ended at a mode" not in reason


def test_low_modes_are_no_complaint_where_r_hat_is_fine():
    found = switching(constant(*[IDENTITY] * CHAINS), modes=[-200, -230, -200, -200])
    assert worst_rhat(found)[0] <= RHAT
    assert unresolved(found) == ""


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
    found = compare_switching(SCALARS, raw, relabelled, "pivot", [], [None] * CHAINS).trace
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
    """R-hat of one chain does not exist; what is not known must not pass as fine."""
    found = switching(constant(IDENTITY))
    assert [c.rhat_after for c in found.convergence] == [None] * len(found.convergence)
    assert worst_rhat(found) == worst_rhat(found, after=False) == (None, found.convergence[0].name)
    reason = unresolved(found)
    assert reason.startswith(f"R-hat of {found.convergence[0].name} does not exist: it needs two chains or more")
    assert reason.endswith(".")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_draw_that_is_no_number_is_worse_than_any_r_hat(bad):
    raw, relabelled, _ = made_up(constant(*[IDENTITY] * CHAINS))
    for tree in (raw, relabelled):
        draws = tree["posterior"]["means"].values.copy()
        draws[2, 17, 1, 0] = bad
        tree["posterior"] = tree["posterior"].to_dataset().assign(means=(tree["posterior"]["means"].dims, draws))
    with np.errstate(invalid="ignore"):
        found = compare_switching(SCALARS, raw, relabelled, "pivot", [], [-200.0] * CHAINS)
    by_name = {c.name: c.rhat_after for c in found.convergence}
    assert by_name["means[1, a]"] is None
    assert by_name["means[1, b]"] is not None
    assert worst_rhat(found) == (None, "means[1, a]")
    assert unresolved(found).startswith("R-hat of means[1, a] does not exist")


def test_the_worst_r_hat_is_the_largest_of_those_asked_for():
    found = switching(constant(IDENTITY, (1, 2, 0), (2, 1, 0), IDENTITY))
    before, name = worst_rhat(found, after=False)
    assert before == max(c.rhat_before for c in found.convergence)
    assert before == next(c.rhat_before for c in found.convergence if c.name == name)
    assert worst_rhat(found)[0] == max(c.rhat_after for c in found.convergence) < before
    nothing = replace(found, convergence=[])
    assert worst_rhat(nothing) == (None, "")
    assert unresolved(nothing).startswith("R-hat of the draws does not exist")


@pytest.mark.parametrize(("classes", "possible"), [([0, 1, 2], 1), ([0, 1, 1], 2), ([2, 2, 2], 6), ([0, 5, 0], 2)])
def test_labellings_are_counted_within_classes(classes, possible):
    """No draw can be renamed across classes; what is possible is the product of the factorials of their sizes."""
    rng = np.random.default_rng(1)
    turns = np.array([[rng.permutation(K) for _ in range(DRAWS)] for _ in range(CHAINS)])
    found = switching(turns, classes=classes)
    assert found.labellings_possible == possible
    assert found.labellings_visited == possible
    for move in found.labelling_shares:
        assert all(classes[int(old)] == classes[slot] for slot, old in enumerate(move.split()))


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
    relabelled = permute_tree(tree, found, np.zeros(1, dtype=int))
    result = compare_switching(listed, tree, relabelled, "pivot", [], [-10.0, -10.0])
    assert (result.labellings_visited, result.labellings_possible) == (1, 1)
    assert result.switches == [0, 0]
    assert [c.name for c in result.convergence] == ["probs[0]"]  # a weight of 1 is no parameter
    assert result.convergence[0].rhat_after < 1.1


def test_a_constant_has_no_convergence_to_speak_of():
    """A scalar that never moves has no R-hat: it is left out, and does not make the labels unresolved."""
    raw, relabelled, _ = made_up(constant(*[IDENTITY] * CHAINS))
    for tree in (raw, relabelled):
        dataset = tree["posterior"].to_dataset()
        tree["posterior"] = dataset.assign(covariances=xr.ones_like(dataset["covariances"]))
    found = compare_switching(SCALARS, raw, relabelled, "pivot", [], [-200.0] * CHAINS)
    assert {c.name.split("[")[0] for c in found.convergence} == {"weights", "means"}
    assert unresolved(found) == ""
