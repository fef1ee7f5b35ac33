"""One pass over the rows: E-step, statistics and log-likelihood together, for each kind of density.

The functions choose a route by cost (`kernels.costs`), share the rows among threads (`kernels.rows`) and run the
compiled kernels. Importing this module imports numba; the first call of a kernel on a machine compiles it, a second or
two each, and later processes read it from its cache.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities import gaussian as plain_gaussian
from emvsbayes.densities.kernels import costs, gaussian, products
from emvsbayes.densities.kernels.rows import summed

NONE_KNOWN: Integers = np.empty(0, dtype=np.int64)


def gaussian_pass(
    X: Array,
    weights: Array,
    labels: Integers | None,
    log_weights: Array,
    means: Array,
    covariances: Array,
    origin: Array,
) -> tuple[float, Array, Array, Array]:
    """Log-likelihood, n (K,), first (K, D) and second (K, D, D) or (K, D), the moments about `origin` (K, D).

    Parameters
    ----------
    X : (N, D), float64 or float32
    weights : (N,), how often each row counts
    labels : (N,), -1 where unknown, or None
    log_weights, means, covariances : (K,), (K, D), and (K, D, D) or variances (K, D)
    """
    (k, d), known = means.shape, NONE_KNOWN if labels is None else labels
    if covariances.ndim == 2:
        constants = log_weights - 0.5 * (d * plain_gaussian.LOG_2PI + np.log(covariances).sum(axis=1))
        sweep, scale, cost, shape = gaussian.sweep_variances, 1 / covariances, costs.gaussian_variances(d, k), (k, d)
    else:
        scale, log_det = plain_gaussian.whitening(covariances)
        constants = log_weights - 0.5 * (d * plain_gaussian.LOG_2PI + log_det)
        loop, product = costs.gaussian_loop(d, k), costs.gaussian_products(d, k)
        sweep = gaussian.sweep_matrices if loop <= product else products.sweep_products
        cost, shape = min(loop, product), (k, d, d)

    def rows(start: int, stop: int, n: Array, first: Array, second: Array) -> float:
        return sweep(X, weights, known, constants, means, scale, origin, start, stop, n, first, second)

    height, sums = summed(rows, len(X), cost, lambda: (np.zeros(k), np.zeros((k, d)), np.zeros(shape)))
    return height, *sums
