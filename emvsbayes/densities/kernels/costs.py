"""What a row costs, in nanoseconds on one processor: which route a pass takes, and how rows are cut into parts.

All numbers of this kind are here, as measured by `tests/benchmarks/costs.py`; a processor twice as fast
changes none of the choices, for only their ratios count. Results depend on the choice in their last digits, hence it
follows from N, D and K alone, never from a clock.
"""

from __future__ import annotations

COMPONENT = 3.0  # exp, maximum, sums: a row and a component
COLUMN = 1.0  # a row and a column, read and turned round


def gaussian_loop(d: int, k: int) -> float:
    """Compiled loops over columns: a triangle of products each for the density and the moments."""
    return d * COLUMN + k * (COMPONENT + 0.3 * d + 0.052 * d * d)


def gaussian_products(d: int, k: int) -> float:
    """Matrix products of blocks, panel by panel of the triangles; faster than the loops from 1200 columns on."""
    return d * COLUMN + k * (COMPONENT + 40.0 + 5.0 * d + 0.048 * d * d)


def gaussian_variances(d: int, k: int) -> float:
    """Axis-aligned: one product a column and component each."""
    return d * COLUMN + k * (COMPONENT + 0.5 * d)


def bernoulli_bits(d: int, k: int) -> float:
    """Eight components at a time, a byte of entries to be looked up and to be counted."""
    vectors = -(-k // 8)
    return k * COMPONENT + d / 8 * vectors * (2.0 if vectors <= 4 else 8.0)  # larger tables leave the cache


def bernoulli_products(d: int, k: int) -> float:
    """Three matrix products with few columns each, as fast as the rows can be read."""
    return k * COMPONENT + d * max(2.0, 0.18 * k)


def binomial(k: int) -> float:
    """Two counts a row."""
    return k * (COMPONENT + 2.0)


def nearest(d: int, k: int) -> float:
    """The distances from every centre, and the moments of one."""
    return 5.0 + d * COLUMN + k * (0.2 + 0.06 * d)
