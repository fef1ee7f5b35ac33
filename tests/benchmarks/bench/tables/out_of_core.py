"""Data larger than memory: memory above one chunk, and time a pass against N (`tests/benchmarks/out_of_core.py`)."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bench import peers
from bench.records import Quartiles, Row, Side, Table, Value
from emvsbayes.report import format as fmt

CHUNK, PASSES, RUNS = 200_000, 5, 3
SIZES = (1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000)


def large(quick: bool) -> Table:
    """Rows on disk, swept a chunk at a time; each N in a process of its own."""
    title = "Data larger than memory"
    try:
        script = import_module("out_of_core")
    except ImportError:
        return Table("large", title, ["Not measured: this version has no fit of data on disk."])
    sizes = tuple(size // 10 for size in SIZES) if quick else SIZES
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        found = []
        for n in sizes:
            script.generate(path, n)
            runs = [script.measured(path, CHUNK, PASSES, False) for _ in range(RUNS)]
            found.append(min(runs, key=lambda run: run["pass"]))
    seconds = np.array([float(f["pass"]) for f in found])
    rows = [one(f, script) for f in found]
    slope, constant, r2 = straight(np.array(sizes, dtype=float), seconds)
    chunk = 8e-6 * CHUNK * script.D
    above = float(found[-1]["both"])
    values = [
        Value("R² of a straight line", r2, "", f"{1e3 * constant:.0f} ms + {1e9 * slope:.1f} ns a row"),
        Value("memory above imports", above, "MB", f"at {fmt.count(sizes[-1])} rows"),
        Value("memory of a chunk", chunk, "MB", f"{fmt.count(CHUNK)} rows"),
        Value("memory above a chunk", above - chunk, "MB", f"of {fmt.number(8e-6 * sizes[-1] * script.D)} MB of data"),
    ]
    text = [
        f"{script.K} Gaussians in {script.D} dimensions, full covariances, a .npy file read {fmt.count(CHUNK)} rows at "
        f"a time; a time is that of the fastest pass of {RUNS} runs of {PASSES}. Memory is the resident size above "
        "that after imports and a small fit, sampled every hundredth of a second."
    ]
    return Table("large", title, text, rows, values, x="N")


def one(found: dict[str, Any], script: Any) -> Row:
    """A number of rows."""
    a_pass = float(found["pass"])
    note = f"{fmt.number(float(found['both']), 3)} MB above the imports"
    side = Side(peers.OURS, Quartiles(a_pass, a_pass, a_pass), note=note)
    n = int(found["n"])
    return Row(f"N = {fmt.count(n)}", {"N": n, "D": script.D, "K": script.K}, [side], passes=PASSES, repeats=PASSES - 1)


def straight(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Slope, constant and R² of the least-squares line."""
    slope, constant = np.polyfit(x, y, 1)
    rest = y - (slope * x + constant)
    return float(slope), float(constant), float(1 - (rest**2).sum() / ((y - y.mean()) ** 2).sum())
