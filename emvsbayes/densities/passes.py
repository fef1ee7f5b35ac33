"""One pass over the rows: E-step, statistics and log-likelihood together, for each kind of density.

The functions choose a route by cost (`kernels.costs`), share the rows among threads (`kernels.rows`) and run the
compiled kernels. Importing this module imports numba; the first call of a kernel on a machine compiles it, a second or
two each, and later processes read it from its cache.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers, labels_below
from emvsbayes.core.errors import InputError
from emvsbayes.densities import gaussian as plain_gaussian
from emvsbayes.densities.kernels import bernoulli, binomial, costs, gaussian, nearest, products
from emvsbayes.densities.kernels.rows import summed

NONE_KNOWN: Integers = np.empty(0, dtype=np.int64)


def known_labels(X: Array, weights: Array, labels: Integers | None, k: int) -> Integers:
    """The labels that kernels take, none at all for None: kernels do not look whether a place lies in an array."""
    if len(weights) != len(X) or (labels is not None and len(labels) != len(X)):
        raise InputError(f"{len(X)} rows need a weight each, and a label each where any is known; give as many.")
    labels_below(labels, k)
    return NONE_KNOWN if labels is None else labels


def known_bits(bits: tuple[np.ndarray, np.ndarray], n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Ones and zeros as kernels take them, who do not look: bytes one after another, of every row and entry."""
    columns = 4 * -(-d // 32)
    for found, allowed in zip(bits, (((columns, n),), ((columns, n), (0, n))), strict=True):
        if found.shape not in allowed or found.dtype != np.uint8 or not found.flags.c_contiguous:
            raise InputError(
                f"bits of {n} rows and {d} entries are contiguous bytes of shape ({columns}, {n}), not {found.dtype} "
                f"of shape {found.shape}; take `BernoulliData.bits`."
            )
    return bits


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
    (k, d), known = means.shape, known_labels(X, weights, labels, len(means))
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

    height, (n, first, second) = summed(rows, len(X), cost, lambda: (np.zeros(k), np.zeros((k, d)), np.zeros(shape)))
    return height, n, first, second


def bernoulli_pass(
    X: Array,
    bits: tuple[np.ndarray, np.ndarray] | None,
    weights: Array,
    labels: Integers | None,
    log_weights: Array,
    log_p: Array,
    log_q: Array,
) -> tuple[float, Array, Array, Array] | None:
    """Log-likelihood, n (K,), ones and zeros (K, D); None where no route fits.

    Parameters
    ----------
    X : (N, D) in [0, 1], complete where `bits` are None
    bits : ones and, where entries are missing, zeros as bytes (see `kernels.bernoulli`); None of grey levels
    weights, labels, log_weights : (N,), (N,) or None, (K,)
    log_p, log_q : (K, D), logarithms of the probabilities of a one and of a zero, or what stands for them
    """
    (k, d), known = log_p.shape, known_labels(X, weights, labels, len(log_p))
    inner = bool(np.isfinite(log_p).all() and np.isfinite(log_q).all())
    missing = bits is not None and len(bits[1]) > 0
    by_bits, by_products = costs.bernoulli_bits(d, k), costs.bernoulli_products(d, k)
    if bits is not None and (missing or not inner or by_bits <= by_products):
        ones, zeros = known_bits(bits, *X.shape)
        nothing = np.zeros_like(log_p)
        one_tables = bernoulli.tables(log_p, nothing if missing else log_q, len(ones))
        zero_tables = bernoulli.tables(log_q, nothing, len(zeros))

        def of_bits(start: int, stop: int, *sums: Array) -> float:
            return bernoulli.sweep_bits(
                ones, zeros, weights, known, log_weights, one_tables, zero_tables, start, stop, *sums
            )

        cost, shapes = by_bits * (1 + missing), ((k,), (k, d), (k, d))
        height, (n, one_counts, zero_counts) = summed(
            of_bits, len(weights), cost, lambda: [np.zeros(shape) for shape in shapes]
        )
        return height, n, one_counts, zero_counts
    if not inner:
        return None  # ln 0 times a grey level of 0
    slopes, constants = log_p - log_q, log_weights + log_q.sum(axis=1)

    def of_levels(start: int, stop: int, n: Array, ones: Array, zeros: Array) -> float:
        return products.sweep_levels(X, weights, known, constants, slopes, start, stop, n, ones, zeros)

    height, (n, ones, zeros) = summed(
        of_levels, len(X), by_products, lambda: (np.zeros(k), np.zeros((k, d)), np.zeros((k, d)))
    )
    return height, n, ones, zeros


def binomial_pass(
    heads: Array,
    tosses: Array,
    base: Array,
    weights: Array,
    labels: Integers | None,
    log_weights: Array,
    log_p: Array,
    log_q: Array,
) -> tuple[float, Array, Array, Array]:
    """Log-likelihood, n, heads and tails (K,).

    Parameters
    ----------
    heads, tosses, base : (N,), `base` the log binomial coefficients
    weights, labels, log_weights : (N,), (N,) or None, (K,)
    log_p, log_q : (K,), logarithms of the probabilities of heads and of tails, or what stands for them
    """
    k, known = len(log_p), known_labels(heads, weights, labels, len(log_p))

    def rows(start: int, stop: int, *sums: Array) -> float:
        return binomial.sweep(heads, tosses, base, weights, known, log_weights, log_p, log_q, start, stop, *sums)

    height, (n, of_heads, of_tails) = summed(
        rows, len(heads), costs.binomial(k), lambda: (np.zeros(k), np.zeros(k), np.zeros(k))
    )
    return height, n, of_heads, of_tails


class Bounds:
    """What K-means remembers of its last search: the centre of each row, and how far off any other must be.

    It holds for the centres that it was measured at, which it keeps, so that it may be asked about any others next.
    """

    def __init__(self, n_rows: int) -> None:
        self.assigned, self.lower = np.full(n_rows, -1, dtype=np.int64), np.zeros(n_rows)
        self.centers: Array | None = None

    def steps_to(self, centers: Array) -> Array:
        """How far each centre moves, (K,); from now on the bounds are those at `centers`."""
        before, self.centers = self.centers, centers.copy()
        return np.zeros(len(centers)) if before is None else np.sqrt(((centers - before) ** 2).sum(axis=1))


def nearest_pass(
    X: Array, weights: Array, labels: Integers | None, centers: Array, origin: Array, bounds: Bounds | None = None
) -> tuple[Array, Array, Array]:
    """n (K,), first (K, D) and second (K,) of the rows nearest to each of `centers` (K, D), moments about `origin`.

    Parameters
    ----------
    X, weights, labels : (N, D), float64 or float32; (N,); (N,), -1 where unknown, or None
    bounds : of the same rows; renewed
    """
    (k, d), known = centers.shape, known_labels(X, weights, labels, len(centers))
    if bounds is None or k == 1:
        assigned, lower, steps = NONE_KNOWN, np.empty(0), np.empty(0)
    else:
        if len(bounds.assigned) != len(X):
            raise InputError(
                f"the bounds are those of {len(bounds.assigned)} rows, not of these {len(X)}; make new ones."
            )
        assigned, lower, steps = bounds.assigned, bounds.lower, bounds.steps_to(centers)

    def rows(start: int, stop: int, *sums: Array) -> float:
        return nearest.sweep(X, weights, known, centers, origin, assigned, lower, steps, start, stop, *sums)

    _, (n, first, second) = summed(
        rows, len(X), costs.nearest(d, k), lambda: (np.zeros(k), np.zeros((k, d)), np.zeros(k))
    )
    return n, first, second
