"""A client from words of the command line: so many processes on this machine, or the address of a scheduler."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from emvsbayes.core.checks import whole_number
from emvsbayes.core.errors import InputError
from emvsbayes.workers.clients import require_dask

SECONDS = 10  # to reach a scheduler


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
