"""Eigenvectors: of each component (EEV, VEV), or of all together (EVE, VVE).

Own frames, Σ_k = λ_k D_k A D_kᵀ. Whatever A is, as long as its entries are sorted, D_k are the eigenvectors of S_k in
the same order, and what is left is a problem of variances: the eigenvalues ω_k of S_k in the place of S_k (Celeux and
Govaert 1995):

    EEV   λA = Σ_k ω_k / Σ_k n_k                  VEV   A ∝ Σ_k ω_k / λ_k,  λ_k = Σ_j (ω_kj / a_j) / (D n_k), in turn

One frame, Σ_k = D Ω_k Dᵀ, with v_kj = (Dᵀ S_k D)_jj:

    VVE   Ω_k = v_k / n_k                         EVE   Ω_k = λ v_k / |v_k|^(1/D),  λ = Σ_k |v_k|^(1/D) / Σ_k n_k

and D by plane rotations (`rotations`). The problem has several maxima in D: two starts are tried, the frame before and
the eigenvectors of Σ_k S_k, and the better is kept.

Source: Celeux and Govaert (1995), Pattern Recognition 28, 781-793, with D of EVE and VVE after Browne and McNicholas
(2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.families.gaussian_mixture.structures.charts import (
    TINY,
    frames_from_coordinates,
    frames_to_coordinates,
    from_logs,
    log_volumes,
    n_logs,
    to_logs,
)
from emvsbayes.families.gaussian_mixture.structures.rotations import best_frame, diagonals, height_lost
from emvsbayes.families.gaussian_mixture.structures.volumes import of_one_volume, shape_and_volumes


@dataclass(frozen=True, slots=True)
class OwnFrames:
    """Σ_k = λ_k D_k A D_kᵀ, one A; one λ where `one_volume`."""

    one_volume: bool

    matrices = True

    @property
    def bounded(self) -> bool:
        """With one volume all eigenvalues are shared."""
        return self.one_volume

    def pool(self, scatter: Array, n: Array, held: Array) -> Array:
        values, frames = np.linalg.eigh(scatter)  # ascending in every component
        values = np.maximum(values, 0)
        frames = np.where((n > 0)[:, None, None], frames, np.linalg.eigh(held).eigenvectors)
        if self.one_volume:
            variances = np.broadcast_to(values.sum(axis=0) / n.sum(), values.shape)
        else:
            volumes, shape = shape_and_volumes(values, n, np.exp(log_volumes(held)))
            variances = volumes[:, None] * shape
        return assembled(frames, variances)

    def to_coordinates(self, covariances: Array) -> Array:
        """The first covariance; of the others ln λ_k / λ_0 and the frame."""
        first = to_logs(covariances[:1], matrices=True).ravel()
        volumes = log_volumes(covariances)
        frames = frames_to_coordinates(np.linalg.eigh(covariances[1:]).eigenvectors)
        return np.r_[first, () if self.one_volume else volumes[1:] - volumes[0], frames.ravel()]

    def from_coordinates(self, vector: Array, k: int, d: int) -> Array:
        size, free = n_logs(d, matrices=True), 0 if self.one_volume else k - 1
        first, volumes, rest = vector[:size], vector[size : size + free], vector[size + free :]
        found = from_logs(first[None], d, matrices=True)
        frames = frames_from_coordinates(rest.reshape(k - 1, d * (d - 1) // 2), d)
        factors = np.ones(k - 1) if self.one_volume else np.exp(volumes)
        return np.concatenate([found, assembled(frames, factors[:, None] * np.linalg.eigvalsh(found))])


@dataclass(frozen=True, slots=True)
class CommonFrame:
    """Σ_k = D Ω_k Dᵀ, one D; |Ω_k| equal where `one_volume`."""

    one_volume: bool

    matrices = True
    bounded = False

    def pool(self, scatter: Array, n: Array, held: Array) -> Array:
        starts = (common_frame(held)[0], np.linalg.eigh(scatter.sum(axis=0)).eigenvectors)
        frames = [best_frame(scatter, n, start, one_volume=self.one_volume) for start in starts]
        frame = min(frames, key=lambda one: height_lost(scatter, n, one, one_volume=self.one_volume))
        v, before = (np.diagonal(frame.T @ one @ frame, axis1=1, axis2=2) for one in (scatter, held))
        if self.one_volume:
            return assembled(frame[None], of_one_volume(v, n, before))
        return assembled(frame[None], np.divide(v, n[:, None], out=before.copy(), where=n[:, None] > 0))

    def to_coordinates(self, covariances: Array) -> Array:
        """A weighted mean of all (of their logarithms), which fixes D; of the others ln Ω_k less that mean."""
        frame, logs = common_frame(covariances)
        mean = _weights(len(logs)) @ logs
        beyond = logs[1:] - mean
        first = to_logs(assembled(frame[None], np.exp(mean)[None]), matrices=True)
        return np.r_[first.ravel(), (beyond[:, :-1] if self.one_volume else beyond).ravel()]

    def from_coordinates(self, vector: Array, k: int, d: int) -> Array:
        size, beyond, weights = n_logs(d, matrices=True), np.zeros((k, d)), _weights(k)
        values, frame = np.linalg.eigh(from_logs(vector[None, :size], d, matrices=True)[0])
        if self.one_volume:
            beyond[1:, :-1] = vector[size:].reshape(k - 1, d - 1)
            beyond[1:, -1] = -beyond[1:, :-1].sum(axis=1)
        else:
            beyond[1:] = vector[size:].reshape(k - 1, d)
        beyond[0] = -(weights[1:] @ beyond[1:]) / weights[0]
        return assembled(frame[None], values * np.exp(beyond))


def common_frame(covariances: Array) -> tuple[Array, Array]:
    """D (D, D) and ln Ω (K, D) of covariances D Ω_k Dᵀ, from the eigenvectors of Σ_k c_k ln Σ_k.

    The c_k are unequal and have no simple ratios, so that eigenvalues that differ in one component differ in the sum.
    """
    values, frames = np.linalg.eigh(covariances)
    logarithms = assembled(frames, np.log(np.maximum(values, TINY)))
    frame = np.linalg.eigh(np.tensordot(_weights(len(values)), logarithms, 1)).eigenvectors
    return frame, np.log(diagonals(frame.T @ covariances @ frame))


def _weights(k: int) -> Array:
    """c_k ∝ 1 / (π + k), adding to 1."""
    weights = 1 / (np.pi + np.arange(k))
    return weights / weights.sum()


def assembled(frames: Array, values: Array) -> Array:
    """D_k diag(values_k) D_kᵀ, symmetric to the bit."""
    found = (frames * values[:, None, :]) @ np.swapaxes(frames, -1, -2)
    return 0.5 * (found + np.swapaxes(found, -1, -2))
