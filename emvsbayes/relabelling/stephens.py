"""Stephens' algorithm: the allocation probabilities of every draw as close as possible to their mean, in KL.

    cost(p, q) = Σ_s Σ_n w_n Σ_k r_n,p(k)(s) ln [ r_n,p(k)(s) / q_nk ]

Given the permutations q is the mean of the relabelled probabilities; given q every draw is an assignment problem with
gains Σ_n w_n r_nj(s) ln q_nk, as Σ r ln r does not depend on the permutation. Both steps lower the cost. Probabilities
are not moved away from 0 (0 ln 0 = 0); an entry of q that is 0 counts as the smallest positive number.

Source: Stephens (2000), Dealing with label switching in mixture models, JRSS B 62, 795-809, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.relabelling.alternating import Descent, alternate
from emvsbayes.relabelling.rows import Rows, logarithm


def stephens(rows: Rows, references: Sequence[Array], classes: Integers) -> Descent:
    """Permutations of allocation probabilities, from every reference (N, K)."""
    return alternate(
        (rows.gains(logarithm(reference)) for reference in references),
        lambda permutations: rows.gains(logarithm(rows.mean(permutations))),
        _negative_entropy(rows),
        classes,
    )


def _negative_entropy(rows: Rows) -> float:
    """Σ_s Σ_n w_n Σ_k r ln r, draw by draw, so that no second array of the size of the first is held."""
    return sum(float((values * logarithm(values)).sum(axis=0) @ rows.row_weights) for values in np.asarray(rows.values))
