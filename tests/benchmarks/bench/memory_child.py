"""One fit in a process of its own, for its peak of memory: SIDE, then a .npy file, K and the passes as arguments.

    python -m bench.memory_child emvsbayes rows.npy 8 3

Prints bytes before and at the peak. A fit of a few rows comes first, so that imports and compiling are in the former.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from bench import peers
from bench.harness import Absent
from bench.resident import forget, peak
from bench.tables.mixtures import posed


def entrant(side: str, X: np.ndarray, k: int, passes: int) -> Any:
    """The side with these rows, started at the first K of them spread out."""
    problem, start = posed(X, X[:: len(X) // k][:k])
    if side == peers.OURS:
        return peers.ours(problem, start, passes)
    return (peers.sklearn_mixture(X, start, "full", passes) if side == peers.SKLEARN
            else peers.mixle_mixture(X, start, passes))  # fmt: skip


def main(side: str, path: str, k: int, passes: int) -> None:
    """Fit and print."""
    few = np.random.default_rng(0).normal(size=(2_000, 8))
    warm = entrant(side, few, k, passes)
    if isinstance(warm, Absent):
        print("absent")
        return
    warm.objective(warm.work())
    X = np.load(path)
    X.sum()
    forget()
    before = peak()
    made = entrant(side, X, k, passes)
    result = made.work()
    print(before, peak(), repr(made.objective(result)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
