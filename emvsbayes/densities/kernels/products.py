"""One pass over the rows by matrix products of blocks that stay in the cache.

Gaussian mixtures of many columns: the equations are those of `gaussian`; every block is whitened, and its second
moments formed, by BLAS. Bernoulli rows that are no bits (grey levels), or of many components: with X the entries of a
block,

    ℓ = ln π + X (ln μ - ln(1 - μ))ᵀ + Σ_d ln(1 - μ_d),    ones += Mᵀ X,    zeros += Mᵀ (1 - X),    M the masses,

all products on the same block.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels.sharing import share

BLOCK = 512
PANEL = 128  # columns of a triangle that are multiplied together, so that most of its empty half is not


def sweep_products(
    X: Array,
    weights: Array,
    labels: Integers,
    constants: Array,
    means: Array,
    roots: Array,
    origin: Array,
    start: int,
    stop: int,
    n: Array,
    first: Array,
    second: Array,
) -> float:
    """Rows start to stop of X (N, D); arguments and result as those of `gaussian.sweep_matrices`."""
    k_all, d = means.shape
    joint, scratch = np.empty((k_all, BLOCK)), np.empty((2, BLOCK))
    deviations, products, lower, height = np.empty((BLOCK, d)), np.empty((BLOCK, d)), np.zeros_like(second), 0.0
    panels = [(a, min(a + PANEL, d)) for a in range(0, d, PANEL)]
    for at in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - at)
        block, y, z = X[at : at + rows], deviations[:rows], products[:rows]
        for k in range(k_all):
            np.subtract(block, means[k], out=y)
            for a, b in panels:
                np.matmul(y[:, :b], roots[k, a:b, :b].T, out=z[:, a:b])
            joint[k, :rows] = constants[k] - 0.5 * np.einsum("nd,nd->n", z, z)
        height += share(joint, weights[at : at + rows], labels[at : at + rows], scratch, n)
        for k in range(k_all):
            np.subtract(block, origin[k], out=y)
            np.multiply(y, joint[k, :rows, None], out=z)
            first[k] += z.sum(axis=0)
            for a, b in panels:
                lower[k, a:b, :b] += z[:, a:b].T @ y[:, :b]
    second += np.tril(lower) + np.swapaxes(np.tril(lower, -1), 1, 2)
    return height


def sweep_levels(
    X: Array,
    weights: Array,
    labels: Integers,
    constants: Array,
    slopes: Array,
    start: int,
    stop: int,
    n: Array,
    ones: Array,
    zeros: Array,
) -> float:
    """Rows start to stop of X (N, D) in [0, 1]: adds to n (K,), ones and zeros (K, D); returns Σ_n w_n ln p(x_n).

    `constants` ln π_k + Σ_d ln(1 - μ_kd), (K,); `slopes` ln μ - ln(1 - μ), (K, D), finite.
    """
    joint, scratch, height = np.empty((len(slopes), BLOCK)), np.empty((2, BLOCK)), 0.0
    for at in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - at)
        block = X[at : at + rows].astype(np.float64, copy=False)
        joint[:, :rows] = slopes @ block.T + constants[:, None]
        height += share(joint, weights[at : at + rows], labels[at : at + rows], scratch, n)
        ones += joint[:, :rows] @ block
        zeros += joint[:, :rows] @ (1 - block)  # exactly 0 where n - ones would only nearly be
    return height
