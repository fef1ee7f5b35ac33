"""Threads: a start among several has its share of the processors, and nothing but time depends on it."""

import os
import subprocess
import sys
import threading

import pytest
from cases import assert_identical, blobs

import emvsbayes as eb
from emvsbayes.core import starts
from emvsbayes.core import threads as threads_module
from emvsbayes.core.threads import processors, threads, using_threads


def test_a_share_is_of_this_thread_and_ends():
    seen = []
    with using_threads(3):
        other = threading.Thread(target=lambda: seen.append(threads()))
        other.start()
        other.join()
        assert threads() == 3
        with using_threads(1):
            assert threads() == 1
        assert threads() == 3
    assert threads() == processors() == seen[0]


@pytest.mark.parametrize("asked", ["3", "0", "many", ""])
def test_omp_num_threads_is_heeded(asked, monkeypatch):
    monkeypatch.setattr(threads_module, "ASKED", asked)
    found = processors.__wrapped__()
    assert found == 3 if asked == "3" else found >= 1


def test_omp_num_threads_is_that_of_the_start():
    """Not what somebody sets for others after the package was imported, as a Dask LocalCluster does."""
    code = (
        "import os, emvsbayes; os.environ['OMP_NUM_THREADS'] = '1'; from emvsbayes.core.threads import processors; "
        "print(processors())"
    )
    asked = {**os.environ, "OMP_NUM_THREADS": "3"}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=asked).stdout == "3\n"


def test_several_starts_do_not_take_more_threads_than_there_are_processors(monkeypatch):
    monkeypatch.setattr(starts, "processors", lambda: 8)
    assert starts._shared(lambda data, job: threads(), None, range(6), 3) == [2] * 6
    assert starts._shared(lambda data, job: threads(), None, range(3), 20) == [1] * 3
    assert threads() == processors()


@pytest.mark.parametrize("record", [True, False])
def test_starts_in_threads_are_the_same_to_the_bit(record):
    call = {"n_components": 3, "seed": 4, "n_starts": 8, "record": record}
    one, many = (eb.fit("gaussian_mixture", blobs(n=120, k=3), n_jobs=jobs, **call) for jobs in (1, 4))
    for ours, theirs in zip(one.restarts, many.restarts, strict=True):
        assert ours.index == theirs.index
        assert_identical(ours.run.params, theirs.run.params)
        assert ours.run.objective == theirs.run.objective
