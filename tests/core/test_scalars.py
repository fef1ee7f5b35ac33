"""Scalars by name, and how series are thinned."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from cases import CASES, CONJUGATE, COVARIANCES, FIVE_TRIALS, blobs, posed, starting

from emvsbayes.core.scalars import scalars, thinned
from emvsbayes.problem import pose

COLUMNS = ("eruptions", "waiting")


def listed(covariance="full", k=2, d=2, columns=COLUMNS, **options):
    problem = pose("gaussian_mixture", blobs(n=20, d=d), n_components=k, settings={"covariance": covariance}, **options)
    params = problem.hold(problem.family.init(problem.data, np.random.default_rng(0), "random_rows"))
    return params, scalars(params, problem.family, columns)


FULL = [f"covariances[{k}, {entry}]" for k in (0, 1) for entry in
        ("eruptions, eruptions", "waiting, eruptions", "waiting, waiting")]  # fmt: skip
NAMES = {
    "full": FULL,
    "tied": [name.replace("0, ", "", 1) for name in FULL[:3]],
    "diag": [f"covariances[{k}, {column}]" for k in (0, 1) for column in COLUMNS],
    "spherical": ["covariances[0]", "covariances[1]"],
    "EII": ["covariances[0, eruptions, eruptions]"],
    "VII": [f"covariances[{k}, eruptions, eruptions]" for k in (0, 1)],
    "EEI": [f"covariances[0, {column}, {column}]" for column in COLUMNS],
    "VVI": [f"covariances[{k}, {column}, {column}]" for k in (0, 1) for column in COLUMNS],
    "EEE": FULL[:3],
    "VVV": FULL,
}


@pytest.mark.parametrize("covariance", [*COVARIANCES, *CONJUGATE])
def test_names_are_those_of_arviz(covariance):
    params, found = listed(covariance)
    first = ["weights[0]", "weights[1]", "means[0, eruptions]", "means[0, waiting]", "means[1, eruptions]"]
    assert [s.name for s in found] == [*first, "means[1, waiting]", *NAMES[covariance]]
    for s in found:
        assert s.of(params) == getattr(params, s.field)[s.index]
        expected = -1 if covariance in ("tied", "EII", "EEI", "EEE") and s.field == "covariances" else s.index[0]
        assert s.component == expected, s.name


def test_only_the_lower_triangle_of_a_symmetric_matrix():
    _, found = listed("full", k=3, d=3, columns=("a", "b", "c"))
    covariances = [s for s in found if s.field == "covariances"]
    assert len(covariances) == 3 * 6
    assert all(s.index[1] >= s.index[2] for s in covariances)
    assert len({s.name for s in found}) == len(found)


def test_held_fields_are_left_out():
    _, found = listed(fixed={"weights": [0.5, 0.5], "means": [[0, 0], [2, 2]]})
    assert {s.field for s in found} == {"covariances"}
    problem = pose("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"})
    params = problem.start({"probs": [0.6, 0.5]})
    assert [s.name for s in scalars(params, problem.family, ())] == ["probs[0]", "probs[1]"]


def test_the_weight_of_one_component_is_no_parameter():
    _, found = listed("diag", k=1)
    means = ["means[0, eruptions]", "means[0, waiting]"]
    assert [s.name for s in found] == [*means, "covariances[0, eruptions]", "covariances[0, waiting]"]
    problem = pose("coins", FIVE_TRIALS, n_components=1)
    params = problem.start({"probs": [0.6]})
    assert [s.name for s in scalars(params, problem.family, ())] == ["probs[0]"]


def test_as_many_columns_as_components_are_not_mistaken_for_components():
    _, found = listed("diag", k=2, d=2)
    assert "means[0, eruptions]" in [s.name for s in found]
    assert not any(s.name.startswith("means[eruptions") for s in found)


@pytest.mark.parametrize("name", [n for n in CASES if n.endswith(("-default", "one-column-ml", "coins-plain-ml"))])
def test_every_free_entry_is_listed_once(name):
    problem, _ = posed(name)
    params = starting(name)
    found = scalars(params, problem.family, getattr(problem.data, "columns", ()))
    k = problem.family.n_components
    together = int("weights" in {s.field for s in found})  # the weights add to 1: one more is listed than is free
    assert len(found) == len(problem.family.to_vector(params)) + together
    assert {s.component for s in found} <= {-1, *range(k)}


def test_draws_are_chain_by_draw_whatever_the_order_of_dims():
    _, found = listed()
    values = np.random.default_rng(0).normal(size=(3, 7, 2, 2))
    array = xr.DataArray(values, dims=("chain", "draw", "component", "feature"))
    scalar = next(s for s in found if s.name == "means[1, eruptions]")
    for order in (array, array.transpose("draw", "component", "chain", "feature")):
        np.testing.assert_array_equal(scalar.draws({"means": order}), values[:, :, 1, 0])


@pytest.mark.parametrize(("n", "most"), [(0, 5), (1, 5), (5, 5), (6, 5), (501, 500), (10**6, 500), (999, 2)])
def test_thinning_keeps_the_ends_and_the_bound(n, most):
    kept = thinned(n, most)
    assert len(kept) == min(n, most)
    assert (np.diff(kept) > 0).all()
    if n:
        assert (kept[0], kept[-1]) == (0, n - 1)
        assert np.ptp(np.diff(kept)) <= 1 if len(kept) > 2 else True


def test_precisions_are_compared_by_their_logarithms():
    problem = pose("linear_evidence", {"X": [0.0, 1.0, 2.0], "t": [0.0, 1.0, 0.5]})
    params = problem.start({"alpha": 2.0, "beta": 5.0})
    found = scalars(params, problem.family, (), problem.twin.log_scale)
    assert [s.name for s in found] == ["ln alpha", "ln beta"]
    assert [s.of(params) for s in found] == pytest.approx(np.log([2.0, 5.0]))
    draws = xr.Dataset({"alpha": (("chain", "draw"), [[1.0, 10.0]])})
    assert found[0].draws(draws).tolist() == np.log([[1.0, 10.0]]).tolist()
