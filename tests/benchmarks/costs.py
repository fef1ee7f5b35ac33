"""The numbers of densities/kernels/costs.py: what a row costs by either route, beside what the model there says.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/costs.py

Passes beside other packages are the affair of `make bench`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from emvsbayes.densities.kernels import costs


def seconds(work: Callable[[], object]) -> float:
    """This thread's own time of one call."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def calibrate() -> None:
    """Nanoseconds a row of one thread's own time, beside the model's; OPENBLAS_NUM_THREADS should be 1."""
    from emvsbayes.densities import passes
    from emvsbayes.densities.kernels import gaussian as loops
    from emvsbayes.densities.kernels import products

    rng = np.random.default_rng(0)
    for d, k in ((1, 2), (2, 3), (8, 8), (16, 10), (32, 10), (64, 10), (128, 5), (256, 3), (512, 2), (1536, 1)):
        n = 20_000 if d < 64 else 4096
        X, means, roots = rng.normal(size=(n, d)), rng.normal(size=(k, d)), np.tile(np.eye(d), (k, 1, 1))
        given = (X, np.ones(n), passes.NONE_KNOWN, np.zeros(k), means, roots, means, 0, n)
        sums = (np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d)))
        best = [
            min(seconds(partial(sweep, *given, *sums)) for _ in range(9)) * 1e9 / n
            for sweep in (loops.sweep_matrices, products.sweep_products)
        ]
        model = costs.gaussian_loop(d, k), costs.gaussian_products(d, k)
        print(f"D {d:3d} K {k:2d}  loop {best[0]:9.0f} ({model[0]:9.0f})   products {best[1]:9.0f} ({model[1]:9.0f})")


if __name__ == "__main__":
    calibrate()
