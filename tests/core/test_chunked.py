"""The chunked schedule: the run of batch EM with the memory of one chunk; what it keeps no q for is computed again."""

import tracemalloc

import numpy as np
import pytest
from cases import assert_close, blobs, posed, starting

import emvsbayes as eb
from emvsbayes.core.chunked import Chunked, chunks_of
from emvsbayes.core.em import run_em
from emvsbayes.core.esteps import read_e_step
from emvsbayes.core.records import take_rows
from emvsbayes.core.stopping import Stop
from emvsbayes.plan import read_plan
from emvsbayes.problem import pose

EIGHT = Stop(tol=0, max_passes=8)
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
    "gaussian_mixture-VVE-three-columns-ml",
]


@pytest.mark.parametrize("rows", [7, 1000])
@pytest.mark.parametrize("e_step", ["exact", "hard", "truncated:1", "annealed:0.5,3"])
@pytest.mark.parametrize("name", NAMES)
def test_chunked_is_batch(name, e_step, rows):
    """Promise 6, and promise 1 with a q that is never stored; recorded and not."""
    problem, prior = posed(name)
    runs = {
        (schedule, record): run_em(
            problem.family,
            problem.data,
            starting(name),
            prior=prior,
            schedule=read_plan(problem, e_step=e_step, schedule=schedule).gather(problem.family),
            stop=EIGHT,
            record=record,
        )
        for schedule in ("batch", f"chunked:{rows}")
        for record in (True, False)
    }
    batch = runs["batch", True]
    for found in runs.values():
        assert (found.status, found.passes) == (batch.status, batch.passes)
        assert found.log_likelihood == pytest.approx(batch.log_likelihood, rel=1e-12)
        assert found.objective == pytest.approx(batch.objective, rel=1e-12)
        assert_close(found.params, batch.params, rtol=1e-12, atol=1e-13)
    chunked = runs[f"chunked:{rows}", True]
    assert chunked.q is None
    assert chunked.trace.largest_residual < 1e-10
    assert [(s.passes, s.half) for s in chunked.trace] == [(s.passes, s.half) for s in batch.trace]
    for field in ("elbo", "kl", "log_likelihood"):
        ours, theirs = ([getattr(step, field) for step in run.trace] for run in (chunked, batch))
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-9)


def test_chunks_are_views_in_order():
    problem, _ = posed("gaussian_mixture-full-labelled-weighted")
    chunks = list(chunks_of(problem.data, 25))
    assert [chunk.n_rows for chunk in chunks] == [25, 25, 10]
    assert all(np.shares_memory(chunk.X, problem.data.X) for chunk in chunks)
    for field in ("X", "row_weights", "labels"):
        joined = np.concatenate([getattr(chunk, field) for chunk in chunks])
        assert np.array_equal(joined, getattr(problem.data, field))


class Generated:
    """A source that holds no rows: every chunk is made when it is asked for."""

    def __init__(self, whole, rows):
        self.whole, self.rows, self.made = whole, rows, 0
        self.n_rows, self.total_weight, self.columns = whole.n_rows, whole.row_weights.sum(), whole.columns
        self.sample = take_rows(whole, slice(0, 10)).standing_for(whole.moments)

    def chunks(self):
        for chunk in chunks_of(self.whole, self.rows):
            self.made += 1
            yield chunk

    def map(self, function):
        return map(function, self.chunks())


def test_a_source_needs_nothing_but_chunks():
    """What a memory map, files or workers have to bring."""
    name = "gaussian_mixture-full-ml"
    problem, _ = posed(name)
    source = Generated(problem.data, 20)
    found = run_em(problem.family, source, starting(name), schedule=Chunked(20), stop=EIGHT, record=False)
    batch = run_em(problem.family, problem.data, starting(name), stop=EIGHT, record=False)
    assert_close(found.params, batch.params)
    assert found.log_likelihood == pytest.approx(batch.log_likelihood, rel=1e-12)
    assert source.made == 3 * (1 + 8)


def test_by_name():
    fit = eb.fit("gaussian_mixture", blobs(), n_components=2, schedule="chunked:25", n_starts=2, seed=0)
    batch = eb.fit("gaussian_mixture", blobs(), n_components=2, n_starts=2, seed=0)
    assert fit.log_likelihood == pytest.approx(batch.log_likelihood, rel=1e-12)
    assert fit.icl == pytest.approx(batch.icl, rel=1e-12)
    assert "chunked:25" in fit.plan.words
    assert len(fit.trace) == len(batch.trace)
    with pytest.raises(eb.InputError, match=r"made with record=False or a chunked schedule; use fit.predict"):
        fit.responsibilities  # noqa: B018


@pytest.mark.parametrize(
    ("schedule", "e_step", "message"),
    [
        ("chunked:0", None, "the number of rows of a chunk must be a whole number >= 1; it is '0'"),
        ("chunked:many", None, "the number of rows of a chunk must be a whole number >= 1; it is 'many'"),
        ("chunked:10", "stochastic", "a q that is drawn is drawn for all rows at once"),
        ("chunky", None, "did you mean|choose from"),
    ],
)
def test_refusals(schedule, e_step, message):
    with pytest.raises(eb.InputError, match=message):
        eb.fit("gaussian_mixture", blobs(), n_components=2, schedule=schedule, e_step=e_step)


def test_a_shared_latent_has_no_chunks():
    with pytest.raises(eb.InputError, match="knows the batch schedule only"):
        eb.fit("linear_evidence", {"X": np.arange(5.0), "t": [0, 1, 0, 2, 1]}, schedule="chunked:2")


def test_the_default_size():
    assert read_e_step("exact") == Chunked().e_step
    problem, _ = posed("coins-plain-ml")
    assert read_plan(problem, schedule="chunked").gather(problem.family).rows == 100_000


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("e_step", ["exact", "truncated:1"])
def test_memory_is_that_of_a_chunk(record, e_step):
    """Of 60 000 rows and 4 components, responsibilities take 1.9 MB; those of 1000 rows take 32 kB."""
    problem = pose("gaussian_mixture", blobs(n=60_000, k=3), n_components=4)
    start = problem.family.init(problem.data, np.random.default_rng(0), "random_rows")
    run_em(problem.family, problem.data, start, stop=Stop(max_passes=1), record=False)  # compiles, and knows its data
    peaks = {}
    for schedule in ("chunked:1000", "batch"):
        chosen = read_plan(problem, e_step=e_step, schedule=schedule).gather(problem.family)
        tracemalloc.start()
        run_em(problem.family, problem.data, start, schedule=chosen, stop=Stop(tol=0, max_passes=1), record=record)
        peaks[schedule] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks["chunked:1000"] < 1.2e6
    if record or e_step != "exact":
        assert peaks["batch"] > 10 * peaks["chunked:1000"]
    else:
        assert peaks["batch"] < 0.6e6  # the compiled pass stores no responsibilities at all
