"""What a cluster costs on one machine: a pass of EM over 2·10⁶ x 8 rows, K = 8, in memory and on two processes of Dask.

    python tests/benchmarks/over_dask.py [ROWS]

Both sides take turns, at the same start with the same number of passes, and must end with the same log-likelihood. The
overhead of a pass is that of one over so few rows that nothing is left to compute; bytes are those of the messages.
"""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter

import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

from emvsbayes.core.chunked import Chunked
from emvsbayes.core.em import run_em
from emvsbayes.core.stopping import Stop
from emvsbayes.core.threads import processors
from emvsbayes.problem import pose
from emvsbayes.workers import passes
from emvsbayes.workers.reader import dask_rows

D, K, CHUNK, PASSES, TIMES = 8, 8, 200_000, 5, 5


def made(block_info=None) -> np.ndarray:
    """Rows of a chunk, around eight centres, from the chunk's own seed."""
    (start, stop), _ = block_info[None]["array-location"]
    rng = np.random.default_rng(start)
    return 3 * np.eye(K, D)[rng.integers(K, size=stop - start)] + rng.normal(size=(stop - start, D))


def rows(n: int) -> da.Array:
    """A collection of n rows, made where they are needed."""
    chunks = (tuple(min(CHUNK, n - start) for start in range(0, n, CHUNK)), (D,))
    return da.map_blocks(made, chunks=chunks, dtype=float, meta=np.empty((0, 0)))


def timed(family, data, start, schedule) -> tuple[float, float]:
    """Seconds a pass, and the log-likelihood; the run sweeps twice before its first pass."""
    began = perf_counter()
    run = run_em(family, data, start, schedule=schedule, stop=Stop(tol=0, max_passes=PASSES), record=False)
    return (perf_counter() - began) / (PASSES + 2), run.log_likelihood


def main(n: int) -> None:
    """Print the comparison."""
    sizes = {"sent": 0, "returned": 0}
    packed, unpacked = passes.packed, passes.unpacked

    def counted_out(value):
        message = packed(value)
        sizes["sent"] += len(message)
        return message

    def counted_in(message):
        sizes["returned"] += len(message)
        return unpacked(message)

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        X = rows(n)
        memory = pose("gaussian_mixture", client.compute(X).result(), n_components=K)
        far = pose("gaussian_mixture", dask_rows(X, client=client), n_components=K, larger=True, chunk=CHUNK)
        few = pose("gaussian_mixture", dask_rows(rows(1000), client=client), n_components=K, larger=True, chunk=CHUNK)
        family, start = memory.family, memory.family.init(far.data.sample, np.random.default_rng(0), "k-means++")
        chunked, batch = Chunked(CHUNK, keep_q=False), None
        for problem, schedule in ((memory, batch), (far, chunked), (few, chunked)):  # compiles
            timed(family, problem.data, start, schedule)
        passes.packed, passes.unpacked = counted_out, counted_in
        here, there, overhead = [], [], []
        for _ in range(TIMES):
            here.append(timed(family, memory.data, start, batch))
            sizes.update(sent=0, returned=0)
            there.append(timed(family, far.data, start, chunked))
            bytes_a_pass = {name: size / (PASSES + 2) for name, size in sizes.items()}
            overhead.append(timed(family, few.data, start, chunked))
        gap = abs(here[0][1] - there[0][1]) / abs(here[0][1])
        assert gap < 1e-10, gap
        (shelves,) = far.data.reader.kept.shelves.values()
    a, b, c = (median(seconds for seconds, _ in found) for found in (here, there, overhead))
    print(f"{n:,} rows x {D}, K = {K}; medians of {TIMES}, seconds a pass; log-likelihoods agree to {gap:.0e}")
    print(f"  in memory, {processors()} threads        {a:.3f}")
    print(f"  two processes of Dask       {b:.3f}   ratio {b / a:.2f}")
    print(f"  the same over 1000 rows     {c:.4f}  overhead of a pass")
    print(
        f"  {-(-n // CHUNK)} blocks on {len(shelves)} shelves: {bytes_a_pass['sent']:,.0f} bytes of parameters a "
        f"shelf, and {bytes_a_pass['returned']:,.0f} bytes of statistics in all"
    )


if __name__ == "__main__":
    if sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    main(int(float(sys.argv[1])) if len(sys.argv) > 1 else 2_000_000)
