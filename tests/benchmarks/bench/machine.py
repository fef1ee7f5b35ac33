"""The machine: what it is, and the rates that set a floor under any algorithm, measured in the same run.

Products: 2 n³ operations of a square matrix product, in each precision. Memory: the bytes of an array far larger than
any cache, summed by every thread. exp: `np.exp` of what the first cache holds. Additions: `np.add` of the same.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from bench.harness import PROCESSORS, on_threads, seconds
from bench.records import Value
from emvsbayes.report import format as fmt

PACKAGES = ("emvsbayes", "numpy", "scipy", "numba", "pymc", "nutpie", "scikit-learn", "mixle", "stepmix")
BUSY = "the machine was not idle"
SIDE, FAR = 1500, 32_000_000  # of the square matrices, and doubles in the array that no cache holds
SHORT, LONG = 200, 1800  # numbers; two arrays of the longer kind fit in a first cache of 32 kB


def described() -> dict[str, str]:
    """What a reader needs to know to compare with another machine."""
    blas = sorted({f"{m.get('prefix')} {m.get('version')}" for m in threadpool_info() if m["user_api"] == "blas"})
    return {
        "processor": processor(),
        "processors used": str(PROCESSORS),
        "memory": f"{memory() / 2**30:.0f} GiB" if memory() else "unknown",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "BLAS": ", ".join(blas) or "unknown",
        "other work": busy(),
    }


def busy() -> str:
    """What else the machine does, before anything is measured: threads that wait for one another suffer most."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return "none" if load < 0.5 else f"{BUSY} (load average {load:.1f}): ratios of threaded sides say little"


def processor() -> str:
    """The model as the system names it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def memory() -> int:
    """Bytes of main memory; 0 where the system does not say."""
    names = getattr(os, "sysconf_names", {})
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if "SC_PHYS_PAGES" in names else 0


def versions() -> dict[str, str]:
    """Of everything that takes part and is here."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def rates() -> list[Value]:
    """The best of several tries each, for a floor is what the machine can do."""
    with on_threads(PROCESSORS):
        products = [
            Value(
                f"products, {np.dtype(kind).name}",
                product_rate(kind) / 1e9,
                "GFLOP/s",
                fmt.plural(PROCESSORS, "thread"),
            )
            for kind in (np.float64, np.float32)
        ]
        bytes_read = read_rate() / 1e9
    with on_threads(1):
        alone = Value("products, float64, one thread", product_rate(np.float64) / 1e9, "GFLOP/s")
        exp = per_element(lambda near, out: np.exp(near, out=out))
        add = per_element(lambda near, out: np.add(near, near, out=out))
    return [
        *products,
        alone,
        Value("memory, read", bytes_read, "GB/s", fmt.plural(PROCESSORS, "thread")),
        Value("exp, in the first cache", exp * 1e9, "ns an element", "one thread"),
        Value("addition, in the first cache", add * 1e9, "ns an element", "one thread"),
    ]


def product_rate(kind: Any) -> float:
    """Operations a second of a square matrix product."""
    a = np.ones((SIDE, SIDE), dtype=kind)
    out = np.empty_like(a)
    np.dot(a, a, out=out)
    return 2 * SIDE**3 / min(seconds(lambda: np.dot(a, a, out=out)) for _ in range(7))


def read_rate() -> float:
    """Bytes a second that all threads read together from main memory; NumPy's sums release the lock."""
    far = np.ones(FAR)
    parts = np.array_split(far, PROCESSORS)
    with ThreadPoolExecutor(PROCESSORS) as pool:
        return far.nbytes / min(seconds(lambda: list(pool.map(np.max, parts))) for _ in range(7))


def per_element(work: Callable[[np.ndarray, np.ndarray], Any]) -> float:
    """Seconds an element of `work(near, out)` in the first cache: what a long array takes more than a short one.

    The call itself takes half a microsecond, as long as 5000 additions. It is no part of a floor.
    """
    taken = []
    for size in (SHORT, LONG):
        near, out = np.linspace(-20.0, 0.0, size), np.empty(size)
        taken.append(min(seconds(lambda n=near, o=out: [work(n, o) for _ in range(1000)]) for _ in range(30)) / 1000)
    return max(taken[1] - taken[0], 0.0) / (LONG - SHORT)
