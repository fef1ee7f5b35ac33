"""One frame D for several scatter matrices: what maximises the bound over D, Ω_k following.

With w_k = Dᵀ S_k D, v_kj = (w_k)_jj and u_k = (1/D) Σ_j ln v_kj, the height lost is

    VVE   F = D Σ_k n_k u_k                      EVE   F = ln Σ_k exp u_k      (n D of it, the volumes being one)

Plane rotations. At given Ω, a turn by θ in the plane (l, m) makes Σ_k tr(Dᵀ S_k D Ω_k⁻¹)

    const + X cos 2θ + Y sin 2θ,    X = ½ Σ_k (w_ll - w_mm)(1/ω_l - 1/ω_m),   Y = Σ_k w_lm (1/ω_l - 1/ω_m)

so that the best angle is in closed form; Ω follows every turn. Neither ever lowers the bound (Flury and Gautschi 1986,
at given Ω; Browne and McNicholas 2014 majorise the same sum). They are slow at the end, where Newton's method on F
takes over: D exp(Σ_p θ_p E_p) with E_p the generator of a turn in plane p has

    ∂w = [w, E_p],    ∂²w = ½ ([[w, E_p], E_q] + [[w, E_q], E_p])

A Newton step is taken only where it lowers F.

Sources: Flury and Gautschi (1986), SIAM J. Sci. Stat. Comput. 7, 169-184; Browne and McNicholas (2014), Advances in
Data Analysis and Classification 8, 217-226.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.linalg import expm
from scipy.special import softmax

from emvsbayes.core.checks import Array
from emvsbayes.families.gaussian_mixture.structures.charts import TINY, plane_rotation

SWEEPS = 300  # through all planes, at most
BEFORE = 4  # sweeps between two tries of Newton's method
COLLAPSED = 1e-25  # relative to the largest, far below where a component counts as singular
STILL = 1e-11  # a largest angle that is none


def best_frame(scatter: Array, n: Array, frame: Array, *, one_volume: bool) -> Array:
    """D (D, D) from scatter (K, D, D) and counts (K,), no lower than at `frame`."""
    used = n > 0
    scatter, n = scatter[used], n[used]
    for sweep in range(1, SWEEPS + 1):
        frame, moved = _swept(scatter, n, frame, one_volume)
        if moved < STILL:
            break
        if sweep % BEFORE == 0:
            frame, moved = _polished(scatter, n, frame, one_volume)
            if moved < STILL:
                break
    return frame


def height_lost(scatter: Array, n: Array, frame: Array, *, one_volume: bool) -> float:
    """F, lower is better."""
    used = n > 0
    u = np.log(diagonals(frame.T @ scatter[used] @ frame)).mean(axis=1)
    return float(np.logaddexp.reduce(u)) if one_volume else float(len(frame) * (n[used] @ u))


def diagonals(matrices: Array) -> Array:
    """The diagonals (..., D), none so far below the largest that dividing by it overflows."""
    found = np.diagonal(matrices, axis1=-2, axis2=-1)
    return np.maximum(found, max(TINY, COLLAPSED * found.max()))


def _swept(scatter: Array, n: Array, frame: Array, one_volume: bool) -> tuple[Array, float]:
    """One rotation in every plane, and the largest angle, weighted with the share of the sum that its turn can move."""
    frame, w, moved = frame.copy(), frame.T @ scatter @ frame, 0.0
    for plane in combinations(range(len(frame)), 2):
        l, m = plane
        v = diagonals(w)
        sizes = np.exp(np.log(v).mean(axis=1)) if one_volume else n  # 1/ω = size / v, up to one factor for all
        precision = sizes[:, None] / v
        gap = precision[:, l] - precision[:, m]
        x, y = 0.5 * (w[:, l, l] - w[:, m, m]) @ gap, w[:, l, m] @ gap
        swing = float(np.hypot(x, y))
        if not 0 < swing < np.inf:
            continue
        angle = 0.5 * float(np.arctan2(-y, -x))
        turn = plane_rotation(angle)
        w[:, :, plane] = w[:, :, plane] @ turn
        w[:, plane] = turn.T @ w[:, plane]
        frame[:, plane] = frame[:, plane] @ turn
        moved = max(moved, abs(angle) * np.sqrt(swing / sizes.sum()))
    return frame, moved


def _polished(scatter: Array, n: Array, frame: Array, one_volume: bool) -> tuple[Array, float]:
    """Newton's method as long as it lowers F; the frame, and the largest angle of the last step or infinity."""
    d = len(frame)
    planes = list(combinations(range(d), 2))
    basis = np.zeros((len(planes), d, d))
    for p, (l, m) in enumerate(planes):
        basis[p, l, m], basis[p, m, l] = -1.0, 1.0
    lost = height_lost(scatter, n, frame, one_volume=one_volume)
    for _ in range(20):
        slope, bend = _derivatives(frame.T @ scatter @ frame, n, basis, one_volume)
        values, vectors = np.linalg.eigh(bend)
        if not values[0] > 1e-12 * values[-1]:
            break
        step = -(vectors / values) @ (vectors.T @ slope)
        moved = float(np.abs(step).max())
        tried = frame @ expm(np.tensordot(step, basis, 1))
        found = height_lost(scatter, n, tried, one_volume=one_volume)
        if not found <= lost:
            return frame, moved if moved < 1e-7 else np.inf  # below that F has no digits left to fall by
        frame, lost = tried, found
        if moved < STILL:
            return frame, moved
    return frame, np.inf


def _derivatives(w: Array, n: Array, basis: Array, one_volume: bool) -> tuple[Array, Array]:
    """Slope (P,) and second derivatives (P, P) of F in the angles."""
    v, d = diagonals(w), w.shape[1]
    turned = w[:, None] @ basis - basis @ w[:, None]  # [w_k, E_p], (K, P, D, D)
    moves = np.diagonal(turned, axis1=2, axis2=3) / v[:, None] / d  # (K, P, D)
    du = moves.sum(axis=2)
    share = softmax(np.log(v).mean(axis=1)) if one_volume else n * d
    weight = share[:, None] / v / d
    second = np.einsum("kj,kpji,qij->pq", weight, turned, basis, optimize=True)
    second -= np.einsum("kj,qji,kpij->pq", weight, basis, turned, optimize=True)
    bend = 0.5 * (second + second.T) - d * np.einsum("k,kpj,kqj->pq", share, moves, moves)
    slope = share @ du
    if one_volume:
        bend += (du.T * share) @ du - np.outer(slope, slope)
    return slope, bend
