"""Bad input gets one sentence that names what is wrong; nothing else reaches the algorithm."""

import numpy as np
import pandas as pd
import pytest
from cases import FIVE_TRIALS, blobs

import emvsbayes as eb
from emvsbayes.families.coins import Coins
from emvsbayes.families.gaussian_mixture import GaussianMixture
from emvsbayes.problem import pose

X = blobs(n=40)
MEANS = [[0, 0], [2, 2]]


def refused(*named, family="gaussian_mixture", data=X, n_components=2, **options):
    with pytest.raises(eb.InputError) as caught:
        eb.fit(family, data, n_components=n_components, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 300
    for words in named:
        assert words in message, message


def changed(row, column, value):
    frame = pd.DataFrame(X, columns=["eruptions", "waiting"])
    frame.iloc[row, column] = value
    return frame


# data


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_name_row_and_column(value):
    refused("row 7", "'waiting'", data=changed(7, 1, value))
    refused("row 0", "column", family="coins", data={"heads": [value, 1], "tosses": [10, 10]})


def test_missing_cells_of_a_file_name_row_and_column(tmp_path):
    (tmp_path / "d.csv").write_text("a,b\n1,2\n3,NA\n4,5\n")
    refused("row 1", "'b'", "NaN", data=tmp_path / "d.csv", n_components=1)
    (tmp_path / "d.csv").write_text("a,b\n1,2\n3,1e999\n4,5\n")
    refused("row 1", "'b'", "infinite", data=tmp_path / "d.csv", n_components=1)


def test_constant_column_is_named():
    refused("'waiting'", "constant", "3", data=pd.DataFrame({"eruptions": X[:, 0], "waiting": 3.0}))


def test_a_column_that_is_constant_where_it_counts():
    column = np.where(np.arange(40) < 20, 3.0, X[:, 0])
    data = pd.DataFrame({"a": X[:, 1], "b": column})
    refused("'b'", "constant", data=data, sample_weight=(np.arange(40) < 20).astype(float))


def test_dependent_columns():
    refused("linearly dependent", data=np.c_[X, X.sum(axis=1)])
    assert eb.fit(
        "gaussian_mixture", np.c_[X, X.sum(axis=1)], n_components=2, settings={"covariance": "diag"}, n_starts=2
    )


def test_fewer_rows_than_components():
    refused("5 components", "4", data=X[:4], n_components=5)
    refused("6 components", "5", family="coins", data=FIVE_TRIALS, n_components=6)
    weights = (np.arange(40) < 2).astype(float)
    refused("3 components", "2", n_components=3, sample_weight=weights)


@pytest.mark.parametrize("k", [0, -1, 2.0, 1.5, "2", [2]])
def test_impossible_numbers_of_components(k):
    refused("n_components", n_components=k)


def test_components_must_be_given():
    refused("n_components", n_components=None)


def test_heads_beyond_tosses_names_the_row():
    refused(
        "row 1", "11 heads", "10 tosses", family="coins", data={"heads": [5, 11], "tosses": [10, 10]}, n_components=1
    )


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"heads": [5, -1], "tosses": [10, 10]}, ["heads", "row 1", "-1"]),
        ({"heads": [5, 2.5], "tosses": [10, 10]}, ["heads", "row 1", "2.5"]),
        ({"heads": [5, 2], "tosses": [10, 10.5]}, ["tosses", "row 1", "10.5"]),
        ({"heads": [5, 0], "tosses": [10, 0]}, ["row 1", "tosses"]),
        ({"heads": [1, 2], "toss": [3, 4], "day": [1, 2]}, ["heads", "tosses", "toss, day"]),
        ({"heads": ["five", "two"], "tosses": [10, 10]}, ["'heads'", "five"]),
    ],
)
def test_impossible_counts(data, named):
    refused(*named, family="coins", data=data, n_components=1)


def test_coins_find_their_columns_among_others():
    table = {"day": [1, 2, 3, 4, 5], "tosses": FIVE_TRIALS["tosses"], "heads": FIVE_TRIALS["heads"]}
    one, other = (eb.fit("coins", data, n_components=2).to_json() for data in (table, FIVE_TRIALS))
    assert one == other
    unnamed = np.c_[FIVE_TRIALS["heads"], FIVE_TRIALS["tosses"]]
    assert eb.fit("coins", unnamed, n_components=2).to_json() == one


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        (-np.ones(40), "negative"),
        (np.zeros(40), "zero"),
        (np.ones(39), "(40,)"),
        (np.full(40, np.nan), "sample_weight"),
        (np.full(40, np.inf), "sample_weight"),
        (["a"] * 40, "sample_weight"),
        (np.ones((40, 1)), "sample_weight"),
    ],
)
def test_impossible_sample_weights(weights, named):
    refused(named, sample_weight=weights)


# names


def test_unknown_names_are_corrected():
    refused("'gausian_mixture'", "did you mean 'gaussian_mixture'", family="gausian_mixture")
    refused("'coin'", "did you mean 'coins'", family="coin")
    refused("choose from", "coins", "gaussian_mixture", family="zzz")
    refused("covariance", "did you mean 'diag'", settings={"covariance": "diagg"})
    refused("did you mean 'covariance'", settings={"covarience": "diag"})
    refused("did you mean 'fixed'", family="coins", data=FIVE_TRIALS, settings={"weights": "fixd"})
    refused("prior", "did you mean 'default'", prior="defualt")
    refused("did you mean 'covariances'", prior={"covariance": {"dof": 4, "scale": 1.0}})
    refused("means", "did you mean 'strength'", prior={"means": {"location": 0, "strenght": 1}})
    refused("lacks", "strength", prior={"means": {"location": 0}})
    refused("did you mean 'means'", start={"mean": MEANS})
    refused("did you mean 'kmeans'", start="kmean")
    refused("did you mean 'means'", fixed={"mean": MEANS})
    refused("choose from", family="coins", data=FIVE_TRIALS, settings={"weights": 3})


@pytest.mark.parametrize("family", [5, None, object(), dict])
def test_families_that_are_none(family):
    refused("family", family=family)


# priors


@pytest.mark.parametrize(
    ("prior", "named"),
    [
        ({"means": {"location": [0, 0], "strength": 0}}, ["means.strength", "greater than 0"]),
        ({"means": {"location": [0, 0], "strength": -1}}, ["means.strength", "-1"]),
        ({"means": {"location": [0, 0], "strength": [1, 2]}}, ["means.strength"]),
        ({"means": {"location": [0, 0, 0], "strength": 1}}, ["means.location", "(2,)"]),
        ({"means": {"location": [0, np.nan], "strength": 1}}, ["means.location", "nan"]),
        ({"means": {"location": "middle", "strength": 1}}, ["means.location"]),
        ({"covariances": {"dof": 1.0, "scale": 1.0}}, ["covariances.dof", "D - 1 = 1"]),
        ({"covariances": {"dof": -1, "scale": 1.0}}, ["covariances.dof", "greater than 0"]),
        ({"covariances": {"dof": 5, "scale": [[1, 2], [2, 1]]}}, ["covariances.scale", "positive definite"]),
        ({"covariances": {"dof": 5, "scale": [[1, 2], [0, 1]]}}, ["covariances.scale", "symmetric"]),
        ({"covariances": {"dof": 5, "scale": -1.0}}, ["covariances.scale", "positive definite"]),
        ({"covariances": {"dof": 5, "scale": np.eye(3)}}, ["covariances.scale", "(2, 2)"]),
        ({"weights": {"concentration": 0}}, ["weights.concentration", "greater than 0"]),
        ({"weights": {"concentration": [1, 2, 3]}}, ["weights.concentration", "(2,)"]),
        ({"weights": {"concentration": 0.5}}, ["weights.concentration", "at least 1"]),
        ({"weights": 3}, ["weights", "mapping"]),
        ([1, 2], ["prior"]),
        (3.0, ["prior"]),
    ],
)
def test_impossible_priors_of_a_gaussian_mixture(prior, named):
    refused(*named, prior=prior)


@pytest.mark.parametrize(
    ("covariance", "scale"),
    [("diag", [1.0, -1.0]), ("diag", 0.0), ("spherical", -2.0), ("diag", np.eye(2)), ("spherical", [1, 1])],
)
def test_impossible_scales_of_variances(covariance, scale):
    refused("covariances.scale", settings={"covariance": covariance}, prior={"covariances": {"dof": 5, "scale": scale}})


@pytest.mark.parametrize(
    ("prior", "named"),
    [
        ({"probs": {"a": 0, "b": 1}}, ["probs.a", "greater than 0"]),
        ({"probs": {"a": 2, "b": -1}}, ["probs.b", "greater than 0"]),
        ({"probs": {"a": 0.5, "b": 2}}, ["probs.a", "at least 1"]),
        ({"probs": {"a": 2, "b": 0.5}}, ["probs.b", "at least 1"]),
        ({"probs": {"a": [1, 2, 3], "b": 2}}, ["probs.a", "(2,)"]),
        ({"probs": {"a": 2, "b": [1, 2, 3]}}, ["probs.b", "(2,)"]),
        ({"means": {"location": 0, "strength": 1}}, ["'means'"]),
    ],
)
def test_impossible_priors_of_coins(prior, named):
    refused(*named, family="coins", data=FIVE_TRIALS, prior=prior)


def test_a_dirichlet_of_one_is_flat_and_allowed():
    flat = eb.fit(
        "coins", FIVE_TRIALS, n_components=2, prior={"weights": {"concentration": 1}, "probs": {"a": 1, "b": 1}}
    )
    ml = eb.fit("coins", FIVE_TRIALS, n_components=2)
    assert flat.log_likelihood == ml.log_likelihood
    assert flat.log_prior == 0.0


# starts and held fields


@pytest.mark.parametrize(
    ("start", "named"),
    [
        ({"means": MEANS, "weights": [0.5, 0.6]}, ["weights", "add to 1", "1.1"]),
        ({"means": MEANS, "weights": [1.5, -0.5]}, ["weights", "negative"]),
        ({"means": MEANS, "weights": [1.0]}, ["weights", "(2,)"]),
        (
            {"means": MEANS, "covariances": [[[1, 2], [2, 1]], [[1, 0], [0, 1]]]},
            ["covariances[0]", "positive definite"],
        ),
        (
            {"means": MEANS, "covariances": [[[1, 0], [0, 1]], [[1, 1], [1, 1]]]},
            ["covariances[1]", "positive definite"],
        ),
        ({"means": MEANS, "covariances": [[[1, 1], [0, 1]]] * 2}, ["covariances", "symmetric"]),
        ({"means": MEANS, "covariances": [1, 1]}, ["covariances (full)", "(2, 2, 2)"]),
        ({"means": MEANS[:1]}, ["means", "(2, 2)"]),
        ({"means": [[0, np.nan], [1, 1]]}, ["means", "nan"]),
        ({"means": "left"}, ["means"]),
        ({"weights": [0.5, 0.5]}, ["means"]),
        ({}, ["means"]),
        (5, ["start"]),
        (["means"], ["start"]),
    ],
)
def test_impossible_starts(start, named):
    refused(*named, start=start)


@pytest.mark.parametrize(
    ("covariance", "value"), [("diag", [[1, 0], [1, 1]]), ("spherical", [1, -1]), ("tied", [[1, 2], [2, 1]])]
)
def test_impossible_covariances_of_other_structures(covariance, value):
    refused("covariances", settings={"covariance": covariance}, start={"means": MEANS, "covariances": value})


@pytest.mark.parametrize(
    ("start", "named"),
    [
        ({"probs": [0.5, 1.5]}, ["probs", "[0, 1]", "1.5"]),
        ({"probs": [0.5, -0.1]}, ["probs", "[0, 1]"]),
        ({"probs": [0.5]}, ["probs", "(2,)"]),
        ({"weights": [0.5, 0.5]}, ["probs"]),
        ({"probs": [0.6, 0.5], "weights": [0.3, 0.3]}, ["weights", "add to 1"]),
    ],
)
def test_impossible_starts_of_coins(start, named):
    refused(*named, family="coins", data=FIVE_TRIALS, start=start)


FULL = [np.eye(2).tolist(), np.diag([9.0, 1.0]).tolist()]


@pytest.mark.parametrize(
    ("options", "pair"),
    [
        ({"start": {"means": [[1, 1], [1, 1]]}}, "0 and 1"),
        ({"start": {"means": [[1, 1], [1, 1]], "weights": [0.2, 0.8]}}, "0 and 1"),
        ({"start": {"means": [[1, 1], [1, 1]]}, "fixed": {"weights": [0.2, 0.8]}}, "0 and 1"),
        ({"start": {"means": [[1, 1], [1, 1]]}, "settings": {"covariance": "tied"}}, "0 and 1"),
        ({"start": {"means": [[1, 1], [1, 1]]}, "n_starts": 5}, "0 and 1"),
        ({"start": {"means": [[0, 0], [1, 1], [0, 0]]}, "n_components": 3}, "0 and 2"),
        ({"start": {"probs": [0.5, 0.5]}, "family": "coins", "data": FIVE_TRIALS}, "0 and 1"),
    ],
)
def test_components_that_start_equal_are_refused(options, pair):
    """They would have equal responsibilities for ever, whatever their weights."""
    refused(f"components {pair} start equal", "make them differ", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"start": {"means": [[1, 1], [1, 1]], "covariances": FULL}},
        {"start": {"means": [[1, 1], [1, 1]]}, "fixed": {"covariances": FULL}},
        {"start": {"means": [[1, 1], [1, 1]]}, "labels": np.r_[0, 1, np.full(38, -1)]},
        {"start": {"means": [[1, 1], [1, 1.5]]}},
        {"start": {"weights": [0.3, 0.7]}, "fixed": {"means": [[1, 1], [1, 1]], "covariances": FULL}},
    ],
)
def test_components_that_differ_in_anything_but_weight_may_part(options):
    fit = eb.fit("gaussian_mixture", X, n_components=2, stop={"max_passes": 50}, **options)
    assert np.ptp(fit.responsibilities[:, 0]) > 0.05  # rows are told apart


def test_one_component_equals_no_other():
    assert eb.fit("coins", FIVE_TRIALS, n_components=1, start={"probs": [0.5]}).status.name == "CONVERGED"


def test_start_fields_left_out_are_neutral():
    fit = eb.fit("gaussian_mixture", X, n_components=2, start={"means": MEANS}, stop={"max_passes": 0})
    assert list(fit.params.weights) == [0.5, 0.5]
    np.testing.assert_allclose(fit.params.covariances, [np.cov(X.T)] * 2)


@pytest.mark.parametrize(
    ("fixed", "named"),
    [
        ({"weights": [0.5, 0.6]}, ["weights", "add to 1"]),
        ({"weights": [1.0]}, ["weights"]),
        ({"means": [[0, 0]]}, ["means"]),
        ({"covariances": [[[1, 2], [2, 1]]] * 2}, ["covariances", "positive definite"]),
        ({"means": [[0, np.inf], [1, 1]]}, ["means"]),
    ],
)
def test_impossible_held_fields(fixed, named):
    refused(*named, fixed=fixed)


def test_held_weights_by_name_and_by_value():
    by_name = eb.fit("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"}, seed=1)
    by_value = eb.fit("coins", FIVE_TRIALS, n_components=2, fixed={"weights": [0.5, 0.5]}, seed=1)
    assert by_name.to_json() == by_value.to_json()
    both = eb.fit("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"}, fixed={"weights": [0.3, 0.7]})
    assert list(both.params.weights) == [0.3, 0.7]
    free = eb.fit("coins", FIVE_TRIALS, n_components=2, settings={"weights": "free"}, seed=1)
    assert free.family.fixed == frozenset()


@pytest.mark.parametrize("n", [0, -3, 2.5, "many"])
def test_impossible_numbers_of_starts(n):
    refused("n_starts", n_starts=n)


def test_a_family_object_is_as_good_as_its_name():
    by_name = eb.fit("gaussian_mixture", X, n_components=2, settings={"covariance": "diag"}, n_starts=3)
    by_object = eb.fit(GaussianMixture(2, "diag"), X, n_starts=3)
    assert by_object.to_json() == by_name.to_json()
    assert pose(Coins(3), FIVE_TRIALS).family == Coins(3)


def test_json_that_is_no_fit():
    for text in ("", "{}", "[]", "not json", '{"family": "zzz"}'):
        with pytest.raises(eb.InputError):
            eb.Fit.from_json(text)


# prediction


def test_predict_on_the_data_is_the_posterior():
    fit = eb.fit("gaussian_mixture", X, n_components=2)
    assert np.array_equal(fit.predict(X), fit.responsibilities)
    np.testing.assert_allclose(fit.predict(X[:1]), fit.responsibilities[:1])
    coins = eb.fit("coins", FIVE_TRIALS, n_components=2)
    assert np.array_equal(coins.predict(FIVE_TRIALS), coins.responsibilities)


# known to fail


def test_predict_where_a_column_is_constant():
    """Bug: new rows may share a value; only data to be fitted must vary."""
    fit = eb.fit("gaussian_mixture", X, n_components=2)
    assert fit.predict([[1.0, 2.0], [1.0, 3.0]]).shape == (2, 2)


def test_predict_names_a_wrong_number_of_columns():
    """Bug: numpy's broadcasting error."""
    fit = eb.fit("gaussian_mixture", X, n_components=2)
    with pytest.raises(eb.InputError, match="2"):
        fit.predict(np.random.default_rng(0).normal(size=(5, 3)))


def test_predict_takes_columns_by_name():
    """Bug: the columns of the fit are known, and a frame in another order was taken as it came."""
    frame = pd.DataFrame(X, columns=["a", "b"])
    fit = eb.fit("gaussian_mixture", frame, n_components=2)
    assert np.array_equal(fit.predict(frame[["b", "a"]]), fit.responsibilities)


def test_fields_held_by_a_family_object_are_not_let_go():
    """Bug: `fixed` of a family object was dropped without a word; it names fields and has no values: refuse it."""
    with pytest.raises(eb.InputError, match="weights"):
        eb.fit(GaussianMixture(2, "full", frozenset({"weights"})), X)


def test_a_family_object_and_another_number_of_components():
    """n_components given beside an object wins, as settings do."""
    assert pose(GaussianMixture(2), X, n_components=3).family.n_components == 3


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "EII"])
@pytest.mark.parametrize("weights", [None, [2.0, 0.0, 0.0]])
def test_a_single_row(covariance, weights):
    """Bug: one row has no covariance, and 0 / 0 was formed; it is bad input, not a fit."""
    data = X[:1] if weights is None else X[:3]
    refused("row", data=data, n_components=1, sample_weight=weights, settings={"covariance": covariance})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"settings": "full"}, "settings"),
        ({"settings": {"weights": [0.5, 0.5]}}, "weights"),
        ({"fixed": ["weights"]}, "fixed"),
        ({"fixed": {"weights": ["a", "b"]}}, "weights"),
        ({"fixed": {"means": [[1, 2], [3]]}}, "means"),
        ({"seed": "x"}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"n_components": True}, "n_components"),
    ],
)
def test_arguments_of_the_wrong_type(options, named):
    """Bug: Python's or numpy's own TypeError or ValueError."""
    refused(named, **options)


@pytest.mark.parametrize("scale", [1e160, 1e-170])
@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "EII"])
def test_numbers_whose_squares_overflow(scale, covariance):
    """Bug: squares beyond doubles gave infinities or zeros; say that the units are impossible."""
    refused("column", data=X * scale, settings={"covariance": covariance})
