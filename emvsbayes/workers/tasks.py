"""One function of shared data and many jobs, over the workers of a cluster: how restarts are shared.

    function(data, job_1), function(data, job_2), …

The data travel once to every worker, each job is a task, and results come back in the order of the jobs, whoever
finished first. A task whose worker dies is done again: by Dask where the data are still somewhere, and by the loop here
where the last copy of them died with the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from emvsbayes.core.errors import InputError
from emvsbayes.core.threads import using_threads
from emvsbayes.workers.clients import checked_client, n_workers, share_of_threads
from emvsbayes.workers.wire import Parcel, packed, unpacked

ATTEMPTS = 5  # rounds in which tasks lost with their workers are given out again


def share_over(client: Any) -> Callable[[Callable[[Any, Any], Any], Any, Sequence[Any]], list[Any]]:
    """A `core.starts.Share` that gives the jobs to the workers of a client."""
    client = checked_client(client)

    def share(function: Callable[[Any, Any], Any], data: Any, jobs: Sequence[Any]) -> list[Any]:
        return run_tasks(client, function, data, jobs)

    return share


def run_tasks(client: Any, function: Callable[[Any, Any], Any], data: Any, jobs: Sequence[Any]) -> list[Any]:
    """`function(data, job)` of every job, in order; see `tasks_done`."""
    found = dict(tasks_done(client, function, data, jobs))
    return [found[index] for index in range(len(jobs))]


def tasks_done(
    client: Any, function: Callable[[Any, Any], Any], data: Any, jobs: Sequence[Any]
) -> Iterator[tuple[int, Any]]:
    """The number of each job and `function(data, job)`, as they are done.

    Raises
    ------
    InputError
        Where workers die again and again; and whatever the function raises.
    """
    from distributed import KilledWorker, as_completed

    work, missing = packed(function), set(range(len(jobs)))
    lost: Exception | None = None
    for _ in range(ATTEMPTS):
        if not missing:
            return
        shares = (len(missing), n_workers(client))
        try:
            held = Parcel(None) if data is None else client.scatter([Parcel(data)], broadcast=True, hash=False)[0]
        except (CancelledError, TimeoutError, OSError) as error:  # the worker that was to hold the data is gone
            lost = error
            continue
        futures = {client.submit(_task, work, held, packed(jobs[i]), *shares, pure=False): i for i in sorted(missing)}
        for future in as_completed(futures, loop=client.loop):
            try:
                result = unpacked(future.result())
            except CancelledError as error:
                lost = error
                continue
            except KilledWorker as error:  # Dask has given it to one worker after another, and all of them died
                raise deadly(error) from None
            missing.remove(futures[future])
            yield futures[future], result
    if missing:
        raise deadly(lost)


def deadly(error: Exception | None) -> InputError:
    """Work of which worker after worker died."""
    return InputError(
        f"workers died again and again over the same work ({type(error).__name__}); give them more memory, or look "
        "into their logs."
    )


def _task(work: bytes, data: Parcel, job: bytes, tasks: int, workers: int) -> bytes:
    """On a worker: the function, with this task's share of the worker's threads."""
    with using_threads(share_of_threads(tasks, workers)):
        return packed(unpacked(work)(data.record, unpacked(job)))
