"""One fit in a process of its own, for its peak of memory: SIDE, then a .npy file, K and the passes as arguments.

    python -m bench.memory_child emvsbayes rows.npy 8 3

Prints bytes before and at the peak. A fit of a few rows comes first, so that imports and compiling are in the former.
"""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from bench import peers
from bench.harness import Absent
from bench.tables.mixtures import posed

STATUS = Path("/proc/self/status")
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes on macOS, kilobytes on Linux


def peak() -> int:
    """The largest resident size of this process since `forget`, in bytes.

    VmHWM where the kernel tells it. ru_maxrss, the same number by name, is kept over fork and exec: a child of a large
    process begins with the size of its parent, and shows nothing of a smaller fit.
    """
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def forget() -> None:
    """Let the peak begin at what is resident now, where the kernel can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


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
