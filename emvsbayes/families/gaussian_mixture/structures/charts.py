"""Free coordinates of one covariance, of one matrix of eigenvectors, and what the structures share of the algebra.

    Σ = L Lᵀ      lower triangle of L row by row, its diagonal by logarithm: D(D+1)/2 coordinates; a variance: its ln
    D = Q         Q0ᵀ D = N R, N unit lower triangular: the strict lower triangle of N, D(D-1)/2 coordinates

The second holds whatever signs the eigenvectors have, for R absorbs them, and every vector gives an orthogonal Q. It
misses a set of measure 0 (a leading minor of Q0ᵀD that is 0), which the fixed rotation Q0 keeps away from the axes and
from the diagonals.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.densities import gaussian

TINY = np.finfo(np.float64).tiny


def to_logs(covariances: Array, *, matrices: bool) -> Array:
    """Coordinates (K, D(D+1)/2) of covariance matrices (K, D, D), or (K, D) of variances."""
    if not matrices:
        return np.log(covariances)
    rows, columns = np.tril_indices(covariances.shape[-1])
    entries = np.linalg.cholesky(covariances)[:, rows, columns]
    diagonal = rows == columns
    entries[:, diagonal] = np.log(entries[:, diagonal])
    return entries


def from_logs(coordinates: Array, d: int, *, matrices: bool) -> Array:
    """The inverse of `to_logs`."""
    if not matrices:
        return np.exp(coordinates)
    rows, columns = np.tril_indices(d)
    entries = coordinates.copy()
    diagonal = rows == columns
    entries[:, diagonal] = np.exp(entries[:, diagonal])
    roots = np.zeros((len(entries), d, d))
    roots[:, rows, columns] = entries
    return roots @ np.swapaxes(roots, 1, 2)


def n_logs(d: int, *, matrices: bool) -> int:
    """How many coordinates one covariance has."""
    return d * (d + 1) // 2 if matrices else d


def log_volumes(covariances: Array) -> Array:
    """ln λ_k = ln|Σ_k| / D, (K,); -inf where a covariance is singular."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = gaussian.log_det(np.maximum(covariances, 0) if covariances.ndim == 2 else covariances)
    return found / covariances.shape[1]


def without_negatives(scatter: Array) -> Array:
    """Scatter whose eigenvalues are >= 0: on equal rows rounding may leave some below, which would cancel others."""
    if scatter.ndim == 2:
        return np.maximum(scatter, 0)
    values, frames = np.linalg.eigh(scatter)
    if values.min() >= 0:
        return scatter
    return (frames * np.maximum(values, 0)[:, None, :]) @ np.swapaxes(frames, -1, -2)


def scaled(covariances: Array, factors: Array) -> Array:
    """f_k Σ_k, in either form."""
    return covariances * factors.reshape(-1, *[1] * (covariances.ndim - 1))


def frames_to_coordinates(frames: Array) -> Array:
    """Coordinates (K, D(D-1)/2) of orthogonal matrices (K, D, D), by elimination without exchange of rows."""
    d = frames.shape[-1]
    rest = _reference(d).T @ frames
    lower = np.zeros_like(rest)
    with np.errstate(divide="ignore", invalid="ignore"):
        for j in range(d - 1):
            lower[:, j + 1 :, j] = rest[:, j + 1 :, j] / rest[:, j, j, None]
            rest = rest - lower[:, :, j, None] * rest[:, None, j]
    rows, columns = np.tril_indices(d, -1)
    return lower[:, rows, columns]


def frames_from_coordinates(coordinates: Array, d: int) -> Array:
    """The inverse of `frames_to_coordinates`, up to signs of the columns."""
    rows, columns = np.tril_indices(d, -1)
    lower = np.tile(np.eye(d), (len(coordinates), 1, 1))
    lower[:, rows, columns] = coordinates
    return _reference(d) @ np.linalg.qr(lower).Q


def _reference(d: int) -> Array:
    """Q0: a turn by π/8 in every coordinate plane."""
    turned = np.eye(d)
    for i, j in combinations(range(d), 2):
        turned[:, [i, j]] = turned[:, [i, j]] @ plane_rotation(np.pi / 8)
    return turned


def plane_rotation(angle: float) -> Array:
    """[[cos, -sin], [sin, cos]]."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])
