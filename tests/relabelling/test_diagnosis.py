"""Diagnosis: margins against all K!, doubt against known errors, modes by chain, and what is said of each case."""

from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest
import xarray as xr
from cases import blobs
from scipy.optimize import minimize
from scipy.special import softmax
from scipy.stats import norm

import emvsbayes as eb
from emvsbayes.core.records import record_fields
from emvsbayes.relabelling import diagnose_draws, diagnose_labels, relabel_draws
from emvsbayes.relabelling.assignments import assignments
from emvsbayes.relabelling.chain_modes import chain_gaps, grouped
from emvsbayes.relabelling.disagreement import disagreement
from emvsbayes.relabelling.margins import doubts, folded_normal, margins


@pytest.mark.parametrize(
    "classes", [[0, 0], [0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0], [0] * 7]
)
def test_margins_are_the_gap_to_the_second_best_of_all_permutations(classes):
    """By the shortest cycle, and by listing all K!; the margin of a slot by listing those that move it."""
    k, classes = len(classes), np.array(classes)
    allowed = np.array([p for p in permutations(range(k)) if (classes[list(p)] == classes).all()])
    for whole in (False, True):  # whole numbers bring ties
        gains = np.random.default_rng(k).normal(size=(30, k, k)) * 3
        gains = np.round(gains) if whole else gains
        best = assignments(gains, classes)
        found = margins(gains, best, classes)
        score = gains[:, allowed, np.arange(k)].sum(axis=2)
        for s in range(30):
            others = (allowed != best[s]).any(axis=1)
            assert found.margin[s] == pytest.approx(score[s].max() - score[s][others].max(), abs=1e-9)
            for slot in range(k):
                moving = allowed[:, slot] != best[s, slot]
                assert found.slots[s, slot] == pytest.approx(score[s].max() - score[s][moving].max(), abs=1e-9)


def test_a_slot_alone_in_its_class_has_no_margin_and_no_doubt():
    gains = np.random.default_rng(0).normal(size=(5, 3, 3))
    found = margins(gains, assignments(gains, np.array([0, 1, 0])), np.array([0, 1, 0]))
    assert np.isinf(found.slots[:, 1]).all()
    assert (found.slot_doubts[:, 1] == 0).all()
    alone = margins(gains, np.tile(np.arange(3), (5, 1)), np.arange(3))
    assert (alone.doubt == 0).all()


@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0, 4.0])
def test_the_folded_normal_is_fitted_by_maximum_likelihood(mu):
    values = np.abs(mu + np.random.default_rng(1).normal(size=4000))

    def height(at):
        return -np.logaddexp(*(norm.logpdf(values, mean, np.exp(at[1])) for mean in (at[0], -at[0]))).sum()

    ends = [minimize(height, [start, 0.0], method="Nelder-Mead", options={"fatol": 1e-9}) for start in (0.1, mu)]
    best = min(ends, key=lambda end: end.fun)
    mean, variance = folded_normal(values)
    assert height([mean, np.log(variance) / 2]) <= best.fun + 1e-4
    if mu > 0.5:  # nearer to 0 the likelihood is flat
        assert (mean, variance) == pytest.approx((abs(best.x[0]), np.exp(2 * best.x[1])), rel=2e-3)


@pytest.mark.parametrize("mu", [1.0, 1.5, 2.0, 3.0])
def test_doubt_is_the_share_of_wrong_signs(mu):
    """Two copies at ±μ, named by the nearer one: the error of that rule is Φ(-μ), and the doubt says so."""
    delta = mu + np.random.default_rng(2).normal(size=20_000)
    doubt = doubts(np.abs(delta))
    assert doubt.mean() == pytest.approx(norm.cdf(-mu), abs=0.012)
    unsure = (doubt > 0.3) & (doubt < 0.4)
    assert (delta < 0)[unsure].mean() == pytest.approx(0.35, abs=0.05)


def test_doubt_without_spread():
    assert (doubts(np.zeros(4)) == 0.5).all()
    np.testing.assert_array_equal(doubts(np.full(4, 2.0)), 0.0)
    np.testing.assert_array_equal(doubts(np.full(3, np.inf)), 0.0)


def test_disagreement_is_the_best_over_all_renamings():
    rng = np.random.default_rng(3)
    first = np.array([rng.permutation(3) for _ in range(60)])
    second = first[:, [2, 0, 1]].copy()
    assert disagreement(first, second)[0] == 0.0
    second[:9] = second[:9, [1, 0, 2]]
    share, slots = disagreement(first, second)
    assert share == pytest.approx(9 / 60)
    np.testing.assert_allclose(slots, [9 / 60, 0, 9 / 60])
    other = np.array([rng.permutation(3) for _ in range(60)])
    forced = min((first != other[:, list(g)]).any(axis=1).mean() for g in permutations(range(3)))
    assert disagreement(first, other)[0] == pytest.approx(forced)


# chains and modes


def ar(rng, chains, draws, shape, rho):
    """Chains of variance 1 and autocorrelation ρ, from the start stationary."""
    noise = rng.normal(size=(chains, draws, *shape))
    out = noise.copy()
    for t in range(1, draws):
        out[:, t] = rho * out[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return out


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_chains_of_one_mode_are_seldom_told_apart_and_distant_ones_always(rho):
    """30 coordinates; with ρ = 0.9 an ESS of about 10 a chain. 60 runs of four chains, one of them then moved."""
    rng, wrong, found = np.random.default_rng(4), 0, 0
    for _ in range(60):
        fields = {"m": ar(rng, 4, 200, (3, 10), rho) + 9 * np.arange(3)[:, None]}
        wrong += len(set(grouped(chain_gaps(fields, np.zeros(3, dtype=int))))) > 1
        fields["m"][2, :, 1, 4] += 5.0
        found += grouped(chain_gaps(fields, np.zeros(3, dtype=int))) == [0, 0, 1, 0]
    assert wrong == 0
    assert found >= 57


def test_a_renamed_chain_is_no_other_mode_within_its_class():
    rng = np.random.default_rng(5)
    fields = {"m": ar(rng, 2, 100, (3, 2), 0.5) + np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])}
    fields["m"][1] = fields["m"][1][:, [2, 0, 1]]
    assert grouped(chain_gaps(fields, np.zeros(3, dtype=int))) == [0, 0]
    assert grouped(chain_gaps(fields, np.arange(3))) == [0, 1]
    fields["still"] = np.ones((2, 100, 3))
    assert grouped(chain_gaps(fields, np.zeros(3, dtype=int))) == [0, 0]
    fields["still"][1] = 2.0
    assert grouped(chain_gaps(fields, np.zeros(3, dtype=int))) == [0, 1]


def test_probabilities_near_0_and_1_and_other_units_are_no_modes():
    """Rows far inside a component have probabilities such as 1e-15, which move by as little."""
    rng = np.random.default_rng(6)
    means = 12 * np.arange(3.0) + rng.normal(0, 0.2, (4, 200, 3))
    logs = -0.5 * (np.array([0.3, 12.1, 23.8, 5.0])[:, None] - means[:, :, None]) ** 2
    p = np.exp(logs - logs.max(axis=3, keepdims=True))
    fields = {"means": means, "p": np.moveaxis(p / p.sum(axis=3, keepdims=True), 3, 2), "mass": means * 1e15}
    assert grouped(chain_gaps(fields, np.zeros(3, dtype=int))) == [0, 0, 0, 0]
    fields["p"][3, :, 0, 3] = 0.5
    assert grouped(chain_gaps(fields, np.zeros(3, dtype=int))) == [0, 0, 0, 1]


def case(apart, *, chains=4, draws=100, n=60, k=2, switching=True, seed=0):
    """Draws of k means on a line, `apart` posterior deviations apart, each chain or each draw under its own labels."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-3, 3, n)
    means = apart * np.arange(k) + rng.normal(size=(chains * draws, k))
    r = softmax(-0.5 * (x[:, None] * apart / 2 + apart * (k - 1) / 2 - means[:, None]) ** 2, axis=2)
    turn = [rng.permutation(k) for _ in range(chains * draws if switching else chains)]
    turns = np.array(turn) if switching else np.repeat(turn, draws, axis=0)
    return {
        "draws": {"means": np.take_along_axis(means, turns, axis=1)},
        "probabilities": np.take_along_axis(r, turns[:, None], axis=2),
        "chains": chains,
    }, turns


def test_settled_draws_are_left():
    options, _ = case(30.0, switching=False, chains=1)
    found = diagnose_draws(**options)
    assert (found.level, found.switches, found.labellings_visited, found.modes) == ("settled", [0], 1, [0])
    assert found.doubt < 1e-6
    assert "as they are" in found.summary()


def test_chains_under_other_labels_are_no_other_modes():
    options, turns = case(30.0, switching=False, k=3)
    found = diagnose_draws(**options)
    assert found.level == "switched"
    assert found.switches == [0] * 4
    assert found.labellings_visited == len(np.unique(turns, axis=0)) > 1
    assert found.labellings_possible == 6
    assert found.modes == [0] * 4
    assert "the chains sit under different labels" in found.summary()


def test_switches_are_counted_by_chain():
    options, turns = case(30.0, k=3)
    found = diagnose_draws(**options)
    expected = (np.diff(turns.reshape(4, 100, 3), axis=1) != 0).any(axis=2).sum(axis=1)
    assert found.switches == expected.tolist()
    assert sum(found.labelling_shares.values()) == pytest.approx(1.0)
    assert found.level == "switched"
    assert set(found.disagreements) == {"stephens / pra"}
    json.dumps(found.to_dict())


@pytest.mark.parametrize("evidence", ["probabilities", "allocations", None])
def test_overlap_is_called_overlap(evidence):
    """Components half a posterior deviation apart: whatever is looked at, no labelling is trusted."""
    options, _ = case(0.5, k=3)
    r = options.pop("probabilities")
    if evidence == "probabilities":
        options["probabilities"] = r
    if evidence == "allocations":
        rng = np.random.default_rng(0)
        options["allocations"] = (r.cumsum(axis=2) < rng.random((*r.shape[:2], 1))).sum(axis=2).clip(0, 2)
    found = diagnose_draws(**options)
    assert found.level == "overlap"
    assert len(found.confused) > 1
    assert "mean little even after relabelling" in found.summary()


def test_confused_components_are_named():
    """Two of four components lie together; the other two are far from them and from each other."""
    rng = np.random.default_rng(6)
    means = np.array([0.0, 0.5, 40.0, 80.0]) + rng.normal(size=(400, 4))
    found = diagnose_draws({"means": means}, chains=2, method="constraint")
    slots = relabel_draws({"means": means}, method="constraint").apply(means).mean(axis=0)
    assert found.confused == [0, 1]
    assert slots[2:] == pytest.approx([40, 80], abs=1)
    assert "Components 0 and 1 overlap" in found.summary()


def test_chains_in_other_modes_are_named_with_their_heights():
    options, _ = case(30.0, chains=3, switching=False)
    means = options["draws"]["means"].reshape(3, 100, 2)
    means[1] = 4 * means[1]
    height = np.repeat([-10.0, -25.0, -10.5], 100)
    found = diagnose_draws({"means": means.reshape(300, 2)}, chains=3, log_posterior=height)
    assert found.level == "modes"
    assert found.modes == [0, 1, 0]
    text = found.summary()
    assert "chains 0, 2 (mean log posterior -10.25); chain 1 (mean log posterior -25.00)" in text
    assert "mean nothing" in text
    assert found.gaps[0][1] > 3 > found.gaps[0][2]


def test_fewer_than_ten_draws_say_nothing_of_modes():
    assert diagnose_draws({"m": np.random.default_rng(0).normal(size=(16, 2)) * 99}, chains=4).modes == [0] * 4


def test_components_that_cannot_change_places():
    options, _ = case(5.0)
    found = diagnose_draws(**options, classes=[0, 1])
    assert (found.labellings_possible, found.labellings_visited, found.level) == (1, 1, "settled")
    assert "no label is arbitrary" in found.summary()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chains": 3}, ["400 draws", "3 chains"]),
        ({"chains": 0}, ["chains", "0"]),
        ({"method": "ecrr"}, ["ecrr"]),
        ({"beside": ["data-based"]}, ["data-based needs data"]),
        ({"probabilities": np.ones((400, 5, 2))}, ["add to 1"]),
    ],
)
def test_bad_input_is_told_in_one_sentence(options, words):
    with pytest.raises(eb.InputError) as caught:
        diagnose_draws(**{**case(5.0)[0], **options})
    for word in words:
        assert word in str(caught.value)


def test_the_climbs_of_em_tell_which_mode_a_chain_is_in():
    """Two optima of one mixture: chains about either, under any labels, are told apart with their heights."""
    x = blobs(n=90, k=3) * [1.0, 1.0] + [[0.0, 0.0], [12.0, 0.0], [6.0, 14.0]] * 30
    fits = [
        eb.fit("gaussian_mixture", x, n_components=2, settings={"covariance": "spherical"}, prior="default", start=s)
        for s in ({"means": [[6.0, 0.0], [6.0, 14.0]]}, {"means": [[0.0, 0.0], [9.0, 7.0]]})
    ]
    assert abs(fits[0].log_posterior - fits[1].log_posterior) > 1
    rng, sets = np.random.default_rng(7), {}
    for name, dims in {"weights": ("k",), "means": ("k", "d"), "covariances": ("k",)}.items():
        values = [record_fields(fit.params)[name] for fit in (fits[0], fits[1], fits[0])]
        draws = np.stack([v * np.exp(0.02 * rng.normal(size=(30, *v.shape))) for v in values])
        draws[2] = draws[2][:, ::-1]
        sets[name] = (("chain", "draw", *dims), draws)
    sets["weights"][1][:] /= sets["weights"][1].sum(axis=-1, keepdims=True)
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(sets), "observed_data": xr.Dataset({"X": (("n", "d"), x)})})
    found = diagnose_labels(tree, pivot=fits[0], dim="k")
    assert found.method == "ecr"
    heights = [fits[0].log_posterior, fits[1].log_posterior, fits[0].log_posterior]
    np.testing.assert_allclose(found.mode_log_posterior, heights, atol=1e-3)
    assert found.modes == [0, 1, 0]
    assert found.level == "modes"
    assert f"EM from there ends at a log posterior of {heights[1]:.2f}" in found.summary()
    assert diagnose_labels(tree, pivot=fits[0], dim="k", climb=False).mode_log_posterior is None


def test_an_algorithm_that_spoils_steady_chains_is_found_out():
    """Chains that never switch, one in another mode: pra towards a poor pivot mixes what the sampler kept apart."""
    rng = np.random.default_rng(0)
    means = np.array([0.0, 2.5, 9.0]) + rng.normal(size=(4, 300, 3))
    means[2] += [6.0, 0.0, 0.0]
    weights = rng.dirichlet([20.0] * 3, (4, 300))
    for c in range(4):
        order = rng.permutation(3)
        means[c], weights[c] = means[c][:, order], weights[c][:, order]
    draws = {"means": means.reshape(1200, 3), "weights": weights.reshape(1200, 3)}
    found = diagnose_draws(draws, chains=4, log_posterior=rng.normal(size=1200))
    assert found.spoiled == [0, 1, 2, 3]
    assert found.modes == [0, 0, 1, 0]
    assert found.level == "modes"
    assert "it is pra that errs" in found.summary()
    good = diagnose_draws(draws, chains=4, method="constraint:means")
    assert good.spoiled == []


@pytest.mark.parametrize("apart", [0.5, 2.0, 4.0, 30.0])
def test_no_algorithm_is_blamed_for_chains_that_switch(apart):
    for k in (2, 3):
        assert diagnose_draws(**case(apart, k=k)[0]).spoiled == []


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5])
def test_a_chain_that_switches_now_and_then_is_no_mode_of_its_own(share):
    rng = np.random.default_rng(1)
    means = np.array([0.0, 50.0, 100.0]) + rng.normal(size=(2, 400, 3))
    swapped = rng.random(400) < share
    means[1, swapped] = means[1, swapped][:, [1, 0, 2]]
    assert diagnose_draws({"means": means.reshape(800, 3)}, chains=2).modes == [0, 0]
