"""K-means in one pass over the rows: the nearest centre of each, and moments; bounds that spare most of the search.

    k_n = argmin_k |x_n - μ_k|, the first of equals
    n_k = Σ w_n,   first_k = Σ w_n (x_n - o_k),   second_k = Σ w_n |x_n - o_k|²,   each over the rows with k_n = k

With bounds (Hamerly): u_n = |x_n - μ_j| for the row's last centre j is needed for the moments anyway; ℓ_n, a distance
below which no other centre can be, sinks by the largest step that any other centre made since it was measured; half the
distance of μ_j from its nearest neighbour, s_j, is such a distance too. Where u_n < max(ℓ_n, s_j) the row stays without
another look. Distances and steps are rounded; SAFE makes each of them, u_n and the steps larger, the first ℓ_n smaller,
by far more than rounding may have made it the other way. The assignments are those of the full search, ties included.

Sources: Lloyd (1982), IEEE Trans. Inf. Theory 28, 129-137; Hamerly (2010), Making k-means even faster, SIAM Data
Mining, 130-140.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.densities.kernels.vectors import LANES, add_scaled_difference, copy_eight, squared_difference

BLOCK = 256
SAFE = 1 + 1e-9


@compiled
def squared_distance(x: Array, center: Array) -> float:
    """|x - μ|²."""
    total = 0.0
    for a in range(center.size):
        y = x[a] - center[a]
        total += y * y
    return total


@compiled
def search(columns: Array, centers: Array, rows: int, scratch: Array) -> None:
    """The nearest of centers (K, 8m) to each of `rows` columns (8m, rows), of equals the first.

    Into scratch (4, at least rows): its number, its squared distance, and that of the second. Numbers are doubles,
    which a compiler keeps beside the distances in its vectors; the last eight columns are compared at once.
    """
    nearest, best, second, distance = scratch[0], scratch[1], scratch[2], scratch[3]
    last = centers.shape[1] - LANES
    for i in range(rows):
        nearest[i] = distance[i] = 0.0
        best[i] = second[i] = np.inf
    for k in range(centers.shape[0]):
        number, c = float(k), centers[k]
        for a in range(0, last + LANES, LANES):
            x0, x1, x2, x3 = columns[a], columns[a + 1], columns[a + 2], columns[a + 3]
            x4, x5, x6, x7 = columns[a + 4], columns[a + 5], columns[a + 6], columns[a + 7]
            c0, c1, c2, c3, c4, c5, c6, c7 = c[a], c[a + 1], c[a + 2], c[a + 3], c[a + 4], c[a + 5], c[a + 6], c[a + 7]
            if a < last:
                for i in range(rows):
                    y0, y1, y2, y3 = x0[i] - c0, x1[i] - c1, x2[i] - c2, x3[i] - c3
                    y4, y5, y6, y7 = x4[i] - c4, x5[i] - c5, x6[i] - c6, x7[i] - c7
                    lower, upper = (y0 * y0 + y1 * y1) + (y2 * y2 + y3 * y3), (y4 * y4 + y5 * y5) + (y6 * y6 + y7 * y7)
                    distance[i] += lower + upper
            else:
                for i in range(rows):
                    y0, y1, y2, y3 = x0[i] - c0, x1[i] - c1, x2[i] - c2, x3[i] - c3
                    y4, y5, y6, y7 = x4[i] - c4, x5[i] - c5, x6[i] - c6, x7[i] - c7
                    lower, upper = (y0 * y0 + y1 * y1) + (y2 * y2 + y3 * y3), (y4 * y4 + y5 * y5) + (y6 * y6 + y7 * y7)
                    here, before = distance[i] + (lower + upper), best[i]
                    distance[i] = 0.0
                    nearest[i] = number if here < before else nearest[i]
                    loser = before if here < before else here
                    second[i] = loser if loser < second[i] else second[i]
                    best[i] = here if here < before else before


@compiled
def half_gaps(centers: Array) -> Array:
    """Half the distance of each centre from its nearest neighbour, (K,); infinite for a single one."""
    k_all = len(centers)
    gaps = np.full(k_all, np.inf)
    for k in range(k_all):
        for j in range(k):
            gap = 0.5 * np.sqrt(squared_distance(centers[j], centers[k]))
            gaps[k], gaps[j] = min(gaps[k], gap), min(gaps[j], gap)
    return gaps


@compiled
def padded(points: Array, size: int) -> Array:
    """(K, size), with zeros at the end of each row."""
    out = np.zeros((len(points), size))
    out[:, : points.shape[1]] = points
    return out


@compiled
def take_rows(rows: Array, block: Array) -> None:
    """Contiguous rows (n, D), float64 or float32, into the first columns of a block."""
    (many, d), size = rows.shape, block.shape[1]
    whole = d - d % LANES
    for i in range(many):
        for a in range(0, whole, LANES):
            copy_eight(block, i * size + a, rows, i * d + a)
        for a in range(whole, d):
            block[i, a] = rows[i, a]


@compiled
def sweep(
    X: Array,
    weights: Array,
    labels: Integers,
    centers: Array,
    origin: Array,
    assigned: Integers,
    lower: Array,
    steps: Array,
    start: int,
    stop: int,
    n: Array,
    first: Array,
    second: Array,
) -> float:
    """Rows start to stop of X (N, D): adds to n (K,), first (K, D) and second (K,); returns 0.

    assigned, lower : (N,), the state of the bounds, renewed here: -1 and anything at first; (0,) to search every row
    steps : (K,), how far each centre moved since; all centres if none is known
    """
    (k_all, d), bounded = centers.shape, assigned.size > 0
    size = LANES * ((d + LANES - 1) // LANES)
    home, centers, origin = (centers == origin).all(), padded(centers, size), padded(origin, size)
    block, columns = np.zeros((BLOCK, size)), np.zeros((size, BLOCK))
    firsts, counts, squares = np.zeros((k_all, size)), np.zeros(k_all), np.zeros(k_all)  # far from other threads' sums
    scratch = np.empty((4, BLOCK))
    doubtful, found, square = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64), np.empty(BLOCK)
    gaps = half_gaps(centers) if bounded else np.empty(0)
    longest, other, far = 0.0, 0.0, -1  # the longest step, and the longest of the others
    for k in range(steps.size if bounded else 0):
        if steps[k] > longest:
            longest, other, far = steps[k], longest, k
        else:
            other = max(other, steps[k])
    for at in range(start, stop, BLOCK):
        rows, many = min(BLOCK, stop - at), 0
        w = weights[at : at + rows]
        take_rows(np.ascontiguousarray(X[at : at + rows]), block)  # no copy where it is
        for i in range(rows):
            row = at + i
            if labels.size and labels[row] >= 0:
                found[i] = labels[row]
                square[i] = squared_difference(block, i * size, centers, found[i] * size, size)
                continue
            if bounded and assigned[row] >= 0:
                j = assigned[row]
                lower[row] -= SAFE * (other if j == far else longest)
                square[i] = squared_difference(block, i * size, centers, j * size, size)
                if np.sqrt(square[i]) * SAFE < max(lower[row], gaps[j]):
                    found[i] = j
                    continue
            doubtful[many] = i
            many += 1
        for i in range(many):
            row = doubtful[i]
            for a in range(size):
                columns[a, i] = block[row, a]
        search(columns, centers, many, scratch)
        for i in range(many):
            row, k = doubtful[i], np.int64(scratch[0, i])
            found[row], square[row] = k, squared_difference(block, row * size, centers, k * size, size)
            if bounded:
                assigned[at + row], lower[at + row] = k, np.sqrt(scratch[2, i]) / SAFE
        for i in range(rows):
            k = found[i]
            if not home:
                square[i] = squared_difference(block, i * size, origin, k * size, size)
            add_scaled_difference(firsts, k * size, w[i], block, i * size, origin, k * size, size)
            counts[k] += w[i]
            squares[k] += w[i] * square[i]
    n += counts
    first += firsts[:, :d]
    second += squares
    return 0.0
