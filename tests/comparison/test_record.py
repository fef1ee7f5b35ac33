"""A comparison as JSON: in and out without loss, misfits named by their path, equal bytes for equal seeds."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from cases import FIVE_TRIALS, OLD_FAITHFUL, blobs

import emvsbayes
import emvsbayes as eb
from emvsbayes.comparison import singularity
from emvsbayes.comparison.record import Comparison
from emvsbayes.report.page import render
from emvsbayes.studies import compare, run

X = blobs(n=40)
PROBLEMS = {
    "coins": ("coins", FIVE_TRIALS, {}),
    "coins-fixed": ("coins", FIVE_TRIALS, {"settings": {"weights": "fixed"}, "start": {"probs": [0.6, 0.5]}}),
    "full": ("gaussian_mixture", X, {}),
    "tied": ("gaussian_mixture", X, {"settings": {"covariance": "tied"}}),
    "diag-weighted": (
        "gaussian_mixture",
        X,
        {"settings": {"covariance": "diag"}, "sample_weight": np.tile([0.0, 2.0], 20)},
    ),
    "spherical-labelled": (
        "gaussian_mixture",
        X,
        {"settings": {"covariance": "spherical"}, "labels": np.r_[0, 1, np.full(38, -1)]},
    ),
    "one-column": ("gaussian_mixture", X[:, :1], {}),
    "one-component": ("gaussian_mixture", X, {"n_components": 1}),
    "held": ("gaussian_mixture", X, {"fixed": {"means": [[0, 0], [2, 2]]}}),
    # maximum likelihood on its boundary, where this prior is 0
    "boundary": ("coins", {"heads": [10, 10, 0, 0], "tosses": [10] * 4}, {}),
    # every likelihood is unbounded: two rows in one component, or one component a row
    "singular": ("gaussian_mixture", [[0.0], [1.0], [5.0]], {"n_components": 3}),
    "not-converged": ("gaussian_mixture", X, {"stop": {"max_passes": 1}, "n_starts": 2}),
}


@pytest.fixture(scope="module", autouse=True)
def few_starts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(singularity, "N_STARTS", 10)
        yield


def compared(name, **more):
    family, data, options = PROBLEMS[name]
    return compare(family, data, **{"n_components": 2, "n_starts": 4, **options, **more}, sampling=False)


@pytest.mark.parametrize("name", PROBLEMS)
def test_json_and_back(name, tmp_path):
    record = compared(name).record
    text = record.to_json()
    assert Comparison.from_json(text) == record
    again = Comparison.from_json(text).to_json()
    assert Comparison.from_json(again).to_json() == again
    assert len(text) < 400_000
    raw = json.loads(text)
    assert list(raw)[:3] == ["subject", "verdict", "points"]
    assert len(raw["verdict"]) == 3
    if name in ("coins", "boundary", "singular"):
        assert render(Comparison.from_json(text)) == render(record)


def first_float(value, path=()):
    """Paths of every number in a nested JSON value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from first_float(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value[:1]):
            yield from first_float(item, (*path, i))
    elif isinstance(value, float):
        yield path


@pytest.fixture(scope="module")
def raw():
    return json.loads(compared("full").record.to_json())


def refused(text):
    with pytest.raises(eb.InputError) as caught:
        Comparison.from_json(text)
    message = str(caught.value)
    assert "\n" not in message
    assert "result.json" in message
    return message


def test_a_misfit_is_named_by_its_path(raw):
    paths = [path for path in first_float(raw) if "params" not in path]  # the values of params may be anything
    assert len(paths) > 30
    for path in paths:
        changed = json.loads(json.dumps(raw))
        target = changed
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = "a word"
        expected = "$" + "".join("[0]" if key == 0 else f".{key}" for key in path)
        message = refused(json.dumps(changed))
        assert expected in message or "[...]" in message, message  # msgspec writes the keys of a mapping as [...]


def test_files_that_are_no_result(raw):
    assert "malformed" in refused(b"not JSON")
    refused(b"")
    refused(b"[1, 2]")
    refused(b"\xff\xfe")
    assert "`subject`" in refused(b"{}")
    missing = {key: value for key, value in raw.items() if key != "verdict"}
    assert "`verdict`" in refused(json.dumps(missing))
    truncated = json.dumps(raw)[:-200]
    refused(truncated)


def test_another_format_is_refused(raw):
    assert "format" in refused(json.dumps({**raw, "format": 99}))


def test_every_number_is_finite_or_absent(raw):
    def walk(value):
        if isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                walk(item)
        elif isinstance(value, float):
            assert np.isfinite(value)

    walk(raw)


# promise 10


def without_seconds(record):
    return replace(record, provenance=replace(record.provenance, seconds={})).to_json()


@pytest.mark.parametrize("name", ["coins", "full", "diag-weighted"])
def test_the_same_seed_gives_the_same_bytes(name):
    one, same, other = (without_seconds(compared(name, seed=seed).record) for seed in (4, 4, 5))
    assert one == same
    assert one != other


def test_a_study_gives_the_same_bytes():
    one, same = (without_seconds(run("two-coins", sampling=False).record) for _ in range(2))
    assert one == same


def test_the_committed_reports_hold_these_numbers():
    """result.json under reports/: the EM part, digit for digit up to rounding."""
    reports = Path(emvsbayes.__file__).parents[1] / "reports"
    committed = Comparison.from_json((reports / "two-coins" / "result.json").read_bytes())
    fresh = run("two-coins", sampling=False).record
    for ours, theirs in zip(fresh.points.parameters, committed.points.parameters, strict=True):
        assert ours.name == theirs.name
        assert (ours.ml, ours.map) == pytest.approx((theirs.ml, theirs.map), rel=1e-9)
    assert fresh.published == committed.published
    assert fresh.provenance.data_sha256 == committed.provenance.data_sha256


def test_what_the_record_says_of_old_faithful():
    record = compare("gaussian_mixture", OLD_FAITHFUL, n_components=2, sampling=False, n_starts=4).record
    assert record.subject.n_rows == 272
    assert record.subject.columns == ["eruptions", "waiting"]
    assert record.points.scores[0].log_likelihood == pytest.approx(-1130.263960, abs=1e-6)
    assert len(record.picture.points) == 272
    assert [s.passes for s in record.picture.snapshots[:5]] == [0, 1, 2, 5, 20]
    assert record.picture.snapshots[-1].weights == pytest.approx(
        [p.ml for p in record.points.parameters if p.field == "weights"], abs=1e-4
    )
    assert record.switching is None
    assert record.provenance.sampler == "none"
    assert all(check.passed for check in record.checks)


@pytest.mark.parametrize("seed", range(3))
def test_known_labels_stay_where_they_are_known(seed):
    """ML is given the labels of MAP by renaming what may be renamed: a component with known rows keeps its place."""
    known = np.r_[0, 1, np.full(58, -1)]  # rows 0 and 1 are of the centres 0 and 1; the third has no row
    options = {"n_components": 3, "labels": known, "n_starts": 6, "seed": seed, "sampling": False}
    found = compare("gaussian_mixture", blobs(n=60, k=3), **options)
    for fit in (found.ml, found.map):
        np.testing.assert_array_equal(fit.responsibilities[:2], np.eye(3)[:2])
    free = compare("gaussian_mixture", blobs(n=60, k=3), **{**options, "labels": None})
    r, s = free.ml.responsibilities, free.map.responsibilities
    assert np.trace(r.T @ s) == pytest.approx(max(np.trace(r[:, p].T @ s) for p in permutations(range(3))))


def test_starts_and_total_weight_are_in_the_record():
    found = compared("diag-weighted")
    assert found.record.subject.total_weight == 40.0
    assert found.record.subject.n_rows == 40
    for side, fit in zip(found.record.points.starts, (found.ml, found.map), strict=True):
        assert side.n_starts == len(fit.restarts) == 4
        assert list(zip(side.optima, side.counts, strict=True)) == fit.optima
        assert sum(side.counts) + side.n_singular == 4
    names = [check.name for check in found.record.checks]
    assert "ML beaten" in names
    assert "MAP beaten" not in names  # there is no mode of PyMC to set against it


def test_a_picture_of_many_rows_is_thinned():
    record = compare("gaussian_mixture", blobs(n=700), n_components=2, sampling=False, n_starts=2).record
    assert len(record.picture.points) == len(record.picture.labels) == 500
    assert record.picture.n_rows == 700
    assert len(record.to_json()) < 400_000
