"""Peak memory of a fit, each side in a process of its own: the largest resident size above imports and data."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from bench import peers
from bench.harness import AGREE
from bench.records import Quartiles, Row, Side, Table, Value
from bench.tables.mixtures import clouds
from emvsbayes.report import format as fmt

PASSES, K, D = 3, 8, 8
HERE = Path(__file__).parent.parent.parent  # what `bench` is imported from


def memory(quick: bool) -> Table:
    """Bytes: they stand in the places of seconds in this table alone, which says so by its unit."""
    n = 200_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        np.save(path, clouds(n, D, K, seed=D)[0])
        found = {side: above(side, path) for side in (peers.OURS, peers.SKLEARN, peers.MIXLE)}
    rows = 8 * n * D
    text = [
        f"{fmt.count(n)} rows of {D} columns, K = {K}, full covariances, {PASSES} passes: the data alone are "
        f"{fmt.number(rows / 1e6)} MB, and an array of responsibilities {fmt.number(8e-6 * n * K)} MB. What is "
        "measured is the largest resident size of the process (VmHWM) less that after imports, a first small fit "
        "and reading the data. Our intake of the data is included; so are the peers' copies."
    ]
    return Table("memory", "Peak memory", text, [row(found, n)], [Value("bytes of the data", rows, "bytes")])


def above(side: str, path: Path) -> tuple[float, float] | str:
    """Bytes above the data and the log-likelihood at the end, or why there are none."""
    command = [sys.executable, "-m", "bench.memory_child", side, str(path), str(K), str(PASSES)]
    paths = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    if done.returncode:
        return "FAILED: " + (done.stderr.strip().splitlines() or ["no output"])[-1]
    if done.stdout.startswith("absent"):
        return peers.missing(side)
    before, peak, objective = done.stdout.split()[-3:]
    return float(int(peak) - int(before)), float(objective)


def row(found: dict[str, tuple[float, float] | str], n: int) -> Row:
    """The sides, their bytes and their ratios to ours; a side that ended elsewhere has none."""
    ours = found[peers.OURS]
    if isinstance(ours, str):
        raise RuntimeError(ours)
    sides = []
    for name, side in found.items():
        if isinstance(side, str):
            sides.append(Side(name, note=side))
            continue
        size, off = side[0], (side[1] - ours[1]) / n
        if abs(off) > AGREE:
            sides.append(Side(name, difference=off, note=f"DISAGREES: its objective is off by {off:.3g} a row"))
            continue
        ratio = None if name == peers.OURS or ours[0] <= 0 else once(size / ours[0])
        sides.append(Side(name, once(size), ratio, None if name == peers.OURS else off))
    return Row(f"{fmt.count(n)} x {D}, K = {K}", {"N": n, "D": D, "K": K}, sides, unit="bytes", passes=1, repeats=1)


def once(value: float) -> Quartiles:
    """A number that does not vary: its quartiles are itself."""
    return Quartiles(value, value, value)
