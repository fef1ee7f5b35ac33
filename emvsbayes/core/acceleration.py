"""Acceleration: where to go instead of where EM would go next.

EM is a fixed-point map G on the free coordinates; near its limit the error shrinks by the rate matrix J. Both schemes
guess the limit from a few steps. The loop scores a guess by a sweep like any other; a guess that lowers the objective
is dropped and EM's own step taken instead, so that the objective never falls. Every sweep counts, the dropped ones too.

    squarem    r = x1 - x0, v = (x2 - x1) - r, α = -|r|/|v|:   x' = x0 - 2α r + α² v       every third sweep
    anderson   f_i = G(x_i) - x_i;  γ = argmin |f_k - ΔF γ|²:  x' = G(x_k) - ΔG γ          every sweep

with ΔF, ΔG the differences of the last few f and G. The least squares are damped by a ridge on ΔF's scale.

Sources: Varadhan and Roland (2008), Scand. J. Statist. 35, 335-353 (S3 steplength); Walker and Ni (2011), SIAM J.
Numer. Anal. 49, 1715-1735; Henderson and Varadhan (2019), JCGS 28, 834-846, for restarts and damping.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from emvsbayes.core.checks import Array


class Accelerator(Protocol):
    """The state of one run."""

    def propose(self, x: Array, gx: Array) -> Array | None:
        """A guess, from x and EM's own next step G(x); None to take that step."""
        ...

    def judge(self, accepted: bool) -> None:
        """Whether the last guess was kept."""
        ...


class Squarem:
    """Two EM steps, then a guess."""

    def __init__(self) -> None:
        self.path: list[Array] = []
        self.longest = 1.0  # the largest |α| allowed; grows while guesses are kept

    def propose(self, x: Array, gx: Array) -> Array | None:
        self.path.append(x)
        if len(self.path) < 2:
            return None
        x0, x1, x2 = self.path[-2], self.path[-1], gx
        self.path = []
        r, v = x1 - x0, (x2 - x1) - (x1 - x0)
        size = float(np.linalg.norm(v))
        if size == 0 or not np.isfinite(size):
            return None
        alpha = -max(1.0, float(np.linalg.norm(r)) / size)
        if -alpha > self.longest:
            alpha, self.longest = -self.longest, 4 * self.longest
        if alpha == -1:
            return None  # x' would be x2 itself
        return x0 - 2 * alpha * r + alpha**2 * v

    def judge(self, accepted: bool) -> None:
        if not accepted:
            self.longest = max(1.0, self.longest / 4)


class Anderson:
    """A guess from the last `memory` steps, at every sweep."""

    def __init__(self, memory: int = 10) -> None:
        self.memory = memory
        self.x: list[Array] = []
        self.g: list[Array] = []
        self.ridge = 1e-10

    def propose(self, x: Array, gx: Array) -> Array | None:
        self.x.append(x)
        self.g.append(gx)
        self.x, self.g = self.x[-self.memory - 1 :], self.g[-self.memory - 1 :]
        if len(self.x) < 2:
            return None
        G = np.array(self.g)
        F = G - np.array(self.x)
        dF, dG = np.diff(F, axis=0).T, np.diff(G, axis=0).T
        scale = np.linalg.norm(dF, axis=0)
        if not np.isfinite(F).all() or (scale == 0).any():
            return None
        dF, dG = dF / scale, dG / scale
        u, s, vt = np.linalg.svd(dF, full_matrices=False)
        gamma = vt.T @ (s / (s**2 + self.ridge * s[0] ** 2) * (u.T @ F[-1]))
        return gx - dG @ gamma

    def judge(self, accepted: bool) -> None:
        """A guess that failed says that the map bends: forget all but the last step."""
        if not accepted:
            self.x, self.g = self.x[-1:], self.g[-1:]


ACCELERATORS = {"squarem": Squarem, "anderson": Anderson}
