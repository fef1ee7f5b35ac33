"""Rows counted by bin, in the data and in replicates of them.

What is counted: every column that is replicated (the inputs of a regression and the numbers of tosses are not), the
first few of them; of rows of bits, the ones of each row. Bins reach over the range of the data and
two bins beyond at either end: whole numbers of few values have one each, others about twice the cube root of N of equal
width. Rows of replicates farther out are in none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.posterior.record import LEVEL, PredictiveHistogram

MOST_COLUMNS = 4
BEYOND = 2  # bins at either end
MOST_VALUES = 40  # of whole numbers, to have a bin each


class Bins:
    """The histograms of one data set, to which replicates are added one by one."""

    def __init__(self, data: Any) -> None:
        values = data.matrix()
        bits = hasattr(data, "observed")  # single tosses of coins are zeros and ones too, beside their number
        self._ones = bits and bool(np.isin(values[np.isfinite(values)], (0.0, 1.0)).all())
        self._observed, self._names = self._columns(data)
        self._edges = [bin_edges(column) for column in self._observed.T]
        self._counts: list[list[Array]] = [[] for _ in self._names]
        self._moved = np.zeros(len(self._names), dtype=bool)

    def _columns(self, data: Any) -> tuple[Array, list[str]]:
        values = data.matrix()
        if self._ones and values.shape[1] > 1:
            return np.nansum(values, axis=1)[:, None], ["ones in a row"]
        return values, list(data.columns)

    def add(self, replicate: Any) -> None:
        """Count the rows of a replicate."""
        values = self._columns(replicate)[0]
        self._moved |= (values != self._observed).any(axis=0)
        for counts, column, edges in zip(self._counts, values.T, self._edges, strict=True):
            counts.append(np.histogram(column, edges)[0])

    def histograms(self) -> list[PredictiveHistogram]:
        """Of the first columns that are replicated."""
        found = []
        for i in np.flatnonzero(self._moved)[:MOST_COLUMNS]:
            edges, column = self._edges[i], self._observed[:, i]
            center, lower, upper = np.quantile(self._counts[i], [0.5, (1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
            found.append(
                PredictiveHistogram(
                    self._names[i],
                    ((edges[1:] + edges[:-1]) / 2).tolist(),
                    np.histogram(column, edges)[0].tolist(),
                    center.tolist(),
                    lower.tolist(),
                    upper.tolist(),
                )
            )
        return found


def bin_edges(values: Array) -> Array:
    """Edges (B + 1,) for finite values (N,)."""
    seen = values[np.isfinite(values)]
    low, high = float(seen.min()), float(seen.max())
    if (seen == np.round(seen)).all() and high - low < MOST_VALUES:
        return np.arange(low - 0.5 - BEYOND, high + 1.0 + BEYOND)
    inside = max(int(np.ceil(2 * len(seen) ** (1 / 3))), 1)
    width = (high - low) / inside or 1.0
    low -= 1e-9 * width  # so that the ends of the range fall inside their bins
    return low + width * (1 + 2e-9) * np.arange(float(-BEYOND), inside + BEYOND + 1)
