"""A pass over the rows beside its peers, interleaved in one run: scikit-learn, and products in NumPy.

    python tests/benchmarks/kernels.py [ROWS OF THE TABLE ...]     gaussian bernoulli kmeans small first
    python tests/benchmarks/kernels.py cpu [ROWS ...]              the same on one thread, in processor time
    python tests/benchmarks/kernels.py costs                       the numbers of densities/kernels/costs.py

Same data, same start, same number of passes, and the log-likelihood (or distortion) at the end is checked to be equal.
Every repeat runs each side once, one after the other; a ratio is the median of the repeats' ratios, a time the median
of the times. Where other work takes the processors, wall times say little: `cpu` measures the time that each side is
given, with one thread on both (OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np

from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.esteps import Hard
from emvsbayes.core.schedules import Batch
from emvsbayes.core.threads import processors, threads, using_threads
from emvsbayes.densities.kernels import costs
from emvsbayes.problem import pose

REPEATS = 7
PASSES = 5
CLOCK = time.perf_counter
PAUSE = 0.1  # seconds before each measurement: threads of BLAS and OpenMP go on spinning, and take a processor from
# whoever comes next


def seconds(work: Callable[[], object], clock: Callable[[], float] | None = None) -> float:
    """Time of one call, by CLOCK unless told otherwise."""
    clock = clock or CLOCK
    start = clock()
    work()
    return clock() - start


def rested(work: Callable[[], object]) -> float:
    """Time of one call that begins when the threads of the one before have gone to sleep."""
    time.sleep(PAUSE)
    return seconds(work)


def interleaved(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float, float]:
    """Medians of our seconds, theirs, and the ratio theirs / ours."""
    ours()
    theirs()
    pairs = [(rested(ours), rested(theirs)) for _ in range(REPEATS)]
    ratios = [other / one for one, other in pairs]
    return tuple(map(statistics.median, (*zip(*pairs, strict=True), ratios)))  # type: ignore[return-value]


def line(what: str, found: tuple[float, float, float], passes: int, peer: str) -> None:
    """One row of the table, times a pass."""
    one, other, ratio = found
    print(f"{what:42s} {1e3 * one / passes:9.2f} ms {1e3 * other / passes:9.2f} ms  {ratio:6.1f} x  {peer}", flush=True)


def gaussian() -> None:
    """Full covariances, N = 100 000, `PASSES` passes of EM from the same start."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    warnings.simplefilter("ignore", ConvergenceWarning)
    ratios = []
    for d, k in ((1, 2), (2, 3), (8, 8), (16, 10), (64, 10)):
        rng, n = np.random.default_rng(d), 100_000
        centres = 2.0 * rng.normal(size=(k, d))
        X = rng.normal(size=(n, d)) + centres[rng.integers(0, k, n)]
        problem = pose("gaussian_mixture", X, n_components=k)
        start = problem.family.complete_start({"means": centres + 0.3 * rng.normal(size=(k, d))}, problem.data)
        theirs = GaussianMixture(
            k,
            covariance_type="full",
            reg_covar=0.0,
            tol=0.0,
            max_iter=PASSES,
            weights_init=start.weights,
            means_init=start.means,
            precisions_init=np.linalg.inv(start.covariances),
            init_params="random_from_data",
        )
        stop = Stop(tol=0, max_passes=PASSES)

        def ours(problem=problem, start=start, stop=stop):
            return run_em(problem.family, problem.data, start, stop=stop, record=False)

        # they make PASSES E-steps and one more at the end; we make two at the start and PASSES after it
        assert abs(ours().log_likelihood - n * theirs.fit(X).score(X)) < 1e-9 * n, (d, k)
        found = interleaved(ours, lambda theirs=theirs, X=X: theirs.fit(X))
        ratios.append(found[2])
        line(f"gaussian full, N 100000, D {d}, K {k}", found, PASSES, "scikit-learn GaussianMixture")
    print(f"{'geometric mean':42s} {'':26s}  {statistics.geometric_mean(ratios):6.1f} x; least {min(ratios):.1f} x")


def bernoulli() -> None:
    """60 000 x 784 bits, K = 10: a pass beside two plain float64 products, and beside its floor.

    The floor: N · D/8 · K additions for the E-step and N · D/4 · K for the statistics, at the rate at which NumPy adds
    two arrays that the first cache holds.
    """
    rng, (n, d, k) = np.random.default_rng(0), (60_000, 784, 10)
    X = (rng.random((n, d)) < rng.beta(0.3, 1.2, size=(k, d))[rng.integers(0, k, n)]).astype(float)
    problem = pose("bernoulli_mixture", X, n_components=k)
    params = problem.family.init(problem.data, rng, "random_rows")
    slopes = np.log(params.probs) - np.log1p(-params.probs)
    height = problem.family.accumulate(params, problem.data)[1]
    assert abs(height - problem.family.log_likelihood(params, problem.data)) < 1e-12 * abs(height)
    found = interleaved(lambda: problem.family.accumulate(params, problem.data), lambda: (X @ slopes.T).T @ X)
    line("bernoulli, N 60000, D 784, K 10", found, 1, "two float64 products in NumPy")
    a, b, out = np.ones(1000), np.ones(1000), np.empty(1000)
    add = min(seconds(lambda: [np.add(a, b, out=out) for _ in range(2000)]) for _ in range(5)) / 2e6
    floor = n * k * (d / 8 + d / 4) * add / threads()
    print(f"{'  floor: the additions alone':42s} {1e3 * floor:9.2f} ms; a pass takes {found[0] / floor:.1f} times that")


def kmeans() -> None:
    """200 000 x 16, K = 20, Lloyd from the same start, the same number of passes."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)
    rng, (n, d, k) = np.random.default_rng(0), (200_000, 16, 20)
    X = rng.normal(size=(n, d)) + 1.2 * rng.normal(size=(k, d))[rng.integers(0, k, n)]
    problem = pose("kmeans", X, n_components=k, settings={"variance": 1.0})
    start = problem.family.complete_start({"centers": X[:k]}, problem.data)
    for passes in (5, 30):
        theirs = KMeans(k, init=X[:k], n_init=1, max_iter=passes, tol=0.0, algorithm="lloyd")
        made = theirs.fit(X).n_iter_  # they stop where no row moves
        stop = Stop(tol=0, max_passes=made)

        def ours(stop=stop):
            return run_em(problem.family, problem.data, start, schedule=Batch(Hard()), stop=stop, record=False)

        assert abs(problem.family.distortion(ours().params, problem.data) / theirs.inertia_ - 1) < 1e-6
        line(
            f"kmeans, N 200000, D 16, K 20, {made} passes", interleaved(ours, lambda t=theirs: t.fit(X)), made, "Lloyd"
        )


def small() -> None:
    """Old Faithful's size: a pass of the whole loop, and a fit of 20 starts."""
    import emvsbayes as eb

    rng = np.random.default_rng(0)
    X = rng.normal(size=(272, 2)) + np.where(np.arange(272) < 100, 0.0, 3.5)[:, None]
    problem = pose("gaussian_mixture", X, n_components=2)
    start = problem.family.init(problem.data, rng, "k-means++")
    best = {}
    for passes in (10, 210):
        stop = Stop(tol=0, max_passes=passes)
        run = partial(run_em, problem.family, problem.data, start, stop=stop, record=False)
        best[passes] = min(seconds(run) for _ in range(40))
    print(f"{'gaussian full, 272 x 2, K 2, a pass':42s} {1e6 * (best[210] - best[10]) / 200:9.1f} µs (least of 40)")
    eb.fit("gaussian_mixture", X, n_components=2, record=False)
    times = [seconds(lambda: eb.fit("gaussian_mixture", X, n_components=2, record=False)) for _ in range(15)]
    print(f"{'  a fit of 20 starts':42s} {1e3 * min(times):9.1f} ms (least of 15; median {1e3 * np.median(times):.1f})")


def first() -> None:
    """What the first fit of a process costs, its kernels on disk and not."""
    import os
    import subprocess
    import tempfile

    code = (
        "import time, numpy as np; X = np.random.default_rng(0).normal(size=(272, 2)); t = time.perf_counter(); "
        "import emvsbayes as eb; eb.fit('gaussian_mixture', X, n_components=2, n_starts=2); "
        "print(time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as folder:
        given = {**os.environ, "NUMBA_CACHE_DIR": folder}
        for what in ("nothing compiled yet", "kernels on disk"):
            done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True)
            print(f"{'first fit of a process, ' + what:42s} {float(done.stdout):9.2f} s, imports included")


def calibrate() -> None:
    """Nanoseconds a row of one thread's own time, beside the model's; OPENBLAS_NUM_THREADS should be 1."""
    from emvsbayes.densities import passes
    from emvsbayes.densities.kernels import gaussian as loops
    from emvsbayes.densities.kernels import products

    rng = np.random.default_rng(0)
    for d, k in ((1, 2), (2, 3), (8, 8), (16, 10), (32, 10), (64, 10), (128, 5), (256, 3), (512, 2), (1536, 1)):
        n = 20_000 if d < 64 else 4096
        X, means, roots = rng.normal(size=(n, d)), rng.normal(size=(k, d)), np.tile(np.eye(d), (k, 1, 1))
        given = (X, np.ones(n), passes.NONE_KNOWN, np.zeros(k), means, roots, means, 0, n)
        sums = (np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d)))
        best = [
            min(seconds(partial(sweep, *given, *sums), time.thread_time) for _ in range(9)) * 1e9 / n
            for sweep in (loops.sweep_matrices, products.sweep_products)
        ]
        model = costs.gaussian_loop(d, k), costs.gaussian_products(d, k)
        print(f"D {d:3d} K {k:2d}  loop {best[0]:9.0f} ({model[0]:9.0f})   products {best[1]:9.0f} ({model[1]:9.0f})")


PARTS = {"gaussian": gaussian, "bernoulli": bernoulli, "kmeans": kmeans, "small": small, "first": first}

if __name__ == "__main__":
    asked = sys.argv[1:]
    if asked == ["costs"]:
        calibrate()
        sys.exit()
    if asked[:1] == ["cpu"]:
        asked, CLOCK = asked[1:], time.process_time
    number = 1 if CLOCK is time.process_time else processors()
    with using_threads(number):
        print(f"our threads: {number}; processors: {processors()}; clock: {CLOCK.__name__}")
        for name in asked or PARTS:
            PARTS[name]()
