"""What cannot be read a chunk at a time, in one sentence that names the row, the column or the block."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cases import blobs

import emvsbayes as eb
from emvsbayes.sources.opening import as_reader, by_chunks

START = {"means": [[0.0, 0.0], [2.0, 1.0]]}


def fitted(X, family="gaussian_mixture", chunk=10, **more):
    return eb.fit(family, X, n_components=2, chunk=chunk, **{"n_starts": 1, **more})


def saved(X, folder, name="rows.npy"):
    np.save(folder / name, X)
    return folder / name


class AfterTheFirst:
    """Does something when the first pass over the rows is over."""

    def __init__(self, action):
        self.action = action

    def rows(self, n): ...

    def passed(self, passes, objective): ...

    def begins(self, name):
        self.action()


@pytest.mark.parametrize("chunk", [10, 1000])
def test_a_value_that_is_none_is_named_by_its_row(chunk, tmp_path):
    X = blobs(n=500)
    X[374, 1] = np.nan  # with chunks of 10, in the one of number 37
    message = r"a value is missing \(NaN\) at row 374 \(counted from 0\), column 'x1'"
    with pytest.raises(eb.InputError, match=message):
        fitted(saved(X, tmp_path), chunk=chunk)
    X[374, 1] = -np.inf
    pq.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), tmp_path / "rows.parquet")
    with pytest.raises(eb.InputError, match=r"a value is infinite at row 374 \(counted from 0\), column 'b'"):
        fitted(tmp_path / "rows.parquet", chunk=chunk)


def test_other_families_name_the_row_too(tmp_path):
    X = np.tile([0.0, 1.0, 1.0], (100, 1))
    X[61, 2] = 7
    with pytest.raises(eb.InputError, match=r"row 61, column 'x2' has 7"):
        fitted(saved(X, tmp_path), "bernoulli_mixture")
    X[61] = np.nan
    with pytest.raises(eb.InputError, match="row 61 has no observed entry"):
        fitted(saved(X, tmp_path), "bernoulli_mixture")
    counts = np.tile([3.0, 8.0], (100, 1))
    counts[52] = [9, 8]
    with pytest.raises(eb.InputError, match="row 52 has 9 heads of 8 tosses"):
        fitted(saved(counts, tmp_path), "coins")
    weights = np.ones(100)
    weights[33] = -2
    with pytest.raises(eb.InputError, match="sample_weight must not be negative; row 33 has -2"):
        fitted(saved(blobs(n=100), tmp_path), sample_weight=weights)
    weights[33] = np.nan
    with pytest.raises(eb.InputError, match=r"sample_weight is nan at position \(33,\)"):
        fitted(saved(blobs(n=100), tmp_path), sample_weight=weights)


def test_a_chunk_may_weigh_nothing_but_not_all(tmp_path):
    path, weights = saved(blobs(n=100), tmp_path), np.ones(100)
    weights[20:45] = 0
    here = eb.fit("gaussian_mixture", blobs(n=100), n_components=2, start=START, sample_weight=weights)
    there = fitted(path, start=START, sample_weight=weights)
    assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-10)
    with pytest.raises(eb.InputError, match="sample_weight is zero in every row"):
        fitted(path, sample_weight=np.zeros(100))


def test_rows_must_stay_as_they_are(tmp_path):
    path = saved(blobs(n=100), tmp_path)
    with pytest.raises(eb.InputError, match=r"rows.npy was changed while it was being fitted"):
        fitted(path, progress=AfterTheFirst(lambda: saved(blobs(n=90), tmp_path)))
    saved(blobs(n=100), tmp_path)
    with pytest.raises(eb.InputError, match=r"rows.npy does not exist any more"):
        fitted(path, progress=AfterTheFirst(path.unlink))
    lengths = iter([100, 100, 80, 80])  # the look at the first block, the survey, the first pass

    def blocks():
        yield blobs(n=100)[: next(lengths)]

    with pytest.raises(eb.InputError, match=r"blocks\(\) brought 100 rows in the first pass and 80 in a later"):
        fitted(blocks)


def test_a_file_that_ends_early(tmp_path):
    path = saved(blobs(n=100), tmp_path)
    path.write_bytes(path.read_bytes()[:-200])  # 12.5 rows of two columns
    with pytest.raises(
        eb.InputError, match=r"is not whole: its header tells of 200 numbers, and 175 are there; write it again"
    ):
        fitted(path)
    np.save(path, np.asfortranarray(blobs(n=100)))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(eb.InputError, match=r"tells of 200 numbers, and 199 are there"):
        fitted(path)
    np.save(path, blobs(n=100))
    reader = as_reader(path)
    with path.open("r+b") as file:
        file.truncate(1000)
    short = replace(reader, stamp=(1000, path.stat().st_mtime_ns))  # as if it had been cut in mid-pass
    with pytest.raises(eb.InputError, match=r"rows.npy ends at row 54, and its header says 100; write it again"):
        list(short.blocks(10))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (np.ones((5, 3)), r"block 1 of blocks\(\) has x0, x1, x2, and the first has x0, x1"),
        ([[1.0, 2.0], [3.0]], r"block 1 of blocks\(\) must be a rectangular array"),
        ({"x0": [1.0, 2.0], "y": [1.0, 3.0]}, r"block 1 of blocks\(\) has x0, y, and the first has x0, x1"),
        (np.array([["a", "b"]]), r"column 'x0' of block 1 of blocks\(\) holds text"),
        (np.ones((2, 2, 2)), r"an array came of shape \(2, 2, 2\)"),
        (np.ones((2, 2), dtype=complex), "holds complex numbers"),
        (7, r"block 1 of blocks\(\) must be an array, a DataFrame or a mapping of columns; it is of type int"),
        ("nowhere.npy", r"nowhere.npy does not exist or is not a file"),
        (None, r"block 1 of blocks\(\) must be an array, .*; it is of type NoneType"),
    ],
)
def test_blocks_must_be_alike(second, message):
    def blocks():
        yield blobs(n=50)
        yield second

    with pytest.raises(eb.InputError, match=message):
        fitted(blocks)


def test_blocks_of_nothing():
    with pytest.raises(eb.InputError, match="brought no rows; give at least one row"):
        fitted(lambda: iter([np.empty((0, 2)), np.empty((0, 2))]))
    with pytest.raises(eb.InputError, match="brought no rows"):
        fitted(lambda: iter(()))


def test_a_first_block_that_is_none():
    with pytest.raises(eb.InputError, match="the first block of the function must be a rectangular array"):
        fitted(lambda: iter([[[1.0, 2.0], [3.0]]]))

    def part(number):
        yield blobs()

    with pytest.raises(eb.InputError, match=r"part\(\) needs arguments; give a function without any, such as lambda"):
        fitted(part)


def test_what_turns_into_an_array_is_a_block():
    class Tensor:
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.values, dtype=dtype)

    X = blobs(n=100)
    whole = eb.fit("gaussian_mixture", X, n_components=2, start=START, record=False)
    for kind in (Tensor, np.ndarray.tolist, np.asfortranarray):
        found = fitted(lambda kind=kind: iter([kind(X[:30]), kind(X[30:])]), start=START)
        assert found.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-10)


def test_masked_entries_are_missing():
    """They are of no value, whatever lies under the mask."""
    X = np.ma.masked_array(blobs(n=100), np.zeros((100, 2)))
    X[[37, 80], [1, 0]] = np.ma.masked
    with pytest.raises(eb.InputError, match=r"is missing \(NaN\) at row 37 \(counted from 0\), column 'x1'"):
        fitted(lambda: iter([X]))
    B = np.ma.masked_array((blobs(n=100) > 1).astype(float), X.mask)
    there = eb.fit("bernoulli_mixture", lambda: iter([B]), n_components=1, chunk=20)
    np.testing.assert_allclose(there.params.probs[0], B.mean(axis=0), rtol=1e-12)


def test_what_can_be_read_only_once():
    message = r"used up after one pass.*a function that returns a new iterator.*emvsbayes.Stream with partial_fit"
    with pytest.raises(eb.InputError, match=message):
        fitted(blobs(n=50) for _ in range(2))
    used = (blobs(n=50) for _ in range(2))
    with pytest.raises(eb.InputError, match=message):
        fitted(lambda: used)
    with pytest.raises(eb.InputError, match="it returned a value of type ndarray"):
        fitted(lambda: blobs(n=50))
    with pytest.raises(eb.InputError, match="it returned a value of type NoneType"):
        fitted(lambda: None)


def test_chunks_of_impossible_sizes(tmp_path):
    path = saved(blobs(n=100), tmp_path)
    for chunk in (0, -5, 2.5, "many"):
        with pytest.raises(eb.InputError, match="chunk must be a whole number >= 1"):
            fitted(path, chunk=chunk)
    one = fitted(path, chunk=10**9, start=START)
    assert one.log_likelihood == pytest.approx(fitted(path, chunk=1, start=START).log_likelihood, rel=1e-10)


def test_schedules_that_a_chunk_is_not(tmp_path):
    path = saved(blobs(n=100), tmp_path)
    with pytest.raises(eb.InputError, match=r"leave the schedule 'incremental:5' out"):
        fitted(path, schedule="incremental:5")
    with pytest.raises(eb.InputError, match=r"leave the schedule 'batch' out"):
        fitted(lambda: iter([blobs()]), chunk=None, schedule="batch")
    with pytest.raises(eb.InputError, match=r"leave the schedule 'chunked:20' out"):
        fitted(path, chunk=10, schedule="chunked:20")
    with pytest.raises(eb.InputError, match="the number of rows of a chunk must be a whole number"):
        fitted(lambda: iter([blobs()]), chunk=None, schedule="chunked:no")
    assert fitted(lambda: iter([blobs()]), chunk=None, schedule="chunked:20").chunks.rows == 20
    with pytest.raises(eb.InputError, match="a q that is drawn is drawn for all rows at once"):
        fitted(path, e_step="stochastic")


def test_models_whose_rows_do_not_come_apart(tmp_path):
    path = saved(blobs(n=100), tmp_path)
    with pytest.raises(eb.InputError, match="linear_evidence cannot be fitted a chunk at a time"):
        eb.fit("linear_evidence", path, chunk=10)
    with pytest.raises(eb.InputError, match=r"kmeans takes its rows one by one.*use the method batch"):
        fitted(path, "kmeans", settings={"method": "online"})
    with pytest.raises(eb.InputError, match=r"kmeans cannot be fitted a chunk at a time|takes its rows one by one"):
        fitted(path, "kmeans", settings={"method": "medoids"})


def test_checks_are_of_all_rows(tmp_path):
    X = blobs(n=100)
    with pytest.raises(eb.InputError, match=r"labels go up to 4, but 2 components"):
        fitted(saved(X, tmp_path), labels=np.r_[np.full(99, -1), 4])
    with pytest.raises(eb.InputError, match=r"column 'x0' is constant \(3\)"):
        fitted(saved(np.c_[np.full(100, 3.0), X], tmp_path))
    with pytest.raises(eb.InputError, match="linearly dependent"):
        fitted(saved(np.c_[X, X[:, 0] - X[:, 1]], tmp_path))
    few = np.zeros(50_000)
    few[31_234] = 1.0  # one row differs, and chances are that the sample does not have it
    problem = eb.fit("gaussian_mixture", saved(np.c_[few, blobs(n=50_000)], tmp_path), n_components=1, chunk=20_000)
    assert problem.params.means[0, 0] == pytest.approx(1 / 50_000)


def test_labels_and_weights_of_other_lengths(tmp_path):
    path = saved(blobs(n=100), tmp_path)
    with pytest.raises(eb.InputError, match=r"labels has 95 entries, and .*rows.npy has more rows"):
        fitted(path, labels=np.zeros(95))
    with pytest.raises(eb.InputError, match=r"sample_weight has 120 entries, and .*rows.npy has 100 rows"):
        fitted(path, sample_weight=np.ones(120))
    with pytest.raises(eb.InputError, match=r"unknown column of .*rows.npy: 'nothing'"):
        fitted(path, labels="nothing")
    with pytest.raises(
        eb.InputError, match=r"sample_weight must have shape \(N,\), one entry a row; it has shape \(\)"
    ):
        fitted(path, sample_weight=2.0)


def test_files_that_are_none_of_these(tmp_path):
    with pytest.raises(eb.InputError, match="does not exist or is not a file"):
        fitted(tmp_path / "nowhere.npy")
    (tmp_path / "text.npy").write_text("no numbers")
    with pytest.raises(eb.InputError, match=r"cannot be read as \.npy"):
        fitted(tmp_path / "text.npy")
    np.savez(tmp_path / "rows.npz", X=blobs())
    with pytest.raises(eb.InputError, match=r"cannot be read a chunk at a time; convert it to .npy, .parquet or .csv"):
        fitted(tmp_path / "rows.npz")
    np.save(tmp_path / "cube.npy", np.ones((2, 3, 4)))
    with pytest.raises(eb.InputError, match=r"must hold an array \(N,\) or \(N, D\).*shape \(2, 3, 4\)"):
        fitted(tmp_path / "cube.npy")
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    with pytest.raises(eb.InputError, match="of real numbers; it has the type <U1"):
        fitted(tmp_path / "words.npy")
    (tmp_path / "text.parquet").write_text("no parquet at all")
    with pytest.raises(eb.InputError, match=r"cannot be read as \.parquet"):
        fitted(tmp_path / "text.parquet")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(eb.InputError, match="is empty; give a file"):
        fitted(tmp_path / "empty.csv")
    (tmp_path / "header.csv").write_text("a,b\n")
    with pytest.raises(eb.InputError, match="has a header but no rows"):
        fitted(tmp_path / "header.csv")
    (tmp_path / "parts.parquet").mkdir()
    for chunk in (10, None):
        with pytest.raises(
            eb.InputError, match=r"parts.parquet is a folder, not a file; give one file, or .*dask.dataframe.read_pa"
        ):
            fitted(tmp_path / "parts.parquet", chunk=chunk)


def test_columns_that_hold_no_numbers(tmp_path):
    rows = "".join(f"{i},{i * i % 7},word\n" for i in range(50))
    (tmp_path / "rows.csv").write_text("a,b,c\n" + rows)
    with pytest.raises(
        eb.InputError, match=r"column 'c' of .*rows.csv holds text \('word' at row 0\); name the numeric"
    ):
        fitted(tmp_path / "rows.csv")
    table = pa.table({"a": np.arange(50.0), "lists": [[1.0, 2.0]] * 50})
    pq.write_table(table, tmp_path / "lists.parquet")
    with pytest.raises(eb.InputError, match=r"column 'lists' of .*lists.parquet holds text"):
        fitted(tmp_path / "lists.parquet")
    pq.write_table(pa.Table.from_arrays([np.arange(5.0), np.arange(5.0)], ["a", "a"]), tmp_path / "twice.parquet")
    with pytest.raises(eb.InputError, match=r"twice.parquet has two columns of the same name; rename one"):
        fitted(tmp_path / "twice.parquet")


def test_a_parquet_file_that_is_damaged(tmp_path):
    path = tmp_path / "rows.parquet"
    X = np.random.default_rng(0).normal(size=(5000, 2))
    pq.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), path, row_group_size=1000, compression="zstd")
    content = bytearray(path.read_bytes())
    content[20_000:30_000] = bytes(10_000)
    path.write_bytes(content)
    with pytest.raises(eb.InputError, match=r"rows.parquet cannot be read from row \d+ on: .*leave the column out"):
        fitted(path, chunk=500)


def test_small_data_are_read_whole_unless_asked(tmp_path):
    path = saved(blobs(n=100), tmp_path)
    assert not by_chunks(path, None)
    assert by_chunks(path, 10)
    assert by_chunks(str(path), 10)
    assert not by_chunks(np.load(path, mmap_mode="r"), None)
    assert not by_chunks([[1.0, 2.0]], None)
    assert not by_chunks(range(5), None)
    assert eb.fit("gaussian_mixture", path, n_components=2, n_starts=1).chunks is None
    here = eb.fit("gaussian_mixture", blobs(n=100), n_components=2, n_starts=1, chunk=30)
    assert (here.chunks, here.plan.schedule) == (None, "chunked:30")
