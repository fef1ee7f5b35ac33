"""Mixtures of Bernoulli rows in one pass, eight entries at a time: the method of the four Russians.

Entries are bits, eight to a byte, one byte column j after another; b_nj is the byte of row n.

    ℓ_nk = ln π_k + Σ_j T_j[b_nj, k],   T_j[v, k] = Σ_i (ln μ_dk where bit i of v is set, else ln(1 - μ_dk)), d = 8j + i

The tables have 256 rows whatever N is, so that a product of N x D x K becomes N x D/8 x K additions. The logs are added
up, never multiplied by an entry: 0 · ln 0 does not occur. What the rows then give each component is counted in
`tallies`. Missing entries are two kinds of bits, ones and zeros, with a table and a tally each.

Source: Arlazarov, Dinic, Kronrod and Faradzhev (1970), Soviet Math. Doklady 11, 1209-1210, for products of bits.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.sharing import share
from emvsbayes.densities.kernels.tallies import lanes, opened, read_off, rows_of_masses, tally
from emvsbayes.densities.kernels.vectors import LANES, add_four_to_one

BLOCK = 512
BYTES = 256


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
    k_all = log_weights.size
    sums, joint = np.empty((BLOCK, lanes(k_all))), np.zeros((rows_of_masses(k_all), BLOCK))
    given, here, scratch = joint[:k_all], np.zeros(len(joint)), np.empty((2, BLOCK))
    one_tally, zero_tally = opened(ones.shape[0], k_all), opened(zeros.shape[0], k_all)
    complete, height = zeros.shape[0] == 0, 0.0
    for at in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - at)
        sums[:] = 0.0
        look_up(ones, at, rows, one_tables, sums)
        look_up(zeros, at, rows, zero_tables, sums)
        for k in range(k_all):
            for i in range(rows):
                given[k, i] = log_weights[k] + sums[i, k]
        here[:] = 0.0
        height += share(given, weights[at : at + rows], labels[at : at + rows], scratch, here)
        n += here[:k_all]
        tally(ones, at, rows, joint, here, complete, one_tally)
        tally(zeros, at, rows, joint, here, False, zero_tally)
    if complete:
        read_off(one_tally, one_counts, zero_counts)
    else:
        read_off(one_tally, one_counts, zero_counts[:0])
        read_off(zero_tally, zero_counts, one_counts[:0])
    return height
