"""A DataTree in, a DataTree out: every variable with a component dimension moves jointly, nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from cases import COVARIANCES, FIVE_TRIALS, blobs

import emvsbayes as eb
from emvsbayes.core.records import record_fields
from emvsbayes.relabelling import METHODS, allocation_probabilities, permute_tree, relabel_draws
from emvsbayes.relabelling.towards_fit import data_of, rows_of

CHAINS, DRAWS = 2, 30
X = blobs(n=40, k=2) * [1.0, 2.0] + [[0.0, 0.0], [9.0, 5.0]] * 20
DIMS = {
    "weights": ("component",),
    "probs": ("component",),
    "means": ("component", "feature"),
    "full": ("component", "feature", "feature_bis"),
    "tied": ("feature", "feature_bis"),
    "diag": ("component", "feature"),
    "spherical": ("component",),
    "EII": ("component", "feature", "feature_bis"),
    "VVI": ("component", "feature", "feature_bis"),
}


def dims_of(name, family):
    return DIMS[family.covariance if name == "covariances" else name]


def tree_about(fit, observed, constant, rng, fixed=()):
    """Draws near the fit, every draw with a random labelling, as `sample` would return them; and the labellings."""
    k = fit.family.n_components
    turns = np.stack([rng.permutation(k) for _ in range(CHAINS * DRAWS)]).reshape(CHAINS, DRAWS, k)
    posterior, straight = {}, {}
    for name, value in record_fields(fit.params).items():
        if name in fixed:
            constant = {**constant, name: (dims_of(name, fit.family), value)}
            continue
        draws = value * np.exp(0.01 * rng.normal(size=(CHAINS, DRAWS, *value.shape)))
        if name == "covariances" and value.ndim > 1 and value.shape[-1] == value.shape[-2]:
            draws = (draws + np.swapaxes(draws, -1, -2)) / 2
        dims = ("chain", "draw", *dims_of(name, fit.family))
        straight[name] = xr.DataArray(draws, dims=dims)
        moved = draws.copy()
        if "component" in dims:
            for c, d in np.ndindex(CHAINS, DRAWS):
                moved[c, d] = draws[c, d][turns[c, d]]
        posterior[name] = (dims, moved)
    groups = {"posterior": posterior, "observed_data": observed, "constant_data": constant}
    tree = xr.DataTree.from_dict({group: xr.Dataset(variables) for group, variables in groups.items()})
    tree["posterior"] = tree["posterior"].to_dataset().assign_coords(component=np.arange(k))
    tree.attrs["seed"] = 5
    return tree, xr.Dataset(straight), turns


def gaussian(covariance, rng, **options):
    fit = eb.fit("gaussian_mixture", X, n_components=2, settings={"covariance": covariance}, n_starts=3, **options)
    observed = {"X": (("obs_id", "feature"), X)}
    constant = {"row_weights": (("obs_id",), np.ones(len(X)))}
    return fit, *tree_about(fit, observed, constant, rng, options.get("fixed", {}))


def coins(rng, **options):
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2, start={"probs": [0.8, 0.5]}, **options)
    observed = {"heads": (("obs_id",), np.array(FIVE_TRIALS["heads"]))}
    constant = {"tosses": (("obs_id",), np.array(FIVE_TRIALS["tosses"])), "row_weights": (("obs_id",), np.ones(5))}
    return fit, *tree_about(fit, observed, constant, rng, options.get("fixed", {}))


def check(fit, tree, straight, turns, method="ecr"):
    raw = tree.copy(deep=True)
    relabelled = eb.relabel(tree, method=method, pivot=fit)
    for name, expected in straight.items():
        np.testing.assert_array_equal(relabelled["posterior"][name].values, expected.values, err_msg=name)
        assert relabelled["posterior"][name].dims == expected.dims
    for group in raw.children:
        xr.testing.assert_identical(tree[group].to_dataset(), raw[group].to_dataset())  # the input stays
        if group != "posterior":
            xr.testing.assert_identical(relabelled[group].to_dataset(), raw[group].to_dataset())
    found = relabelled["relabelling"]
    np.testing.assert_array_equal(found["permutation"].values, np.argsort(turns, axis=-1))
    assert found["agreement"].shape == (CHAINS, DRAWS)
    assert found.attrs["method"] == method
    assert relabelled.attrs == raw.attrs
    return relabelled


@pytest.mark.parametrize("covariance", [*COVARIANCES, "VVI"])
def test_gaussian_draws_come_back_in_order(covariance):
    fit, tree, straight, turns = gaussian(covariance, np.random.default_rng(0))
    check(fit, tree, straight, turns)


def test_coins_come_back_in_order():
    check(*coins(np.random.default_rng(1)))


@pytest.mark.parametrize("method", [*METHODS, "constraint:means[1]"])
@pytest.mark.parametrize("covariance", ["full", "tied", "spherical"])
def test_every_method_brings_gaussian_draws_back_under_the_labels_of_the_fit(covariance, method):
    relabelled = check(*gaussian(covariance, np.random.default_rng(20)), method=method)
    found = relabelled["relabelling"]
    assert float(found["agreement"].min()) > 0.99
    assert ("certainty" in found) == (method == "sjw")
    assert ("costs" in found.attrs) == (
        method in ("ecr-iterative-1", "ecr-iterative-2", "stephens", "data-based", "sjw")
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_brings_coins_back(method):
    check(*coins(np.random.default_rng(21)), method=method)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_brings_incomplete_binary_rows_back(method):
    rng = np.random.default_rng(22)
    bits = (rng.random((60, 8)) < np.where(np.arange(60)[:, None] % 2, 0.9, 0.1)).astype(float)
    bits[rng.random(bits.shape) < 0.2] = np.nan
    prior = {"probs": {"a": 2.0, "b": 2.0}}
    fit = eb.fit("bernoulli_mixture", bits, n_components=2, n_starts=3, prior=prior)
    observed = np.isfinite(bits)
    values = {"X": (("obs_id", "feature"), np.where(observed, bits, 0.0))}
    constant = {"observed": (("obs_id", "feature"), observed), "row_weights": (("obs_id",), np.ones(60))}
    k = 2
    turns = np.stack([rng.permutation(k) for _ in range(CHAINS * DRAWS)]).reshape(CHAINS, DRAWS, k)
    names = {"weights": ("component",), "probs": ("component", "feature")}
    straight = {n: np.tile(getattr(fit.params, n), (CHAINS, DRAWS, *[1] * len(d))) for n, d in names.items()}
    moved = {
        n: np.stack([[v[c, d][turns[c, d]] for d in range(DRAWS)] for c in range(CHAINS)]) for n, v in straight.items()
    }
    groups = {
        "posterior": {n: (("chain", "draw", *d), moved[n]) for n, d in names.items()},
        "observed_data": values,
        "constant_data": constant,
    }
    tree = xr.DataTree.from_dict({group: xr.Dataset(variables) for group, variables in groups.items()})
    tree["posterior"] = tree["posterior"].to_dataset().assign_coords(chain=range(CHAINS), draw=range(DRAWS))
    relabelled = eb.relabel(tree, method=method, pivot=fit)
    for n, v in straight.items():
        np.testing.assert_array_equal(relabelled["posterior"][n].values, v)
    rows = rows_of(data_of(tree, fit.family), 60)
    np.testing.assert_array_equal(rows[observed], bits[observed])
    np.testing.assert_allclose(rows.mean(axis=0), np.nanmean(bits, axis=0))


@pytest.mark.parametrize("method", ["pra", "constraint", "constraint:means[0]"])
def test_draws_alone_are_enough_for_two_methods(method):
    """Any tree will do: no data, no fit, and a variable with the dimension in another place."""
    rng = np.random.default_rng(23)
    means = np.array([[3.0, 1.0], [-4.0, 2.0], [9.0, 0.0]]) + 0.1 * rng.normal(size=(CHAINS, DRAWS, 3, 2))
    turns = np.stack([rng.permutation(3) for _ in range(CHAINS * DRAWS)]).reshape(CHAINS, DRAWS, 3)
    moved = np.take_along_axis(means, turns[..., None], axis=2)
    late = np.moveaxis(moved + 100.0, 2, 3)
    variables = {
        "means": (("chain", "draw", "component", "feature"), moved),
        "late": (("chain", "draw", "feature", "component"), late),
        "total": (("chain", "draw"), rng.normal(size=(CHAINS, DRAWS))),
    }
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})
    found = eb.relabel(tree, method=method)
    back = np.take_along_axis(turns, found["relabelling"]["permutation"].values, axis=2)
    assert (back == back[0, 0]).all()
    if method == "constraint:means[0]":
        np.testing.assert_array_equal(back[0, 0], [1, 0, 2])
    after = found["posterior"]
    np.testing.assert_array_equal(after["means"].values + 100.0, np.moveaxis(after["late"].values, 3, 2))
    np.testing.assert_array_equal(after["total"].values, tree["posterior"]["total"].values)
    assert "agreement" not in found["relabelling"]
    for name in ("lp", "logp"):  # the best draw is the pivot of pra, whatever its place
        density = np.zeros((CHAINS, DRAWS))
        density[1, 7] = 1.0
        tree["sample_stats"] = xr.Dataset({name: (("chain", "draw"), density)})
        if method == "pra":
            assert eb.relabel(tree, method=method)["relabelling"]["permutation"].values[1, 7].tolist() == [0, 1, 2]
        del tree["sample_stats"]
    with pytest.raises(eb.InputError, match="'component'"):
        eb.relabel(xr.DataTree.from_dict({"posterior": xr.Dataset({"total": variables["total"]})}), method=method)


def test_a_relabelled_tree_can_be_saved(tmp_path):
    fit, tree, _, _ = gaussian("full", np.random.default_rng(24))
    relabelled = eb.relabel(tree, method="sjw", pivot=fit)
    relabelled.to_netcdf(tmp_path / "draws.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "draws.nc", engine="h5netcdf") as again:
        xr.testing.assert_equal(again["relabelling"].to_dataset(), relabelled["relabelling"].to_dataset())


def test_twice_is_once():
    fit, tree, _, _ = gaussian("full", np.random.default_rng(2))
    once = eb.relabel(tree, pivot=fit)
    again = eb.relabel(once, pivot=fit)
    xr.testing.assert_identical(again["posterior"].to_dataset(), once["posterior"].to_dataset())
    assert (again["relabelling"]["permutation"].values == [0, 1]).all()


@pytest.mark.parametrize(
    ("covariance", "fixed"),
    [
        ("full", {"weights": [0.5, 0.5]}),
        ("tied", {"weights": [0.5, 0.5]}),
        ("tied", {"covariances": [[2.0, 0.0], [0.0, 3.0]]}),
        ("full", {"covariances": [[[2.0, 0.0], [0.0, 3.0]]] * 2}),
        ("diag", {"covariances": [[2.0, 3.0]] * 2}),
        ("spherical", {"covariances": [2.0, 2.0]}),
    ],
)
def test_held_fields_stand_among_the_constants(covariance, fixed):
    """Held values equal over components: the posterior is still symmetric."""
    fit, tree, straight, turns = gaussian(covariance, np.random.default_rng(3), fixed=fixed)
    check(fit, tree, straight, turns)


def test_only_a_field_without_component_axis_was_sampled():
    """Tied covariances alone: there is nothing to relabel, and that is no error."""
    held = {"weights": [0.5, 0.5], "means": [[0.0, 0.0], [9.0, 5.0]]}
    fit, tree, straight, _ = gaussian("tied", np.random.default_rng(4), fixed=held)
    relabelled = eb.relabel(tree, pivot=fit)
    np.testing.assert_array_equal(relabelled["posterior"]["covariances"].values, straight["covariances"].values)


@pytest.mark.parametrize(
    "options",
    [
        {"fixed": {"weights": [0.2, 0.8]}},
        {"prior": {"probs": {"a": [2.0, 9.0], "b": [9.0, 2.0]}}},
        {"prior": {"weights": {"concentration": [1.0, 5.0]}}},
        {"labels": [0, 1, -1, -1, -1]},
    ],
)
def test_a_posterior_that_is_not_symmetric_is_not_relabelled(options):
    """Held weights, a prior by component or known rows tell the components apart: a permuted draw is another draw."""
    fit, tree, _, _ = coins(np.random.default_rng(5), **options)
    if "labels" in options:
        tree["constant_data"] = tree["constant_data"].to_dataset().assign(labels=("obs_id", options["labels"]))
    relabelled = eb.relabel(tree, pivot=fit)
    xr.testing.assert_identical(relabelled["posterior"].to_dataset(), tree["posterior"].to_dataset())


THREE = {"heads": [1, 9, 5, 0, 10, 4, 2, 8, 5, 1], "tosses": [10] * 10}
START = {"probs": [0.1, 0.5, 0.9]}
PARTLY = {
    "one known row": ({"labels": [0, *[-1] * 9]}, [1, 2]),
    "another known row": ({"labels": [-1, 2, *[-1] * 8]}, [0, 1]),
    "held weights": ({"fixed": {"weights": [0.25, 0.5, 0.25]}}, [0, 2]),
    "a prior of one component": ({"prior": {"probs": {"a": [2.0, 9.0, 2.0], "b": 3.0}}}, [0, 2]),
}


@pytest.mark.parametrize("name", PARTLY)
def test_components_are_renamed_within_their_class_only(name):
    """Two of three components may change places: these come back, and the third stays where it is."""
    options, pair = PARTLY[name]
    fit = eb.fit("coins", THREE, n_components=3, start=START, **options)
    rng = np.random.default_rng(10)
    observed = {"heads": (("obs_id",), np.array(THREE["heads"]))}
    constant = {"tosses": (("obs_id",), np.array(THREE["tosses"])), "row_weights": (("obs_id",), np.ones(10))}
    if "labels" in options:
        constant["labels"] = (("obs_id",), np.array(options["labels"]))
    fixed = options.get("fixed", {})
    tree, straight, _ = tree_about(fit, observed, constant, rng, fixed)
    swapped = np.arange(3)
    swapped[pair] = pair[::-1]
    turns = np.where(rng.random((CHAINS, DRAWS, 1)) < 0.5, swapped, np.arange(3))
    moved = {n: np.take_along_axis(v.values, turns, axis=2) for n, v in straight.data_vars.items()}
    dims = ("chain", "draw", "component")
    tree["posterior"] = tree["posterior"].to_dataset().assign({n: (dims, v) for n, v in moved.items()})
    relabelled = check(fit, tree, straight, turns)
    classes = relabelled["relabelling"].attrs["classes"]
    assert len(set(classes)) == 2
    assert classes[pair[0]] == classes[pair[1]]

    # the third with one of the pair exchanged is another point of the posterior, and stays one
    other = np.roll(np.arange(3), 1)
    wild = {n: v.values[:, :, other] for n, v in straight.data_vars.items()}
    tree["posterior"] = tree["posterior"].to_dataset().assign({n: (dims, v) for n, v in wild.items()})
    found = eb.relabel(tree, pivot=fit)["relabelling"]["permutation"].values
    third = ({0, 1, 2} - set(pair)).pop()
    assert (found[..., third] == third).all()


def test_weights_of_rows_count_in_relabelling():
    """A table of frequencies is relabelled as the rows that it stands for, and agrees with the pivot as they do."""
    heads, frequencies = np.array([1, 4, 5, 9]), np.array([3.0, 1.0, 40.0, 5.0])
    rows = np.repeat(heads, frequencies.astype(int))
    found = []
    for h, w in ((heads, frequencies), (rows, np.ones(len(rows)))):
        fit = eb.fit(
            "coins",
            {"heads": h, "tosses": np.full(len(h), 10)},
            n_components=2,
            start={"probs": [0.3, 0.6]},
            sample_weight=w,
        )
        observed = {"heads": (("obs_id",), h)}
        constant = {"tosses": (("obs_id",), np.full(len(h), 10)), "row_weights": (("obs_id",), w)}
        tree, _, _ = tree_about(fit, observed, constant, np.random.default_rng(11))
        found.append(eb.relabel(tree, pivot=fit)["relabelling"].to_dataset())
    np.testing.assert_array_equal(found[0]["permutation"], found[1]["permutation"])
    np.testing.assert_allclose(found[0]["agreement"], found[1]["agreement"], rtol=1e-12)


def test_probabilities_are_those_of_the_family():
    fit, tree, _, _ = gaussian("full", np.random.default_rng(6))
    data = data_of(tree, fit.family)
    found = allocation_probabilities(tree, fit.family, fit.params, data)
    assert found.shape == (CHAINS * DRAWS, len(X), 2)
    fields = {name: tree["posterior"][name].values[1, 4] for name in ("weights", "means", "covariances")}
    expected = fit.family.e_step(type(fit.params)(**fields), data).responsibilities
    np.testing.assert_array_equal(found[DRAWS + 4], expected)


def test_any_variable_with_the_dimension_moves_along_every_component_axis():
    rng = np.random.default_rng(7)
    k = 3
    dims = {
        "weights": ("component",),
        "late": ("feature", "component"),
        "square": ("component", "feature", "component_bis"),
        "total": (),
        "shape": ("feature",),
    }
    sizes = {"component": k, "component_bis": k, "feature": 2}
    data = {
        name: (("chain", "draw", *d), rng.normal(size=(CHAINS, DRAWS, *(sizes[x] for x in d))))
        for name, d in dims.items()
    }
    data["turned"] = (("draw", "component", "chain"), rng.normal(size=(DRAWS, k, CHAINS)))
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(data)})
    z = rng.integers(0, k, (CHAINS * DRAWS, 9))
    found = relabel_draws({"weights": data["weights"][1].reshape(-1, k)}, allocations=z)
    moved = permute_tree(tree, found, np.zeros(k, dtype=int))["posterior"]
    for c, d in np.ndindex(CHAINS, DRAWS):
        turn = found.permutations[c * DRAWS + d]
        at = {"chain": c, "draw": d}
        for name in (*dims, "turned"):
            before, after = tree["posterior"][name].isel(at), moved[name].isel(at)
            expected = before.isel({dim: turn for dim in ("component", "component_bis") if dim in before.dims})
            np.testing.assert_array_equal(after.transpose(*expected.dims).values, expected.values, err_msg=name)


def test_bad_input_is_told_in_one_sentence():
    fit, tree, _, _ = coins(np.random.default_rng(8))
    for posterior, options, words in (
        (None, {"pivot": fit}, ["DataTree with a posterior group"]),
        (xr.DataTree(), {"pivot": fit}, ["posterior group"]),
        (tree, {"method": "ecr"}, ["ecr must know how the rows are allocated", "Fit"]),
        (tree, {"pivot": [0, 1]}, ["ecr must know how the rows are allocated", "allocations"]),
        (tree, {"pivot": "map"}, ["pivot must be a Fit", "'map'"]),
        (tree, {"pivot": fit, "method": "par"}, ["unknown relabelling method 'par'"]),
    ):
        with pytest.raises(eb.InputError) as caught:
            eb.relabel(posterior, **options)
        assert "\n" not in str(caught.value)
        for word in words:
            assert word in str(caught.value)


def test_a_fit_of_another_family_or_of_other_columns_is_refused():
    fit, tree, _, _ = coins(np.random.default_rng(9))
    other, plane, _, _ = gaussian("full", np.random.default_rng(9))
    for posterior, pivot in ((tree, other), (plane, fit)):
        with pytest.raises(eb.InputError):
            eb.relabel(posterior, pivot=pivot)
    three = eb.fit("gaussian_mixture", X, n_components=3, n_starts=2, prior="default")
    with pytest.raises(eb.InputError):
        eb.relabel(plane, pivot=three)


def test_a_family_without_components_has_no_labels():
    rng = np.random.default_rng(11)
    fit = eb.fit("linear_evidence", np.column_stack([rng.normal(size=(20, 2)), rng.normal(size=20)]))
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"alpha": (("chain", "draw"), np.ones((2, 5)))})})
    with pytest.raises(eb.InputError, match="linear_evidence has no components"):
        eb.relabel(tree, pivot=fit)


def test_labels_held_as_values_follow_the_fit():
    fit, tree, straight, turns = coins(np.random.default_rng(12))
    z = np.random.default_rng(13).integers(0, 2, (CHAINS, DRAWS, 5))
    raw = np.stack([[np.argsort(turns[c, d])[z[c, d]] for d in range(DRAWS)] for c in range(CHAINS)])
    tree["posterior"] = tree["posterior"].to_dataset().assign(z=(("chain", "draw", "obs_id"), raw))
    after = eb.relabel(tree, pivot=fit, allocations="z")["posterior"]
    np.testing.assert_array_equal(after["z"], z)
    np.testing.assert_array_equal(after["probs"], straight["probs"])
