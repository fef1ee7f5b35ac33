"""em on data that are read a chunk at a time: what it prints, what it refuses, what an interruption leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import emvsbayes as eb
from emvsbayes.cli import progress
from emvsbayes.sources import opening

GAUSS = ["-f", "gaussian_mixture", "-k", "2"]


@pytest.fixture
def rows(here):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3)) + 4 * rng.integers(0, 2, size=(3000, 1))
    np.save(here / "rows.npy", X)
    return X


def test_chunks_are_the_file_read_whole(call, here, rows):
    chunked = call("em", "rows.npy", "--chunk", "700", *GAUSS, "--starts", "2", "--json", "fit.json")
    assert (chunked.exit_code, chunked.stderr) == (0, "")
    assert "3,000 rows of rows.npy, read at most 700 at a time" in chunked.stdout
    fit = eb.Fit.from_json((here / "fit.json").read_text())
    whole = eb.fit("gaussian_mixture", rows, n_components=2, n_starts=2, record=False)
    assert fit.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-10)
    assert fit.summary() == chunked.stdout.strip()
    by_schedule = call("em", "rows.npy", "--schedule", "chunked:700", *GAUSS, "--starts", "2")
    assert "BIC" in by_schedule.stdout


def test_columns_weights_and_labels_of_a_file(call, here, rows):
    done = call("em", "rows.npy", "--chunk", "700", *GAUSS, "--columns", "x0,x2", "--starts", "1", "--json", "fit.json")
    assert done.exit_code == 0, done.stderr
    assert eb.Fit.from_json((here / "fit.json").read_text()).columns == ("x0", "x2")
    lines = [f"{a},{b},{i % 2 if i < 10 else ''},2" for i, (a, b, _) in enumerate(rows)]
    (here / "rows.csv").write_text("\n".join(["a,b,known,times", *lines]) + "\n")
    words = ["em", "rows.csv", *GAUSS, "--labels", "known", "--weights", "times", "--starts", "2"]
    chunked, whole = call(*words, "--chunk", "700"), call(*words)
    assert (chunked.exit_code, whole.exit_code) == (0, 0)
    scores = [next(line for line in done.stdout.splitlines() if "log-likelihood" in line) for done in (chunked, whole)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rows.npy", "--chunk", "0"], "Error: chunk must be a whole number >= 1; it is 0."),
        (["rows.npy", "--chunk", "10", "--schedule", "stepwise:3"], "leave the schedule 'stepwise:3' out"),
        (["rows.npy", "--chunk", "10", "--errors", "louis"], "leave --errors out, or --chunk"),
        (["rows.npy", "--chunk", "10", "--columns", "x0,x9"], "unknown column of rows.npy: 'x9'"),
        (["rows.npy", "--chunk", "10", "--columns", "x0", "--weights", "x0"], "no column of rows.npy is left"),
        (["rows.txt", "--chunk", "10"], "rows.txt"),
        (["rows.npy", "--checkpoint", "no/where.json"], "no/where.json cannot be written"),
        (["rows.npy", "--checkpoint", "fit.json", "--schedule", "incremental:3"], "a checkpoint needs the schedule"),
    ],
)
def test_refusals(call, rows, words, message):
    done = call("em", *words, *GAUSS)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_larger_than_the_memory_would_like(call, here, rows, monkeypatch):
    monkeypatch.setattr(opening, "SHARE", 1e-9)
    done = call("em", "rows.npy", *GAUSS, "--starts", "1")
    said = "rows.npy would take more than a quarter of the memory: reading 200,000 rows at a time (--chunk)"
    assert (done.exit_code, done.stderr.strip()) == (0, said)
    assert "3,000 rows of rows.npy, read at most 200,000 at a time" in done.stdout
    assert eb.fit("gaussian_mixture", "rows.npy", n_components=2, n_starts=1).chunks.rows == 200_000
    mapped = np.load(here / "rows.npy", mmap_mode="r")
    assert eb.fit("gaussian_mixture", mapped, n_components=2, n_starts=1).chunks.words == "the memory map"
    refused = call("em", "rows.npy", *GAUSS, "--errors", "louis")
    assert refused.exit_code == 2


SLOW = """
import signal, sys, time
from emvsbayes.cli import main, progress
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may have been told to ignore it
passed = progress.Progress.passed
def slowly(self, passes, objective):
    passed(self, passes, objective)
    time.sleep(0.2)
progress.Progress.passed = slowly
main(sys.argv[1:])
"""


def passes_of(path):
    return json.loads(path.read_text())["begun"].get("start 0", {}).get("passes", 0)


def test_an_interruption_leaves_the_checkpoint_and_a_sentence(call, here, rows):
    words = ["em", "rows.npy", "--chunk", "700", *GAUSS, "--starts", "1", "--tol", "0", "--max-passes", "60"]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *words, "--checkpoint", "fit.ckpt"], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not ((here / "fit.ckpt").exists() and passes_of(here / "fit.ckpt") >= 2):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    last = stderr.strip().splitlines()[-1]
    assert last.startswith("Interrupted in start 0, after pass ")
    assert last.endswith("fit.ckpt holds the fit so far, and the same command goes on from there.")
    assert 2 <= passes_of(here / "fit.ckpt") < 60
    goes_on = call(*words, "--checkpoint", "fit.ckpt", "--json", "on.json")
    whole = call(*words, "--json", "whole.json")
    assert goes_on.stdout == whole.stdout
    assert (here / "on.json").read_text() == (here / "whole.json").read_text()
    other = call(*words, "--seed", "4", "--checkpoint", "fit.ckpt")
    assert other.exit_code == 2
    assert "differs from this one in its seed" in other.stderr


def test_lines_of_a_log(monkeypatch, capsys):
    """Nothing within the first second, then a line every five seconds at most, with the speed of the last second."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.Progress() as shown:
        shown.rows(1000)
        shown.total(1000)
        shown.begins("start 0 on the sample")
        shown.passed(1, -2.0)
        shown.begins("start 0 on all rows")
        for passes in range(1, 25):
            clock[0] += 0.5
            shown.rows(1_000_000)
            shown.passed(passes, -1234.5 + passes)
        shown.begins("start 1 on the sample")
        clock[0] += 5
        shown.passed(3, -2.5)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "start 0 on all rows: pass 10, objective -1224.500000, 2.00 million rows a second",
        "start 0 on all rows: pass 20, objective -1214.500000, 2.00 million rows a second",
        "start 1 on the sample: pass 3, objective -2.500000",
    ]


def test_the_line_on_a_terminal(monkeypatch):
    """The pass that goes on, its share, rows a second and the objective: all of it within 80 columns."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    shown, lines = progress.Progress(), []

    class Live:
        def update(self, text):
            lines.append(text.plain)

    shown.live = Live()
    clock[0] += 2
    shown.rows(200_000)
    shown.total(4_000_000)
    shown.begins("start 19 on all rows")
    for _ in range(30):
        clock[0] += 0.5
        shown.rows(1_000_000)
    shown.passed(10, -49799118.215286)
    clock[0] += 0.5
    shown.rows(600_000)
    assert lines[0] == "first look at the rows: 200,000 rows, 0.10 M rows/s"
    assert lines[1] == "start 19 on all rows: pass 0 + 25%"
    assert lines[-1] == "start 19 on all rows: pass 10 + 15%, 2.00 M rows/s, objective -49799118.2153"
    assert max(map(len, lines)) < 80
