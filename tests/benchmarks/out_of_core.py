"""A chunked fit of data on disk: time a pass against N, and memory beside that of the imports and of one chunk.

    python tests/benchmarks/out_of_core.py [--rows 10000000] [--chunk 200000] [--passes 5] [--rounds 2]

Rows of a mixture of 8 Gaussians in 8 dimensions are written to a `.npy` file in chunks, fitted from the file and from
a memory map of it, each in a process of its own, and deleted. Times a pass are those of the fastest: by the clock,
and of the processors, on which other work leaves less of a mark. Memory is asked of the kernel every hundredth of a
second (`/proc/self/status`): anonymous pages (RssAnon) are the process's own; pages of files (RssFile) are the
libraries and, under a memory map, the rows, which the kernel takes back when it wants memory. The baseline is what
the process held after it had imported everything and fitted a few rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

D, K = 8, 8
AT_ONCE = 500_000


def generate(path: Path, n: int, seed: int = 0) -> None:
    """`n` rows of K Gaussians in D dimensions, a part at a time."""
    rng = np.random.default_rng(seed)
    means, shapes = 3 * rng.normal(size=(K, D)), np.eye(D) + 0.3 * rng.normal(size=(K, D, D))
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (n, D)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n, AT_ONCE):
            size = min(AT_ONCE, n - start)
            rows, z = rng.standard_normal((size, D)), rng.integers(K, size=size)
            for k in range(K):
                rows[z == k] = rows[z == k] @ shapes[k] + means[k]
            rows.tofile(file)


class Memory(threading.Thread):
    """The largest resident memory seen, in MB: anonymous, of files, and both at once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.anonymous = self.files = self.both = 0.0
        self.going = True

    @staticmethod
    def now() -> tuple[float, float]:
        text = Path("/proc/self/status").read_text().splitlines()
        kilobytes = {line.split(":")[0]: float(line.split()[1]) for line in text if line.startswith("Rss")}
        return kilobytes["RssAnon"] / 1e3, kilobytes["RssFile"] / 1e3

    def run(self) -> None:
        while self.going:
            anonymous, files = self.now()
            self.anonymous, self.files = max(self.anonymous, anonymous), max(self.files, files)
            self.both = max(self.both, anonymous + files)
            time.sleep(0.01)


class Passes:
    """Times at which passes ended, as `fit` tells them."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.processor: list[float] = []

    def begins(self, name: str) -> None: ...

    def rows(self, n: int) -> None: ...

    def passed(self, passes: int, objective: float) -> None:
        self.times.append(time.perf_counter())
        self.processor.append(time.process_time())


def one(path: str, chunk: int, passes: int, mapped: bool) -> None:
    """Fit in this process; print what it took as JSON."""
    import emvsbayes as eb

    rng = np.random.default_rng(1)
    few = {"n_components": K, "chunk": 500, "n_starts": 1, "stop": {"max_passes": 2}}
    start = {"means": 3 * rng.normal(size=(K, D)), "covariances": np.tile(4 * np.eye(D), (K, 1, 1))}
    small = Path(path).with_suffix(".small.npy")
    np.save(small, np.load(path, mmap_mode="r")[:2000])
    eb.fit("gaussian_mixture", small, start=start, **few)
    small.unlink()
    memory, told, base = Memory(), Passes(), Memory.now()
    memory.start()
    begin = time.perf_counter()
    X = np.load(path, mmap_mode="r") if mapped else path
    fit = eb.fit(
        "gaussian_mixture",
        X,
        n_components=K,
        chunk=chunk,
        start=start,
        stop={"tol": 0, "max_passes": passes},
        progress=told,
    )
    total = time.perf_counter() - begin
    memory.going = False
    memory.join()
    a_pass = float(np.min(np.diff(told.times)))  # the pass that other work on the machine disturbed least
    found = {
        "n": fit.chunks.n_rows,
        "pass": a_pass,
        "processor": float(np.min(np.diff(told.processor))),
        "total": total,
        "baseline": base,
        "anonymous": memory.anonymous - base[0],
        "files": memory.files - base[1],
        "both": memory.both - sum(base),
        "log_likelihood": fit.log_likelihood,
    }
    print(json.dumps(found))


def measured(path: Path, chunk: int, passes: int, mapped: bool) -> dict:
    """`one` in a process of its own."""
    words = [sys.executable, __file__, "--one", str(path), "--chunk", str(chunk), "--passes", str(passes)]
    done = subprocess.run([*words, *(["--mapped"] if mapped else [])], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def straight_line(sizes: list[int], times: np.ndarray) -> tuple[float, float, float]:
    """Slope, constant and R² of the least-squares line."""
    slope, constant = np.polyfit(sizes, times, 1)
    rest = times - (slope * np.array(sizes) + constant)
    return slope, constant, 1 - (rest**2).sum() / ((times - times.mean()) ** 2).sum()


def main() -> None:
    """Print a table, and the straight line through times against N."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--chunk", type=int, default=200_000)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"))
    parser.add_argument("--one")
    parser.add_argument("--mapped", action="store_true")
    options = parser.parse_args()
    if options.one:
        one(options.one, options.chunk, options.passes, options.mapped)
        return
    sizes = [int(share * options.rows) for share in (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)]
    path, chunk_mb = options.folder / "out_of_core.npy", options.chunk * D * 8 / 1e6
    print(f"{K} Gaussians, full covariances, D = {D}; chunks of {options.chunk:,} rows, {chunk_mb:.1f} MB")
    print(
        f"{'rows':>12} {'file MB':>8} {'ms a pass':>10} {'CPU ms':>8} {'rows/s':>12}   "
        "MB above the imports: own, files, both"
    )
    times, of_largest = {"pass": [], "processor": []}, []
    try:
        for i, n in enumerate(sizes * options.rounds):
            generate(path, n)
            for mapped in (False, True) if i == len(sizes) - 1 else (False,):
                found = measured(path, options.chunk, options.passes, mapped)
                memory = f"{found['anonymous']:8.1f} {found['files']:8.1f} {found['both']:8.1f}"
                print(
                    f"{n:>12,} {n * D * 8 / 1e6:>8.0f} {1e3 * found['pass']:>10.0f} "
                    f"{1e3 * found['processor']:>8.0f} {n / found['pass']:>12,.0f}   "
                    f"{memory}{'  (np.memmap)' if mapped else ''}",
                    flush=True,
                )
                for what, values in () if mapped else times.items():
                    values.append(found[what])
                if i == len(sizes) - 1:
                    of_largest.append(found)
    finally:
        path.unlink(missing_ok=True)
    for what, words in (("pass", "time"), ("processor", "processor time")):
        fastest = np.reshape(times[what], (options.rounds, len(sizes))).min(axis=0)
        slope, constant, r2 = straight_line(sizes, fastest)
        print(
            f"{words} a pass = {1e3 * constant:.0f} ms + {1e9 * slope:.1f} ns a row, R² = {r2:.5f} over {len(sizes)} N"
        )
    anonymous, files = of_largest[0]["baseline"]
    print(f"baseline after imports and a small fit: {anonymous:.0f} MB own, {files:.0f} MB of files")
    alike = of_largest[0]["log_likelihood"] == of_largest[1]["log_likelihood"]
    print(f"file and memory map end at the same log-likelihood, to the bit: {alike}")


if __name__ == "__main__":
    main()
