"""Data on the workers of a real cluster of processes: the same bits, whoever dies."""

import os
import signal
import sys
import threading
import time

import dask
import dask.array as da
import numpy as np
import pytest
from cases import assert_identical, blobs

import emvsbayes as eb
from emvsbayes.families.gaussian_mixture.em import GaussianMixture
from emvsbayes.workers.reader import dask_rows

SIX = {"tol": 0, "max_passes": 6}
START = {"means": [[0.0, 0.0], [2.0, 2.0], [4.0, 3.0]]}


def rows(n=4000):
    return da.from_array(blobs(n=n, k=3), chunks=(900, 1))


def fitted(X, client=None, **more):
    call = {"n_components": 3, "chunk": 400, "start": START, "stop": SIX, "client": client, **more}
    return eb.fit("gaussian_mixture", X, **call)


def same(ours, theirs):
    assert_identical(ours.params, theirs.params)
    assert ours.log_likelihood == theirs.log_likelihood
    assert ours.certainty == theirs.certainty
    assert (ours.passes, ours.status) == (theirs.passes, theirs.status)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"prior": "default", "start": None, "n_starts": "5:2"},
        {"record": True, "e_step": "truncated:2"},
        {"labels": da.from_array(np.arange(4000) % 7 % 4 - 1, chunks=1000), "sample_weight": np.arange(4000) % 3},
    ],
)
def test_a_cluster_returns_the_bits_of_this_process(client, more):
    same(fitted(rows(), client, **more), fitted(rows(), **more))


def test_the_client_that_dask_would_use_is_used(client):
    assert dask_rows(rows()).kept is None
    with client.as_current():
        assert dask_rows(rows()).kept.client is client
        with dask.config.set(scheduler="threads"):
            assert dask_rows(rows()).kept is None


def test_rows_stay_on_the_workers(client):
    """After the first pass nothing of the collection is computed again, and each block is read once."""
    reads = []

    def counted(block, block_info=None):
        from distributed import get_worker

        get_worker().log_event("reads", 1)
        return block

    client.subscribe_topic("reads", lambda event: reads.append(event))
    X = rows()
    X = X.rechunk((900, 2)).map_blocks(counted, dtype=float, meta=np.empty((0, 2)))
    found = fitted(X, client)
    deadline = time.monotonic() + 5
    while len(reads) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    client.unsubscribe_topic("reads")
    assert found.passes == 6
    assert len(reads) == 5


class Told:
    """What a fit tells of its progress; `when` is called after so many passes."""

    def __init__(self, after=None, when=None):
        self.read, self.passes, self.after, self.when = 0, [], after, when

    def begins(self, name):
        pass

    def rows(self, n):
        self.read += n

    def passed(self, passes, objective):
        self.passes.append((passes, objective))
        if passes == self.after:
            self.when()


def test_progress_counts_rows(client):
    told = Told()
    found = fitted(rows(), client, progress=told)
    assert [passes for passes, _ in told.passes] == list(range(1, 7))
    assert told.passes[-1][1] == found.log_likelihood
    sweeps = 1 + 6 + 1  # the survey, six passes, the certainty of the rows for ICL; and the start
    assert told.read in (
        4000 * (sweeps + 1),
        4000 * (sweeps + 2),
    )  # about itself, and where it is far off about the data


class Interrupted(Exception):
    """What a test throws in mid-fit."""


def test_a_fit_goes_on_from_its_checkpoint_without_the_cluster(client, tmp_path):
    file, undisturbed = tmp_path / "fit.json", fitted(rows())

    def stop():
        raise Interrupted

    with pytest.raises(Interrupted):
        fitted(rows(), client, checkpoint=file, progress=Told(3, stop))
    told = Told()
    same(fitted(rows(), checkpoint=file, progress=told), undisturbed)
    assert [passes for passes, _ in told.passes] == [4, 5, 6]


def test_a_bad_row_is_named_by_its_number_among_all(client):
    X = blobs(n=4000, k=3)
    X[[3141, 3900], 1] = np.nan
    with pytest.raises(eb.InputError, match=r"is missing \(NaN\) at row 3141 \(counted from 0\), column 'x1'"):
        fitted(da.from_array(X, chunks=(900, 2)), client)


def test_a_client_that_is_closed(cluster):
    from distributed import Client

    with Client(cluster, set_as_default=False) as closed:
        pass
    for X in (rows(), blobs()):
        with pytest.raises(eb.InputError, match="the client is closed, not running; connect a new one"):
            eb.fit("gaussian_mixture", X, n_components=2, client=closed)


def test_a_client_that_is_closed_in_mid_fit(cluster):
    from distributed import Client

    with Client(cluster, set_as_default=False) as soon:
        told = Told(3, soon.close)
        with pytest.raises(eb.InputError, match="the client is closed before the fit was done; keep it open"):
            fitted(rows(), soon, progress=told)
    assert len(told.passes) == 3


def test_workers_without_the_package(client):
    def absent(there):
        import sys

        if there:
            sys.modules["emvsbayes"] = sys.modules.pop("hidden")
        else:
            sys.modules["hidden"], sys.modules["emvsbayes"] = sys.modules["emvsbayes"], None

    assert "emvsbayes" in sys.modules
    client.run(lambda: __import__("emvsbayes").__version__)
    client.run(absent, False)
    try:
        with pytest.raises(eb.InputError, match=r"the worker tcp://\S+ cannot import emvsbayes; install emvsbayes 0"):
            fitted(rows(), client)
    finally:
        client.run(absent, True)


def test_workers_with_another_version(client):
    def of(version):
        import emvsbayes

        emvsbayes.__version__ = version

    client.run(of, "0.0.7")
    try:
        with pytest.raises(eb.InputError, match=r"has emvsbayes 0\.0\.7 and this is .*the same version on both"):
            fitted(rows(), client)
    finally:
        client.run(of, eb.__version__)


def slowed(client, folder):
    """Every accumulation on a worker says that it has begun, by a file, and takes a while; for the first two passes."""

    def slow():
        from emvsbayes.families.gaussian_mixture.em import GaussianMixture

        whole = GaussianMixture.accumulate

        def accumulate(self, *arguments):
            if (folder / "slow").exists():
                (folder / f"begun-{os.getpid()}").touch()
                time.sleep(0.15)
            return whole(self, *arguments)

        GaussianMixture.accumulate = accumulate

    client.run(slow)


@pytest.mark.parametrize("victims", [1, pytest.param(2, marks=pytest.mark.sampling)])
def test_a_worker_killed_in_mid_pass_costs_a_retry(client, tmp_path, victims):
    """Kill -9 while it accumulates: its blocks are made again, and the fit ends with the same bits."""
    undisturbed = fitted(rows())
    slowed(client, tmp_path)
    killed = []

    def kill():
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and len(killed) < victims:
            for path in tmp_path.glob("begun-*"):
                pid = int(path.name.split("-")[1])
                if pid not in killed and len(killed) < victims:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
            time.sleep(0.01)
        (tmp_path / "slow").unlink()

    killer = threading.Thread(target=kill)

    def after_three():
        (tmp_path / "slow").touch()
        killer.start()

    before = set(client.run(os.getpid).values())
    found = fitted(rows(), client, progress=Told(3, after_three))
    killer.join()
    client.wait_for_workers(2, timeout=20)
    assert len(killed) == victims
    assert set(killed) <= before
    assert not set(killed) & set(client.run(os.getpid).values())
    same(found, undisturbed)


@pytest.mark.sampling  # no sampler, but a worker that is brought back imports everything again
def test_rows_that_nobody_can_compute_again(client):
    """Scattered rows die with the worker that holds them."""
    assert GaussianMixture  # imported here, so that the worker's own copy is another
    scattered = client.scatter(blobs(n=300, k=3), hash=False)
    X = da.from_delayed(scattered, shape=(300, 2), dtype=float)
    holder = next(iter(client.who_has([scattered]).values()))[0]
    pid = client.run(os.getpid, workers=[holder])[holder]

    with pytest.raises(eb.InputError, match="rows that nobody can compute again; build the collection from files"):
        fitted(X, client, progress=Told(2, lambda: os.kill(pid, signal.SIGKILL)))
    client.wait_for_workers(2, timeout=20)
