"""A fit that is interrupted and goes on ends as the fit that never was, to the bit; other fits are refused."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cases import blobs

import emvsbayes as eb
from emvsbayes.checkpoint_file import CheckpointFile
from emvsbayes.sources.survey import hashed

START = {"means": [[0.0, 0.0], [2.0, 1.0]]}
FORTY = {"tol": 0, "max_passes": 40}


class Stops(Exception):
    """The interruption."""


class After:
    """Progress that breaks off after so many passes of all runs together."""

    def __init__(self, passes=None):
        self.left = passes

    def begins(self, name): ...

    def rows(self, n): ...

    def passed(self, passes, objective):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Stops


def interrupted(path, passes, *args, **asked):
    with pytest.raises(Stops):
        eb.fit(*args, checkpoint=path, progress=After(passes), **asked)


PLANS = [
    {"start": START},
    {"start": START, "record": False},
    {"start": START, "prior": "default"},
    {"start": START, "accelerate": "anderson", "stop": FORTY},
    {"start": START, "accelerate": "squarem", "record": False, "stop": FORTY},
    {"start": START, "e_step": "hard", "stop": FORTY},
    {"start": START, "e_step": "annealed:0.3,40"},
    {"start": START, "e_step": "annealed:0.3,40", "schedule": "chunked:40"},
    {"start": START, "e_step": "stochastic", "seed": 3, "stop": {"tol": 0, "max_passes": 24}},
    {"start": START, "m_step": "conditional"},
    {"start": START, "schedule": "chunked:40"},
    {"start": START, "stop": {"param_tol": 1e-7, "rule": "both"}},
    {"start": START, "stop": {"aitken": True, "tol": 1e-7}},
    {"n_starts": 3},
    {"n_starts": "4:2"},
    {"n_starts": 3, "n_jobs": 2, "record": False},
]


@pytest.mark.parametrize("asked", PLANS, ids=str)
def test_a_fit_goes_on_to_the_same_bits(asked, tmp_path):
    asked = {"n_components": 2, **asked}
    X, path = blobs(n=150), tmp_path / "fit.json"
    whole = eb.fit("gaussian_mixture", X, **asked)
    for passes in (9, 6):  # twice: what goes on can be interrupted too
        interrupted(path, passes, "gaussian_mixture", X, **asked)
    fit = eb.fit("gaussian_mixture", X, checkpoint=path, **asked)
    assert fit.to_json() == whole.to_json()
    if whole.q is not None:
        assert np.array_equal(fit.q.log_r, whole.q.log_r)
    told = After()
    told.passed = lambda passes, objective: pytest.fail("nothing is left to do")
    done = eb.fit("gaussian_mixture", X, checkpoint=path, progress=told, **asked)
    assert done.to_json() == whole.to_json()
    assert (done.q is None) == (whole.q is None)
    if whole.q is not None:
        np.testing.assert_allclose(done.responsibilities, whole.responsibilities, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize(
    ("family", "asked"),
    [
        ("gaussian_mixture", {"n_starts": "4:2"}),
        ("kmeans", {"n_starts": 3, "prior": "default"}),
        ("bernoulli_mixture", {"n_starts": 3}),
        ("gaussian_mixture", {"n_starts": 2, "accelerate": "anderson", "record": True}),
    ],
)
def test_a_source_goes_on_too(family, asked, tmp_path):
    X = blobs(n=400, d=3, k=3)
    X = (X.mean() < X).astype(float) if family == "bernoulli_mixture" else X
    np.save(tmp_path / "rows.npy", X)
    path, asked = tmp_path / "fit.json", {"n_components": 3, "chunk": 90, **asked}
    whole = eb.fit(family, tmp_path / "rows.npy", **asked)
    interrupted(path, 4, family, tmp_path / "rows.npy", **asked)
    interrupted(path, 2, family, tmp_path / "rows.npy", **asked)
    assert eb.fit(family, tmp_path / "rows.npy", checkpoint=path, **asked).to_json() == whole.to_json()


def test_a_run_that_goes_on_does_not_begin_anew(tmp_path):
    path, X = tmp_path / "fit.json", blobs(n=150)
    asked = {"n_components": 2, "start": START, "stop": {"tol": 0, "max_passes": 30}}
    interrupted(path, 20, "gaussian_mixture", X, **asked)
    state = json.loads(path.read_text())["begun"]["start 0"]
    assert (state["passes"], len(state["steps"])) == (21, 43)
    told = []
    after = After()
    after.passed = lambda passes, objective: told.append(passes)
    eb.fit("gaussian_mixture", X, checkpoint=path, progress=after, **asked)
    assert told == list(range(22, 31))


SCRIPT = """
import sys, time, numpy as np, emvsbayes as eb
class Slow:
    def begins(self, name): ...
    def rows(self, n): ...
    def passed(self, passes, objective): time.sleep(0.1)
eb.fit("gaussian_mixture", sys.argv[1], n_components=2, chunk=500, n_starts=1, checkpoint=sys.argv[2],
       stop={"tol": 0, "max_passes": 150}, progress=Slow())
"""


def test_a_killed_process(tmp_path):
    """kill -9 in the middle of a pass, then the same fit in this process."""
    rows, path = tmp_path / "rows.npy", tmp_path / "fit.json"
    np.save(rows, blobs(n=2000))
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(rows), str(path)])
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline
        assert process.poll() is None, "ended before it could be killed"
        if path.exists() and json.loads(path.read_text())["begun"].get("start 0", {}).get("passes", 0) >= 2:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    stood = json.loads(path.read_text())
    assert 2 <= stood["begun"]["start 0"]["passes"] < 150
    asked = {"n_components": 2, "chunk": 500, "n_starts": 1, "stop": {"tol": 0, "max_passes": 150}}
    told = []
    after = After()
    after.passed = lambda passes, objective: told.append(passes)
    fit = eb.fit("gaussian_mixture", rows, checkpoint=path, progress=after, **asked)
    assert told[0] == stood["begun"]["start 0"]["passes"] + 1
    assert fit.to_json() == eb.fit("gaussian_mixture", rows, **asked).to_json()


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"n_components": 3}, "number of components"),
        ({"settings": {"covariance": "diag"}}, "settings"),
        ({"prior": "default"}, "prior"),
        ({"stop": {"tol": 1e-6}}, "stopping rules"),
        ({"n_starts": 3}, "starts"),
        ({"accelerate": "squarem"}, "plan"),
        ({"fixed": {"weights": [0.5, 0.5]}}, "held fields"),
        ({"record": False}, "recorded half-steps"),
        ({"X": blobs(n=150) + 1e-9}, "data"),
        ({"X": blobs(n=149)}, "data"),
        ({"sample_weight": np.r_[2.0, np.ones(149)]}, "data"),
    ],
)
def test_another_fit_is_refused(other, named, tmp_path):
    path, asked = tmp_path / "fit.json", {"X": blobs(n=150), "n_components": 2, "n_starts": 2}
    eb.fit("gaussian_mixture", checkpoint=path, **asked)
    before = path.read_bytes()
    with pytest.raises(
        eb.InputError, match=rf"checkpoint of a fit that differs .* in its {named}; .*delete it to begin anew"
    ):
        eb.fit("gaussian_mixture", checkpoint=path, **{**asked, **other})
    assert path.read_bytes() == before


def test_other_rows_on_disk_are_other_data(tmp_path):
    path, asked = tmp_path / "fit.json", {"n_components": 2, "n_starts": 1}
    np.save(tmp_path / "rows.npy", blobs(n=150))
    eb.fit("gaussian_mixture", tmp_path / "rows.npy", chunk=40, checkpoint=path, **asked)
    for chunk, shift in ((41, 0.0), (40, 1e-9)):
        np.save(tmp_path / "rows.npy", blobs(n=150) + shift)
        with pytest.raises(eb.InputError, match=r"differs from this one in its (data|plan)"):
            eb.fit("gaussian_mixture", tmp_path / "rows.npy", chunk=chunk, checkpoint=path, **asked)


def test_a_row_that_no_sample_has_makes_other_data(tmp_path):
    """The sum over the rows is the same, and Bernoulli mixtures keep no moments."""
    path, asked = tmp_path / "fit.json", {"n_components": 2, "n_starts": "1:1", "stop": {"max_passes": 3}}
    X = (np.random.default_rng(0).random((30_000, 3)) < 0.3).astype(float)
    np.save(tmp_path / "rows.npy", X)
    eb.fit("bernoulli_mixture", tmp_path / "rows.npy", chunk=9000, checkpoint=path, **asked)
    outside = np.setdiff1d(np.arange(30_000), np.argsort(hashed(np.arange(30_000)))[:20_000])
    one, other = (outside[X[outside, 0] == value][-1] for value in (0, 1))  # in the last chunk
    X[[one, other], 0] = X[[other, one], 0]
    np.save(tmp_path / "rows.npy", X)
    with pytest.raises(eb.InputError, match="differs from this one in its data"):
        eb.fit("bernoulli_mixture", tmp_path / "rows.npy", chunk=9000, checkpoint=path, **asked)


def test_files_that_cannot_be_used(tmp_path):
    asked = {"X": blobs(n=150), "n_components": 2, "n_starts": 1}
    whole = tmp_path / "whole.json"
    eb.fit("gaussian_mixture", checkpoint=whole, **asked)
    done = json.loads(whole.read_text())
    half = {**done, "done": {}, "begun": {"start 0": {"params": {"weights": [1.0]}}}}
    bare = {**done, "done": {"start 0": {}}}
    listed = {**done, "done": []}
    for content in ("", "no json", "[]", '{"emvsbayes checkpoint": 1}', *map(json.dumps, (half, bare, listed))):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(eb.InputError, match="is no checkpoint of a fit; name another file"):
            eb.fit("gaussian_mixture", checkpoint=tmp_path / "other.json", **asked)
    (tmp_path / "old.json").write_text('{"emvsbayes checkpoint": 0, "identity": {}, "done": {}, "begun": {}}')
    with pytest.raises(eb.InputError, match="written by another version"):
        eb.fit("gaussian_mixture", checkpoint=tmp_path / "old.json", **asked)
    with pytest.raises(eb.InputError, match=r"checkpoint must be the path of a file to write to; it is 5"):
        eb.fit("gaussian_mixture", checkpoint=5, **asked)
    with pytest.raises(eb.InputError, match="cannot be written"):
        eb.fit("gaussian_mixture", checkpoint=tmp_path / "no folder" / "fit.json", **asked)
    with pytest.raises(eb.InputError, match=r"checkpoint must be a file, and .* is a folder; name a file in it"):
        eb.fit("gaussian_mixture", checkpoint=tmp_path, **asked)
    for schedule in ("incremental:5", "stepwise:5"):
        with pytest.raises(eb.InputError, match="a checkpoint needs the schedule batch or chunked"):
            eb.fit("gaussian_mixture", checkpoint=tmp_path / "new.json", schedule=schedule, **asked)
    assert not list(tmp_path.glob("*.part"))


def test_a_file_that_another_fit_writes(tmp_path):
    """One of two fits is refused, whichever comes second and wherever the first stands; afterwards the file is free."""
    asked = {"X": blobs(n=150), "n_components": 2, "n_starts": 1}
    path, told = tmp_path / "fit.json", []

    class Second(After):
        def passed(self, passes, objective):
            with pytest.raises(eb.InputError, match=r"fit.json is in use by another fit; wait for its end, or name"):
                eb.fit("gaussian_mixture", checkpoint=path, **asked)
            told.append(passes)

    whole = eb.fit("gaussian_mixture", checkpoint=path, progress=Second(), **asked)
    assert len(told) == whole.passes
    assert eb.fit("gaussian_mixture", checkpoint=path, **asked).to_json() == whole.to_json()
    assert [found.name for found in tmp_path.iterdir()] == ["fit.json"]


@pytest.mark.parametrize("before", [False, True])
def test_two_that_begin_at_once(before, tmp_path):
    """Neither finds a file; whoever writes first has it, and who was about to write over it is refused."""
    path = tmp_path / "fit.json"
    one, other = CheckpointFile(path), CheckpointFile(path)
    assert one.read() is None
    assert other.read() is None
    if before:  # its next version is just being written
        beside = CheckpointFile(tmp_path / "fit.json.part")
        beside.write({}, {}, {"other": {}})
        with pytest.raises(eb.InputError, match="in use by another fit"):
            one.write({}, {}, {})
        assert json.loads((tmp_path / "fit.json.part").read_text())["begun"] == {"other": {}}
        beside.close()
        return
    other.write({}, {}, {"other": {}})
    for _ in range(2):
        with pytest.raises(eb.InputError, match="in use by another fit"):
            one.write({}, {}, {"one": {}})
        other.write({}, {}, {"other": {}})
        assert json.loads(path.read_text())["begun"] == {"other": {}}
    other.close()
    assert one.read() == ({}, {}, {"other": {}})
    one.close()
    assert [found.name for found in tmp_path.iterdir()] == ["fit.json"]


FULL = """
import resource, signal, sys, numpy as np, emvsbayes as eb
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
class Full:
    def begins(self, name): ...
    def rows(self, n): ...
    def passed(self, passes, objective):
        if passes == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
eb.fit("gaussian_mixture", sys.argv[1], n_components=2, n_starts=1, checkpoint=sys.argv[2], stop={"tol": 0,
       "max_passes": 9}, progress=Full())
"""


def test_no_room_for_the_file(tmp_path):
    """The version that was there stays, the fit says so, and goes on from it."""
    rows, path = tmp_path / "rows.npy", tmp_path / "fit.json"
    np.save(rows, blobs(n=200))
    asked = {"n_components": 2, "n_starts": 1, "stop": {"tol": 0, "max_passes": 9}}
    ended = subprocess.run([sys.executable, "-c", FULL, str(rows), str(path)], capture_output=True, text=True)
    assert "fit.json cannot be written (File too large); make room for it, and the fit goes on from" in ended.stderr
    assert sorted(found.name for found in tmp_path.iterdir()) == ["fit.json", "rows.npy"]
    assert json.loads(path.read_text())["done"] == {}
    fit = eb.fit("gaussian_mixture", rows, checkpoint=path, **asked)
    assert fit.to_json() == eb.fit("gaussian_mixture", rows, **asked).to_json()
