"""Restarts over a cluster: the same as here to the bit, and a worker that dies costs a retry."""

import os
import signal
from pathlib import Path

import pytest
from cases import assert_identical, blobs

import emvsbayes as eb
from emvsbayes.core.threads import threads
from emvsbayes.workers.clients import share_of_threads
from emvsbayes.workers.tasks import run_tasks


@pytest.mark.parametrize(
    ("call", "record"),
    [
        ({"n_starts": 7, "prior": "default"}, True),
        ({"n_starts": "9:2"}, False),
        ({"n_starts": 3, "e_step": "truncated:1"}, False),
        ({"n_starts": 3, "fixed": {"weights": [0.2, 0.3, 0.5]}, "accelerate": "squarem"}, True),
    ],
)
def test_restarts_over_a_client_are_those_here(client, call, record):
    X = blobs(n=300, k=3)
    here, there = (
        eb.fit("gaussian_mixture", X, n_components=3, seed=2, record=record, client=c, **call) for c in (None, client)
    )
    assert len(here.restarts) == len(there.restarts) > 1
    for ours, theirs in zip(here.restarts, there.restarts, strict=True):
        assert (ours.index, ours.how, ours.optimum, ours.given_up) == (
            theirs.index,
            theirs.how,
            theirs.optimum,
            theirs.given_up,
        )
        assert_identical(ours.run.params, theirs.run.params)
        assert ours.run.objective == theirs.run.objective
    assert here.to_json() == there.to_json()


def test_a_setting_that_is_learned_first_is_learned_there_too(client):
    here, there = (eb.fit("kmeans", blobs(), n_components=2, n_starts=4, client=c) for c in (None, client))
    assert here.to_json() == there.to_json()


def test_results_come_in_the_order_of_the_jobs(client):
    assert run_tasks(client, lambda data, job: data + job, 10, range(7)) == list(range(10, 17))


def test_what_a_task_raises_is_raised_here(client):
    def refuses(data, job):
        raise eb.InputError(f"job {job} cannot be done.")

    with pytest.raises(eb.InputError, match=r"job [012] cannot be done"):
        run_tasks(client, refuses, None, range(3))


def test_threads_of_a_task(client):
    assert share_of_threads(3, 2) == 1  # not on a worker
    assert run_tasks(client, lambda data, job: threads(), None, range(3)) == [1, 1, 1]


def test_a_worker_of_many_threads_shares_them():
    from distributed import Client, LocalCluster

    options = {"n_workers": 1, "threads_per_worker": 8, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster, set_as_default=False) as client:
        for tasks, share in ((3, 2), (1, 8), (20, 1)):
            assert run_tasks(client, lambda data, job: threads(), None, range(tasks)) == [share] * tasks


def test_a_checkpoint_of_starts_that_were_tasks(client, tmp_path):
    """They are not in the file and are run again; the result is the same, finished or not."""
    call = {"n_components": 3, "n_starts": 4, "seed": 5}
    plain = eb.fit("gaussian_mixture", blobs(n=200, k=3), **call)
    for _ in range(2):
        found = eb.fit("gaussian_mixture", blobs(n=200, k=3), client=client, checkpoint=tmp_path / "fit.json", **call)
        assert found.to_json() == plain.to_json()


def killed_once(data, job):
    """The first to come here dies; `data` is a file that says whether somebody has."""
    if job == 1 and not Path(data).exists():
        Path(data).write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return job, os.getpid()


@pytest.mark.sampling  # no sampler, but a worker that is brought back imports everything again
def test_a_worker_that_dies_costs_a_retry(client, tmp_path):
    """Kill -9 within a task: the data that it held are gone with it, and are sent again."""
    marker = tmp_path / "killed"
    found = run_tasks(client, lambda data, job: killed_once(data, job), str(marker), range(4))
    assert [job for job, _ in found] == [0, 1, 2, 3]
    assert int(marker.read_text()) not in {pid for _, pid in found[1:2]}


@pytest.mark.sampling  # no sampler, but one new worker after another
def test_workers_that_die_every_time_are_given_up(client):
    def dies(data, job):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(
        eb.InputError, match=r"workers died again and again over the same work \(KilledWorker\); give them more"
    ):
        run_tasks(client, dies, None, [0])
