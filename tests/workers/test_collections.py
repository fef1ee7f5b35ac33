"""Dask arrays and DataFrames, computed by Dask's local schedulers: the fit of the same rows in memory."""

import subprocess
import sys

import dask
import dask.array as da
import dask.bag as bag
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from cases import CASES, assert_close, assert_identical, blobs, starting

import emvsbayes as eb
from emvsbayes.workers import clients
from emvsbayes.workers.reader import dask_rows

NAMES = [
    "coins-weighted-ml",
    "coins-labelled-map",
    "coins-fixed-weights-map",
    "bernoulli_mixture-missing-ml",
    "bernoulli_mixture-grey-map",
    "bernoulli_mixture-labelled-map",
    "kmeans-weighted-ml",
    "kmeans-labelled-map",
    "gaussian_mixture-full-labelled-weighted",
    "gaussian_mixture-full-default",
    "gaussian_mixture-tied-offset-ml",
    "gaussian_mixture-diag-ml",
    "gaussian_mixture-VVE-three-columns-ml",
]
EIGHT = {"tol": 0, "max_passes": 8}


def rows_of(case):
    """The rows of a case as an array (N, D)."""
    X = np.column_stack(list(case.X.values())) if isinstance(case.X, dict) else np.asarray(case.X)
    return X[:, None] if X.ndim == 1 else X


def fitted(case, X, labels=None, sample_weight=None, **more):
    call = {"n_components": case.k, "settings": case.settings, "fixed": case.fixed, "prior": case.prior, "stop": EIGHT}
    call |= {"labels": labels, "sample_weight": sample_weight, "start": starting(case.name), **more}
    return eb.fit(case.family, X, **call)


def lazy(array):
    return None if array is None else da.from_array(np.asarray(array), chunks=17)


@pytest.fixture(autouse=True)
def _here():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.mark.parametrize("name", NAMES)
def test_the_fit_is_that_in_memory(name):
    """Rows in chunks of another size than labels and weights, and columns in chunks of their own."""
    case = CASES[name]
    X = rows_of(case)
    memory = fitted(case, case.X, case.labels, case.sample_weight, record=False)
    chunks = (11, 1)  # the columns of a row in several chunks
    found = fitted(case, da.from_array(X, chunks=chunks), lazy(case.labels), lazy(case.sample_weight))
    assert found.log_likelihood == pytest.approx(memory.log_likelihood, rel=1e-10)
    assert_close(found.params, memory.params, rtol=1e-10, atol=1e-10)
    assert (found.status, found.passes, found.total_weight) == (memory.status, memory.passes, memory.total_weight)
    assert found.trace.half_steps == ()
    assert found.certainty == (None if memory.certainty is None else pytest.approx(memory.certainty, rel=1e-10))


@pytest.mark.parametrize("name", ["gaussian_mixture-full-labelled-weighted", "bernoulli_mixture-missing-ml"])
def test_a_trace_is_that_in_memory(name):
    case = CASES[name]
    memory = fitted(case, case.X, case.labels, case.sample_weight, record=True)
    found = fitted(case, lazy(rows_of(case)), case.labels, case.sample_weight, record=True)
    for field in ("elbo", "kl", "log_likelihood"):
        ours, theirs = ([getattr(step, field) for step in fit.trace] for fit in (found, memory))
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_who_computes_changes_no_bit(scheduler):
    X = blobs(n=4000, k=3)
    here = eb.fit("gaussian_mixture", da.from_array(X, chunks=(700, 2)), n_components=3, chunk=300, n_starts="4:1")
    with dask.config.set(scheduler=scheduler):
        found = eb.fit("gaussian_mixture", da.from_array(X, chunks=(700, 2)), n_components=3, chunk=300, n_starts="4:1")
    assert_identical(here.params, found.params)
    assert here.log_likelihood == found.log_likelihood
    assert "4,000 rows of the dask array, read at most 300 at a time" in found.summary()


def test_single_precision_stays_single():
    X = blobs(n=400).astype(np.float32)
    kinds = set()
    for block in dask_rows(da.from_array(X, chunks=(150, 2))).blocks(100):
        kinds.add(block.table.numbers(single=True).dtype)
    assert kinds == {np.dtype(np.float32)}
    start = {"means": X[:2].astype(float)}
    memory = eb.fit("gaussian_mixture", X, n_components=2, start=start, stop=EIGHT, record=False)
    found = eb.fit("gaussian_mixture", da.from_array(X, chunks=(150, 2)), n_components=2, start=start, stop=EIGHT)
    assert_close(found.params, memory.params, rtol=1e-9, atol=1e-9)


def frame(X, npartitions=4, **more):
    columns = {"a": X[:, 0], "b": X[:, 1], **more}
    return dd.from_pandas(pd.DataFrame(columns), npartitions=npartitions)


def test_a_frame_with_labels_and_weights_in_columns():
    X = blobs(n=200)
    known = np.where(np.arange(200) % 5 == 0, np.arange(200) % 2, np.nan)
    weights = 1.0 + np.arange(200) % 3
    call = {"n_components": 2, "n_starts": 3, "seed": 1, "stop": EIGHT}
    memory = eb.fit(
        "gaussian_mixture", X, labels=np.where(np.isnan(known), -1, known), sample_weight=weights, record=False, **call
    )
    with_columns = frame(X, known=known, w=weights)
    by_name = eb.fit("gaussian_mixture", with_columns, labels="known", sample_weight="w", **call)
    beside = eb.fit(
        "gaussian_mixture",
        with_columns[["a", "b"]],
        labels=with_columns["known"].fillna(-1),
        sample_weight=weights,
        **call,
    )
    assert by_name.columns == ("a", "b")
    for found in (by_name, beside):
        assert_close(found.params, memory.params, rtol=1e-8, atol=1e-8)
    assert_identical(by_name.params, beside.params)


def test_unknown_lengths_and_empty_partitions():
    X = blobs(n=200)
    whole = frame(X, npartitions=10)
    some = whole[whole["a"] > np.sort(X[:, 0])[100]]  # nobody knows how many rows, and some partitions may have none
    nothing = dd.concat([some, whole[whole["a"] > 1e9], some])
    kept = X[X[:, 0] > np.sort(X[:, 0])[100]]
    start = {"means": kept[:2]}
    memory = eb.fit("gaussian_mixture", np.r_[kept, kept], n_components=2, start=start, stop=EIGHT, record=False)
    for found in (nothing, nothing.to_dask_array()):
        fit = eb.fit("gaussian_mixture", found, n_components=2, start=start, stop=EIGHT)
        assert fit.total_weight == 2 * len(kept)
        assert_close(fit.params, memory.params)


def test_one_axis_is_one_column():
    heights = blobs(d=1)[:, 0]
    start = {"means": [[0.0], [2.0]]}
    memory = eb.fit("gaussian_mixture", heights, n_components=2, start=start, stop=EIGHT, record=False)
    for X in (da.from_array(heights, chunks=13), dd.from_pandas(pd.Series(heights, name="cm"), npartitions=3)):
        assert_close(eb.fit("gaussian_mixture", X, n_components=2, start=start, stop=EIGHT).params, memory.params)


def test_predictions_a_chunk_at_a_time():
    X = blobs(n=200)
    fit = eb.fit("gaussian_mixture", X, n_components=2, start={"means": X[:2]}, stop=EIGHT)
    found = list(fit.predict(da.from_array(X, chunks=(70, 2)), chunk=50))
    assert [len(r) for r in found] == [50, 20, 50, 20, 50, 10]
    np.testing.assert_allclose(np.concatenate(found), fit.responsibilities, atol=1e-14)
    assert fit.log_score(frame(X), chunk=30) == pytest.approx(fit.log_score(X), rel=1e-13)


def test_blocks_are_of_one_partition_each():
    X = blobs(n=50)
    blocks = list(dask_rows(da.from_array(X, chunks=((20, 0, 25, 5), 2))).blocks(10))
    assert [(b.start, b.table.n_rows) for b in blocks] == [(0, 10), (10, 10), (20, 10), (30, 10), (40, 5), (45, 5)]
    assert np.array_equal(np.concatenate([b.table.numbers() for b in blocks]), X)


with_nan = blobs(n=200)
with_nan[147, 1] = np.nan
masked = np.ma.masked_array(np.nan_to_num(with_nan), np.isnan(with_nan))
with_text = blobs(n=60).astype(object)
with_text[33, 0] = "tall"


@pytest.mark.parametrize(
    ("X", "more", "sentence"),
    [
        (lambda: da.from_array(with_nan, chunks=(20, 2)), {}, r"is missing \(NaN\) at row 147 .* column 'x1'"),
        (lambda: frame(with_nan, 9), {}, r"is missing \(NaN\) at row 147 .* column 'b'"),
        (lambda: da.from_array(with_text, chunks=(20, 2)), {}, r"column 'x0' .* holds text \('tall' at row 33"),
        (lambda: da.from_array(masked, chunks=(20, 1)), {}, r"missing \(NaN\) at row 147"),
        (lambda: dask.delayed(blobs)(), {}, "a delayed value does not tell its shape; give dask.array.from_delayed"),
        (lambda: da.zeros((4, 4, 4)), {}, r"must be \(N,\) or \(N, D\).*its shape is \(4, 4, 4\)"),
        (lambda: bag.from_sequence([1, 2, 3]), {}, "must be an array or a DataFrame"),
        (lambda: da.zeros((20, 0)), {}, "the dask array has no columns"),
        (lambda: da.zeros((0, 2)), {}, "the dask array holds no rows"),
        (lambda: lazy(blobs()), {"labels": np.zeros(7)}, r"labels must have shape \(60,\), one entry a row of"),
        (lambda: lazy(blobs()), {"sample_weight": da.zeros(61)}, r"sample_weight must have shape \(60,\).*\(61,\)"),
        (lambda: lazy(blobs()), {"sample_weight": da.zeros(60)}, "sample_weight is zero in every row"),
        (lambda: lazy(blobs()), {"sample_weight": np.r_[np.ones(50), -1, np.ones(9)]}, "row 50 has -1"),
        (lambda: lazy(blobs()), {"labels": np.full(60, 2)}, "labels go up to 2"),
        (lambda: frame(blobs()), {"labels": "known"}, "unknown column of the dask DataFrame: 'known'"),
        (lambda: lazy(blobs()), {"client": 3}, "client must be a distributed.Client; it is 3"),
        (lambda: lazy(blobs()), {"schedule": "incremental:4"}, "are fitted in the schedule chunked:ROWS"),
        (lambda: lazy(blobs()), {"chunk": 0}, "chunk must be a whole number >= 1; it is 0"),
    ],
)  # fmt: skip
def test_refused(X, more, sentence):
    with pytest.raises(eb.InputError, match=sentence) as found:
        eb.fit("gaussian_mixture", X(), n_components=2, **more)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("family", "settings", "reason"),
    [
        ("linear_evidence", {}, "linear_evidence cannot be fitted a chunk at a time; give all rows in memory"),
        ("kmeans", {"method": "online"}, "takes its rows one by one"),
        ("kmeans", {"method": "medoids"}, "cannot be fitted a chunk at a time|one by one"),
    ],
)
def test_a_family_whose_rows_do_not_add_up(family, settings, reason):
    more = {} if family == "linear_evidence" else {"n_components": 2}
    with pytest.raises(eb.InputError, match=reason):
        eb.fit(family, lazy(blobs()), settings=settings, **more)


def test_without_dask_the_remedy_is_named(monkeypatch):
    X = lazy(blobs())
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        eb.InputError, match=r'needs Dask, which is not installed; install it by pip install "emvsbayes'
    ):
        eb.fit("gaussian_mixture", X, n_components=2)
    with pytest.raises(eb.InputError, match="client needs Dask, which is not installed"):
        eb.fit("gaussian_mixture", blobs(), n_components=2, client=object())
    assert clients.REMEDY == 'pip install "emvsbayes[dask]"'


def test_who_has_no_dask_pays_nothing_for_it():
    code = (
        "import sys; import emvsbayes as eb; eb.fit('coins', {'heads': [5, 9, 8], 'tosses': [10, 10, 10]}, "
        "n_components=2, n_starts=1); print(not {'dask', 'distributed', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"
