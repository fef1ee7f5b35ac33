"""A checkpoint: where a fit stands, in a file, so that it goes on after an interruption and ends with the same result.

A fit is a list of runs of EM, each of which has a name (start 3; start 3 on all rows; recorded). The file holds the
runs that are finished and, of those that are not, the state after their last pass (`core.resuming`); starting values,
samples and rankings follow from data and seed and are found again. So the fit that goes on is the fit that was never
interrupted, to the bit: plain, accelerated, annealed and drawn, batch and chunked. (Incremental and stepwise
schedules hold statistics of blocks at many old parameters, and take no checkpoint.)

It is written after every pass, or less often where passes are so short that writing would take a tenth of the time, and
is whole whenever the process ends (`checkpoint_file`). A file of other data or settings is refused, not overwritten.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from emvsbayes.checkpoint_file import CheckpointFile
from emvsbayes.core.em import run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import plain, record_fields
from emvsbayes.core.resuming import State
from emvsbayes.core.runs import run_from_dict, run_to_dict
from emvsbayes.core.schedules import Batch
from emvsbayes.core.sources import is_source
from emvsbayes.core.trace import Run

TIMES = 10  # a file is written where the last writing took less than 1 / TIMES of the time since


class Keeper:
    """Runs EM, keeps account of it in a file where there is one, and tells `progress` where there is one."""

    def __init__(self, path: Any = None, progress: Any = None) -> None:
        if path is not None and not isinstance(path, str | os.PathLike):
            raise InputError(f"checkpoint must be the path of a file to write to; it is {path!r}.")
        self.file = None if path is None else CheckpointFile(Path(path))
        self.progress = progress
        self.identity: dict[str, Any] = {}
        self.done: dict[str, Any] = {}
        self.begun: dict[str, Any] = {}
        self.lock, self.written, self.took = threading.Lock(), 0.0, 0.0

    def open(self, problem: Any, plan: Any, stop: Any, *, prior: Any, given: Any, record: Any, **more: Any) -> None:
        """Read the file where there is one already; raise where it is of another fit, or cannot be written."""
        if self.file is None:
            return
        family = problem.family
        if not hasattr(plan.gather(family), "resumed"):
            raise InputError("a checkpoint needs the schedule batch or chunked; leave the checkpoint out, or schedule.")
        settings = {name: getattr(family, name) for name in problem.twin.settings}
        self.identity = json.loads(
            json.dumps(
                {
                    "family": family.name,
                    "number of components": family.n_components,
                    "settings": {name: str(value) for name, value in settings.items()},
                    "held fields": plain(problem.held),
                    "prior": None if prior is None else plain(prior),
                    "start": None if given is None else plain(given),
                    **{name: plain(value) for name, value in more.items()},
                    "plan": plain(plan),
                    "data": fingerprint(problem.data),
                    "stopping rules": plain(stop),
                    "recorded half-steps": record,
                }
            )
        )
        found = self.file.read()
        if found is None:
            self._write()
            return
        identity, self.done, self.begun = found
        for name in self.identity:
            if identity.get(name) != self.identity[name]:
                raise InputError(
                    f"{self.file.path} is the checkpoint of a fit that differs from this one in its {name}; name "
                    "another file, or delete it to begin anew."
                )

    def close(self) -> None:
        """Let another fit have the file."""
        if self.file is not None:
            self.file.close()

    def run(self, name: str, family: Any, data: Any, start: Any, **options: Any) -> Run:
        """`run_em`, or what is left of it."""
        if self.progress is not None:
            self.progress.begins(name)
        if self.file is None and self.progress is None:
            return run_em(family, data, start, **options)
        if name in self.done:
            return self._finished(name, family, data, start, options)
        state = None if name not in self.begun else self._as_read(State.from_dict, self.begun[name], start)
        try:
            found = run_em(
                family,
                data,
                start,
                watch=_Watching(self, name),
                resume=state,
                **options,
            )
        except BaseException:  # the last passes may not be in the file yet
            with suppress(InputError):
                self._write()
            raise
        if self.file is not None:
            with self.lock:
                self.done[name] = run_to_dict(found)
                self.begun.pop(name, None)
            self._write()
        return found

    def _finished(self, name: str, family: Any, data: Any, start: Any, options: Any) -> Run:
        """A run from the file; its q, which is not in the file, is what the E half-step at its parameters chooses."""
        run = self._as_read(run_from_dict, self.done[name], type(start))
        if is_source(data):
            return run
        schedule = options.get("schedule") or Batch()
        if not isinstance(schedule, Batch):
            return run
        if schedule.random:
            schedule = Batch()
        keep = bool(options.get("record", True)) and schedule.keep_q
        schedule = Batch(schedule.e_step, keep)
        now, _ = schedule.sweep(
            family, run.params, schedule.resumed(schedule.start(family, data), max(int(run.passes), 1))
        )
        return Run(**{**record_fields(run), "q": now.q})

    def passed(self, name: str, state: State) -> None:
        """A pass of a run is over."""
        if self.file is not None:
            with self.lock:
                self.begun[name] = state.to_dict()
            if time.monotonic() - self.written >= TIMES * self.took:
                self._write()
        if self.progress is not None:
            self.progress.passed(state.passes, state.objective)

    def _as_read(self, read: Callable[..., Any], raw: Any, like: Any) -> Any:
        """What the file says of a run; raise where it is none."""
        try:
            return read(raw, like)
        except (KeyError, TypeError, ValueError, AttributeError):
            assert self.file is not None
            raise self.file.broken() from None

    def _write(self) -> None:
        if self.file is None:
            return
        with self.lock:
            begin = time.monotonic()
            self.file.write(self.identity, self.done, self.begun)
            self.written = time.monotonic()
            self.took = self.written - begin


class _Watching:
    """What `run_em` tells of one run."""

    def __init__(self, keeper: Keeper, name: str) -> None:
        self.keeper, self.name = keeper, name

    def passed(self, state: State) -> None:
        self.keeper.passed(self.name, state)


def fingerprint(data: Any) -> str:
    """The identity of data: of all rows in memory; of a source the chunk and the survey, which has seen all rows."""
    digest = blake2b(digest_size=16)
    if is_source(data):
        found = data.surveyed
        digest.update(repr((data.rows, found.n_rows, found.total_weight, found.checksum)).encode())
        records = [found.sample, *([] if found.moments is None else [found.moments])]
    else:
        records = [data]
    for record in records:
        for name, value in record_fields(record).items():
            array = np.ascontiguousarray(value) if isinstance(value, np.ndarray) else None
            digest.update(repr((name, value if array is None else (array.dtype.str, array.shape))).encode())
            if array is not None:
                digest.update(array.data)
    return digest.hexdigest()
