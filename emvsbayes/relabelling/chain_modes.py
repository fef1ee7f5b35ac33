"""Chains in different modes that are no relabellings of one another, told from the draws alone.

For chains c and c' with means m and variances v of every coordinate j of every component,

    gap(c, c') = min over g of  max over k, j of  |m_c,kj - m_c',g(k)j| / sqrt((v_c,kj + v_c',g(k)j) / 2)

in standard deviations within a chain: whatever global renaming g is chosen, some coordinate differs by that much. (The
renaming is that with the smallest sum of squares, one assignment problem; it need not be the one with the smallest
maximum, so that the gap is an upper bound of the definition.) Two chains are of one mode where their gap is at most
`FAR` or a chain of chains joins them.

Both the draws as sampled and the relabelled ones are asked, and the larger gap counts: where no chain switches, the raw
draws are the clearer witness, as an algorithm may mislabel them; a chain that switches has a wide spread in the raw
draws and no large gap (at most sqrt(2 p / (1 - p)) <= 1.5 where a share p <= 1/2 of its draws is under other labels).

FAR = 3. Two chains of one mode differ by sampling: sqrt(2 / ESS) deviations a coordinate, 0.6 for an ESS of 5 each, and
the largest of 30 such coordinates below 2 in nearly all cases. Chains 3 deviations apart share 13 % of their mass,
and R-hat of that coordinate is above 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse.csgraph import connected_components

from emvsbayes.core.alignment import assignment
from emvsbayes.core.checks import Array, Integers

FAR = 3.0


def chain_gaps(fields: Mapping[str, Array], classes: Integers) -> Array:
    """Gaps (C, C) between chains of relabelled fields (C, draws, K, …), in standard deviations within a chain."""
    coordinates = np.concatenate([v.reshape(*v.shape[:3], -1) for v in fields.values()], axis=3)
    mean, variance = coordinates.mean(axis=1), coordinates.var(axis=1)  # (C, K, J)
    rounding = 1e-12 * np.abs(coordinates).max(axis=(0, 1, 2))  # by coordinate: each has units of its own
    chains = len(mean)
    gaps = np.zeros((chains, chains))
    for a in range(chains):
        for b in range(a):
            apart = _standardised(mean[a][:, None] - mean[b], variance[a][:, None] + variance[b], rounding)
            slots = assignment(-(np.minimum(apart, 1e6) ** 2).sum(axis=2), classes)
            gaps[a, b] = gaps[b, a] = apart[slots, np.arange(len(slots))].max()
    return gaps


def separations(fields: Mapping[str, Array]) -> Array:
    """How far apart the components of each chain are, (C,), from fields (C, draws, K, …).

    The standard deviation of the component means over that of the draws about them, for the coordinate where it is
    largest. Labels that switch bring the means together; a relabelling that errs does so too.
    """
    coordinates = np.concatenate([v.reshape(*v.shape[:3], -1) for v in fields.values()], axis=3)
    between, within = coordinates.mean(axis=1).std(axis=1), coordinates.std(axis=1).mean(axis=1)  # (C, J)
    moving = within > 1e-12 * np.abs(coordinates).max(axis=(0, 1, 2))
    return np.divide(between, within, out=np.zeros_like(between), where=moving).max(axis=1)


def grouped(gaps: Array, far: float = FAR) -> list[int]:
    """The number of the mode of every chain, counted in the order of the chains."""
    _, labels = connected_components(gaps <= far, directed=False)
    return [int(label) for label in labels]


def _standardised(difference: Array, variances: Array, rounding: Array) -> Array:
    """|difference| (K, K, J) in deviations: 0 within rounding (J,), infinite where nothing but rounding moves."""
    scale = np.sqrt(variances / 2)
    ratio = np.divide(np.abs(difference), scale, out=np.full_like(difference, np.inf), where=scale > rounding)
    return np.where(np.abs(difference) > rounding, ratio, 0.0)
