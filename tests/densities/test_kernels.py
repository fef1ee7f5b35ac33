"""The pieces of the compiled passes: elementary functions, tables of bits, factors of small matrices, parts of rows."""

import os
import subprocess
import sys
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from emvsbayes.core.errors import InputError
from emvsbayes.core.threads import using_threads
from emvsbayes.densities import passes
from emvsbayes.densities.kernels import bernoulli, factors, nearest, rows, tallies
from emvsbayes.densities.kernels.elementary import compiled, exp, log


@compiled
def each_exp(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])


@compiled
def each_log(x, out):
    for i in range(x.size):
        out[i] = log(x[i])


WIDE = np.finfo(np.longdouble).nmant > np.finfo(float).nmant  # where it is not, NumPy's own rounding is in the way


def units(ours, function, x):
    """The distance from a function of x in units in the last place."""
    exact = function(x.astype(np.longdouble))
    return (np.abs(ours - exact) / np.spacing(np.abs(exact).astype(float))).astype(float)


def test_exp_to_the_last_place():
    rng = np.random.default_rng(0)
    x = np.r_[
        -rng.uniform(0, 708, 200_000), -(10.0 ** rng.uniform(-300, 0, 1000)), 0.0, -708.0, rng.uniform(0, 709, 1000)
    ]
    found = np.empty_like(x)
    each_exp(x, found)
    assert units(found, np.exp, x).max() <= (1.1 if WIDE else 2)  # without its last term 2.4
    assert found[x == 0] == 1


def test_exp_of_what_underflows_is_zero():
    x, found = np.array([-np.inf, -1e300, -1e9, -746.0, -708.1]), np.ones(5)
    each_exp(x, found)
    assert (found == 0).all()
    x = np.array([np.nan])
    each_exp(x, x)
    assert np.isnan(x[0]) or x[0] == 0  # no row gets that far: see `share`


def test_log_to_the_last_places():
    rng = np.random.default_rng(1)
    x = np.r_[
        1 + rng.uniform(0, 99, 200_000), 1 + 10.0 ** rng.uniform(-16, 0, 10_000), 10.0 ** rng.uniform(-300, 300, 9000)
    ]
    found = np.empty_like(x)
    each_log(x, found)
    assert units(found, np.log, x)[np.log(x) != 0].max() <= (2.1 if WIDE else 3)
    one = np.ones(1)
    each_log(one, one)
    assert one[0] == 0


def in_bytes(bits):
    """Bits (N, D) as byte columns, a multiple of four."""
    found = np.zeros((-(-bits.shape[1] // 32) * 4, len(bits)), dtype=np.uint8)
    packed = np.packbits(bits, axis=1, bitorder="little").T
    found[: len(packed)] = packed
    return found


@pytest.mark.parametrize("d", [1, 4, 7, 8, 9, 16, 30])
def test_tables_against_sums_written_out(d):
    rng, k, n = np.random.default_rng(d), 3, 40
    bits = rng.random((n, d)) < 0.5
    bytes_ = in_bytes(bits)
    set_logs, unset_logs = rng.normal(size=(k, d)), rng.normal(size=(k, d))
    set_logs[0, 0] = -np.inf
    table = bernoulli.tables(set_logs, unset_logs, len(bytes_))
    sums = np.zeros((n, table.shape[2]))
    bernoulli.look_up(bytes_, 0, n, table, sums)
    expected = np.where(bits[:, None, :], set_logs, unset_logs).sum(axis=2)
    np.testing.assert_allclose(sums[:, :k], expected, rtol=1e-12, atol=1e-12)
    assert (sums[:, k:] == 0).all()


def tallied(way, bits, masses, both=True, block=64):
    """Ones and zeros (K, D) of masses (N, K), a block of rows after the other."""
    opened, tally, read_off = way
    (n, d), k, bytes_ = bits.shape, masses.shape[1], in_bytes(bits)
    kept, ones, zeros = opened(len(bytes_), k), np.zeros((k, d)), np.zeros((k if both else 0, d))
    for at in range(0, n, block):
        size = min(block, n - at)
        joint = np.zeros((tallies.rows_of_masses(k), block))
        joint[:k, :size] = masses[at : at + size].T
        tally(bytes_, at, size, joint, joint.sum(axis=1), both, kept)
    read_off(kept, ones, zeros)
    return ones, zeros


WAYS = {"masks": tallies.MASKED, "buckets": tallies.BUCKETS}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("k", [1, 5, 6, 17])
@pytest.mark.parametrize("d", [1, 7, 8, 9, 16, 33])
def test_tallies_against_sums_written_out(way, k, d):
    """Each count to its own digits, whatever its size beside the others; both ways, whichever this processor takes."""
    rng, n = np.random.default_rng(d), 150
    bits = rng.random((n, d)) < rng.choice([0.01, 0.5, 0.99], size=d)
    masses = rng.dirichlet(np.full(k, 0.1), n) * 10.0 ** rng.integers(-12, 3, size=(n, 1))
    ones, zeros = tallied(WAYS[way], bits, masses)
    np.testing.assert_allclose(ones, masses.T @ bits, rtol=3e-13)
    np.testing.assert_allclose(zeros, masses.T @ ~bits, rtol=3e-13)
    alone, nothing = tallied(WAYS[way], bits, masses, both=False)
    assert np.array_equal(alone, ones)
    assert nothing.size == 0


@pytest.mark.parametrize(("features", "expected"), [("+avx2,+fma", "BUCKETS"), ("+avx512f,+avx512dq", "MASKED")])
def test_rows_are_counted_as_suits_the_processor_that_code_is_compiled_for(features, expected):
    """Bug: the choice was that of this processor, whatever numba was told to compile for, and is told in its key."""
    asked = (
        "from emvsbayes.densities.kernels import tallies as t; from emvsbayes.densities.kernels.tallies import opened;"
        f"assert (t.opened, t.tally, t.read_off) == t.{expected};"
        "key = t.tally._cache._index_key((), t.processor_has.__globals__['cpu_target'].target_context.codegen());"
        f"assert {features!r} in key[1]"
    )
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features}
    subprocess.run([sys.executable, "-c", asked], env=environment, check=True)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda ones, zeros: (ones[:, :-1].copy(), zeros),
        lambda ones, zeros: (ones[:3].copy(), zeros),
        lambda ones, zeros: (ones.repeat(2, axis=1)[:, ::2], zeros),
        lambda ones, zeros: (ones.astype(np.int64), zeros),
        lambda ones, zeros: (ones, zeros[:2].copy()),
    ],
)
def test_bits_that_are_not_of_these_rows_are_refused(spoilt):
    """Bug: a kernel read whatever lay behind an array of bits that was too short for its rows."""
    X = (np.random.default_rng(0).random((20, 9)) < 0.5).astype(float)
    ones, zeros = in_bytes(X == 1), in_bytes(X == 0)
    logs = np.log(np.full((2, 9), 0.5))
    call = (np.ones(20), None, np.zeros(2), logs, logs)
    whole, found = (passes.bernoulli_pass(X, bits, *call) for bits in ((ones, zeros), (ones, zeros[:0])))
    assert whole is not None
    assert found is not None
    np.testing.assert_allclose(whole[2], found[2])
    with pytest.raises(InputError, match=r"bits of 20 rows and 9 entries are .*shape \(4, 20\)"):
        passes.bernoulli_pass(X, spoilt(ones, zeros), *call)


@pytest.mark.parametrize("way", WAYS)
def test_tallies_of_nothing_are_nothing_and_small_ones_keep_their_digits(way):
    n = 200
    bits = np.ones((n, 9), dtype=bool)
    bits[:, 8] = False
    masses = np.random.default_rng(0).dirichlet(np.ones(3), n)
    bits[77, 0], masses[77] = False, 1e-20
    ones, zeros = tallied(WAYS[way], bits, masses)
    assert (zeros[:, 1:8] == 0).all()
    assert (ones[:, 8] == 0).all()
    assert (zeros[:, 0] == 1e-20).all()


@pytest.mark.parametrize("way", WAYS)
def test_a_count_is_small_beside_the_sum_of_its_own_component(way):
    """The first component's, ten times as large, has as many ones as zeros in every column."""
    rng, n = np.random.default_rng(0), 200
    bits = rng.random((n, 8)) < 0.5
    masses = np.stack([np.full(n, 10.0), np.where(bits[:, 3], rng.random(n), 1e-20)], axis=1)
    zeros = tallied(WAYS[way], bits, masses)[1]
    np.testing.assert_allclose(zeros[1, 3], 1e-20 * (~bits[:, 3]).sum(), rtol=1e-13)


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_factors_of_small_matrices(d):
    rng = np.random.default_rng(d)
    A = rng.normal(size=(4, d, d + 2))
    covariances = A @ np.swapaxes(A, 1, 2)
    inverses, log_det = np.full_like(covariances, np.nan), np.empty(4)
    assert factors.whitening(covariances, inverses, log_det)
    np.testing.assert_allclose(
        inverses @ covariances @ np.swapaxes(inverses, 1, 2), np.tile(np.eye(d), (4, 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(log_det, np.linalg.slogdet(covariances).logabsdet, rtol=1e-11)
    assert (np.triu(inverses, 1) == 0).all()

    frame = rng.normal(size=(d, d))
    smallest = np.linalg.eigvalsh(frame @ covariances @ frame.T).min()
    assert factors.all_above(covariances, frame, smallest * (1 - 1e-6))
    assert not factors.all_above(covariances, frame, smallest * (1 + 1e-6))
    covariances[2] = -np.eye(d)
    assert not factors.whitening(covariances, inverses, log_det)
    covariances[2] = np.nan
    assert not factors.whitening(covariances, inverses, log_det)
    assert not factors.all_above(covariances, frame, 0.0)


def test_moved_moments_are_those_about_the_other_origin():
    rng = np.random.default_rng(0)
    x, m, o, p = rng.normal(size=(30, 3)), rng.random((30, 2)), rng.normal(size=(2, 3)), rng.normal(size=(2, 3))

    def about(origin):
        y = x[None] - origin[:, None]
        return m.sum(axis=0), np.einsum("nk,kni->ki", m, y), np.einsum("nk,kni,knj->kij", m, y, y)

    n, first, second = about(o)
    moved = factors.moved_second_moment(second, first, n, p - o)
    np.testing.assert_allclose(moved, about(p)[2], rtol=1e-12)
    assert np.array_equal(moved, np.swapaxes(moved, 1, 2))


def test_the_nearest_and_the_second_nearest():
    rng = np.random.default_rng(0)
    X, centers = np.round(rng.normal(size=(50, 3)), 1), np.round(rng.normal(size=(6, 3)), 1)
    columns, scratch = np.zeros((8, 50)), np.empty((4, 50))
    columns[:3] = X.T
    nearest.search(columns, nearest.padded(centers, 8), 50, scratch)
    distances = ((X[:, None] - centers) ** 2).sum(axis=2)
    np.testing.assert_allclose(scratch[1:3].T, np.sort(distances, axis=1)[:, :2], rtol=1e-12, atol=1e-15)
    found = distances[np.arange(50), scratch[0].astype(int)]
    np.testing.assert_allclose(found, distances.min(axis=1), rtol=1e-12)
    gaps = np.sqrt(((centers[:, None] - centers) ** 2).sum(axis=2)) + np.diag(np.full(6, np.inf))
    np.testing.assert_allclose(nearest.half_gaps(centers), gaps.min(axis=1) / 2)
    assert nearest.half_gaps(centers[:1])[0] == np.inf


@pytest.mark.parametrize(("n", "cost"), [(1, 5.0), (511, 1e9), (100_000, 10.0), (100_001, 1e4), (10**7, 1.0)])
def test_parts_cover_the_rows_in_order(n, cost):
    found = rows.parts(n, cost)
    assert found[0][0] == 0
    assert found[-1][1] == n
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert len(found) <= rows.MOST_PARTS
    assert all(start % rows.EVEN == 0 for start, _ in found)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_parts_are_added_up_in_their_order(number, monkeypatch):
    monkeypatch.setattr(rows, "PART", 1000.0)
    x = np.random.default_rng(0).normal(size=9000) * 10.0 ** np.random.default_rng(1).uniform(-8, 8, 9000)

    def sweep(start, stop, total):
        total += x[start:stop].sum()
        return float(stop - start)

    with using_threads(number):
        height, (total,) = rows.summed(sweep, 9000, 1.0, lambda: (np.zeros(1),))
    expected = 0.0
    for start, stop in rows.parts(9000, 1.0):
        expected += x[start:stop].sum()
    assert (height, total[0]) == (9000.0, expected)


def test_an_error_in_a_thread_is_an_error(monkeypatch):
    monkeypatch.setattr(rows, "PART", 1.0)

    def sweep(start, stop, total):
        if start > 1000:
            raise np.linalg.LinAlgError("there")
        return 0.0

    with using_threads(2), pytest.raises(np.linalg.LinAlgError, match="there"):
        rows.summed(sweep, 5000, 1.0, lambda: (np.zeros(1),))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_nobody_is_still_writing(error, monkeypatch):
    """Bug: the other threads went on, with the arrays and bounds of a caller who had moved on."""
    monkeypatch.setattr(rows, "PART", 1.0)
    here, at_work, ended = threading.get_ident(), threading.Event(), []

    def sweep(start, stop, total):
        if threading.get_ident() == here:
            at_work.wait(10)
            raise error
        at_work.set()
        time.sleep(0.05)
        ended.append(start)
        return 0.0

    with using_threads(2), pytest.raises(error):
        rows.summed(sweep, 1024, 1.0, lambda: (np.zeros(1),))
    assert ended == [512]


def test_the_code_of_a_point_says_what_is_not_finite():
    """0, 3 for a gradient, 4 for a value: where the value is finite and a slope is not, a sampler must not go on."""
    from emvsbayes.densities.kernels.calls import outcome

    fine, slope = np.zeros(3), np.array([0.0, np.inf, 1.0])
    assert outcome(1.0, fine) == 0
    assert outcome(1.0, slope) == 3
    assert outcome(np.nan, fine) == 4
    assert outcome(-np.inf, np.full(3, np.nan)) == 3
