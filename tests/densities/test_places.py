"""Where compiled kernels read and write: inside their arrays, always. And what they do where they cannot be kept."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import assert_close, blobs

import emvsbayes as eb
from emvsbayes.densities.kernels import compiling
from emvsbayes.densities.kernels.compiling import KernelCache, kernel


def run(source, **environment):
    env = {**os.environ, **environment}
    found = subprocess.run(
        [sys.executable, "-W", "ignore", *source], env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert found.returncode == 0, found.stderr[-2000:]
    return found.stdout.strip()


def test_every_place_is_inside():
    assert run([str(Path(__file__).with_name("places.py"))], NUMBA_DISABLE_JIT="1") == "every place is inside"


FIT = """
import numpy as np, emvsbayes as eb
rng = np.random.default_rng(0)
X = rng.normal(size=(120, 3)) + 4 * rng.integers(0, 2, size=(120, 1))
for family in ("gaussian_mixture", "kmeans"):
    print(repr(float(eb.fit(family, X, n_components=2, n_starts=1, record=False).log_likelihood)))
"""


def test_without_a_compiler_the_fit_is_the_same():
    """NUMBA_DISABLE_JIT, which people set to debug other code: the explicit way, no traceback."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3)) + 4 * rng.integers(0, 2, size=(120, 1))
    found = [float(line) for line in run(["-c", FIT], NUMBA_DISABLE_JIT="1").splitlines()]
    for family, height in zip(("gaussian_mixture", "kmeans"), found, strict=True):
        ours = eb.fit(family, X, n_components=2, n_starts=1, record=False).log_likelihood
        assert height == pytest.approx(ours, rel=1e-12)


def doubled(x):
    return 2 * x


def test_where_nothing_can_be_written_a_process_compiles_for_itself(monkeypatch):
    """Bug: numba refuses to make a cached function where no directory is writable, and nothing could be imported."""

    def none(self, function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(KernelCache, "__init__", none)
    assert kernel(set())(doubled)(3.0) == 6


def test_a_full_disk_is_no_error(monkeypatch):
    made = kernel(set())(doubled)

    def full(self, sig, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiling.FunctionCache, "save_overload", full)
    assert made(3) == 6


def test_code_compiled_with_other_kernels_is_not_found(tmp_path, monkeypatch):
    """Bug: numba asks for changes of a kernel's own file only, and ran what it had compiled with an older `share`."""
    monkeypatch.setattr(compiling.FunctionCache, "_index_key", lambda self, sig, codegen: (sig,))
    cache = KernelCache.__new__(KernelCache)
    before = cache._index_key("signature", None)
    assert before == cache._index_key("signature", None)
    monkeypatch.setattr(compiling, "SOURCES", "of tomorrow")
    assert before != cache._index_key("signature", None)


ENDING = """
import threading, time
import numpy as np
from emvsbayes.core.threads import using_threads
from emvsbayes.densities.kernels import rows
rows.PART = 1.0

def late():
    time.sleep(0.3)  # the main thread has come to its end
    with using_threads(3):
        height, (total,) = rows.summed(lambda a, b, out: float(b - a), 5000, 1.0, lambda: (np.zeros(1),))
    print(height)

threading.Thread(target=late).start()
"""


def test_a_thread_that_outlives_the_program_ends_its_fit():
    """Bug: RuntimeError, cannot schedule new futures after shutdown."""
    assert run(["-c", ENDING]) == "5000.0"


def test_rows_in_memory_maps_are_fitted(tmp_path):
    X = blobs().astype(np.float32)
    np.save(tmp_path / "rows.npy", X)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    call = {"n_components": 2, "n_starts": 1, "record": False}
    one, other = (eb.fit("gaussian_mixture", rows, **call).params for rows in (mapped, X))
    assert_close(one, other, rtol=0, atol=0)


def test_a_c_function_is_kept_until_anything_that_it_may_call_is_changed(tmp_path, monkeypatch):
    """Bug: the functions that a sampler calls by address were read from disk after a change in a kernel they call."""
    from numba import config, types

    from emvsbayes.densities.kernels.compiling import c_function

    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    signature = types.float64(types.float64)
    first, again = c_function(signature, doubled), c_function(signature, doubled)
    assert (first._cache_hits, again._cache_hits) == (0, 1)
    assert again.ctypes(1.5) == 3
    monkeypatch.setattr(compiling, "SOURCES", "of tomorrow")
    assert c_function(signature, doubled)._cache_hits == 0
    covered = {path.relative_to(compiling.PACKAGE).as_posix() for path in compiling.PACKAGE.glob("**/*.py")}
    assert {"rate_targets.py", "kernels/calls.py", "kernels/gaussian.py"} <= covered


def test_a_c_function_needs_no_place_to_be_kept(monkeypatch):
    """Bug: nothing was sampled where no directory is writable."""
    from numba import types

    from emvsbayes.densities.kernels.compiling import c_function

    def none(self, function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(KernelCache, "__init__", none)
    assert c_function(types.float64(types.float64), doubled).ctypes(2.0) == 4
