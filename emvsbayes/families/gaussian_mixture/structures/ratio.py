"""Eigenvalues: how small they are relative to the data's, and a bound on how far they may be apart.

Under max λ / min λ <= c, over all eigenvalues of all components, the likelihood is bounded (Hathaway 1985, for one
column). The M-step stays exact: eigenvectors as without the bound, eigenvalues truncated to one interval [m, c m],

    λ_kj = min(max(d_kj, m), c m),    m = argmin Σ_k n_k Σ_j [ln λ_kj + d_kj / λ_kj]

with d_kj the eigenvalues of S_k / n_k (Fritz, García-Escudero and Mayo-Iscar 2013). Between neighbours among the
numbers d_kj and d_kj / c the sum has one stationary point, so that the best m is one of 2KD + 1 candidates

    m = Σ n_k (d_kj [d_kj < m] + d_kj [d_kj > c m] / c) / Σ n_k ([d_kj < m] + [d_kj > c m])

The bound compares columns with one another: they should be on comparable scales.

Sources: Hathaway (1985), Ann. Statist. 13, 795-800; García-Escudero, Gordaliza, Matrán and Mayo-Iscar (2008), Ann.
Statist. 36, 1324-1345; Fritz, García-Escudero and Mayo-Iscar (2013), Comput. Statist. Data Anal. 61, 124-136.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.families.gaussian_mixture.structures.fields import expand
from emvsbayes.families.gaussian_mixture.structures.frames import assembled

SEPARATE = ("full", "diag", "spherical", "VVV", "VVI", "VII")  # components whose covariances are free of one another


def truncated(covariances: Array, n: Array, ratio: float) -> Array:
    """The maximiser under the bound, from the maximiser without it; n (K,) counts. Matrices or variances."""
    if covariances.ndim == 2:
        return truncated_values(covariances, n, ratio)
    values, frames = np.linalg.eigh(covariances)
    moved = truncated_values(np.maximum(values, 0), n, ratio)
    return covariances if np.array_equal(moved, values) else assembled(frames, moved)


def truncated_values(values: Array, n: Array, ratio: float) -> Array:
    """Eigenvalues (K, D) within one interval [m, c m]."""
    if values.max() <= ratio * values.min():
        return values
    used = n > 0
    d, weight = values[used].ravel(), np.repeat(n[used], values.shape[1])
    edges = np.unique(np.r_[d, d / ratio])
    probes = np.r_[edges[0] / 2, 0.5 * (edges[1:] + edges[:-1]), 2 * edges[-1]][:, None]  # one in every interval
    below, above = d < probes, d > ratio * probes
    counts = (below + above) @ weight
    sums = below @ (weight * d) + above @ (weight * d) / ratio
    found = sums[counts > 0] / counts[counts > 0]
    found = np.r_[found[found > 0], d[(d > 0)][:1]]
    clipped = np.clip(d, found[:, None], ratio * found[:, None])
    best = found[np.argmin((np.log(clipped) + d / clipped) @ weight)]
    return np.clip(values, best, ratio * best)


def relative_eigenvalues(covariance: str, covariances: Array, data_covariance: Array) -> Array:
    """Smallest eigenvalue of each covariance relative to the data's own, unit-free: (K,), (1,) where it is tied.

    Matrices are compared with S, the data's covariance (generalised eigenvalues); variances with its diagonal, and a
    spherical variance with the mean of that diagonal. At one volume with shapes of their own (EVI, EVE, EVV) a
    component that becomes flat becomes long: where its largest eigenvalue exceeds the data's, the smallest is relative
    to that.
    """
    variances = np.diagonal(data_covariance)
    if covariance in ("spherical", "VII", "EII"):
        variances = np.full_like(variances, variances.mean())
    found = (
        covariances[None] if covariance == "tied" else expand(covariance, covariances, len(covariances), len(variances))
    )
    if found.ndim == 2:
        values = np.sort(found / variances, axis=1)
    else:
        whiten = np.linalg.inv(np.linalg.cholesky(data_covariance))
        finite = np.isfinite(found).all(axis=(1, 2))
        values = np.linalg.eigvalsh(whiten @ np.where(finite[:, None, None], found, 0.0) @ whiten.T)
    return values[:, 0] / np.maximum(values[:, -1], 1.0) if covariance.startswith("EV") else values[:, 0]
