"""How many threads a pass over the rows may use.

All processors of this process, unless OMP_NUM_THREADS says otherwise; where several starts run at once, each has its
share of them, so that there are never more threads at work than processors.

The variable is read when the package is imported, which imports this module. Later would be too late: a Dask
LocalCluster sets it to 1 for its workers, and leaves it so in the process that started them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

ASKED = os.environ.get("OMP_NUM_THREADS", "")
_share = threading.local()


@cache
def processors() -> int:
    """Processors that this process may use; OMP_NUM_THREADS, where it was set, as for any numerical library."""
    if ASKED.isdecimal() and int(ASKED) > 0:
        return int(ASKED)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads that a pass called from here may use."""
    return getattr(_share, "threads", None) or processors()


@contextmanager
def using_threads(number: int) -> Iterator[None]:
    """So many threads a pass, in this thread of Python."""
    before = getattr(_share, "threads", None)
    _share.threads = number
    try:
        yield
    finally:
        _share.threads = before
