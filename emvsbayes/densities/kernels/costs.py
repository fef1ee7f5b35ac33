"""What a row costs, in nanoseconds on one processor: which route a pass takes, and how rows are cut into parts.

All numbers of this kind are here, as measured by `tests/benchmarks/kernels.py costs`; a processor twice as fast
changes none of the choices, for only their ratios count. Results depend on the choice in their last digits, hence it
follows from N, D and K alone, never from a clock.
"""

from __future__ import annotations

COMPONENT = 3.0  # exp, maximum, sums: a row and a component
COLUMN = 1.0  # a row and a column, read and turned round


def gaussian_loop(d: int, k: int) -> float:
    """Compiled loops over columns: a triangle of products each for the density and the moments."""
    return d * COLUMN + k * (COMPONENT + 0.6 * d + 0.035 * d * d)


def gaussian_products(d: int, k: int) -> float:
    """Matrix products of whole blocks: squares in the place of triangles, at the full speed of BLAS."""
    return d * COLUMN + k * (COMPONENT + 10.0 + 3.0 * d + 0.06 * d * d)


def gaussian_variances(d: int, k: int) -> float:
    """Axis-aligned: one product a column and component each."""
    return d * COLUMN + k * (COMPONENT + 0.5 * d)
