"""A view of a predictive distribution: where it is looked at, and what is read off there.

No labels enter p(x | θ), so that its average over draws of θ means the same whatever the chains call their components.

    density        p(x_c | θ) of one or two columns c, the others integrated out
    probability    p(h | θ) of every possible value h
    mean           E[x | θ] at every place, such as the probability of a one in each column, or a curve
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from emvsbayes.core.checks import Array

MOST_COLUMNS = 4  # whose marginal densities are shown
MARGIN = 0.15  # of the range of a column, left and right of it


@dataclass(frozen=True)
class View:
    """Where a family says what it predicts.

    Attributes
    ----------
    name : what is predicted, in words
    kind : density, probability or mean
    labels : names of the coordinates of `at`
    at : (G, d)
        Places; of columns of the data in their own units.
    columns : numbers of the columns that the coordinates are, where they are columns
    trials : the number of trials of which the coordinate counts some, where it does
    """

    name: str
    kind: Literal["density", "probability", "mean"]
    labels: tuple[str, ...]
    at: Array
    columns: tuple[int, ...] = ()
    trials: int = 0


def column_grid(values: Array, row_weights: Array, n: int) -> Array:
    """n places over the range of a column and a margin, (n,); a constant column has one unit to either side."""
    seen = values[row_weights > 0]
    low, high = float(seen.min()), float(seen.max())
    margin = MARGIN * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, n)


def marginal_views(X: Array, row_weights: Array, columns: tuple[str, ...], n: int) -> tuple[View, ...]:
    """The density of each of the first columns, on a grid of n places."""
    return tuple(
        View(columns[c], "density", (columns[c],), column_grid(X[:, c], row_weights, n)[:, None], (c,))
        for c in range(min(X.shape[1], MOST_COLUMNS))
    )


def pair_view(X: Array, row_weights: Array, columns: tuple[str, ...], pair: tuple[int, int], n: int) -> View:
    """The joint density of two columns on n x n places, the second coordinate running fastest."""
    axes = [column_grid(X[:, c], row_weights, n) for c in pair]
    at = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=1)
    labels = (columns[pair[0]], columns[pair[1]])
    return View(" and ".join(labels), "density", labels, at, pair)
