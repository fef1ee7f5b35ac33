"""What a fit tells of data that were read a chunk at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emvsbayes.core.sampled_starts import Searched


@dataclass(frozen=True, slots=True)
class ChunksRead:
    """Where the rows came from, how many, in chunks of how many; and the search on a sample, where there was one.

    `sample`, `starts` and `optima` are 0 where every start ran over all rows.
    """

    words: str
    n_rows: int
    rows: int
    sample: int = 0
    starts: int = 0
    optima: int = 0

    def sentences(self) -> list[str]:
        """For the summary of a fit."""
        found = [f"{self.n_rows:,} rows of {self.words}, read {self.rows:,} at a time"]
        if self.starts and self.sample == self.n_rows:
            found.append(f"{self.starts} start(s) ran to their end in memory; of their {self.optima} optima")
        elif self.starts:
            found.append(
                f"{self.starts} start(s) ran to their end on a random sample of {self.sample:,} rows; of their "
                f"{self.optima} optima there"
            )
        if self.starts:
            found[-1] += " the best went on over all rows (n_starts says how many; a plain number runs each over all)"
        return found


def chunks_read(data: Any, searched: Searched | None) -> ChunksRead:
    """The note of a source."""
    more = () if searched is None else (searched.rows, searched.starts, searched.optima)
    return ChunksRead(data.reader.words, data.n_rows, data.rows, *more)
