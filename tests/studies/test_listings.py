"""The code on the page runs as printed: the EM loop to the same number, the PyMC model to the same density."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import pandas as pd
import pytensor
import pytest
from cases import FIVE_TRIALS, OLD_FAITHFUL, blobs

from emvsbayes.bayes.twins import Unconstrained
from emvsbayes.comparison import singularity
from emvsbayes.studies import compare, run
from emvsbayes.studies.listings import steps_listing

X = pd.DataFrame(blobs(n=40), columns=["first", "the second"])


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "mine.csv"
    X.assign(z=["a"] * 40).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def compared(csv):
    """Comparisons whose data can be named in a script: studies and files."""
    from emvsbayes.tables import read_table

    labels, weights = np.r_[0, 1, np.full(38, -1)], np.tile([0.5, 2.0], 20)
    table = read_table(csv).select(["the second", "first"])
    prior = {
        "means": {"location": [0.0, 1.0], "strength": 0.5},
        "covariances": {"dof": 5.0, "scale": [[2.0, 0.1], [0.1, 1.0]]},
    }
    trials = csv.parent / "trials.csv"
    pd.DataFrame(FIVE_TRIALS).to_csv(trials, index=False)
    options = {"n_components": 2, "sampling": False, "n_starts": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(singularity, "N_STARTS", 5)
        yield {
            "two-coins": run("two-coins", sampling=False),
            "old-faithful": run("old-faithful", sampling=False),
            "path": compare("gaussian_mixture", OLD_FAITHFUL, settings={"covariance": "tied"}, **options),
            "text path": compare("gaussian_mixture", str(OLD_FAITHFUL), settings={"covariance": "diag"}, **options),
            "columns of a file": compare("gaussian_mixture", table, prior=prior, **options),
            "held": compare("gaussian_mixture", table, fixed={"means": [[0, 0], [2, 2]]}, **options),
            "flat weights": compare("coins", trials, prior={"probs": {"a": 2, "b": 2}}, **options),
            "labels and weights": compare("gaussian_mixture", table, labels=labels, sample_weight=weights, **options),
        }


NAMES = ["two-coins", "old-faithful", "path", "text path", "columns of a file", "held", "flat weights"]
NAMES += ["labels and weights"]


def executed(code, X=None):
    """The script's names after it ran, and what it printed; `X` is what was passed, where a script cannot name it."""
    names, out = {"__name__": "__main__", **({} if X is None else {"X": X})}, StringIO()
    with redirect_stdout(out):
        exec(compile(code, "<listing>", "exec"), names)
    return names, out.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_the_loop_ends_where_the_comparison_does(name, compared):
    found = compared[name]
    names, printed = executed(found.record.listings.em)
    climb = found.record.decomposition.climbs[0]
    final = names["family"].log_likelihood(names["params"], names["data"])
    assert final == pytest.approx(climb.steps[-1].log_likelihood, rel=1e-12)
    assert f"log-likelihood {final}" in printed
    assert "Params(" in printed
    if name != "two-coins":  # a given start may lead anywhere
        assert final == pytest.approx(found.ml.log_likelihood, abs=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_built_and_evaluated(name, compared):
    found = compared[name]
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        names, printed = executed(found.record.listings.pymc)
        model = names["model"]
        start = names["start"]
        values = Unconstrained(model).values(start)
        point = dict(zip([v.name for v in model.value_vars], values, strict=True))
        theirs = float(model.compile_logp(jacobian=False)(point))
    step = found.record.decomposition.climbs[1].steps[0]  # MAP, at the start
    assert theirs == pytest.approx(step.log_likelihood + step.log_prior, rel=1e-10)
    for variable in model.basic_RVs:
        assert f"'{variable.name}'" in printed


TRIALS = {name: np.array(values) for name, values in FIVE_TRIALS.items()}
PRIOR = {"means": {"location": np.array([0.0, 1.0]), "strength": np.float64(0.5)}}
PASSED = {
    "array": ("gaussian_mixture", X.to_numpy(), {"prior": {**PRIOR, "covariances": {"dof": 5, "scale": np.eye(2)}}}),
    "rows": ("gaussian_mixture", X.to_numpy().tolist(), {"settings": {"covariance": "tied"}}),
    "frame": ("gaussian_mixture", X, {"start": {"means": np.array([[0, 0], [2, 2]])}}),
    "array, labels": ("gaussian_mixture", X.to_numpy(), {"labels": np.r_[0, 1, np.full(38, -1)]}),
    "array, weights": ("gaussian_mixture", X.to_numpy(), {"sample_weight": np.tile([0.1, 1 / 3], 20)}),
    "frame, all at once": (
        "gaussian_mixture",
        X,
        {
            "labels": [0, 1, *[-1] * 38],
            "sample_weight": [0.1, 1 / 3] * 20,
            "fixed": {"weights": np.array([0.3, 0.7])},
            "settings": {"covariance": "diag"},
        },
    ),
    "trials, labels and weights": ("coins", TRIALS, {"labels": [0, -1, -1, 1, -1], "sample_weight": np.arange(1, 6)}),
    "trials, held": ("coins", TRIALS, {"settings": {"weights": "fixed"}, "start": {"probs": np.array([0.6, 0.5])}}),
}


@pytest.mark.parametrize("name", PASSED)
def test_data_that_were_passed_are_printed_with_the_rest(name, monkeypatch):
    """Both scripts run with nothing at hand: data, labels, weights, held values, prior and start are in them."""
    monkeypatch.setattr(singularity, "N_STARTS", 3)
    family, data, options = PASSED[name]
    found = compare(family, data, n_components=2, sampling=False, n_starts=3, **options)
    listings = found.record.listings
    names, _ = executed(listings.em)
    climb, map_climb = found.record.decomposition.climbs
    final = names["family"].log_likelihood(names["params"], names["data"])
    assert final == pytest.approx(climb.steps[-1].log_likelihood, rel=1e-12)
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        names, _ = executed(listings.pymc)
        values = Unconstrained(names["model"]).values(names["start"])
        point = dict(zip([v.name for v in names["model"].value_vars], values, strict=True))
        theirs = float(names["model"].compile_logp(jacobian=False)(point))
    first = map_climb.steps[0]
    assert theirs == pytest.approx(first.log_likelihood + first.log_prior, rel=1e-10)
    for code in (listings.em, listings.pymc):
        assert ("labels=" in code) == ("labels" in options)
        assert ("sample_weight=" in code) == ("sample_weight" in options)


def test_many_data_that_were_passed_are_named(monkeypatch):
    """A page does not print a large array: the script asks for it as X."""
    monkeypatch.setattr(singularity, "N_STARTS", 3)
    monkeypatch.setattr("emvsbayes.studies.listings.PRINTED", 10)
    found = compare("gaussian_mixture", X.to_numpy(), n_components=2, sampling=False, n_starts=3)
    with pytest.raises(NameError, match="'X'"):
        executed(found.record.listings.em)
    names, _ = executed(found.record.listings.em, X.to_numpy())
    last = found.record.decomposition.climbs[0].steps[-1]
    assert names["family"].log_likelihood(names["params"], names["data"]) == pytest.approx(
        last.log_likelihood, rel=1e-12
    )


def test_the_scripts_run_on_their_own(compared, tmp_path):
    flags = f"mode=FAST_COMPILE,{os.environ.get('PYTENSOR_FLAGS', '')}"
    for kind in ("em", "pymc"):
        path = tmp_path / f"listing_{kind}.py"
        path.write_text(getattr(compared["two-coins"].record.listings, kind))
        done = subprocess.run(
            [sys.executable, str(path)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTENSOR_FLAGS": flags.strip(",")},
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert "heads" in done.stdout


def test_the_steps_are_the_source_of_the_family(compared):
    for name in ("two-coins", "old-faithful"):
        steps = compared[name].record.listings.steps
        for method in ("def e_step(", "def expect(", "def m_step("):
            assert steps.count(method) == 1
        assert steps == steps_listing(compared[name].ml.family)
        compile(steps, "<steps>", "exec")


def test_no_line_is_too_long_to_read(compared):
    for name in NAMES:
        for kind in ("em", "steps", "pymc"):
            lines = getattr(compared[name].record.listings, kind).splitlines()
            data = ("read_table", "/", "problem = pose(", "problem.prior(")
            assert all(len(line) <= 120 or any(word in line for word in data) for line in lines)
