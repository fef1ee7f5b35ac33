"""Rows shared by threads, with sums that do not depend on how many threads there are.

The rows are cut into parts, by their number and cost alone; each part is added up by itself, and the parts are then
added up in their order. So one thread and eight give the same bits. Threads are enough, for compiled kernels and matrix
products let go of the interpreter.

How many threads that may be is the affair of `core.threads`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache

from emvsbayes.core.checks import Array
from emvsbayes.core.threads import processors, threads

PART = 300_000.0  # nanoseconds of work below which a second thread is not worth its waking
MOST_PARTS = 32
EVEN = 512  # parts end where blocks of rows do


def parts(n_rows: int, row_cost: float) -> list[tuple[int, int]]:
    """Ranges of rows, each worth a thread; `row_cost` in nanoseconds."""
    many = int(min(MOST_PARTS, max(1, n_rows * row_cost // PART)))
    size = -(-n_rows // many)
    size = -(-size // EVEN) * EVEN if many > 1 else max(n_rows, 1)
    return [(start, min(start + size, n_rows)) for start in range(0, max(n_rows, 1), size)]


def summed(
    sweep: Callable[..., float], n_rows: int, row_cost: float, zeros: Callable[[], Sequence[Array]]
) -> tuple[float, Sequence[Array]]:
    """The sum over all rows of what `sweep(start, stop, *arrays)` returns and of what it adds to `arrays`.

    `zeros` makes arrays of zeros for it to add to.
    """
    ranges = parts(n_rows, row_cost)
    if len(ranges) == 1:  # few rows: every microsecond counts
        alone = zeros()
        return sweep(0, n_rows, *alone), alone
    found = [zeros() for _ in ranges]
    heights = [0.0] * len(ranges)

    def every(first: int, step: int) -> None:
        for i in range(first, len(ranges), step):
            heights[i] = sweep(*ranges[i], *found[i])

    number = min(threads(), len(ranges))
    others: list[Future[None]] = []
    try:
        for i in range(1, number):
            others += _given_away(every, i, number)
        every(0, number)
    finally:
        wait(others)  # whatever happens, nobody writes to these arrays after this
    for other in others:
        other.result()
    height, total = heights[0], found[0]
    for more, arrays in zip(heights[1:], found[1:], strict=True):
        height += more
        for sum_, part in zip(total, arrays, strict=True):
            sum_ += part
    return height, total


def _given_away(every: Callable[[int, int], None], first: int, step: int) -> list[Future[None]]:
    """A share of the parts, to another thread; done here where the program is ending and no more threads are had."""
    try:
        return [_pool(os.getpid()).submit(every, first, step)]
    except RuntimeError:
        every(first, step)
        return []


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads of this process; a forked one needs its own."""
    return ThreadPoolExecutor(max(processors(), 2), thread_name_prefix="emvsbayes")
