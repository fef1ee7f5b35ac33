"""Trees that this package did not write: dimensions under other names, labels as values, other groups."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import emvsbayes as eb
from emvsbayes.relabelling import METHODS, diagnose_labels, permute_at_random, relabel_draws

CHAINS, DRAWS, K, N = 2, 40, 3, 30
SAMPLE = ("chain", "draw")
STAN = ("mu_dim_0", "theta_dim_0", "A_dim_0", "A_dim_1", "p_dim_1")


def turned(values, turns, *axes):
    """Draws (chain, draw, …) with some axes permuted draw by draw, one draw after another."""
    out = np.empty_like(values)
    for c, d in np.ndindex(turns.shape[:2]):
        one = values[c, d]
        for axis in axes:
            one = np.take(one, turns[c, d], axis=axis)
        out[c, d] = one
    return out


def straight(seed=0, draws=DRAWS):
    """Draws of three components under one labelling: means, weights, transitions, probabilities, allocations."""
    rng = np.random.default_rng(seed)
    truth = np.arange(N) % K
    logits = 5.0 * (truth[:, None] == np.arange(K)) + rng.normal(size=(CHAINS, draws, N, K))
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return {
        "mu": 10.0 * np.arange(K)[:, None] + rng.normal(size=(CHAINS, draws, K, 2)),
        "theta": rng.dirichlet([30.0, 20.0, 10.0], (CHAINS, draws)),
        "A": rng.dirichlet(np.ones(K), (CHAINS, draws, K)) + np.eye(K),
        "p": p,
        "z": p.argmax(axis=-1),
        "tau": rng.normal(size=(CHAINS, draws)),
    }


def foreign(values, turns, first=1):
    """The draws under other labels in a tree of plain xarray, as converters from Stan and NumPyro name things."""
    slots = np.argsort(turns, axis=2)
    z = np.stack([[slots[c, d][values["z"][c, d]] for d in range(turns.shape[1])] for c in range(CHAINS)])
    posterior = {
        "mu": ((*SAMPLE, "mu_dim_0", "mu_dim_1"), turned(values["mu"], turns, 0)),
        "theta": ((*SAMPLE, "theta_dim_0"), turned(values["theta"], turns, 0), {"unit": "share"}),
        "A": ((*SAMPLE, "A_dim_0", "A_dim_1"), turned(values["A"], turns, 0, 1)),
        "p": ((*SAMPLE, "p_dim_0", "p_dim_1"), turned(values["p"], turns, 1)),
        "z": ((*SAMPLE, "z_dim_0"), z + first),
        "tau": (SAMPLE, values["tau"]),
    }
    coords = {"chain": np.arange(CHAINS), "draw": np.arange(turns.shape[1])}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(posterior, coords)})


def turns_of(seed=1, draws=DRAWS, k=K):
    rng = np.random.default_rng(seed)
    return np.stack([[rng.permutation(k) for _ in range(draws)] for _ in range(CHAINS)])


def back(turns, tree):
    """Which true component every slot holds, (chain, draw, K)."""
    return np.take_along_axis(turns, tree["relabelling"]["permutation"].values, axis=2)


NEEDS = {"data": np.arange(N, dtype=float) % K}


@pytest.mark.parametrize("method", [*METHODS, None])
@pytest.mark.parametrize("evidence", [{"probabilities": "p"}, {"allocations": "z"}])
def test_draws_of_stan_come_back_under_one_labelling(method, evidence):
    """All variables jointly: means, weights, both axes of the transitions, probabilities, and the labels' values."""
    if method in ("stephens", "ecr-iterative-2") and "allocations" in evidence:
        return
    values, turns = straight(), turns_of()
    names = {"allocations": "z", **evidence}
    found = eb.relabel(foreign(values, turns), method=method, dim=STAN, **names, **NEEDS)
    order = back(turns, found)
    assert (order == order[0, 0]).all()
    names = order[0, 0]
    after = found["posterior"]
    np.testing.assert_array_equal(after["mu"], values["mu"][:, :, names])
    np.testing.assert_array_equal(after["theta"], values["theta"][..., names])
    np.testing.assert_array_equal(after["A"], values["A"][:, :, names][..., names])
    np.testing.assert_array_equal(after["p"], values["p"][..., names])
    np.testing.assert_array_equal(after["z"], np.argsort(names)[values["z"]] + 1)
    np.testing.assert_array_equal(after["tau"], values["tau"])
    assert after["theta"].attrs == {"unit": "share"}
    assert after["z"].dtype == np.int64
    assert list(found["relabelling"].attrs["dims"]) == list(STAN)


def test_without_a_method_the_tree_decides():
    tree = foreign(straight(), turns_of())
    for options, method in (
        ({"probabilities": "p"}, "stephens"),
        ({"allocations": "z"}, "ecr-iterative-1"),
        ({"allocations": "z", "pivot": np.arange(N) % K}, "ecr"),
        ({}, "pra"),
    ):
        assert eb.relabel(tree, dim=STAN, **options)["relabelling"].attrs["method"] == method


def test_a_pivot_of_one_s_own_names_the_slots():
    values, turns = straight(), turns_of()
    names = np.array([2, 0, 1])
    found = eb.relabel(foreign(values, turns), dim=STAN, allocations="z", pivot=names[np.arange(N) % K])
    np.testing.assert_array_equal(names[back(turns, found)], np.broadcast_to(np.arange(K), turns.shape))
    means = {"mu": values["mu"][0, 0], "theta": values["theta"][0, 0], "A": np.diag(values["A"][0, 0])}
    found = eb.relabel(foreign(values, turns), dim=STAN[:4], method="pra", pivot=means)
    np.testing.assert_array_equal(back(turns, found), np.broadcast_to(np.arange(K), turns.shape))


def test_other_groups_move_with_their_draws_and_stay_where_they_are_none():
    values, turns = straight(), turns_of()
    tree = foreign(values, turns)
    rng = np.random.default_rng(2)
    by_component = rng.normal(size=(CHAINS, DRAWS, N, K))
    coords = tree["posterior"].coords
    tree["log_likelihood"] = xr.Dataset(
        {"y": ((*SAMPLE, "n", "theta_dim_0"), turned(by_component, turns, 1))}, {n: coords[n] for n in SAMPLE}
    )
    thinned = tree["posterior"].to_dataset()[["mu", "z"]].isel(draw=slice(None, None, 4))
    tree["posterior_predictive"] = thinned
    tree["prior"] = tree["posterior"].to_dataset()[["mu"]]
    tree["observed_data"] = xr.Dataset({"y": ("n", rng.normal(size=N))})
    tree["constant_data"] = xr.Dataset({"start": ("theta_dim_0", np.arange(K))})
    raw = tree.copy(deep=True)
    found = eb.relabel(tree, dim=STAN, probabilities="p", allocations="z")
    names = back(turns, found)[0, 0]
    np.testing.assert_array_equal(found["log_likelihood"]["y"], by_component[..., names])
    np.testing.assert_array_equal(found["posterior_predictive"]["mu"], values["mu"][:, ::4][:, :, names])
    np.testing.assert_array_equal(found["posterior_predictive"]["z"], np.argsort(names)[values["z"][:, ::4]] + 1)
    for group in ("prior", "observed_data", "constant_data"):
        xr.testing.assert_identical(found[group].to_dataset(), raw[group].to_dataset())
    for group in raw.children:
        xr.testing.assert_identical(tree[group].to_dataset(), raw[group].to_dataset())  # the input stays


def test_the_warm_up_is_put_in_the_order_of_the_posterior():
    values, turns = straight(), turns_of()
    tree = foreign(values, turns)
    early, early_turns = straight(seed=5, draws=15), turns_of(seed=6, draws=15)
    tree["warmup_posterior"] = foreign(early, early_turns)["posterior"].to_dataset()
    found = eb.relabel(tree, dim=STAN, probabilities="p", allocations="z")
    names = back(turns, found)[0, 0]
    np.testing.assert_array_equal(found["warmup_posterior"]["mu"], early["mu"][:, :, names])
    np.testing.assert_array_equal(found["warmup_posterior"]["z"], np.argsort(names)[early["z"]] + 1)
    np.testing.assert_array_equal(found["posterior"]["mu"], values["mu"][:, :, names])


def test_labels_count_from_0_or_from_1():
    values, turns = straight(), turns_of()
    for first in (0, 1):
        tree = foreign(values, turns, first)
        found = eb.relabel(tree, dim=STAN, probabilities="p", allocations="z")["posterior"]["z"].values
        assert (found.min(), found.max()) == (first, K - 1 + first)
    middle = foreign(values, turns)
    middle["posterior"] = middle["posterior"].to_dataset().assign(z=middle["posterior"]["z"].clip(2, 2))
    with pytest.raises(eb.InputError, match="first_label"):
        eb.relabel(middle, dim=STAN, allocations="z")
    assert (eb.relabel(middle, dim=STAN, allocations="z", first_label=1)["posterior"]["z"].max()) <= 3


def test_a_name_stands_for_those_called_after_it():
    values, turns = straight(), turns_of()
    tree = foreign(values, turns)
    names = {"mu_dim_0": "state", "A_dim_0": "state", "theta_dim_0": "state", "A_dim_1": "state_to", "p_dim_1": "state"}
    sets = {n: v.rename({d: names[d] for d in v.dims if d in names}) for n, v in tree["posterior"].data_vars.items()}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(sets)})
    found = eb.relabel(tree, dim="state", probabilities="p")
    names = back(turns, found)[0, 0]
    np.testing.assert_array_equal(found["posterior"]["A"], values["A"][:, :, names][..., names])
    one = eb.relabel(tree, dim=["state"], probabilities="p")
    moves = one["relabelling"]["permutation"].values  # named alone, it stands alone
    np.testing.assert_array_equal(one["posterior"]["A"], turned(tree["posterior"]["A"].values, moves, 0))


def test_components_keep_their_class_without_a_fit():
    values, turns = straight(), turns_of()
    found = eb.relabel(foreign(values, turns), dim=STAN, probabilities="p", classes=[0, 0, 1])
    assert (found["relabelling"]["permutation"].values[..., 2] == 2).all()


def test_the_density_of_an_old_numpyro_file_has_its_sign_back():
    """ArviZ before 0.23 kept the potential energy as lp: its lowest draw is the best, and the pivot of pra."""
    tree = foreign(straight(), turns_of())
    energy = np.ones((CHAINS, DRAWS))
    energy[1, 3], energy[0, 5] = -9.0, 9.0
    for attrs, best in (
        ({"inference_library": "numpyro", "arviz_version": "0.22.0"}, (1, 3)),
        ({"inference_library": "numpyro", "arviz_version": "0.23.1"}, (0, 5)),
        ({"inference_library": "numpyro", "creation_library": "ArviZ"}, (0, 5)),
        ({"inference_library": "cmdstanpy", "arviz_version": "0.17.0"}, (0, 5)),
    ):
        tree["sample_stats"] = xr.Dataset({"lp": (SAMPLE, energy)}, attrs=attrs)
        moves = eb.relabel(tree, dim=STAN, method="pra")["relabelling"]["permutation"].values
        assert moves[best].tolist() == [0, 1, 2], attrs


# bad input


def without(name):
    tree = foreign(straight(), turns_of())
    tree["posterior"] = tree["posterior"].to_dataset().drop_vars(name)
    return tree


def spoiled(name, index, value):
    tree = foreign(straight(), turns_of())
    dataset = tree["posterior"].to_dataset().copy(deep=True)
    dataset[name] = dataset[name].astype(float)
    dataset[name].values[index] = value
    tree["posterior"] = dataset
    return tree


def tree_of(**variables):
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})


def plain():
    return foreign(straight(), turns_of())


def grouped(name, dataset):
    tree = plain()
    tree[name] = dataset
    return tree


BAD = {
    "no tree": (lambda: {"mu": 1}, {}, ["DataTree", "posterior"]),
    "no posterior": (lambda: xr.DataTree.from_dict({"prior": xr.Dataset()}), {}, ["posterior group", "prior"]),
    "no draws": (
        lambda: xr.DataTree.from_dict({"posterior": xr.Dataset({"m": ("k", [1.0])})}),
        {},
        ["'chain'", "k (1)"],
    ),
    "no dimension": (plain, {}, ["'component'", "mu_dim_0 (3)", "p_dim_0 (30)"]),
    "a wrong dimension": (plain, {"dim": ("mu_dim_0", "nu")}, ["'nu'", "theta_dim_0 (3)"]),
    "no name": (plain, {"dim": ()}, ["mu_dim_0 (3)"]),
    "sizes that differ": (plain, {"dim": ("mu_dim_0", "mu_dim_1")}, ["mu_dim_0 (3)", "mu_dim_1 (2)"]),
    "a variable that is not there": (plain, {"dim": STAN, "probabilities": "q"}, ["'q'", "theta"]),
    "probabilities without components": (plain, {"dim": "mu_dim_0", "probabilities": "p"}, ["'p'", "p_dim_1", "too"]),
    "shares that do not add to 1": (
        lambda: spoiled("p", (0, 0, 0, 0), 0.9999),
        {"dim": STAN, "probabilities": "p"},
        ["add to 1", "draw 0, row 0"],
    ),
    "a NaN draw": (
        lambda: spoiled("mu", (1, 7, 2, 0), np.nan),
        {"dim": STAN},
        ["mu[2, 0]", "chain 1", "draw 7", "nan"],
    ),
    "a NaN label": (
        lambda: spoiled("z", (1, 7, 2), np.nan),
        {"dim": STAN, "allocations": "z"},
        ["z[2]", "chain 1", "draw 7"],
    ),
    "half a label": (lambda: spoiled("z", (1, 7, 2), 1.5), {"dim": STAN, "allocations": "z"}, ["z", "whole"]),
    "a label too high": (
        lambda: spoiled("z", (1, 7, 2), 4),
        {"dim": STAN, "allocations": "z", "first_label": 1},
        ["4"],
    ),
    "nothing to look at": (plain, {"dim": STAN, "method": "stephens"}, ["stephens", "constraint and pra"]),
    "no rows": (plain, {"dim": STAN, "method": "data-based", "allocations": "z"}, ["30 rows", "observed_data", "none"]),
    "another number of components in another group": (
        lambda: grouped("log_likelihood", xr.Dataset({"y": ((*SAMPLE, "theta_dim_0"), np.zeros((CHAINS, DRAWS, 4)))})),
        {"dim": STAN},
        ["log_likelihood", "'theta_dim_0': 4", "3 components"],
    ),
    "other draws in another group": (
        lambda: grouped("predictions", xr.Dataset({"y": ((*SAMPLE, "theta_dim_0"), np.zeros((CHAINS, 7, 3)))})),
        {"dim": STAN},
        ["predictions", "2 chains of 7"],
    ),
    "text for a pivot": (plain, {"dim": STAN, "pivot": "map", "allocations": "z"}, ["'map'"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_trees_are_told_in_one_sentence(name):
    make, options, words = BAD[name]
    with pytest.raises(eb.InputError) as caught:
        eb.relabel(make(), **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_the_likely_dimension_is_suggested():
    rng = np.random.default_rng(0)
    sets = {
        "m": ((*SAMPLE, "cluster", "feature"), rng.normal(size=(2, 5, 3, 3))),
        "r": ((*SAMPLE, "row"), np.ones((2, 5, 99))),
    }
    with pytest.raises(eb.InputError, match=r"dim='cluster' is probably what you mean"):
        eb.relabel(xr.DataTree.from_dict({"posterior": xr.Dataset(sets)}))
    stan = without(["p", "z"])
    with pytest.raises(eb.InputError, match=r"dim=\('mu_dim_0', 'theta_dim_0', 'A_dim_0'\) is probably"):
        eb.relabel(stan)


@pytest.mark.parametrize("k", [1, 3])
def test_one_component_or_one_draw_is_said_to_be_left(k):
    sets = {"m": ((*SAMPLE, "component"), np.arange(2.0 * 5 * k).reshape(2, 5, k))}
    if k > 1:
        sets = {"m": (sets["m"][0], sets["m"][1][:1, :1])}
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(sets)})
    found = eb.relabel(tree)
    np.testing.assert_array_equal(found["posterior"]["m"], tree["posterior"]["m"])
    assert found["relabelling"].attrs["note"].startswith("one component" if k == 1 else "one draw")
    said = diagnose_labels(tree)
    assert said.level == ("one component" if k == 1 else "settled")
    assert "nothing to do" in said.summary() or k > 1


def test_too_many_components_for_an_algorithm_that_lists_them_name_another():
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    "m": ((*SAMPLE, "component"), np.random.default_rng(0).normal(size=(1, 3, 13))),
                    "z": ((*SAMPLE, "row"), np.tile(np.arange(13), (1, 3, 1))),
                }
            )
        }
    )
    with pytest.raises(eb.InputError, match="take stephens or ecr-iterative-1"):
        eb.relabel(tree, method="sjw", allocations="z", data=np.arange(13.0))
    assert eb.relabel(tree, allocations="z")["relabelling"]["permutation"].shape == (1, 3, 13)
    assert diagnose_labels(tree, allocations="z").components == 13


# the random permutation sampler


def test_random_labels_permute_all_fields_jointly_and_change_nothing_else():
    values = straight()
    nothing = np.broadcast_to(np.arange(K), (CHAINS, DRAWS, K))
    tree = foreign(values, nothing)
    found = permute_at_random(tree, 3, dim=STAN, allocations="z")
    moves = found["relabelling"]["permutation"].values
    expected = foreign(values, moves)["posterior"].to_dataset()
    xr.testing.assert_identical(found["posterior"].to_dataset(), expected)
    assert found["relabelling"].attrs["method"] == "random"
    again = permute_at_random(tree, 3, dim=STAN, allocations="z")
    np.testing.assert_array_equal(again["relabelling"]["permutation"].values, moves)
    restored = eb.relabel(found, dim=STAN, probabilities="p", allocations="z")["posterior"]
    names = back(moves, eb.relabel(found, dim=STAN, probabilities="p"))[0, 0]
    np.testing.assert_array_equal(restored["mu"], values["mu"][:, :, names])


def test_random_labels_are_uniform_and_keep_the_classes():
    """Each of the 6 labellings of three components about equally often (chi-squared, 5 degrees of freedom)."""
    draws = {"m": np.tile([0.0, 1.0, 2.0], (6000, 1)), "z": np.tile([0, 1, 2, 2], (6000, 1))}
    found = permute_at_random(draws, 0, allocations="z")
    _, counts = np.unique(found["m"], axis=0, return_counts=True)
    assert len(counts) == 6
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5  # 0.999 quantile
    np.testing.assert_array_equal(
        np.take_along_axis(found["m"], found["z"], axis=1), np.tile([0.0, 1, 2, 2], (6000, 1))
    )
    held = permute_at_random(draws, 0, classes=[0, 1, 0], allocations="z")["m"]
    assert (held[:, 1] == 1).all()
    assert len(np.unique(held, axis=0)) == 2
    with pytest.raises(eb.InputError, match="no q"):
        permute_at_random(draws, 0, allocations="q")


def test_permutations_of_arrays_rename_labels_too():
    labels = np.array([[1, 2, 3], [3, 3, 1]])
    found = relabel_draws({"m": np.array([[5.0, 1.0, 3.0], [1.0, 3.0, 5.0]])}, method="constraint")
    np.testing.assert_array_equal(found.rename(labels, first=1), [[3, 1, 2], [3, 3, 1]])


# what users do


@pytest.mark.parametrize("along", SAMPLE)
def test_runs_that_were_joined_may_count_their_draws_twice(along):
    turns = turns_of()
    one = foreign(straight(), turns)["posterior"].to_dataset()
    joined = xr.DataTree.from_dict({"posterior": xr.concat([one, one], dim=along)})
    found = back(np.concatenate([turns, turns], axis=SAMPLE.index(along)), eb.relabel(joined, dim=STAN, method="pra"))
    assert (found == found[0, 0]).all()


def test_a_variable_as_long_as_the_components_that_was_not_named_is_told():
    tree = plain()
    told = eb.relabel(tree, dim=("mu_dim_0", "A_dim_0"), allocations="z")["relabelling"].attrs["note"]
    assert "theta (theta_dim_0), A (A_dim_1), p (p_dim_1); name these" in told, told
    assert "note" not in eb.relabel(tree, dim=STAN, allocations="z")["relabelling"].attrs
    random = permute_at_random(tree, 0, dim=("mu_dim_0", "A_dim_0"), allocations="z")["relabelling"].attrs
    assert random["note"] == told
    square = tree_of(m=((*SAMPLE, "component", "feature"), np.random.default_rng(0).normal(size=(2, 5, 3, 3))))
    assert "note" not in eb.relabel(square)["relabelling"].attrs  # somebody called that axis features


def test_probabilities_are_suggested_along_their_components():
    tree = without("z")
    with pytest.raises(eb.InputError, match=r"dim=\('mu_dim_0', 'theta_dim_0', 'A_dim_0', 'p_dim_1'\) is probably"):
        eb.relabel(tree)


def test_parameters_as_pivot_are_for_pra():
    turns, pivot = turns_of(), {"mu": 10.0 * np.array([[2, 2], [0, 0], [1, 1]])}
    tree = foreign(straight(), turns)
    tree["posterior"] = tree["posterior"].to_dataset().drop_vars(["theta", "A"])
    options = {"dim": ("mu_dim_0", "p_dim_1"), "probabilities": "p", "pivot": pivot}
    found = eb.relabel(tree, **options)
    assert found["relabelling"].attrs["method"] == diagnose_labels(tree, **options).method == "pra"
    assert (back(turns, found) == [2, 0, 1]).all()
    with pytest.raises(eb.InputError, match="only pra takes parameters as pivot; stephens needs"):
        eb.relabel(tree, method="stephens", **options)


def test_probabilities_of_single_precision_add_to_1_by_its_rounding():
    tree = plain()
    dataset = tree["posterior"].to_dataset()
    off = dataset["p"] * (1 + 2e-4 * np.random.default_rng(0).choice([-1, 1], dataset["p"].shape[:3])[..., None])
    for kind, good in ((np.float32, True), (np.float64, False)):
        tree["posterior"] = dataset.assign(p=off.astype(kind))
        if good:
            one = eb.relabel(tree, dim=STAN, probabilities="p")["relabelling"]["permutation"]
            other = eb.relabel(plain(), dim=STAN, probabilities="p")["relabelling"]["permutation"]
            np.testing.assert_array_equal(one, other)
        else:
            with pytest.raises(eb.InputError, match="add to 1"):
                eb.relabel(tree, dim=STAN, probabilities="p")


def test_a_dimension_may_be_named_twice():
    assert eb.relabel(plain(), dim=(*STAN, *STAN))["relabelling"].attrs["dims"] == list(STAN)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: eb.relabel(plain(), dim=5), ["dim", "name", "5"]),
        (lambda: eb.relabel("posterior.nc"), ["DataTree", "type str"]),
        (lambda: eb.relabel(plain(), dim=STAN, allocations="z", seed=-1), ["seed", "-1"]),
        (lambda: permute_at_random(plain(), -1, dim=STAN), ["seed", "-1"]),
        (lambda: eb.relabel(plain(), dim=STAN, pivot=np.eye(K)[np.arange(N) % K]), ["ecr", "rows are allocated"]),
        (lambda: relabel_draws(np.zeros((5, 3)), method="pra"), ["mapping", "ndarray"]),
        (lambda: eb.relabel(plain(), dim=STAN, allocations="z", method="sjw", data=["a"] * N), ["data", "numbers"]),
    ],
)
def test_bad_calls_are_told_in_one_sentence(call, words):
    with pytest.raises(eb.InputError) as caught:
        call()
    for word in words:
        assert word in str(caught.value), caught.value
