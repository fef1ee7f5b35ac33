"""What a fit tells of data that were read a chunk at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emvsbayes.core.sampled_starts import Searched


@dataclass(frozen=True, slots=True)
class ChunksRead:
    """Where the rows came from, how many, in chunks of how many; and the search on a sample, where there was one.

    `sample`, `starts`, `optima` and `kept` are 0 where every start ran over all rows.
    """

    words: str
    n_rows: int
    rows: int
    sample: int = 0
    starts: int = 0
    optima: int = 0
    kept: int = 0

    def sentences(self) -> list[str]:
        """For the summary of a fit."""
        found = [f"{self.n_rows:,} rows of {self.words}, read at most {self.rows:,} at a time"]
        if self.starts:
            where = "in memory" if self.sample == self.n_rows else f"on a random sample of {self.sample:,} rows"
            found.append(
                f"{self.starts} start(s) ran to their end {where} and found {self.optima} distinct "
                f"{'optimum' if self.optima == 1 else 'optima'}; {self.kept} went on over all rows"
                f"{_others(self.optima - self.kept)}"
            )
        return found


def _others(number: int) -> str:
    return f", and {number} {'was' if number == 1 else 'were'} given up as worse" if number > 0 else ""


def chunks_read(data: Any, searched: Searched | None) -> ChunksRead:
    """The note of a source."""
    more = () if searched is None else (searched.rows, searched.starts, searched.optima, searched.kept)
    return ChunksRead(data.reader.words, data.n_rows, data.rows, *more)
