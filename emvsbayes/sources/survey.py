"""The first pass over a source: what is to be known of all rows before EM starts.

Number, weight and moments of the rows add up over chunks (`core.moments`). The sample is the rows whose hashed numbers
are smallest: a simple random sample without replacement that depends on the number of rows alone, not on where chunks
end or who reads them, and that is all rows where these are few. Rows of weight 0 come after all others. The hash is
splitmix64 (Steele, Lea and Flood 2014, OOPSLA, 453-472); keeping the smallest of independent keys is bottom-k sampling
(Cohen and Kaplan 2007, PODC, 225-234).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np

from emvsbayes.core.checks import part_of_rows
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import joined, record_fields, take_rows
from emvsbayes.core.sources import pairwise, plus
from emvsbayes.sources.blocks import Block, map_blocks

SAMPLE = 20_000  # rows
SAMPLE_BYTES = 32e6  # of wide rows fewer, but
FEWEST = 1000


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of some rows, or of all.

    Attributes
    ----------
    n_rows, total_weight : their number and weight
    largest_label : the largest known component; -1 where none is known
    moments : `core.moments.Moments`, where the family's data have any; or None
    checksum : of all values, in these chunks; by it a checkpoint knows other data of which no sampled row differs
    numbers, keys : (m,), the numbers of the sampled rows, and what they are drawn by
    sample : a data record of these m rows
    """

    n_rows: int
    total_weight: float
    largest_label: int
    moments: Any
    checksum: int
    numbers: np.ndarray
    keys: np.ndarray
    sample: Any

    def __add__(self, other: Survey) -> Survey:
        both = Survey(
            self.n_rows + other.n_rows,
            self.total_weight + other.total_weight,
            max(self.largest_label, other.largest_label),
            None if self.moments is None else self.moments + other.moments,
            crc32(other.checksum.to_bytes(4), self.checksum),
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.keys, other.keys]),
            joined([self.sample, other.sample]),
        )
        return both.thinned()

    def thinned(self) -> Survey:
        """With the rows of smallest keys only, as many as are wanted."""
        wanted = sample_size(len(self.sample.columns))
        if len(self.keys) <= wanted:
            return self
        kept = np.argpartition(self.keys, wanted)[:wanted]
        return self._with_rows(kept)

    def in_order(self) -> Survey:
        """With the sampled rows in the order of their numbers."""
        return self._with_rows(np.argsort(self.numbers))

    def _with_rows(self, rows: np.ndarray) -> Survey:
        return replace(self, numbers=self.numbers[rows], keys=self.keys[rows], sample=take_rows(self.sample, rows))


def sample_size(d: int) -> int:
    """Rows of a sample of d columns."""
    return int(np.clip(SAMPLE_BYTES // (8 * max(d, 1)), FEWEST, SAMPLE))


@dataclass(frozen=True, slots=True)
class Surveyor:
    """The survey of a block; `record` is the family's type of data."""

    record: Any

    def __call__(self, block: Block) -> Survey:
        with part_of_rows(block.start):
            data = self.record.read(block.table, block.labels, block.sample_weight)
        return self.of(data, block.start)

    def of(self, data: Any, start: int) -> Survey:
        """The survey of a block's data record, for readers that keep it; `start` is the number of its first row."""
        numbers = np.arange(start, start + data.n_rows)
        labels = -1 if data.labels is None else int(data.labels.max())
        moments = getattr(data, "moments", None)
        weight = float(data.row_weights.sum())
        keys, wanted = sampling_keys(numbers, data.row_weights), sample_size(len(data.columns))
        kept = np.argpartition(keys, wanted)[:wanted] if len(keys) > wanted else np.arange(len(keys))
        # copies, so that the sample holds no chunk in memory
        own = numbers[kept], keys[kept], take_rows(data, kept)
        return Survey(data.n_rows, weight, labels, moments, checksum(data), *own)


def checksum(data: Any) -> int:
    """CRC-32 of all arrays of a data record: a thousandth of a second for three million bytes."""
    found = 0
    for value in record_fields(data).values():
        if isinstance(value, np.ndarray):
            found = crc32(np.ascontiguousarray(value).data, found)
    return found


def sampling_keys(numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The hashed numbers of rows, less their last bit, behind a first one that is set where the weight is 0."""
    return hashed(numbers) >> np.uint64(1) | (weights == 0).astype(np.uint64) << np.uint64(63)


def hashed(numbers: np.ndarray) -> np.ndarray:
    """splitmix64 of row numbers: independent uniform 64-bit keys, for all that a sample can tell."""
    z = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def survey(reader: Any, record: Any, rows: int, watch: Any = None) -> Survey:
    """The survey of all rows, read in chunks of `rows`."""

    def watched(part: Survey) -> Survey:
        if watch is not None:
            watch.rows(part.n_rows)
        return part

    try:
        found = pairwise(map(watched, map_blocks(reader, Surveyor(record), rows)), plus).in_order()
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        if str(error) != "there is nothing to add.":
            raise
        raise InputError(f"{reader.words} holds no rows; give at least one row of numbers.") from None
    if found.total_weight == 0:
        raise InputError("sample_weight is zero in every row; nothing is left to fit.")
    return found
