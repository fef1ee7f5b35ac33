"""`eb.compare` and `eb.run` as users call them: again and again, in any order, with any of the documented inputs."""

from __future__ import annotations

import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from cases import FIVE_TRIALS, OLD_FAITHFUL, blobs

import emvsbayes as eb
from emvsbayes.comparison import singularity
from emvsbayes.core.em import Stop
from emvsbayes.families.gaussian_mixture import GaussianMixture
from emvsbayes.studies import compare

X = blobs(n=40)


@pytest.fixture(autouse=True)
def _few_starts(monkeypatch):
    monkeypatch.setattr(singularity, "N_STARTS", 5)


def python(code):
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


CALL = "eb.compare('coins', {'heads': [5, 9, 8], 'tosses': [10, 10, 10]}, n_components=2, sampling=False)"


@pytest.mark.parametrize(
    "before",
    [
        "",
        CALL,
        "eb.run('two-coins', sampling=False)",
        "import emvsbayes.comparison.record",
        "from emvsbayes.comparison.record import Comparison",
        "eb.STUDIES",
        "import emvsbayes.cli",
    ],
)
def test_compare_stays_the_function(before):
    """The folder emvsbayes/comparison must not take the place of the function of the same name."""
    assert "True" in python(f"import emvsbayes as eb\n{before}\nprint(len({CALL}.verdict) == 3)")


def test_every_public_name_is_there_twice():
    assert (
        python(
            "import emvsbayes as eb\n"
            "first = {n: getattr(eb, n) for n in eb.__all__}\n"
            "print(all(getattr(eb, n) is v for n, v in first.items()), callable(eb.compare))\n"
            "print(set(eb.__all__) <= set(dir(eb)))"
        ).split()
        == ["True"] * 3
    )


def test_data_in_every_form():
    options = {"n_components": 2, "sampling": False, "n_starts": 2}
    frame = pd.DataFrame(X, columns=["a", "b"])
    found = [
        compare("gaussian_mixture", data, **options) for data in (X, X.tolist(), frame, {"a": X[:, 0], "b": X[:, 1]})
    ]
    assert len({c.ml.log_likelihood for c in found}) == 1
    assert [c.record.subject.columns for c in found] == [["x0", "x1"], ["x0", "x1"], ["a", "b"], ["a", "b"]]
    by_path = [compare("gaussian_mixture", p, **options).record.subject for p in (OLD_FAITHFUL, str(OLD_FAITHFUL))]
    assert by_path[0] == by_path[1]
    assert by_path[0].name == "old_faithful"


def test_a_family_object_is_a_family():
    family = GaussianMixture(2, "diag")
    by_object = compare(family, X, sampling=False, n_starts=2)
    by_name = compare(
        "gaussian_mixture", X, n_components=2, settings={"covariance": "diag"}, sampling=False, n_starts=2
    )
    assert by_object.record.points == by_name.record.points
    assert "GaussianMixture(" not in by_object.record.listings.em
    assert "GaussianMixture(" not in by_object.record.provenance.command


def test_starts_in_every_form():
    options = {"n_components": 2, "sampling": False}
    means = {"means": [[0, 0], [2, 2]]}
    assert compare("gaussian_mixture", X, start=means, **options).ml.restarts[0].how == "given"
    assert compare("gaussian_mixture", X, start=means, n_starts=3, **options).ml.restarts
    record = eb.fit("gaussian_mixture", X, n_components=2, n_starts=1).params
    assert compare("gaussian_mixture", X, start=record, **options).verdict
    by_method = compare("gaussian_mixture", X, start="random_rows", n_starts=3, **options)
    assert {r.how for r in by_method.ml.restarts} == {"random_rows"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_components": None}, ["n_components"]),
        ({"n_components": 0}, ["n_components", ">= 1"]),
        ({"settings": "full"}, ["settings must be a mapping", "full"]),
        ({"stop": 5}, ["stop must be a mapping", "5"]),
        ({"stop": {"toll": 1}}, ["did you mean 'tol'"]),
        ({"prior": None}, ["needs a prior"]),
        ({"prior": "defualt"}, ["did you mean 'default'"]),
        ({"prior": 3}, ["prior must be"]),
        ({"prior": {"means": {"location": [0, 0], "strength": -1}}}, ["means.strength", "greater than 0"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": "a"}, ["seed"]),
        ({"start": "kmean"}, ["did you mean 'kmeans'"]),
        ({"start": {"means": [[0, 0], [2, 2]], "weights": [0.5, 0.6]}}, ["weights must add to 1", "1.1"]),
        ({"fixed": {"mean": [[0, 0], [2, 2]]}}, ["did you mean 'means'"]),
        ({"fixed": 7}, ["fixed must be a mapping"]),
        ({"n_starts": 0}, ["n_starts"]),
    ],
)
def test_bad_input_is_told_in_one_sentence(options, words):
    with pytest.raises(eb.InputError) as caught:
        compare("gaussian_mixture", X, **{"n_components": 2, "sampling": False, **options})
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_how_to_sample_is_looked_at_before_anything_is_fitted(monkeypatch):
    """A request that cannot be sampled is refused at once, not after minutes of work."""
    from emvsbayes.studies import runner

    monkeypatch.setattr(runner, "fit_both", lambda *a, **k: pytest.fail("fitted first"))
    for options in ({"chains": 0}, {"draws": 1}, {"tune": 0}):
        with pytest.raises(eb.InputError, match=next(iter(options))):
            compare("coins", FIVE_TRIALS, n_components=2, **options)


def test_stop_may_be_a_record():
    found = compare("coins", FIVE_TRIALS, n_components=2, sampling=False, stop=Stop(max_passes=1))
    assert found.ml.passes == 1


def test_lines_of_progress_reach_say(capsys):
    lines = []
    compare("coins", FIVE_TRIALS, n_components=2, sampling=False, say=lines.append)
    assert any("EM" in line for line in lines)
    compare("coins", FIVE_TRIALS, n_components=2, sampling=False)
    assert capsys.readouterr() == ("", "")


def test_the_command_in_the_record_does_the_same_again(tmp_path, monkeypatch):
    """What is printed as the way to do it again names everything that changed the numbers."""
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(np.c_[X, np.tile([1.0, 2.0], 20)], columns=["a", "b", "w"]).to_csv("d.csv", index=False)
    from click.testing import CliRunner

    from emvsbayes.cli import main
    from emvsbayes.studies.saving import read_result

    arguments = [
        "d.csv",
        "-f",
        "gaussian_mixture",
        "-k",
        "2",
        "--covariance",
        "diag",
        "--weights",
        "w",
        "--no-sampling",
    ]
    assert CliRunner().invoke(main, ["compare", *arguments, "--out", "one"]).exit_code == 0
    first = read_result(tmp_path / "one" / "result.json")
    words = shlex.split(first.provenance.command)
    assert words[:2] == ["emvsbayes", "compare"]
    again = CliRunner().invoke(main, [*words[1:], "--no-sampling", "--out", "two"])
    assert again.exit_code == 0
    assert read_result(tmp_path / "two" / "result.json").points == first.points


def test_a_mask_reaches_the_family_that_reads_it():
    """`compare` hands its data on as they come; the listing prints them so that it runs."""
    rng = np.random.default_rng(0)
    bits, seen = (rng.random((30, 3)) < 0.5).astype(float), rng.random((30, 3)) < 0.8
    seen[:, 0] = True
    found = eb.compare("bernoulli_mixture", {"X": bits, "observed": seen}, n_components=2, sampling=False)
    same = eb.fit("bernoulli_mixture", np.where(seen, bits, np.nan), n_components=2)
    assert found.ml.log_likelihood == pytest.approx(same.log_likelihood, rel=1e-9)
    names = {}
    exec(found.record.listings.em, names)
    assert names["data"].observed.sum() == seen.sum()
