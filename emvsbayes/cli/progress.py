"""Progress of a long fit on standard error: which run, which pass, how many rows a second, the objective.

On a terminal one line that is renewed; elsewhere, such as in a log, a line every few seconds at most, written where a
pass ends. Nothing is shown of what takes less than a second.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from emvsbayes.cli.group import progress

SILENT = 1.0  # seconds before the first word
EVERY = 5.0  # seconds between lines of a log
OFTEN = 0.2  # seconds between renewals on a terminal


class Progress:
    """What `fit` tells of rows and passes, shown while it goes."""

    def __init__(self) -> None:
        self.name, self.passes, self.objective = "first look at the rows", 0, None
        self.begun = self.shown = self.since = time.monotonic()
        self.n_rows: int | None = None
        self.in_pass, self.counted, self.rate = 0, 0, 0.0
        self.live: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self.live = Live("", console=Console(stderr=True), refresh_per_second=1 / OFTEN, transient=True)
            self.live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live is not None:
            self.live.stop()

    def total(self, n_rows: int) -> None:
        """The rows are counted now."""
        self.n_rows, self.in_pass = n_rows, 0

    def begins(self, name: str) -> None:
        """A run of this name begins."""
        self.name, self.passes, self.objective, self.in_pass = name, 0, None, 0
        self.rate, self.counted, self.since = 0.0, 0, time.monotonic()  # a run on the sample reads no rows

    def rows(self, n: int) -> None:
        """So many rows more were swept."""
        self.in_pass += n
        self.counted += n
        if self.n_rows is not None and self.in_pass > self.n_rows:
            self.in_pass -= self.n_rows
        now = time.monotonic()
        if now - self.since >= 1.0:
            self.rate, self.counted, self.since = self.counted / (now - self.since), 0, now
        if self.live is not None:
            self._show(now, OFTEN)

    def passed(self, passes: int, objective: float) -> None:
        """A pass is over."""
        self.passes, self.objective, self.in_pass = passes, objective, 0
        self._show(time.monotonic(), OFTEN if self.live is not None else EVERY)

    def _show(self, now: float, every: float) -> None:
        first = now - self.begun < SILENT
        if first or now - self.shown < every:
            return
        self.shown = now
        if self.live is None:
            progress(self.line())
        else:
            from rich.text import Text

            self.live.update(Text(self.line(), style="dim", no_wrap=True, overflow="ellipsis"))

    def line(self) -> str:
        """Where the fit is: on a terminal with the share of the pass that goes on, in fewer than 80 columns."""
        parts = [] if self.live is None else self._within()
        if self.live is None and self.objective is not None:
            parts.append(f"pass {self.passes}, objective {self.objective:.6f}")
        if self.rate:
            words = "million rows a second" if self.live is None else "M rows/s"
            parts.append(f"{self.rate / 1e6:.2f} {words}")
        if self.live is not None and self.objective is not None:
            parts.append(f"objective {self.objective:.4f}")
        return ": ".join([self.name, ", ".join(parts)]) if parts else self.name

    def _within(self) -> list[str]:
        """The passes that are done, and how far the sweep after them is: the next pass, or the closing evaluation."""
        if self.n_rows is None:
            return [f"{self.in_pass:,} rows"] if self.in_pass else []
        share = f" + {self.in_pass / self.n_rows:.0%}" if self.in_pass else ""
        return [f"pass {self.passes}{share}"]
