"""Studies over a cluster: each is a task, done on a worker; what comes back is the whole comparison.

A worker writes nothing but caches: the draws (`EMVSBAYES_CACHE`), and what PyTensor and numba compile, in files of the
machine that it runs on. Workers on one machine share them, and a file appears whole or not at all; elsewhere each has
its own, and draws anew. Pages are written by whoever asked. PyTensor compiles one model at a time in a process, so that
a worker of several threads does one study at a time too: give it one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any

from emvsbayes.workers.clients import checked_client
from emvsbayes.workers.tasks import tasks_done

TOPIC = "emvsbayes"  # of the events by which lines of progress come back
ONE_AT_A_TIME = Lock()


def studies_over(
    client: Any, studies: Sequence[Any], say: Callable[[str], None], *, sampling: bool, fresh: bool
) -> Iterator[tuple[int, Any]]:
    """The number of each study and its `Compared`, as they are done; lines of progress begin with the study's name."""
    client = checked_client(client)

    def run(_: Any, study: Any) -> Any:
        from emvsbayes.workers.studies import run_here

        return run_here(study, sampling, fresh)

    client.subscribe_topic(TOPIC, lambda event: say(event[1]))
    try:
        yield from tasks_done(client, run, None, studies)
    finally:
        if client.status == "running":
            client.unsubscribe_topic(TOPIC)


def run_here(study: Any, sampling: bool, fresh: bool) -> Any:
    """On a worker: the comparison of a study, its progress sent to the client."""
    from distributed import get_worker

    from emvsbayes.studies.runner import run_study

    worker = get_worker()
    with ONE_AT_A_TIME:
        return run_study(
            study,
            sampling=sampling,
            fresh=fresh,
            say=lambda line: worker.log_event(TOPIC, f"{study.name}: {line}"),
        )
