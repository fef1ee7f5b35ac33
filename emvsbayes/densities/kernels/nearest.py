"""K-means in one pass over the rows: the nearest centre of each, and moments; bounds that spare most of the search.

    k_n = argmin_k |x_n - μ_k|, the first of equals
    n_k = Σ w_n,   first_k = Σ w_n (x_n - o_k),   second_k = Σ w_n |x_n - o_k|²,   each over the rows with k_n = k

With bounds (Hamerly): u_n = |x_n - μ_j| for the row's last centre j is needed for the moments anyway; ℓ_n, a distance
below which no other centre can be, sinks by the largest step that any other centre made since it was measured; half the
distance of μ_j from its nearest neighbour, s_j, is such a distance too. Where u_n < max(ℓ_n, s_j) the row stays without
another look. The assignments are those of the full search, ties included.

Sources: Lloyd (1982), IEEE Trans. Inf. Theory 28, 129-137; Hamerly (2010), Making k-means even faster, SIAM Data
Mining, 130-140.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels.elementary import compiled

BLOCK = 256
SAFE = 1 + 1e-9  # what rounding may do to a distance


@compiled
def squared_distance(x: Array, center: Array) -> float:
    """|x - μ|²."""
    total = 0.0
    for a in range(center.size):
        y = x[a] - center[a]
        total += y * y
    return total


@compiled
def search(columns: Array, centers: Array, rows: int, scratch: Array, nearest: Integers) -> None:
    """The nearest of centers (K, 4m) to each of `rows` columns (4m, rows); scratch[0], [1]: squared distances of it and
    of the second."""
    best, second, distance = scratch[0], scratch[1], scratch[2]
    for i in range(rows):
        best[i] = second[i] = np.inf
        nearest[i] = 0
    for k in range(centers.shape[0]):
        for a in range(0, centers.shape[1], 4):
            x0, x1, x2, x3 = columns[a], columns[a + 1], columns[a + 2], columns[a + 3]
            c0, c1, c2, c3 = centers[k, a], centers[k, a + 1], centers[k, a + 2], centers[k, a + 3]
            if a == 0:
                for i in range(rows):
                    y0, y1, y2, y3 = x0[i] - c0, x1[i] - c1, x2[i] - c2, x3[i] - c3
                    distance[i] = (y0 * y0 + y1 * y1) + (y2 * y2 + y3 * y3)
            else:
                for i in range(rows):
                    y0, y1, y2, y3 = x0[i] - c0, x1[i] - c1, x2[i] - c2, x3[i] - c3
                    distance[i] += (y0 * y0 + y1 * y1) + (y2 * y2 + y3 * y3)
        for i in range(rows):
            nearer = distance[i] < best[i]
            second[i] = min(second[i], max(best[i], distance[i]))
            nearest[i] = k if nearer else nearest[i]
            best[i] = min(best[i], distance[i])


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
    size = 4 * ((d + 3) // 4)
    columns, padded = np.zeros((size, BLOCK)), np.zeros((k_all, size))
    padded[:, :d] = centers
    scratch, nearest = np.empty((3, BLOCK)), np.empty(BLOCK, np.int64)
    doubtful, found = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    gaps = half_gaps(centers) if bounded else np.empty(0)
    longest, other, far = 0.0, 0.0, -1  # the longest step, and the longest of the others
    for k in range(steps.size if bounded else 0):
        if steps[k] > longest:
            longest, other, far = steps[k], longest, k
        else:
            other = max(other, steps[k])
    for at in range(start, stop, BLOCK):
        rows = min(BLOCK, stop - at)
        block, w, many = X[at : at + rows], weights[at : at + rows], 0
        for i in range(rows):
            row = at + i
            if labels.size and labels[row] >= 0:
                found[i] = labels[row]
                continue
            if bounded and assigned[row] >= 0:
                j = assigned[row]
                lower[row] -= other if j == far else longest
                if np.sqrt(squared_distance(block[i], centers[j])) * SAFE < max(lower[row], gaps[j]):
                    found[i] = j
                    continue
            doubtful[many] = i
            many += 1
        for a in range(d):
            column = columns[a]
            for i in range(many):
                column[i] = block[doubtful[i], a]
        search(columns, padded, many, scratch, nearest)
        for i in range(many):
            found[doubtful[i]] = nearest[i]
            if bounded:
                assigned[at + doubtful[i]] = nearest[i]
                lower[at + doubtful[i]] = np.sqrt(scratch[1, i])
        for i in range(rows):
            k, square = found[i], 0.0
            x, o, f = block[i], origin[k], first[k]
            for a in range(d):
                y = x[a] - o[a]
                f[a] += w[i] * y
                square += y * y
            n[k] += w[i]
            second[k] += w[i] * square
    return 0.0
