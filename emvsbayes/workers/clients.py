"""A `distributed.Client` that can be used, or a sentence that says why not; and how many threads a task may have.

A client comes from the caller, or from words of the command line: so many processes on this machine, or the address of
a scheduler.

A worker runs as many tasks at once as it has threads, so that each task has its share of them:

    threads of a task = ⌊T / min(T, ⌈tasks / workers⌉)⌋,   T the threads of its worker
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from emvsbayes import __version__
from emvsbayes.core.checks import whole_number
from emvsbayes.core.errors import InputError

SECONDS = 10  # to reach a scheduler
REMEDY = 'pip install "emvsbayes[dask]"'


def require_dask(what: str) -> None:
    """Raise where Dask is not installed; `what` needs it."""
    try:
        import dask  # noqa: F401
        import distributed  # noqa: F401
    except ImportError:
        raise InputError(f"{what} needs Dask, which is not installed; install it by {REMEDY}.") from None


def checked_client(client: Any) -> Any:
    """The client, if it is one, is connected and its workers have this version of the package.

    Raises
    ------
    InputError
        For anything else, with the remedy.
    """
    require_dask("client")
    from distributed import Client

    if not isinstance(client, Client):
        raise InputError(
            f"client must be a distributed.Client; it is {client!r}: give Client() or Client('tcp://HOST:PORT')."
        )
    if client.status != "running":
        raise InputError(f"the client is {client.status}, not running; connect a new one by distributed.Client.")
    if client.asynchronous:
        raise InputError("the client is asynchronous, and fit waits for its workers; give one made by Client(...).")
    _check_versions(client)
    return client


def _check_versions(client: Any) -> None:
    """Raise where a worker cannot import the package, or has another version of it."""

    def version_there() -> str | None:  # in a function it travels by value, to a worker without the package too
        try:
            import emvsbayes
        except ImportError:
            return None
        return emvsbayes.__version__

    wait_for_one(client)
    found = client.run(version_there)
    for address, version in sorted(found.items()):
        if version is None:
            raise InputError(
                f"the worker {address} cannot import emvsbayes; install emvsbayes {__version__} where the workers run."
            )
        if version != __version__:
            raise InputError(
                f"the worker {address} has emvsbayes {version} and this is {__version__}; install the same version on "
                "both sides."
            )


def wait_for_one(client: Any, seconds: float = 60) -> None:
    """Wait for a worker; raise where none comes."""
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError:
        raise InputError(
            f"the cluster has no workers, and none came within {seconds:g} s; start some, or leave client out."
        ) from None


def n_workers(client: Any) -> int:
    """Workers at this moment; where there are none, one is waited for."""
    found = len(client.nthreads())
    if not found:
        wait_for_one(client)
    return max(1, found)


def share_of_threads(tasks: int, workers: int) -> int:
    """Threads for this task, one of so many on so many workers; 1 outside of a worker."""
    from distributed import get_worker

    try:
        threads = get_worker().state.nthreads
    except ValueError:
        return 1
    at_once = min(threads, -(-tasks // workers))
    return max(1, threads // max(1, at_once))


@contextmanager
def connected(workers: int | None = None, scheduler: str | None = None) -> Iterator[Any]:
    """A client of `workers` processes with a thread each, or of the scheduler at an address; None for neither.

    Raises
    ------
    InputError
        Where both are asked for, where nobody answers, and where Dask is not installed.
    """
    if workers is None and scheduler is None:
        yield None
        return
    if workers is not None and scheduler is not None:
        raise InputError(
            "--workers starts processes here and --scheduler uses those of a cluster; give one of the two."
        )
    if scheduler is not None and not re.fullmatch(r"(\w+://)?[^/]+:\d+", scheduler):  # Dask would start half a client
        raise InputError(f"{scheduler!r} is no address of a Dask scheduler; write it as in tcp://HOST:8786.")
    require_dask("--workers" if scheduler is None else "--scheduler")
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=SECONDS, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise InputError(
                f"no Dask scheduler answers at {scheduler} ({type(error).__name__}); give its address, as in "
                "tcp://HOST:8786."
            ) from None
        with client:
            yield client
        return
    number = whole_number(workers, 1, "--workers")
    options: dict[str, Any] = {"n_workers": number, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        LocalCluster(processes=True, silence_logs=logging.CRITICAL, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
