"""`simulate`: new data from a fit, in the shape of old ones."""

import csv
import json

import numpy as np
import pytest

import emvsbayes as eb
from emvsbayes.core.errors import InputError

COINS = "heads,tosses\n5,10\n9,10\n8,10\n4,10\n7,20\n"


@pytest.fixture
def fitted(tmp_path):
    (tmp_path / "coins.csv").write_text(COINS)
    fit = eb.fit("coins", tmp_path / "coins.csv", n_components=2, prior="default")
    (tmp_path / "fit.json").write_text(fit.to_json())
    return tmp_path


def test_rows_and_tosses_are_those_of_like(fitted, call):
    out = fitted / "new" / "simulated.csv"
    result = call("simulate", fitted / "fit.json", "--like", fitted / "coins.csv", "--out", out, "--seed", 3)
    assert result.exit_code == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["tosses"] for row in rows] == ["10", "10", "10", "10", "20"]
    assert all(0 <= int(row["heads"]) <= int(row["tosses"]) for row in rows)
    assert {row["component"] for row in rows} <= {"0", "1"}
    again = call("simulate", fitted / "fit.json", "--like", fitted / "coins.csv", "--seed", 3)
    assert again.stdout == out.read_text()  # the same seed, on standard output
    assert call("simulate", fitted / "fit.json", "--like", fitted / "coins.csv", "--seed", 4).stdout != again.stdout


def test_moments_are_those_of_the_fit(tmp_path):
    X = np.r_[np.random.default_rng(0).normal(size=(30, 2)), np.random.default_rng(1).normal(size=(70, 2)) + 6]
    fit = eb.fit("gaussian_mixture", X, n_components=2)
    drawn = fit.simulate(np.zeros((20_000, 2)), seed=1)
    *columns, z = drawn.values
    values = np.column_stack(columns)
    for k in range(2):
        mine = values[z == k]
        sd = np.sqrt(np.diagonal(fit.params.covariances[k]))
        np.testing.assert_allclose(mine.mean(axis=0), fit.params.means[k], atol=5 * sd.max() / np.sqrt(len(mine)))
        np.testing.assert_allclose(np.cov(mine.T), fit.params.covariances[k], atol=0.1)
        assert len(mine) / len(values) == pytest.approx(fit.params.weights[k], abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.json", "--like", "coins.csv"], ["missing.json", "does not exist"]),
        (["coins.csv", "--like", "coins.csv"], ["not the JSON of a fit"]),
        (["fit.json", "--like", "missing.csv"], ["missing.csv", "does not exist"]),
        (["fit.json", "--like", "coins.csv", "--seed", "-1"], ["seed"]),
        (["fit.json", "--like", "coins.csv", "--out", "."], [". is a folder"]),
        (["bytes.json", "--like", "coins.csv"], ["not the JSON of a fit"]),
    ],
)
def test_bad_input_is_one_sentence(fitted, call, monkeypatch, arguments, words):
    monkeypatch.chdir(fitted)
    (fitted / "bytes.json").write_bytes(b"\xff\xfe")
    result = call("simulate", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


GAUSS = ("gaussian_mixture", {})
BROKEN = {
    "weights must hold numbers only": (*GAUSS, {"params": {"weights": "ab"}}),
    "weights must add to 1": (*GAUSS, {"params": {"weights": [0.5, 0.6]}}),
    "must be positive definite": (*GAUSS, {"params": {"covariances": [[[1, 2], [2, 1]]] * 2}}),
    "unknown covariance 'foo'": (*GAUSS, {"settings": {"covariance": "foo"}}),
    "holds the variance": ("kmeans", {}, {"settings": {"variance": None}}),
    "centers must have shape": ("kmeans", {}, {"params": {"centers": [1, 2]}}),
    "distinct rows": ("kmeans", {"method": "medoids"}, {"params": {"medoids": [1, 1]}}),
    "probs must lie in [0, 1]": ("bernoulli_mixture", {}, {"params": {"probs": [[0.5, 2.0], [0.5, 0.5]]}}),
}


@pytest.mark.parametrize("words", BROKEN)
def test_a_fit_that_was_edited_is_checked_when_it_is_read(words):
    family, settings, change = BROKEN[words]
    X = np.random.default_rng(0).random((12, 2))
    raw = json.loads(eb.fit(family, X, n_components=2, settings=settings, prior=None, n_starts=1).to_json())
    raw["settings"] |= change.get("settings", {})
    raw["fit"]["params"] |= change.get("params", {})
    raw["fit"]["status"] = "CONVERGED"
    with pytest.raises(InputError) as caught:
        eb.Fit.from_json(json.dumps(raw))
    assert words in str(caught.value)
