"""What rows of bits are held against: column means, how often two columns are one together, how full the rows are.

Within a component columns are independent, so that pairs are what a mixture of too few components gets wrong. Only
observed entries count, in the data and in what is replicated. Grey levels are no bits: there only means are compared.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from emvsbayes.core.scalars import thinned
from emvsbayes.families.bernoulli_mixture.records import BernoulliData

MOST = 10  # columns, and pairs of them, that are compared; evenly spaced where there are more


def discrepancies(data: BernoulliData, bits: bool) -> dict[str, float]:
    """Means of columns; of bits, shares of rows in which both of two columns are one, and the spread of row means."""
    columns, d = data.columns, data.X.shape[1]
    seen = np.ones_like(data.X) if data.observed is None else data.observed
    found = {}
    for i in thinned(d, MOST):
        if seen[:, i].any():
            found[f"mean of {columns[i]}"] = float((data.X[:, i] * seen[:, i]).sum() / seen[:, i].sum())
    if not bits:
        return found
    pairs = list(combinations(range(d), 2)) if d <= 60 else [(i, i + 1) for i in range(d - 1)]
    for i, j in (pairs[at] for at in thinned(len(pairs), MOST)):
        both = seen[:, i] * seen[:, j]
        if both.any():
            share = float((data.X[:, i] * data.X[:, j] * both).sum() / both.sum())
            found[f"both {columns[i]} and {columns[j]}"] = share
    filled = (data.X * seen).sum(axis=1) / seen.sum(axis=1)
    found["sd of the row means"] = float(filled.std())
    return found
