"""What rows give each component, bit by bit: two ways to count, of which the processor decides.

    ones_dk = Σ_n m_nk [x_nd = 1],    zeros_dk = Σ_n m_nk [x_nd = 0],    m_nk = w_n r_nk as in `sharing`

Under masks. A byte of entries is the mask under which a mass is added to eight sums at once: N x D/8 x K additions that
stay in registers, one block of rows after the other. Within a block,

    zeros_dk = n_k - ones_dk    where that is not small beside n_k,

and is summed as well where it is: a count that no row adds to stays exactly 0, and a small one keeps its digits, as the
difference alone would not.

In buckets. The halves c_nj of a byte, four bits each, say where a mass is dropped, and bits are told apart at the end:

    B_j[v, k] = Σ_n m_nk [c_nj = v],    ones_dk = Σ_v B_j[v, k] [bit i of v is set], zeros_dk of the others, d = 4j + i

N x D/4 x K additions to memory, in the first cache. A processor that has registers for masks (AVX-512) is twice as fast
by them; one that has to build masks of ordinary registers is up to twice as fast by buckets.

Either way is three functions: one opens empty counts, one tallies a block of rows, one reads ones and zeros off in the
end. The counts hold what suits the way, and nobody else looks into them.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.densities.kernels.compiling import processor_has
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.vectors import LANES, PAIR, TOGETHER, add_one_to_four, sum_where_set

HALVES = 16
SMALL = 1 / 64  # of n_k: six bits are lost in the difference, at most
FLIPPED, AS_IT_IS = np.uint8(255), np.uint8(0)


@compiled
def lanes(k: int) -> int:
    """Components padded to whole vectors."""
    return LANES * ((k + LANES - 1) // LANES)


@compiled
def rows_of_masses(k: int) -> int:
    """Components padded to whole groups of those that are added together; the masses of the others are 0."""
    return TOGETHER * ((k + TOGETHER - 1) // TOGETHER)


@compiled
def opened_masked(columns: int, k: int) -> Array:
    """Ones and zeros (2, rows of masses, 8 columns)."""
    return np.zeros((2, rows_of_masses(k), LANES * columns))


@compiled
def tally_masked(bytes_: np.ndarray, at: int, rows: int, masses: Array, here: Array, both: bool, counts: Array) -> None:
    """Adds a block of rows to the counts of ones, and where `both` are asked for to those of zeros.

    Parameters
    ----------
    bytes_ : (columns, N), a multiple of PAIR columns
    at, rows : the first row of the block in `bytes_`, and how many rows it has
    masses : (rows of masses, at least rows), m_nk of the block
    here : (rows of masses,), their sums over the rows, n_k of the block
    both : bool
        False where a bit that is not set says nothing, as beside missing entries.
    """
    columns, apart = bytes_.shape
    padded, long = masses.shape
    found = np.empty((TOGETHER, PAIR * LANES))
    for k in range(0, padded, TOGETHER):
        for j in range(0, columns, PAIR):
            sum_where_set(found, bytes_, j * apart + at, apart, AS_IT_IS, masses, k * long, long, rows)
            small = 0  # counts of zeros that the difference would spoil; for one of them all eighty are summed
            for g in range(TOGETHER):
                ones, limit = counts[0, k + g, LANES * j : LANES * (j + PAIR)], (1 - SMALL) * here[k + g]
                for i in range(PAIR * LANES):
                    ones[i] += found[g, i]
                    small += found[g, i] > limit
            if not both:
                continue
            if small > 0:
                sum_where_set(found, bytes_, j * apart + at, apart, FLIPPED, masses, k * long, long, rows)
            for g in range(TOGETHER):
                zeros, whole = counts[1, k + g, LANES * j : LANES * (j + PAIR)], here[k + g]
                for i in range(PAIR * LANES):
                    zeros[i] += found[g, i] if small > 0 else whole - found[g, i]


@compiled
def read_off_masked(counts: Array, with_bit: Array, without: Array) -> None:
    """Adds what was counted to two tables (K, D); the second may be (0, D), where what is no one is not a zero."""
    k_all, d = with_bit.shape
    for k in range(k_all):
        for at in range(d):
            with_bit[k, at] += counts[0, k, at]
    for k in range(len(without)):
        for at in range(d):
            without[k, at] += counts[1, k, at]


@compiled
def opened_buckets(columns: int, k: int) -> Array:
    """B (2 columns, 16, lanes)."""
    return np.zeros((2 * columns, HALVES, lanes(k)))


@compiled
def tally_buckets(
    bytes_: np.ndarray, at: int, rows: int, masses: Array, here: Array, both: bool, buckets: Array
) -> None:
    """As `tally_masked`, to the buckets of eight halves at a time, those of four bytes; they hold both kinds."""
    size = buckets.shape[2]
    step = HALVES * size
    turned = np.zeros((rows, size))
    for k in range(min(size, masses.shape[0])):
        for i in range(rows):
            turned[i, k] = masses[k, i]
    for j in range(0, bytes_.shape[0], 4):
        for i in range(rows):
            u, v = np.int64(bytes_[j, at + i]), np.int64(bytes_[j + 1, at + i])
            w, x = np.int64(bytes_[j + 2, at + i]), np.int64(bytes_[j + 3, at + i])
            a, b = 2 * j * step + (u & 15) * size, (2 * j + 1) * step + (u >> 4) * size
            c, d = (2 * j + 2) * step + (v & 15) * size, (2 * j + 3) * step + (v >> 4) * size
            e, f = (2 * j + 4) * step + (w & 15) * size, (2 * j + 5) * step + (w >> 4) * size
            g, h = (2 * j + 6) * step + (x & 15) * size, (2 * j + 7) * step + (x >> 4) * size
            for k in range(0, size, LANES):
                add_one_to_four(buckets, a + k, b + k, c + k, d + k, turned, i * size + k)
                add_one_to_four(buckets, e + k, f + k, g + k, h + k, turned, i * size + k)


@compiled
def read_off_buckets(buckets: Array, with_bit: Array, without: Array) -> None:
    """As `read_off_masked`: Σ_v B_j[v, k] over the v with bit i, and over those without."""
    k_all, d = with_bit.shape
    for at in range(d):
        bucket, bit = buckets[at // 4], 1 << (at % 4)
        for v in range(HALVES):
            if v & bit:
                for k in range(k_all):
                    with_bit[k, at] += bucket[v, k]
            else:
                for k in range(len(without)):
                    without[k, at] += bucket[v, k]


MASKED = (opened_masked, tally_masked, read_off_masked)
BUCKETS = (opened_buckets, tally_buckets, read_off_buckets)
# one choice for the whole program, frozen into compiled code, which is kept by the same features of the processor
opened, tally, read_off = MASKED if processor_has("avx512dq") else BUCKETS
