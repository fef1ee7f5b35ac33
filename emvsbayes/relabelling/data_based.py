"""The data-based algorithm: the groups of every draw go to the slots whose rows look most alike.

A slot k is described by the mean m_k and variance v_k of the rows that the relabelled draws put there, and

    cost(p, m, v) = ½ Σ_s Σ_k Σ_{n in group p_k(s)} w_n Σ_d [ (x_nd - m_kd)² / v_kd + ln(2π v_kd) ]

The idea and the standardised distances are those of Rodriguez and Walker (2014), Label switching in Bayesian mixture
models: deterministic relabeling strategies, JCGS 23, 25-45. Here the logarithm is added to their loss: with it m and v
minimise the same cost as the permutations do, so it falls in both steps; without it a wide slot is near to every group.
Parameters play no part: an allocation of the rows and the rows themselves are enough.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.relabelling.alternating import Descent, alternate
from emvsbayes.relabelling.moments import features, group_moments, log_densities
from emvsbayes.relabelling.rows import Rows


def data_based(rows: Rows, data: Array, references: Sequence[Array], classes: Integers) -> Descent:
    """Permutations of the groups of data (N, D), from every reference allocation (N, K)."""
    columns = features(data, rows.row_weights)
    moments = group_moments(rows, columns)

    def towards(totals: Array) -> Array:
        return moments @ log_densities(totals, weights=False)

    def renew(permutations: Integers) -> Array:
        return towards(np.take_along_axis(moments, permutations[..., None], axis=1).sum(axis=0))

    weighted = columns * rows.row_weights[:, None]
    return alternate((towards(reference.T @ weighted) for reference in references), renew, 0.0, classes)
