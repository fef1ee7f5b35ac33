"""Eigenvectors: of each component (EEV, VEV), or of all together (EVE, VVE).

Own frames, Σ_k = λ_k D_k A D_kᵀ. Whatever A is, as long as its entries are sorted, D_k are the eigenvectors of S_k in
the same order, and what is left is a problem of variances: the eigenvalues ω_k of S_k in the place of S_k (Celeux and
Govaert 1995):

    EEV   λA = Σ_k ω_k / Σ_k n_k                  VEV   A ∝ Σ_k ω_k / λ_k,  λ_k = Σ_j (ω_kj / a_j) / (D n_k), in turn

One frame, Σ_k = D Ω_k Dᵀ, with v_kj = (Dᵀ S_k D)_jj:

    VVE   Ω_k = v_k / n_k                         EVE   Ω_k = λ v_k / |v_k|^(1/D),  λ = Σ_k |v_k|^(1/D) / Σ_k n_k

and D minimises Σ_k tr(Dᵀ S_k D Ω_k⁻¹), turned in one plane (l, m) at a time. A turn by θ makes that sum

    const + X cos 2θ + Y sin 2θ,    X = ½ Σ_k (w_ll - w_mm)(1/ω_l - 1/ω_m),   Y = Σ_k w_lm (1/ω_l - 1/ω_m)

with w = Dᵀ S_k D, so that the best angle is in closed form (Flury and Gautschi's plane rotations, at given Ω); Ω follows
each turn. Every turn and every Ω raises the bound. The problem has several maxima in D, as Browne and McNicholas (2014)
find too: two starts are tried, the frame before and the eigenvectors of Σ_k S_k, and the better is kept.

Sources: Celeux and Govaert (1995), Pattern Recognition 28, 781-793; Flury and Gautschi (1986), SIAM J. Sci. Stat. Comput.
7, 169-184; Browne and McNicholas (2014), Advances in Data Analysis and Classification 8, 217-226.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.families.gaussian_mixture.structures.charts import (
    TINY,
    frames_from_coordinates,
    frames_to_coordinates,
    from_logs,
    log_volumes,
    n_logs,
    plane_rotation,
    to_logs,
)
from emvsbayes.families.gaussian_mixture.structures.volumes import of_one_volume, shape_and_volumes

SWEEPS = 300  # through all planes, at most
STILL = 1e-11  # a sweep that turns by less, weighted with what a turn gains, is the last


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
        found = []
        for start in (common_frame(held)[0], np.linalg.eigh(scatter.sum(axis=0)).eigenvectors):
            frame = self._turned(scatter, n, start)
            v = _diagonals(frame.T @ scatter @ frame)
            found.append((self._height(v, n), frame, v))
        _, frame, v = max(found, key=lambda one: one[0])
        return assembled(frame[None], self._variances(v, n, _diagonals(frame.T @ held @ frame)))

    def _variances(self, v: Array, n: Array, held: Array) -> Array:
        """Ω (K, D) from v (K, D)."""
        if self.one_volume:
            return of_one_volume(v, n, held)
        return np.divide(v, n[:, None], out=held.copy(), where=n[:, None] > 0)

    def _height(self, v: Array, n: Array) -> float:
        """The bound over D and Ω, up to a constant: -Σ_k n_k Σ_j ln v_kj, or -ln Σ_k |v_k|^(1/D)."""
        used = n > 0
        sizes = log_volumes(np.maximum(v[used], TINY))
        return -float(np.log(np.exp(sizes).sum())) if self.one_volume else -float(n[used] @ sizes)

    def _turned(self, scatter: Array, n: Array, frame: Array) -> Array:
        """The frame after plane rotations to the end."""
        d = len(frame)
        rotated = frame.T @ scatter @ frame
        for _ in range(SWEEPS):
            moved = 0.0
            for l, m in combinations(range(d), 2):
                v = np.maximum(_diagonals(rotated), TINY)
                precision = np.where(n[:, None] > 0, n[:, None] / v, 0.0)
                if self.one_volume:  # 1/Ω = |v|^(1/D) / (λ v); λ is one factor for all
                    precision = np.where(n[:, None] > 0, np.exp(log_volumes(v))[:, None] / v, 0.0)
                gap = precision[:, l] - precision[:, m]
                x = 0.5 * (rotated[:, l, l] - rotated[:, m, m]) @ gap
                y = rotated[:, l, m] @ gap
                gain = np.hypot(x, y)
                if not gain > 0:
                    continue
                angle = 0.5 * np.arctan2(-y, -x)
                turn = plane_rotation(angle)
                rotated[:, :, [l, m]] = rotated[:, :, [l, m]] @ turn
                rotated[:, [l, m]] = turn.T @ rotated[:, [l, m]]
                frame = frame.copy()
                frame[:, [l, m]] = frame[:, [l, m]] @ turn
                moved = max(moved, abs(angle) * np.sqrt(gain / (precision * v).sum()))
            if moved < STILL:
                break
        return frame

    def to_coordinates(self, covariances: Array) -> Array:
        """A mean of all, matrix logarithms weighted, which fixes D; of the others ln Ω_k in that frame."""
        frame, logs = common_frame(covariances)
        middle = assembled(frame[None], np.exp(_weights(len(logs)) @ logs)[None])
        return np.r_[to_logs(middle, matrices=True).ravel(), (logs[1:, :-1] if self.one_volume else logs[1:]).ravel()]

    def from_coordinates(self, vector: Array, k: int, d: int) -> Array:
        size = n_logs(d, matrices=True)
        middle, rest = from_logs(vector[None, :size], d, matrices=True)[0], vector[size:]
        values, frame = np.linalg.eigh(middle)
        mean, weights, logs = np.log(values), _weights(k), np.empty((k, d))
        if self.one_volume:
            logs[1:, :-1] = rest.reshape(k - 1, d - 1)
            logs[1:, -1] = mean.sum() - logs[1:, :-1].sum(axis=1)
        else:
            logs[1:] = rest.reshape(k - 1, d)
        logs[0] = (mean - weights[1:] @ logs[1:]) / weights[0]
        return assembled(frame[None], np.exp(logs))


def common_frame(covariances: Array) -> tuple[Array, Array]:
    """D (D, D) and ln Ω (K, D) of covariances D Ω_k Dᵀ, from the eigenvectors of Σ_k c_k ln Σ_k.

    The c_k are unequal and have no simple ratios, so that eigenvalues that differ in one component differ in the sum.
    """
    values, frames = np.linalg.eigh(covariances)
    logarithms = assembled(frames, np.log(np.maximum(values, TINY)))
    frame = np.linalg.eigh(np.tensordot(_weights(len(values)), logarithms, 1)).eigenvectors
    return frame, np.log(np.maximum(_diagonals(frame.T @ covariances @ frame), TINY))


def _weights(k: int) -> Array:
    """c_k ∝ 1 / (π + k), adding to 1."""
    weights = 1 / (np.pi + np.arange(k))
    return weights / weights.sum()


def assembled(frames: Array, values: Array) -> Array:
    """D_k diag(values_k) D_kᵀ, symmetric to the bit."""
    found = (frames * values[:, None, :]) @ np.swapaxes(frames, -1, -2)
    return 0.5 * (found + np.swapaxes(found, -1, -2))


def _diagonals(matrices: Array) -> Array:
    """(K, D)."""
    return np.diagonal(matrices, axis1=-2, axis2=-1).copy()
