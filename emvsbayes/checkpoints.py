"""A checkpoint: where a fit stands, in a file, so that it goes on after an interruption and ends with the same result.

A fit is a list of runs of EM, each of which has a name (start 3; start 3 on all rows; recorded). The file holds the
runs that are finished and, of those that are not, the state after their last pass (`core.resuming`); starting values,
samples and rankings follow from data and seed and are found again. So the fit that goes on is the fit that was never
interrupted, to the bit: plain, accelerated, annealed and drawn, batch and chunked. (Incremental and stepwise
schedules hold statistics of blocks at many old parameters, and take no checkpoint.)

It is written after every pass, or less often where passes are so short that writing would take a tenth of the time:
beside the file first, and then put in its place at once, so that the file is whole whenever the process ends. A file of
other data or settings is refused, not overwritten.
"""

from __future__ import annotations

import json
import os
import threading
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from emvsbayes.core.em import run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import plain, record_fields
from emvsbayes.core.resuming import State
from emvsbayes.core.runs import run_from_dict, run_to_dict
from emvsbayes.core.schedules import Batch
from emvsbayes.core.sources import is_source
from emvsbayes.core.trace import Run

FORMAT = 1
TIMES = 10  # a file is written where the last writing took less than 1 / TIMES of the time since


class Keeper:
    """Runs EM, keeps account of it in a file where there is one, and tells `progress` where there is one."""

    def __init__(self, path: Any = None, progress: Any = None) -> None:
        if path is not None and not isinstance(path, str | os.PathLike):
            raise InputError(f"checkpoint must be the path of a file to write to; it is {path!r}.")
        self.path, self.progress = None if path is None else Path(path), progress
        self.identity: dict[str, Any] = {}
        self.done: dict[str, Any] = {}
        self.begun: dict[str, Any] = {}
        self.lock, self.written, self.took = threading.Lock(), 0.0, 0.0

    def open(self, problem: Any, plan: Any, stop: Any, *, prior: Any, given: Any, record: Any, **more: Any) -> None:
        """Read the file where there is one already; raise where it is of another fit, or cannot be written."""
        if self.path is None:
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
                    "stopping rules": plain(stop),
                    "record": record,
                    "data": fingerprint(problem.data),
                }
            )
        )
        if self.path.exists():
            self._read(self.path)
            return
        try:
            self._write()
        except OSError as error:
            raise InputError(f"{self.path} cannot be written ({error.strerror}); name another file.") from None

    def _read(self, path: Path) -> None:
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            version, identity, self.done, self.begun = (
                raw[name] for name in ("emvsbayes checkpoint", "identity", "done", "begun")
            )
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path} is no checkpoint of a fit; name another file, or delete it.") from None
        if version != FORMAT:
            raise InputError(f"{path} was written by another version of emvsbayes; delete it to begin anew.")
        for name in self.identity:
            if identity.get(name) != self.identity[name]:
                raise InputError(
                    f"{path} is the checkpoint of a fit that differs from this one in its {name}; name another file, "
                    "or delete it to begin anew."
                )

    def run(self, name: str, family: Any, data: Any, start: Any, **options: Any) -> Run:
        """`run_em`, or what is left of it."""
        if self.progress is not None:
            self.progress.begins(name)
        if self.path is None and self.progress is None:
            return run_em(family, data, start, **options)
        if name in self.done:
            return self._finished(name, family, data, start, options)
        state = self.begun.get(name)
        try:
            found = run_em(
                family,
                data,
                start,
                watch=_Watching(self, name),
                resume=None if state is None else State.from_dict(state, start),
                **options,
            )
        except BaseException:  # the last passes may not be in the file yet
            self._write()
            raise
        if self.path is not None:
            with self.lock:
                self.done[name] = run_to_dict(found)
                self.begun.pop(name, None)
            self._write()
        return found

    def _finished(self, name: str, family: Any, data: Any, start: Any, options: Any) -> Run:
        """A run from the file; its q, which is not in the file, is what the E half-step at its parameters chooses."""
        run = run_from_dict(self.done[name], type(start))
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
        if self.path is not None:
            with self.lock:
                self.begun[name] = state.to_dict()
            if time.monotonic() - self.written >= TIMES * self.took:
                self._write()
        if self.progress is not None:
            self.progress.passed(state.passes, state.objective)

    def _write(self) -> None:
        if self.path is None:
            return
        with self.lock:
            begin = time.monotonic()
            content = {
                "emvsbayes checkpoint": FORMAT,
                "identity": self.identity,
                "done": self.done,
                "begun": self.begun,
            }
            beside = self.path.with_name(self.path.name + ".part")
            try:
                with beside.open("w", encoding="utf-8") as file:
                    json.dump(content, file)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(beside, self.path)
            except OSError:
                beside.unlink(missing_ok=True)
                raise
            self.written = time.monotonic()
            self.took = self.written - begin


class _Watching:
    """What `run_em` tells of one run."""

    def __init__(self, keeper: Keeper, name: str) -> None:
        self.keeper, self.name = keeper, name

    def passed(self, state: State) -> None:
        self.keeper.passed(self.name, state)


def fingerprint(data: Any) -> str:
    """The identity of data: of all rows in memory; of a source the chunk, the survey and the sampled rows."""
    digest = blake2b(digest_size=16)
    if is_source(data):
        found = data.surveyed
        digest.update(repr((data.rows, found.n_rows, found.total_weight, found.largest_label)).encode())
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
