"""The E-step of a block of rows: from log joints to what each row gives each component, in place.

    m_nk = w_n r_nk,   r_nk = exp(ℓ_nk) / Σ_j exp(ℓ_nj),      ln p(x_n) = ln Σ_k exp(ℓ_nk)

with ℓ_nk = ln p(x_n, z_n = k). A known label leaves one ℓ of the row; a row of weight 0 gives nothing to anybody.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels.elementary import compiled, exp, log


@compiled
def share(joint: Array, weights: Array, labels: Integers, scratch: Array, n: Array) -> float:
    """Masses in the place of log joints; adds them to `n` (K,); returns Σ_n w_n ln p(x_n).

    Parameters
    ----------
    joint : (K, at least rows)
        ln p(x_n, z_n = k) in, m_nk out.
    weights : (rows,)
    labels : (rows,), or (0,) where none is known
    scratch : (2, at least rows)
    n : (K,)

    Returns
    -------
    float
        -inf where a row of positive weight has no component that could have produced it; its masses are then 0. NaN
        where a joint of such a row is NaN, whatever its masses.
    """
    components, rows = joint.shape[0], weights.size
    peak, total = scratch[0], scratch[1]
    if labels.size:
        for i in range(rows):
            label = labels[i]
            for k in range(components):
                if label >= 0 and k != label:
                    joint[k, i] = -np.inf
    for i in range(rows):
        peak[i] = joint[0, i]
        total[i] = 0.0
    for k in range(1, components):
        row = joint[k]
        for i in range(rows):
            peak[i] = max(peak[i], row[i])
    impossible = 0.0
    for i in range(rows):
        nobody = peak[i] == -np.inf
        peak[i] = 0.0 if nobody else peak[i]
        impossible += weights[i] if nobody else 0.0
    broken = 0.0  # exp takes NaN for 0
    for k in range(components):
        row = joint[k]
        for i in range(rows):
            broken += weights[i] if np.isnan(row[i]) else 0.0
            row[i] = exp(row[i] - peak[i])
            total[i] += row[i]
    height = 0.0
    for i in range(rows):
        w = weights[i]
        safe = max(total[i], 1.0)  # it holds its largest term, 1, and is below 1 only where nobody could: 0
        height += w * (peak[i] + log(safe))
        total[i] = w / safe
    for k in range(components):
        row, mass = joint[k], 0.0
        for i in range(rows):
            row[i] *= total[i]
            mass += row[i]
        n[k] += mass
    if broken > 0:
        return np.nan
    return -np.inf if impossible > 0 else height
