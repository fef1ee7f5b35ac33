"""Every kind of source, every family whose statistics add: the fit is that of the same rows in memory."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cases import CASES, assert_close, blobs, posed, starting

import emvsbayes as eb
from emvsbayes.core.records import record_fields
from emvsbayes.core.sources import pairwise, plus
from emvsbayes.core.threads import using_threads
from emvsbayes.problem import pose
from emvsbayes.sources.survey import hashed, sample_size

NAMES = [
    "coins-weighted-ml",
    "coins-labelled-map",
    "bernoulli_mixture-missing-ml",
    "bernoulli_mixture-labelled-map",
    "kmeans-weighted-ml",
    "gaussian_mixture-full-labelled-weighted",
    "gaussian_mixture-full-default",
    "gaussian_mixture-tied-offset-ml",
    "gaussian_mixture-diag-ml",
]


class Again:
    """Blocks that can be iterated again, of uneven lengths, one of them empty."""

    def __init__(self, X):
        self.X = X

    def __iter__(self):
        yield from np.split(self.X, [3, 3, 20, 47])


def npy(X, names, folder):
    np.save(folder / "rows.npy", X)
    return folder / "rows.npy"


def scattered(X, names, folder):
    np.save(folder / "fortran.npy", np.asfortranarray(X))
    return folder / "fortran.npy"


def memory_map(X, names, folder):
    return np.load(npy(X, names, folder), mmap_mode="r")


def parquet(X, names, folder):
    table = pa.table({name: X[:, i] for i, name in enumerate(names)})
    pq.write_table(table, folder / "rows.parquet", row_group_size=25)
    return folder / "rows.parquet"


def delimited(X, names, folder):
    lines = [",".join(names), *(",".join("" if v != v else repr(float(v)) for v in row) for row in X)]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    return folder / "rows.csv"


def function(X, names, folder):
    return lambda: (X[start : start + 13] for start in range(0, len(X), 13))


def mappings(X, names, folder):
    def blocks():
        for part in np.array_split(X, 4):
            yield {name: part[:, i] for i, name in enumerate(names)}

    return blocks


def iterated(X, names, folder):
    return Again(X)


KINDS = [npy, scattered, memory_map, parquet, delimited, function, mappings, iterated]


def rows_of(name):
    """The rows of a case as numbers, NaN where unobserved; known labels and weights as arrays, or None."""
    problem, prior = posed(name)
    data, case = problem.data, CASES[name]
    labels = None if case.labels is None else data.labels
    weights = None if case.sample_weight is None else data.row_weights
    return problem, prior, np.array(data.matrix()), data.columns, labels, weights


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_a_source_is_its_rows_in_memory(name, kind, tmp_path):
    problem, prior, X, columns, labels, weights = rows_of(name)
    asked = {
        "n_components": problem.family.n_components,
        "settings": CASES[name].settings,
        "prior": prior,
        "start": record_fields(starting(name)),
        "labels": labels,
        "sample_weight": weights,
        "stop": {"tol": 0, "max_passes": 8},
    }
    table = {"heads": X[:, 0], "tosses": X[:, 1]} if problem.family.name == "coins" else X
    here = eb.fit(problem.family.name, table, record=False, **asked)
    there = eb.fit(problem.family.name, kind(X, columns, tmp_path), chunk=17, **asked)
    assert there.chunks.n_rows == len(X)
    assert there.passes == here.passes == 8
    assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-10)
    assert there.total_weight == pytest.approx(here.total_weight, rel=1e-14)
    assert there.bic == pytest.approx(here.bic, rel=1e-10)
    if "density" in here.family.capabilities:
        assert there.icl == pytest.approx(here.icl, rel=1e-10)
    assert_close(there.params, here.params, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("family", ["gaussian_mixture", "kmeans", "bernoulli_mixture"])
@pytest.mark.parametrize("n_starts", [4, None])
def test_starts_priors_and_settings_are_those_of_all_rows(family, n_starts, tmp_path):
    """The default prior, the variance of K-means and the starts, here of so few rows that the sample is all of them."""
    X = blobs(n=300, d=3, k=3)
    X = (X.mean() < X).astype(float) if family == "bernoulli_mixture" else X
    asked = {"n_components": 3, "prior": "default", "stop": {"tol": 1e-12, "max_passes": 3000}}
    here = eb.fit(family, X, record=False, n_starts=4 if n_starts else None, **asked)
    there = eb.fit(family, npy(X, None, tmp_path), chunk=71, n_starts=n_starts, **asked)
    for group, value in record_fields(here.prior).items():
        for field, expected in record_fields(value).items():
            np.testing.assert_allclose(getattr(getattr(there.prior, group), field), expected, rtol=1e-12)
    assert here.status.usable
    assert there.log_posterior == pytest.approx(here.log_posterior, rel=1e-7)
    if n_starts:
        assert [r.how for r in there.restarts] == [r.how for r in here.restarts]
        assert_close(there.params, here.params, rtol=1e-6, atol=1e-6)
    else:
        assert there.chunks.starts == 20
        assert sum(not r.given_up for r in there.restarts) == there.chunks.kept <= 2
        assert "start(s) ran to their end in memory" in there.summary()
    if family == "kmeans":
        assert there.family.variance == pytest.approx(here.family.variance, rel=1e-9)


def test_a_trace_of_a_source_is_that_of_batch(tmp_path):
    X = blobs(n=90)
    asked = {"n_components": 2, "start": {"means": [[0.0, 0.0], [2.0, 1.0]]}, "m_step": "conditional"}
    asked["stop"] = {"tol": 0, "max_passes": 4}
    here = eb.fit("gaussian_mixture", X, **asked)
    there = eb.fit("gaussian_mixture", npy(X, None, tmp_path), chunk=40, record=True, **asked)
    assert there.trace.largest_residual < 1e-10
    for field in ("elbo", "kl", "log_likelihood"):
        ours, theirs = ([getattr(step, field) for step in fit.trace] for fit in (there, here))
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-9)
    assert len(eb.fit("gaussian_mixture", npy(X, None, tmp_path), chunk=40, **asked).trace) == 0


PLANS = [(a, e) for a in (None, "squarem", "anderson") for e in ("exact", "hard", "truncated:1")] + [(None, "annealed")]


@pytest.mark.parametrize(("accelerate", "e_step"), PLANS)
def test_other_axes(accelerate, e_step, tmp_path):
    X = blobs(n=120)
    asked = {"n_components": 2, "start": {"means": [[0.0, 0.0], [2.0, 1.0]]}, "e_step": e_step}
    asked |= {"accelerate": accelerate, "stop": {"tol": 0, "max_passes": 20}, "record": False}
    here = eb.fit("gaussian_mixture", X, **asked)
    there = eb.fit("gaussian_mixture", npy(X, None, tmp_path), chunk=50, **asked)
    assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-10)


def test_equal_bounds_give_equal_bits(tmp_path):
    """Whatever brings the rows, and however many threads a pass has."""
    X, asked = blobs(n=3000, d=3, k=2), {"n_components": 2, "n_starts": 2, "stop": {"tol": 0, "max_passes": 6}}
    X = np.round(X, 3)
    fits = [eb.fit("gaussian_mixture", X, chunk=250, record=False, **asked)]
    with using_threads(1):
        fits.append(eb.fit("gaussian_mixture", npy(X, "abc", tmp_path), chunk=250, **asked))
    pq.write_table(pa.table({name: X[:, i] for i, name in enumerate("abc")}), tmp_path / "rows.parquet")
    for source in (memory_map(X, "abc", tmp_path), tmp_path / "rows.parquet", lambda: iter(np.split(X, 12))):
        fits.append(eb.fit("gaussian_mixture", source, chunk=250, **asked))
    for fit in fits[1:]:
        assert fit.log_likelihood == fits[0].log_likelihood
        for name, value in record_fields(fit.params).items():
            assert np.array_equal(value, getattr(fits[0].params, name))
    other = eb.fit("gaussian_mixture", memory_map(X, "abc", tmp_path), chunk=251, **asked)
    assert other.log_likelihood == pytest.approx(fits[0].log_likelihood, rel=1e-12)


def test_only_fit_reads_blocks():
    with pytest.raises(eb.InputError, match="blocks of rows are read by fit and by Stream; give all rows at once here"):
        eb.select("gaussian_mixture", lambda: iter([blobs()]), "1:2")


def test_labels_and_weights_as_columns_and_as_maps(tmp_path):
    X, rng = blobs(n=200), np.random.default_rng(3)
    weights, labels = (
        rng.integers(0, 3, size=200).astype(float),
        np.where(rng.random(200) < 0.3, np.arange(200) % 2, -1),
    )
    here = eb.fit("gaussian_mixture", X, n_components=2, n_starts=2, labels=labels, sample_weight=weights)
    known = np.where(labels < 0, np.nan, labels)
    table = pa.table({"a": X[:, 0], "z": known, "b": X[:, 1], "w": weights, "text": ["no number"] * 200})
    pq.write_table(table.drop(["text"]), tmp_path / "four.parquet")
    np.save(tmp_path / "labels.npy", labels)
    asked = {"n_components": 2, "n_starts": 2, "chunk": 64}
    by_column = eb.fit("gaussian_mixture", tmp_path / "four.parquet", labels="z", sample_weight="w", **asked)
    by_map = eb.fit(
        "gaussian_mixture", npy(X, None, tmp_path), labels=str(tmp_path / "labels.npy"), sample_weight=weights, **asked
    )
    assert by_column.columns == ("a", "b")
    for fit in (by_column, by_map):
        assert fit.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-9)
    pq.write_table(table, tmp_path / "five.parquet")
    with pytest.raises(eb.InputError, match=r"column 'text' .* holds text \('no number' at row 0\)"):
        eb.fit("gaussian_mixture", tmp_path / "five.parquet", labels="z", sample_weight="w", **asked)


def test_float32_stays_float32(tmp_path):
    X = blobs(n=100).astype(np.float32)
    np.save(tmp_path / "single.npy", X)
    problem = pose("gaussian_mixture", tmp_path / "single.npy", n_components=2, larger=True, chunk=30)
    assert {chunk.X.dtype for chunk in problem.data.chunks()} == {np.dtype(np.float32)}
    pq.write_table(pa.table({"a": X[:, 0], "b": X[:, 1]}), tmp_path / "single.parquet")
    problem = pose("gaussian_mixture", tmp_path / "single.parquet", n_components=2, larger=True, chunk=30)
    assert {chunk.X.dtype for chunk in problem.data.chunks()} == {np.dtype(np.float32)}


def test_the_sample_does_not_depend_on_chunks(tmp_path):
    """And is spread evenly over the rows: the mean number of n drawn of N is (N - 1) / 2, its variance known."""
    X = np.arange(60_000.0)[:, None] % 1000
    X = np.c_[X, np.random.default_rng(0).normal(size=60_000)]
    problems = [
        pose("kmeans", npy(X, None, tmp_path), n_components=2, larger=True, chunk=rows) for rows in (60_000, 7_001)
    ]
    one, other = (problem.data for problem in problems)
    assert one.sample.n_rows == sample_size(2) == 20_000
    assert np.array_equal(one.sample.X, other.sample.X)
    assert np.array_equal(np.sort(one.surveyed.numbers), one.surveyed.numbers)
    assert len(np.unique(one.surveyed.numbers)) == 20_000
    N, n = 60_000, 20_000
    sd = np.sqrt((N + 1) * (N - n) / (12 * n))
    assert abs(one.surveyed.numbers.mean() - (N - 1) / 2) < 4 * sd
    np.testing.assert_allclose(one.sample.mean, X.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(other.sample.scale, X.std(axis=0), rtol=1e-10)
    # splitmix64 seeded with 0 as published (Vigna, prng.di.unimi.it): first outputs
    assert [int(v) for v in hashed(np.arange(2))] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_rows_of_weight_0_are_in_no_sample(tmp_path):
    """60 rows among 60 000 count: the fit is theirs, and those without weight are drawn for want of others only."""
    X, weights = blobs(n=60_000, k=2), np.zeros(60_000)
    X[::2, 0] += 5
    counted = np.random.default_rng(1).choice(60_000, size=60, replace=False)
    weights[counted] = 1.0
    path = npy(X, None, tmp_path)
    problems = [
        pose("gaussian_mixture", path, n_components=2, sample_weight=weights, larger=True, chunk=rows)
        for rows in (60_000, 7_001)
    ]
    one, other = (problem.data for problem in problems)
    assert one.sample.row_weights.sum() == one.total_weight == 60
    assert np.array_equal(one.surveyed.numbers, other.surveyed.numbers)
    there = eb.fit("gaussian_mixture", path, n_components=2, sample_weight=weights, chunk=7_001)
    here = eb.fit("gaussian_mixture", X[np.sort(counted)], n_components=2)
    assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-7)


def test_search_on_the_sample_then_all_rows(tmp_path):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(50_000, 2)) + 4 * rng.integers(0, 3, size=50_000)[:, None] * [1.0, 0.5]
    path = npy(X, None, tmp_path)
    fit = eb.fit("gaussian_mixture", path, n_components=3, chunk=20_000, n_starts="6:1")
    whole = eb.fit("gaussian_mixture", X, n_components=3, start=fit.restarts[0].run.start, record=False)
    assert fit.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-9)
    assert (fit.chunks.sample, fit.chunks.starts, fit.chunks.kept) == (20_000, 6, 1)
    assert "on a random sample of 20,000 rows" in fit.summary()
    again = eb.Fit.from_json(fit.to_json())
    assert again.chunks == fit.chunks
    assert again.summary() == fit.summary()


def test_predictions_by_chunk_take_columns_by_name(tmp_path):
    """As predictions of all rows at once do: a DataFrame in memory, or a file, in another order and with more."""
    frame = pd.DataFrame(blobs(n=100) * [1, 10], columns=["a", "b"])
    fit = eb.fit("gaussian_mixture", frame, n_components=2, n_starts=1)
    other = frame.assign(c=0.0)[["c", "b", "a"]]
    other.to_parquet(tmp_path / "rows.parquet")
    for X in (frame, other, frame[["b", "a"]], tmp_path / "rows.parquet", frame.to_numpy(), frame.to_numpy().tolist()):
        np.testing.assert_allclose(np.concatenate(list(fit.predict(X, chunk=33))), fit.predict(frame), rtol=1e-10)
        assert fit.log_score(X, chunk=33) == pytest.approx(fit.log_score(frame), rel=1e-12)
    with pytest.raises(eb.InputError, match=r"nowhere.npy does not exist or is not a file"):
        fit.predict(tmp_path / "nowhere.npy", chunk=33)


def test_predictions_by_chunk(tmp_path):
    X = blobs(n=100)
    fit = eb.fit("gaussian_mixture", X, n_components=2, n_starts=2)
    path = npy(X, None, tmp_path)
    parts = list(fit.predict(path, chunk=33))
    assert [len(part) for part in parts] == [33, 33, 33, 1]
    np.testing.assert_array_equal(np.concatenate(parts), fit.predict(X))
    assert fit.log_score(path, chunk=33) == pytest.approx(fit.log_score(X), rel=1e-12)


def test_rows_of_a_collapse_are_those_of_all_rows(tmp_path):
    """Chunks of 400: the five equal rows lie in the second and the third."""
    X = blobs(n=1000)
    twins = [700, 790, 801, 802, 803]
    X[twins] = [30.0, 30.0]
    start = {"means": [[30.0, 30.0], [1.0, 1.0]]}
    here = eb.fit("gaussian_mixture", X, n_components=2, start=start)
    there = eb.fit("gaussian_mixture", npy(X, None, tmp_path), n_components=2, start=start, chunk=400)
    assert there.status is here.status
    assert there.status.name == "SINGULAR"
    assert there.events[0].rows == here.events[0].rows == tuple(twins)
    assert there.events[0].sentence == here.events[0].sentence


def test_sums_are_taken_in_pairs():
    words = [str(i) for i in range(7)]
    assert pairwise(words, lambda a, b: f"({a}{b})") == "(((01)(23))((45)6))"
    assert pairwise(iter(range(1000)), plus) == 499_500
    rng = np.random.default_rng(0)
    values = rng.normal(size=4096).astype(np.float32) + np.float32(1000)
    exact = values.astype(np.float64).sum()
    ordered = np.float32(0)
    for value in values:
        ordered += value
    assert abs(float(pairwise(values, plus)) - exact) < abs(float(ordered) - exact) / 10
    with pytest.raises(ValueError, match="nothing to add"):
        pairwise([], plus)
