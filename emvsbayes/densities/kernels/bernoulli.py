"""Mixtures of Bernoulli rows in one pass, several entries at a time: the method of the four Russians, twice.

Entries are bits, eight to a byte, one byte column j after another; b_nj is the byte of row n, and c_nj its halves of
four bits each.

    ℓ_nk = ln π_k + Σ_j T_j[b_nj, k],   T_j[v, k] = Σ_i (ln μ_dk where bit i of v is set, else ln(1 - μ_dk)), d = 8j + i
    B_j[v, k] = Σ_n m_nk [c_nj = v],    ones_dk = Σ_v B_j[v, k] [bit i of v is set], zeros_dk of the others, d = 4j + i

The tables have 256 and 16 rows whatever N is, so that products of N x D x K become N x D/8 x K and N x D/4 x K
additions; buckets are written to, and shorter ones stay in the first cache. The logs are added up, never multiplied by
an entry: 0 · ln 0 does not occur. Missing entries are two kinds of bits, ones and zeros, with a table each.

Source: Arlazarov, Dinic, Kronrod and Faradzhev (1970), Soviet Math. Doklady 11, 1209-1210, for products of bits.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.sharing import share
from emvsbayes.densities.kernels.vectors import LANES, add_four_to_one, add_one_to_four

BLOCK = 512
BYTES, HALVES = 256, 16


@compiled
def lanes(k: int) -> int:
    """Components padded to whole vectors."""
    return LANES * ((k + LANES - 1) // LANES)


@compiled
def tables(set_logs: Array, unset_logs: Array, columns: int) -> Array:
    """T (columns, 256, lanes) from logs (K, D) of a bit that is set and of one that is not; 0 beyond K and D."""
    k_all, d = set_logs.shape
    found = np.zeros((columns, BYTES, lanes(k_all)))
    for j in range(columns):
        table, known = found[j], 1
        for i in range(8):
            at = 8 * j + i
            for v in range(known if at < d else 0):
                for k in range(k_all):
                    old = table[v, k]
                    table[v + known, k] = old + set_logs[k, at]
                    table[v, k] = old + unset_logs[k, at]
            known *= 2
    return found


@compiled
def unfolded(buckets: Array, with_bit: Array, without: Array) -> None:
    """Adds Σ_v B_j[v, k] over the v with bit i, and over those without, to two tables of counts (K, D); the second may
    be (0, D), where what is no one is not a zero. B is (2 columns, 16, lanes).

    A count that no row adds to stays exactly 0, as a difference from n_k would not.
    """
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


@compiled
def look_up(bytes_: np.ndarray, at: int, rows: int, table: Array, sums: Array) -> None:
    """Adds T_j[b_nj] to sums (rows, lanes), four byte columns at a time."""
    size = sums.shape[1]
    step = BYTES * size
    for j in range(0, bytes_.shape[0], 4):
        for i in range(rows):
            a = j * step + np.int64(bytes_[j, at + i]) * size
            b = (j + 1) * step + np.int64(bytes_[j + 1, at + i]) * size
            c = (j + 2) * step + np.int64(bytes_[j + 2, at + i]) * size
            d = (j + 3) * step + np.int64(bytes_[j + 3, at + i]) * size
            for k in range(0, size, LANES):
                add_four_to_one(sums, i * size + k, table, a + k, b + k, c + k, d + k)


@compiled
def drop(bytes_: np.ndarray, at: int, rows: int, masses: Array, buckets: Array) -> None:
    """Adds masses (rows, lanes) to the buckets of eight halves at a time, those of four byte columns."""
    size = masses.shape[1]
    step = HALVES * size
    for j in range(0, bytes_.shape[0], 4):
        for i in range(rows):
            u, v = np.int64(bytes_[j, at + i]), np.int64(bytes_[j + 1, at + i])
            w, x = np.int64(bytes_[j + 2, at + i]), np.int64(bytes_[j + 3, at + i])
            a, b = 2 * j * step + (u & 15) * size, (2 * j + 1) * step + (u >> 4) * size
            c, d = (2 * j + 2) * step + (v & 15) * size, (2 * j + 3) * step + (v >> 4) * size
            e, f = (2 * j + 4) * step + (w & 15) * size, (2 * j + 5) * step + (w >> 4) * size
            g, h = (2 * j + 6) * step + (x & 15) * size, (2 * j + 7) * step + (x >> 4) * size
            for k in range(0, size, LANES):
                add_one_to_four(buckets, a + k, b + k, c + k, d + k, masses, i * size + k)
                add_one_to_four(buckets, e + k, f + k, g + k, h + k, masses, i * size + k)


@compiled
def sweep_bits(
    ones: np.ndarray,
    zeros: np.ndarray,
    weights: Array,
    labels: Integers,
    log_weights: Array,
    one_tables: Array,
    zero_tables: Array,
    start: int,
    stop: int,
    n: Array,
    one_counts: Array,
    zero_counts: Array,
) -> float:
    """Rows start to stop: adds to n (K,) and to the counts (K, D) of ones and zeros; returns Σ_n w_n ln p(x_n).

    `ones` are bytes (columns, N), a multiple of four of them; `zeros` the same, of entries known to be 0, or (0, N)
    where no entry is missing.
    """
    k_all, size = log_weights.size, lanes(log_weights.size)
    sums, joint, scratch = np.empty((BLOCK, size)), np.empty((k_all, BLOCK)), np.empty((2, BLOCK))
    one_buckets = np.zeros((2 * ones.shape[0], HALVES, size))
    zero_buckets = np.zeros((2 * zeros.shape[0], HALVES, size))
    height = 0.0
    for at in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - at)
        sums[:] = 0.0
        look_up(ones, at, rows, one_tables, sums)
        look_up(zeros, at, rows, zero_tables, sums)
        for k in range(k_all):
            for i in range(rows):
                joint[k, i] = log_weights[k] + sums[i, k]
        height += share(joint, weights[at : at + rows], labels[at : at + rows], scratch, n)
        sums[:] = 0.0
        for k in range(k_all):
            for i in range(rows):
                sums[i, k] = joint[k, i]
        drop(ones, at, rows, sums, one_buckets)
        drop(zeros, at, rows, sums, zero_buckets)
    if zeros.shape[0]:
        unfolded(one_buckets, one_counts, zero_counts[:0])
        unfolded(zero_buckets, zero_counts, one_counts[:0])
    else:
        unfolded(one_buckets, one_counts, zero_counts)
    return height
