"""Bad input gets one sentence and exit code 2: no traceback, nothing written, the cause named."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest
from cases import OLD_FAITHFUL

from emvsbayes.studies import saving

GAUSS = ["-f", "gaussian_mixture", "-k", "2"]
COINS = ["-f", "coins", "-k", "2"]
ROWS = OLD_FAITHFUL.read_text().splitlines()


def table(*changes):
    """Old Faithful with some rows replaced: {row counted from 0: text}."""
    lines = list(ROWS)
    for row, text in changes:
        lines[row + 1] = text
    return "\n".join(lines) + "\n"


START = {"means": [[2, 55], [4.3, 80]], "weights": [0.4, 0.6]}
SQUARE = [[1.0, 0.0], [0.0, 1.0]]

# name: (contents of d.csv, arguments after d.csv, words that the sentence must hold)
CASES = {
    "an empty file": ("", GAUSS, ["d.csv", "empty"]),
    "blank lines only": ("\n\n \n", GAUSS, ["d.csv", "empty"]),
    "a header only": ("a,b\n", GAUSS, ["d.csv", "no rows"]),
    "a text column": (table((4, "3.6,long")), GAUSS, ["'waiting'", "'long'", "row 4", "line 6"]),
    "a NaN": (table((10, "3.6,nan")), GAUSS, ["row 10", "'waiting'", "NaN"]),
    "a missing cell": (table((10, ",80")), GAUSS, ["row 10", "'eruptions'", "NaN"]),
    "an infinity": (table((0, "inf,80")), GAUSS, ["row 0", "'eruptions'", "infinite"]),
    "minus infinity": (table((271, "3,-Infinity")), GAUSS, ["row 271", "'waiting'", "infinite"]),
    "too large to be a float": (table((1, "1e999,80")), GAUSS, ["row 1", "'eruptions'", "infinite"]),
    "a constant column": ("a,b\n" + "".join(f"{i},7\n" for i in range(9)), GAUSS, ["'b'", "constant", "7"]),
    "fewer rows than components": ("a\n1\n2\n3\n", ["-f", "gaussian_mixture", "-k", "4"], ["4 components", "are 3"]),
    "fewer trials than coins": ("heads,tosses\n1,2\n", COINS, ["2 components", "1"]),
    "K of zero": (table(), ["-f", "gaussian_mixture", "-k", "0"], ["n_components", ">= 1", "0"]),
    "K below zero": (table(), ["-f", "gaussian_mixture", "-k", "-3"], ["n_components", ">= 1", "-3"]),
    "an unknown family": (table(), ["-f", "gausian_mixture", "-k", "2"], ["did you mean 'gaussian_mixture'?"]),
    "a family like nothing": (table(), ["-f", "zzz", "-k", "2"], ["'zzz'", "coins", "gaussian_mixture"]),
    "an unknown covariance": (table(), [*GAUSS, "--covariance", "diagonal"], ["did you mean 'diag'?"]),
    "a covariance for coins": (
        "heads,tosses\n1,2\n2,3\n",
        [*COINS, "--covariance", "full"],
        ["setting of coins", "'covariance'"],
    ),
    "an unknown setting": (table(), [*GAUSS, "--set", "covarience=full"], ["did you mean 'covariance'?"]),
    "a setting without a value": (table(), [*GAUSS, "--set", "covariance"], ["NAME=VALUE", "covariance"]),
    "heads beyond tosses": ("heads,tosses\n1,2\n5,4\n", COINS, ["row 1", "5 heads of 4 tosses"]),
    "negative heads": ("heads,tosses\n1,2\n-5,4\n", COINS, ["heads", "row 1", "-5"]),
    "broken counts": ("heads,tosses\n1,2\n1.5,4\n", COINS, ["heads", "row 1", "1.5"]),
    "no tosses": ("heads,tosses\n1,2\n0,0\n", COINS, ["row 1", "no tosses"]),
    "the wrong columns": ("heads,flips,day\n1,2,3\n2,3,4\n", COINS, ["heads and tosses", "flips"]),
    "prior: a strength below zero": (
        table(),
        [*GAUSS, "--prior", '{"means": {"location": [0, 0], "strength": -1}}'],
        ["means.strength", "greater than 0", "-1"],
    ),
    "prior: degrees of freedom": (
        table(),
        [*GAUSS, "--prior", '{"covariances": {"dof": 1, "scale": 1}}'],
        ["covariances.dof", "D - 1 = 1", "it is 1"],
    ),
    "prior: a scale that is not positive definite": (
        table(),
        [*GAUSS, "--prior", '{"covariances": {"dof": 4, "scale": [[1, 2], [2, 1]]}}'],
        ["covariances.scale", "positive definite", "-1"],
    ),
    "prior: Beta below zero": (
        "heads,tosses\n1,2\n2,3\n",
        [*COINS, "--prior", '{"probs": {"a": 0, "b": 1}}'],
        ["probs.a", "greater than 0", "it is 0"],
    ),
    "prior: below one": (
        "heads,tosses\n1,2\n2,3\n",
        [*COINS, "--prior", '{"probs": {"a": 0.5, "b": 1}}'],
        ["probs.a", "at least 1", "0.5"],
    ),
    "prior: NaN": (table(), [*GAUSS, "--prior", '{"weights": {"concentration": NaN}}'], ["concentration", "nan"]),
    "prior: a shape": (
        table(),
        [*GAUSS, "--prior", '{"weights": {"concentration": [1, 2, 3]}}'],
        ["weights.concentration", "(2,)", "(3,)"],
    ),
    "prior: an unknown group": (table(), [*GAUSS, "--prior", '{"mean": {}}'], ["did you mean 'means'?"]),
    "prior: an unknown field": (
        table(),
        [*GAUSS, "--prior", '{"means": {"location": 0, "strenght": 1}}'],
        ["did you mean 'strength'?"],
    ),
    "prior: not JSON": (table(), [*GAUSS, "--prior", '{"means": '], ["prior", "JSON"]),
    "prior: a missing file": (table(), [*GAUSS, "--prior", "p.json"], ["p.json", "does not exist"]),
    "prior: an unknown name": (table(), [*GAUSS, "--prior", "defualt"], ["did you mean 'default'?"]),
    "start: a covariance that is not positive definite": (
        table(),
        [*GAUSS, "--start", json.dumps({**START, "covariances": [SQUARE, [[1, 2], [2, 1]]]})],
        ["covariances[1]", "positive definite", "-1"],
    ),
    "start: a covariance that is not symmetric": (
        table(),
        [*GAUSS, "--start", json.dumps({**START, "covariances": [SQUARE, [[1, 2], [0, 9]]]})],
        ["covariances", "symmetric"],
    ),
    "start: weights that do not add to 1": (
        table(),
        [*GAUSS, "--start", json.dumps({**START, "weights": [0.5, 0.6]})],
        ["weights", "add to 1", "1.1"],
    ),
    "start: a negative weight": (
        table(),
        [*GAUSS, "--start", json.dumps({**START, "weights": [-0.5, 1.5]})],
        ["weights", "negative", "entry 0"],
    ),
    "start: a shape": (table(), [*GAUSS, "--start", '{"means": [[1, 2]]}'], ["means", "(2, 2)", "(1, 2)"]),
    "start: without means": (table(), [*GAUSS, "--start", '{"weights": [0.5, 0.5]}'], ["needs means"]),
    "start: an unknown field": (table(), [*GAUSS, "--start", '{"mean": [[1, 2]]}'], ["did you mean 'means'?"]),
    "start: an unknown method": (table(), [*GAUSS, "--start", "kmean"], ["did you mean 'kmeans'?"]),
    "start: text": (table(), [*GAUSS, "--start", '{"means": "a"}'], ["means", "numbers"]),
    "columns: an unknown one": (table(), [*GAUSS, "--columns", "eruptions,wating"], ["did you mean 'waiting'?"]),
    "labels: an unknown column": (table(), [*GAUSS, "--labels", "waitin"], ["did you mean 'waiting'?"]),
    "labels: broken": (table(), [*GAUSS, "--labels", "eruptions"], ["labels", "whole numbers"]),
    "labels: too many": (table(), [*GAUSS, "--labels", "waiting"], ["labels go up to 96", "2 components"]),
    "weights: negative": (table((3, "-2,80")), [*GAUSS, "--weights", "eruptions"], ["sample_weight", "row 3", "-2"]),
    "no column is left": ("a,b\n1,2\n2,3\n4,5\n", [*GAUSS, "--weights", "a", "--labels", "b"], ["column"]),
    "tol below zero": (table(), [*GAUSS, "--tol", "-1"], ["tol", ">= 0", "-1"]),
    "max-passes below zero": (table(), [*GAUSS, "--max-passes", "-1"], ["max_passes", ">= 0"]),
    "no starts": (table(), [*GAUSS, "--starts", "0"], ["n_starts", ">= 1"]),
    "a seed below zero": (table(), [*GAUSS, "--seed", "-1"], ["seed", "-1"]),
    "ragged lines": ("a,b\n1,2\n3\n", GAUSS, ["line 3", "1 cells", "2"]),
    "two columns of a name": ("a,a\n1,2\n3,4\n", GAUSS, ["two columns of the same name"]),
    "bytes that are no text": (b"a,b\n\xff\xfe,2\n", GAUSS, ["d.csv", "not text in UTF-8"]),
    "dependent columns": (
        "a,b\n" + "".join(f"{i},{2 * i}\n" for i in range(9)),
        GAUSS,
        ["linearly dependent", "diag"],
    ),
}


def one_sentence(done, words, out=True):
    """Exit code 2, one line on standard error that begins with Error: and names `words`."""
    assert done.exit_code == 2, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error: ")]
    assert len(errors) == 1, done.stderr
    assert lines[-1] == errors[0]
    assert lines == errors, "something was done before the input was looked at"
    assert errors[0].endswith((".", "?"))
    assert "Traceback" not in done.output
    assert not re.search(r"\b(?:float64|dtype|ndarray|NoneType|object at 0x)", errors[0])
    if out:
        assert done.stdout == ""
    for word in words:
        assert word in errors[0], errors[0]


@pytest.mark.parametrize(("words", "named"), [
    (["--fixed", "weights"], ["fixed must be JSON"]),
    (["--fixed", '{"wheights": [0.5, 0.5]}'], ["unknown fixed field", "weights"]),
    (["--fixed", "nowhere.json"], ["nowhere.json does not exist"]),
])  # fmt: skip
def test_held_fields_that_cannot_be_held(words, named, here, call):
    (here / "d.csv").write_text("a,b\n1,2\n3,1\n0,1\n")
    one_sentence(call("em", "d.csv", *GAUSS, *words), named)


def test_a_photograph_takes_no_other_data(here, call):
    (here / "d.csv").write_text("a,b\n1,2\n3,1\n0,1\n")
    done = call("run", "image-segmentation", "--data", "d.csv", "--no-sampling", "--out", "out")
    one_sentence(done, ["show the photograph", "emvsbayes compare"])


@pytest.mark.parametrize("command", ["em", "compare"])
@pytest.mark.parametrize("name", CASES)
def test_bad_input(name, command, here, call, listing):
    text, words, named = CASES[name]
    (here / "d.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    before = listing()
    extra = ["--no-sampling", "--out", "out"] if command == "compare" else ["--json", "fit.json"]
    if command == "compare" and name.startswith("prior: ") and "covariances" in str(words):
        words = [w.replace('{"covariances"', '{"means": {"location": 0, "strength": 1}, "covariances"') for w in words]
    one_sentence(call(command, "d.csv", *words, *extra), named)
    assert listing() == before


@pytest.mark.parametrize("command", ["em", "compare"])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere.csv", ["nowhere.csv", "does not exist"]),
        ("folder.csv", ["folder.csv", "not a file"]),
        ("data.xlsx", [".csv, .parquet, .npy or .npz"]),
        ("data", [".csv, .parquet, .npy or .npz"]),
        ("broken.npy", ["broken.npy", "cannot be read as .npy"]),
        ("broken.npz", ["broken.npz", "cannot be read as .npz"]),
        ("n" * 300 + ".csv", ["does not exist"]),
    ],
)
def test_files_that_cannot_be_read(path, words, command, here, call):
    (here / "folder.csv").mkdir()
    (here / "broken.npy").write_bytes(b"not numpy")
    (here / "broken.npz").write_bytes(b"PK not a zip")
    (here / "data.xlsx").write_bytes(b"PK")
    one_sentence(call(command, path, *GAUSS), words)


def test_an_array_with_objects_is_not_unpickled(here, call):
    np.save(here / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    one_sentence(call("em", "o.npy", *GAUSS), ["o.npy", "cannot be read"])


UNWRITABLE = ["data.csv", "data.csv/below", "data.csv/below/further", "/proc/nowhere"]


@pytest.mark.parametrize("out", UNWRITABLE)
def test_an_unwritable_output_folder(out, call, listing):
    before = listing()
    words = [out.split("/")[0] or "/proc", "choose another output folder"]
    one_sentence(call("compare", "data.csv", *GAUSS, "--out", out), words)
    one_sentence(call("compare", "data.csv", *GAUSS, "--out", out, "--no-sampling"), words)
    one_sentence(call("run", "two-coins", "--out", out, "--no-sampling"), words)
    assert listing() == before


def test_a_folder_without_permission(call, monkeypatch):
    def refuse(**options):
        raise PermissionError(13, "Permission denied", options.get("dir"))

    monkeypatch.setattr(saving.tempfile, "TemporaryFile", refuse)
    one_sentence(call("run", "two-coins", "--out", "out"), ["out", "Permission denied"])


@pytest.mark.parametrize("path", ["data.csv/fit.json", "/proc/nowhere/fit.json", "."])
def test_a_fit_that_cannot_be_written_is_refused_before_fitting(path, call):
    one_sentence(call("em", "data.csv", *GAUSS, "--json", path), [])


def test_a_fit_is_written_into_a_folder_that_is_made(call, here):
    done = call("em", "data.csv", *GAUSS, "--starts", "2", "--json", "new/fit.json")
    assert done.exit_code == 0, done.output
    assert (here / "new" / "fit.json").is_file()


def test_a_fit_is_written_whole_or_not_at_all(call, here, full_disk):
    (here / "fit.json").write_text("the old one")
    with full_disk():
        done = call("em", "data.csv", *GAUSS, "--starts", "2", "--json", "fit.json")
    assert done.exit_code == 2
    assert (here / "fit.json").read_text() == "the old one"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run", "old-faithfull"], ["did you mean 'old-faithful'?"]),
        (["run", "two-coins", "zzz"], ["'zzz'", "old-faithful"]),
        (["run"], ["name a study", "old-faithful", "two-coins"]),
        (["run", "../two-coins"], ["unknown study"]),
        (["render", "nowhere.json"], ["nowhere.json", "does not exist"]),
        (["render", "data.csv"], ["data.csv", "not the result.json of a comparison"]),
        (["render", "."], ["not a file"]),
    ],
)
def test_names_that_are_not_known(words, named, call, listing):
    before = listing()
    one_sentence(call(*words), named)
    assert listing() == before


@pytest.mark.parametrize(
    "words",
    [["em", "data.csv", "-f", "coins"], ["em", "data.csv", "-f", "gaussian_mixture", "-k", "two"], ["lis"], ["em"]],
)
def test_wrong_usage(words, call):
    done = call(*words)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize("option", [["--draws", "1"], ["--tune", "0"], ["--chains", "0"]])
def test_how_to_sample_is_looked_at_first(option, call, listing):
    before = listing()
    one_sentence(call("compare", "data.csv", *GAUSS, *option), [option[0][2:]])
    assert listing() == before


def test_from_a_process_of_its_own(process, here):
    for words in (
        ["em", "nowhere.csv", *GAUSS],
        ["em", "data.csv", "-f", "coins", "-k", "2"],
        ["compare", "data.csv", "-f", "gaussian_mixture", "-k", "900"],
        ["run", "nothing"],
    ):
        done = process(*words)
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("Error: ")
    assert os.listdir(here) == ["data.csv"]
