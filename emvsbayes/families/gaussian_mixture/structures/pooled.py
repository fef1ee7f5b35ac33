"""The structures that are one division each: a covariance of its own for every component, or one for all.

    VVV, full        Σ_k = S_k / n_k                         EEE, tied    Σ = Σ_k S_k / Σ_k n_k
    VVI, diag        σ²_kd = s_kd / n_k                      EEI          σ²_d = Σ_k s_kd / Σ_k n_k
    VII, spherical   σ²_k = Σ_d s_kd / (D n_k)               EII          σ² = Σ_k Σ_d s_kd / (D Σ_k n_k)

with s_k the diagonal of S_k. A prior that is inverse-Wishart on the matrix, or inverse-gamma on the variance, adds to
the same scatter and counts: these six are conjugate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.families.gaussian_mixture.structures.charts import from_logs, n_logs, to_logs


@dataclass(frozen=True, slots=True)
class Pooled:
    """Covariance matrices or variances, one for all columns where `round`, one for all components where `shared`."""

    matrices: bool
    round: bool
    shared: bool

    @property
    def bounded(self) -> bool:
        return self.shared

    def pool(self, scatter: Array, n: Array, held: Array) -> Array:
        """Scatter over counts, each summed over what is shared."""
        shape = scatter.shape
        n = n.reshape(-1, *[1] * (scatter.ndim - 1))
        if self.round:
            scatter, n = scatter.sum(axis=1, keepdims=True), n * shape[1]
        if self.shared:
            scatter, n = scatter.sum(axis=0, keepdims=True), n.sum(axis=0, keepdims=True)
        if scatter.shape != shape:
            scatter = np.broadcast_to(scatter, shape)
        return np.divide(scatter, n, out=held.copy(), where=n > 0)

    def to_coordinates(self, covariances: Array) -> Array:
        return to_logs(self._distinct(covariances), matrices=self.matrices).ravel()

    def from_coordinates(self, vector: Array, k: int, d: int) -> Array:
        size = 1 if self.round else n_logs(d, matrices=self.matrices)
        found = from_logs(vector.reshape(-1, size), d, matrices=self.matrices)
        return np.broadcast_to(found, (k, d, d) if self.matrices else (k, d))

    def _distinct(self, covariances: Array) -> Array:
        """Without the repeats."""
        covariances = covariances[:1] if self.shared else covariances
        return covariances[:, :1] if self.round else covariances
