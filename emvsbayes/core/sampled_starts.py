"""Restarts for data that are read a chunk at a time: search on a sample, finish on all rows.

Twenty runs over 10^8 numbers are not worth their price: what a start decides, in which basin of attraction a run ends,
a sample decides as well, and parameters estimated from m rows are off by O(1/√m). So

    every start   runs to its end on the sample, in memory
    the best few of the distinct optima found there   go on over all rows, to their end

An optimum that is worse on the sample by more than chance does not go on: with d_n the difference of two optima's
log-densities at row n of the sample, Σ d_n over m rows has the standard error √m sd(d_n) (Vuong 1989, Econometrica 57,
307-333), here from sums over random parts of the sample, and at FAR standard errors no further row will turn the order.

A component that is too rare for the sample, fewer than a handful of its rows, will be missed: more full runs then help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emvsbayes.core.protocol import Family
from emvsbayes.core.records import take_rows
from emvsbayes.core.starts import Restart, Share, ranked, restarts
from emvsbayes.core.stopping import Stop
from emvsbayes.core.trace import Run

STARTS, KEPT = 20, 2  # on the sample, and over all rows
FAR = 5.0  # standard errors
PARTS = 50  # of the sample, by which they are estimated


@dataclass(frozen=True, slots=True)
class Searched:
    """A search on a sample: its rows, the runs there, the distinct optima these found, and how many went on."""

    rows: int
    starts: int
    optima: int
    kept: int


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
    the next, and one that is worse by more than chance does not go on.
    """
    stop = stop or Stop()

    def there(name: str, *args: Any, **keywords: Any) -> Run:
        return run(f"{name} on the sample", *args, **keywords)

    own = {"run": there} if share is None else {"share": share}  # others keep no account of their runs
    found = restarts(family, data.sample, n, seed, options=on_sample, stop=stop, **own, **more)
    first = {r.optimum: r for r in reversed(found) if r.optimum >= 0}  # the best of each optimum
    queue = [(first[number], first[number].run.params) for number in sorted(first)]
    if not queue:  # every run collapsed on the sample: whether they do on all rows, these must say
        queue = [(r, r.run.start) for r in found[:keep]]
    ended: list[Restart] = []
    missing = keep
    for restart, begin in queue:
        if missing == 0 or (ended and first and hopeless(family, data.sample, queue[0][0].run, restart.run)):
            break
        name = f"start {restart.index} on all rows"
        moved = run(name, family, data, begin, stop=stop, **{"record": False, **options})
        ended.append(replace(restart, run=moved))
        missing -= moved.status.usable
    gone_on = {r.index for r in ended}
    others = [replace(r, given_up=r.run.status.usable) for r in found if r.index not in gone_on]
    return ranked([*ended, *others]), Searched(data.sample.n_rows, n, len(first), len(ended))


def hopeless(family: Family, sample: Any, best: Run, other: Run) -> bool:
    """Whether `other` is worse than `best` on the sample by more than chance; False where q was restricted."""
    if best.elbo is not None or other.elbo is not None or sample.n_rows < 2 * PARTS:
        return False
    parts = [take_rows(sample, np.arange(first, sample.n_rows, PARTS)) for first in range(PARTS)]
    gains = np.array([family.log_likelihood(best.params, p) - family.log_likelihood(other.params, p) for p in parts])
    return bool(gains.sum() > FAR * np.sqrt(PARTS) * gains.std(ddof=1))
