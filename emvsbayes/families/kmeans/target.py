"""The posterior of soft K-means, compiled whole: what NUTS climbs.

    ln p(X | μ) + Σ_kd ln N(μ_kd | m_kd, s_kd²),        ∂/∂μ_kd = Σ_n m_nk (x_nd - μ_kd) / σ² + (m_kd - μ_kd) / s_kd²

The centres are their own coordinates. Likelihood and gradient come from one pass over the rows, as in `fused`. Derived
without the PyMC model, whose density and gradient a test holds equal to these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.np.numpy_support import carray

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.twin import Target
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.densities.kernels.calls import FIRST, MOST, WORDS, integers, matrix, outcome, point, pulled, vector
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.gaussian import sweep_variances
from emvsbayes.families.kmeans.records import KMeansData, KMeansParams, KMeansPrior

HERE = "emvsbayes.families.kmeans.target"
X, ROW_WEIGHTS, LABELS, VARIANCE, LOCATION, SCALE = range(6)


def target(family: Any, data: KMeansData, prior: KMeansPrior, held: KMeansParams) -> Target:
    """The arrays and functions of one posterior; `held` gives the shape."""
    labels = np.empty(0, dtype=np.int64) if data.labels is None else data.labels
    variance = data.interim_variance if family.variance is None else family.variance
    assert prior.centers is not None
    location, scale = (
        np.array(np.broadcast_to(value, held.centers.shape), dtype=np.float64)
        for value in (prior.centers.location, prior.centers.scale)
    )
    X = np.ascontiguousarray(data.X, dtype=np.float64)
    arrays = X, data.row_weights, labels, np.array([float(variance)]), location, scale
    fields = {"centers": held.centers.shape}
    return Target(f"{HERE}:c_density", f"{HERE}:c_values", arrays, held.centers.size, fields)


@compiled
def density(x: Array, gradient: Array, words: Integers) -> float:
    """The density and its gradient, (K D,)."""
    location, scale, variance = matrix(words[LOCATION]), matrix(words[SCALE]), vector(words[VARIANCE])[0]
    (k_all, d), rows = location.shape, matrix(words[X])
    centers, by_centers = x.reshape(k_all, d), gradient.reshape(k_all, d)
    constants = np.full(k_all, -np.log(k_all) - 0.5 * d * (LOG_2PI + np.log(variance)))
    n, first, second = np.zeros(k_all), np.zeros((k_all, d)), np.zeros((k_all, d))
    value = sweep_variances(
        rows, vector(words[ROW_WEIGHTS]), integers(words[LABELS]), constants, centers,
        np.full((k_all, d), 1 / variance), centers, FIRST, len(rows), n, first, second,
    )  # fmt: skip
    for k in range(k_all):
        for a in range(d):
            standard = (centers[k, a] - location[k, a]) / scale[k, a]
            value -= 0.5 * (standard * standard + LOG_2PI) + np.log(scale[k, a])
            by_centers[k, a] = first[k, a] / variance - standard / scale[k, a]
    return value


def c_density(size: Any, x: Any, gradient: Any, value: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    out, rows = carray(gradient, (int(size),)), carray(words, (MOST, WORDS))
    value[0] = density(point(carray(x, (int(size),)), rows), out, rows)
    pulled(out, rows)
    return outcome(value[0], out)


def c_values(size: Any, many: Any, x: Any, out: Any, words: Any) -> int:
    """The centres themselves."""
    centers, room = point(carray(x, (int(size),)), carray(words, (MOST, WORDS))), carray(out, (int(many),))
    for i in range(len(room)):
        room[i] = centers[i]
    return 0
