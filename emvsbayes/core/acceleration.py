"""Acceleration: where to go instead of where EM would go next.

EM is a fixed-point map G on the free coordinates; near its limit the error shrinks by the rate matrix J. Both schemes
guess the limit from the last few passes:

    squarem    r = x1 - x0, v = (x2 - x1) - r, α = -|r|/|v|:   x' = x0 - 2α r + α² v       every third pass
    anderson   f = G(x) - x, γ = argmin |f - ΔF γ|²:            x' = G(x) - ΔG γ            every pass

with ΔX, ΔF, ΔG the differences of the last ten x, f and G. Anderson's guess is Newton's for f = 0 with the Jacobian
that those differences show, ΔF = (J - I) ΔX. It is drawn to saddle points as much as to maxima, and EM spends its
passes near saddles. At a maximum the eigenvalues of J - I lie between -1 and 0; where B, from ΔF = ΔX B, has a
positive one, EM is leaving a saddle along its eigenvector, and that part of γ is reflected, so that the guess runs away
from the saddle as fast as it would have run into it (Dauphin et al. 2014, there for gradients).

A guess is swept like any other parameters and kept where the objective is at least that of EM's last pass; otherwise
it is dropped and EM's own step taken. So the objective never falls, and every sweep counts, the dropped ones too.

Sources: Varadhan and Roland (2008), Scand. J. Statist. 35, 335-353 (step length S3); Walker and Ni (2011), SIAM J.
Numer. Anal. 49, 1715-1735; Henderson and Varadhan (2019), JCGS 28, 834-846 (the guard); Dauphin et al. (2014), NeurIPS
27, 2933-2941.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.protocol import Expectation, Family, Schedule
from emvsbayes.core.records import plain
from emvsbayes.core.resuming import params_of
from emvsbayes.core.scoring import Scorer

RIDGE = 1e-5  # singular values of ΔF below this share of the largest are damped
RANK = 1e-8  # and those of ΔX below this share tell nothing of B


class Accelerator(Protocol):
    """The state of one run."""

    def propose(self, x: Array, gx: Array) -> Array | None:
        """A guess, from x and EM's own next step G(x); None to take that step."""
        ...

    def judge(self, kept: bool) -> None:
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
        if size == 0:
            return None
        alpha = -max(1.0, float(np.linalg.norm(r)) / size)
        if -alpha > self.longest:
            alpha, self.longest = -self.longest, 4 * self.longest
        if alpha == -1:
            return None  # x' would be x2 itself
        return x0 - 2 * alpha * r + alpha**2 * v

    def judge(self, kept: bool) -> None:
        if not kept:
            self.longest = max(1.0, self.longest / 4)


class Anderson:
    """A guess from the last `memory` steps, at every pass."""

    def __init__(self, memory: int = 10) -> None:
        self.memory = memory
        self.x: list[Array] = []
        self.g: list[Array] = []

    def propose(self, x: Array, gx: Array) -> Array | None:
        held = min(self.memory, len(x)) + 1
        self.x, self.g = [*self.x, x][-held:], [*self.g, gx][-held:]
        X, G = np.array(self.x), np.array(self.g)
        dX, dG, dF = (np.diff(steps, axis=0).T for steps in (X, G, G - X))
        length = np.linalg.norm(dF, axis=0)
        if len(X) < 2 or (length == 0).any():
            return None
        dX, dG, dF = dX / length, dG / length, dF / length
        u, s, vt = np.linalg.svd(dF, full_matrices=False)
        gamma = vt.T @ (s / (s**2 + (RIDGE * s[0]) ** 2) * (u.T @ (gx - x)))
        return gx - dG @ reflected(gamma, dX, dF)

    def judge(self, kept: bool) -> None:
        """A guess that failed says that the map bends: forget all but the last step."""
        if not kept:
            self.x, self.g = self.x[-1:], self.g[-1:]


def reflected(gamma: Array, dX: Array, dF: Array) -> Array:
    """γ with its parts along eigenvectors of B, ΔF = ΔX B, of positive eigenvalue turned round."""
    values, vectors = np.linalg.eig(np.linalg.lstsq(dX, dF, rcond=RANK)[0])
    away = values.real > 0
    if not away.any():
        return gamma
    parts = np.linalg.lstsq(vectors, gamma.astype(complex), rcond=None)[0]
    return (vectors @ np.where(away, -parts, parts)).real


ACCELERATORS = {"squarem": Squarem, "anderson": Anderson}


class Leap(NamedTuple):
    """A guess that was swept, what came of it, and whether it is to be kept."""

    guess: Any
    following: Expectation
    memory: Any
    higher: bool


class Leaper:
    """Asks an accelerator for guesses between whole passes, and sweeps them."""

    def __init__(
        self, accelerator: Accelerator, family: Family, data: Any, schedule: Schedule, scorer: Scorer, start: Any
    ) -> None:
        self.accelerator, self.family, self.data = accelerator, family, data
        self.schedule, self.scorer = schedule, scorer
        self.x = start  # parameters from which the pass that ends now set out
        self.leapt = False

    def leap(self, moved: Any, now: Expectation, memory: Any, objective: float) -> Leap | None:
        """The guess at the end of a pass that led to `moved`; None within a pass, and where none is proposed.

        A sweep by blocks must follow a guess by a pass of its own, for the map is that of the pass; a batch sweep has
        just been one.
        """
        if not now.whole or (self.leapt and self.schedule.sweeps_a_pass > 1):
            self.leapt = False
            return None
        x, self.x = self.x, moved
        guess = self._guess(x, moved, now)
        if guess is None:
            return None
        following, memory = self.schedule.sweep(self.family, guess, self.schedule.afresh(memory))
        height = self.scorer.objective(guess, following)
        self.leapt = bool(np.isfinite(height) and height >= objective)
        self.accelerator.judge(self.leapt)
        if self.leapt:
            self.x = guess
        return Leap(guess, following, memory, self.leapt)

    def remembered(self) -> dict[str, Any]:
        """What the next guess depends on, JSON-ready."""
        return {"x": plain(self.x), "leapt": self.leapt, "accelerator": plain(vars(self.accelerator))}

    def recall(self, remembered: Mapping[str, Any], like: Any) -> None:
        """The inverse of `remembered`, for parameters of the type of `like`."""
        self.x, self.leapt = params_of(remembered["x"], like), remembered["leapt"]
        for name, value in remembered["accelerator"].items():
            steps = isinstance(value, list)
            setattr(self.accelerator, name, [np.array(step) for step in value] if steps else value)

    def _guess(self, params: Any, moved: Any, now: Expectation) -> Any:
        """Parameters to try in the place of `moved`; None where none are proposed, or none that are parameters."""
        x, gx = self.family.to_vector(params), self.family.to_vector(moved)
        if not (np.isfinite(x).all() and np.isfinite(gx).all()):  # an estimate on its boundary has no coordinates
            return None
        with np.errstate(all="ignore"):
            vector = self.accelerator.propose(x, gx)
            if vector is None or not np.isfinite(vector).all():
                return None
            guess = self.family.from_vector(vector, moved)
            try:
                height = self.family.expected_log_joint(guess, now.stats)
            except np.linalg.LinAlgError:  # so far that a covariance underflowed
                return None
            if not np.isfinite(height):  # it rules out what q holds possible
                return None
            found = self.family.inspect(guess, now.stats, self.data, params)
        return None if any(event.kind == "singular" for event in found) else guess
