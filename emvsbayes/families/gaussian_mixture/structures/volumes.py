"""One shape and orientation for all components (VEI, VEE), or one volume (EVI, EVV).

One shape, Σ_k = λ_k C with |C| = 1; each step maximises the bound over one of the two, the other held, until neither
moves (Celeux and Govaert 1995, models [λ_k B] and [λ_k DADᵀ]):

    C ∝ Σ_k S_k / λ_k,    λ_k = tr(C⁻¹ S_k) / (D n_k)

One volume, Σ_k = λ C_k with |C_k| = 1, in closed form (models [λ B_k] and [λ D_k A_k D_kᵀ]):

    C_k = S_k / |S_k|^(1/D),    λ = Σ_k |S_k|^(1/D) / Σ_k n_k

For variances S_k is its diagonal. In ln λ the first is a convex problem, so that its alternation has one fixed point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.densities import gaussian
from emvsbayes.families.gaussian_mixture.structures.charts import (
    TINY,
    from_logs,
    log_volumes,
    n_logs,
    scaled,
    to_logs,
    without_negatives,
)

ROUNDS = 2000  # of an inner loop at most
COLLAPSED = 1e-25  # a volume relative to the largest, far below where a component counts as singular
STILL = 1e-13  # the loop ends where no ln λ_k moves by more


@dataclass(frozen=True, slots=True)
class OneShape:
    """Σ_k = λ_k C."""

    matrices: bool

    bounded = False

    def pool(self, scatter: Array, n: Array, held: Array) -> Array:
        """C and λ_k in turn, from the volumes of `held`."""
        volumes, shape = shape_and_volumes(scatter, n, np.exp(log_volumes(held)))
        return scaled(np.repeat(shape, len(n), axis=0), volumes)

    def to_coordinates(self, covariances: Array) -> Array:
        """The first covariance, and ln λ_k / λ_0 of the others."""
        volumes = log_volumes(covariances)
        return np.r_[to_logs(covariances[:1], matrices=self.matrices).ravel(), volumes[1:] - volumes[0]]

    def from_coordinates(self, vector: Array, k: int, d: int) -> Array:
        size = n_logs(d, matrices=self.matrices)
        first = from_logs(vector[None, :size], d, matrices=self.matrices)
        return scaled(np.repeat(first, k, axis=0), np.exp(np.r_[0.0, vector[size:]]))


def shape_and_volumes(scatter: Array, n: Array, volumes: Array) -> tuple[Array, Array]:
    """λ (K,) and C (1, D, D) or (1, D) from scatter in either form; a component without data keeps its volume."""
    d, used, scatter = scatter.shape[1], n > 0, without_negatives(scatter)
    shape = scatter[:1]
    for _ in range(ROUNDS):
        total = scaled(scatter, 1 / volumes).sum(axis=0, keepdims=True)
        size = log_volumes(total)
        if not np.isfinite(size).all():  # every component is flat in the same direction: singular, and seen to be
            return np.ones(len(n)), scatter.sum(axis=0, keepdims=True) / n.sum()
        shape = scaled(total, np.exp(-size))
        traces = gaussian.trace_solve(np.broadcast_to(shape, scatter.shape), scatter)
        moved = np.divide(traces, d * n, out=volumes.copy(), where=used)
        moved = np.maximum(moved, COLLAPSED * moved.max())  # on equal rows a volume is 0, and is divided by
        change = np.abs(np.log(moved / volumes)).max()
        volumes = moved
        if change < STILL:
            break
    return volumes, shape


@dataclass(frozen=True, slots=True)
class OneVolume:
    """Σ_k = λ C_k, |C_k| = 1."""

    matrices: bool

    bounded = False  # a component may still become flat at that volume

    def pool(self, scatter: Array, n: Array, held: Array) -> Array:
        return of_one_volume(scatter, n, held)

    def to_coordinates(self, covariances: Array) -> Array:
        """The first covariance, and all but the last diagonal coordinate of the others."""
        logs = to_logs(covariances, matrices=self.matrices)
        return np.r_[logs[0], logs[1:, :-1].ravel()]

    def from_coordinates(self, vector: Array, k: int, d: int) -> Array:
        size = n_logs(d, matrices=self.matrices)
        logs = np.zeros((k, size))
        logs[0], logs[1:, :-1] = vector[:size], vector[size:].reshape(k - 1, size - 1)
        rows, columns = np.tril_indices(d)
        diagonal = np.flatnonzero(rows == columns) if self.matrices else np.arange(d)
        logs[1:, -1] = logs[0, diagonal].sum() - logs[1:, diagonal[:-1]].sum(
            axis=1
        )  # equal ln|L|, the last entry is on it
        return from_logs(logs, d, matrices=self.matrices)


def of_one_volume(scatter: Array, n: Array, held: Array) -> Array:
    """λ S_k / |S_k|^(1/D); a component without data keeps its shape, a flat one comes back flat."""
    sizes = np.exp(log_volumes(scatter))
    volume, flat = sizes.sum() / n.sum(), ~(sizes > 0)
    factors = np.divide(volume, sizes, out=1 / np.maximum(n, TINY), where=~flat)
    kept = scaled(held, volume / np.exp(log_volumes(held)))
    return np.where((n == 0).reshape(-1, *[1] * (scatter.ndim - 1)), kept, scaled(scatter, factors))
