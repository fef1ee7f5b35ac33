"""Restarts for data that are read a chunk at a time: search on a sample, finish on all rows.

Twenty runs over 10^8 numbers are not worth their price: what a start decides, in which basin of attraction a run ends,
a sample decides as well, and parameters estimated from m rows are off by O(1/√m). So

    every start   runs to its end on the sample, in memory
    the best few of the distinct optima found there   go on over all rows, to their end

(the sampling of Bradley, Fayyad and Reina 1998, Scaling EM clustering to large databases, reduced to its first step). A
component that is too rare for the sample, fewer than a handful of its rows, will be missed: more full runs then help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from emvsbayes.core.protocol import Family
from emvsbayes.core.starts import Restart, Share, ranked, restarts
from emvsbayes.core.stopping import Stop
from emvsbayes.core.trace import Run

STARTS, KEPT = 20, 2  # on the sample, and over all rows


@dataclass(frozen=True, slots=True)
class Searched:
    """A search on a sample: its rows, the runs there, and the distinct optima these found."""

    rows: int
    starts: int
    optima: int


def sampled_restarts(
    family: Family,
    data: Any,
    n: int,
    keep: int,
    seed: int,
    *,
    on_sample: Mapping[str, Any],
    options: Mapping[str, Any],
    stop: Stop | None,
    run: Callable[..., Run],
    share: Share | None = None,
    **more: Any,
) -> tuple[list[Restart], Searched]:
    """`n` runs on the sample of a source, of whose distinct optima the `keep` best go on over all rows.

    `on_sample` and `options` are keywords of `run_em` there and here; `share` and `more` are keywords of `restarts`.
    Runs that did not go on are given up, with the scores of the sample; one that collapses over all rows is replaced by
    the next.
    """
    stop = stop or Stop()

    def there(name: str, *args: Any, **keywords: Any) -> Run:
        return run(f"{name} on the sample", *args, **keywords)

    own = {"run": there} if share is None else {"share": share}  # others keep no account of their runs
    found = restarts(family, data.sample, n, seed, options=on_sample, stop=stop, **own, **more)
    first = {r.optimum: r for r in reversed(found) if r.optimum >= 0}  # the best of each optimum
    queue, ended = [first[number] for number in sorted(first)], []
    missing = keep
    for restart in queue:
        if missing == 0:
            break
        moved = run(
            f"start {restart.index} on all rows",
            family,
            data,
            restart.run.params,
            stop=stop,
            **{"record": False, **options},
        )
        ended.append(replace(restart, run=moved))
        missing -= moved.status.usable
    gone_on = {r.index for r in ended}
    others = [replace(r, given_up=r.run.status.usable) for r in found if r.index not in gone_on]
    return ranked([*ended, *others]), Searched(data.sample.n_rows, n, len(first))
