"""A stream learns from chunks: near the truth in the end, near EM on all rows, and honest about what it cannot do."""

import numpy as np
import pytest

import emvsbayes as eb

TRUTH = {"weights": [0.3, 0.7], "means": [[0.0, 0.0], [4.0, 3.0]]}


def chunk(rng, n=200):
    second = rng.random(n) < 0.7
    return np.where(second[:, None], [4.0, 3.0], [0.0, 0.0]) + rng.normal(size=(n, 2))


def test_a_stream_comes_near_the_truth_and_near_em_on_all_rows():
    rng = np.random.default_rng(0)
    chunks = [chunk(rng) for _ in range(60)]
    stream = eb.Stream("gaussian_mixture", n_components=2)
    for rows in chunks:
        assert stream.partial_fit(rows) is stream
    assert stream.weight == 12_000
    order = np.argsort(stream.params.weights)
    np.testing.assert_allclose(stream.params.weights[order], TRUTH["weights"], atol=0.03)
    np.testing.assert_allclose(stream.params.means[order], TRUTH["means"], atol=0.12)
    every = np.concatenate(chunks)
    whole = eb.fit("gaussian_mixture", every, n_components=2, n_starts=2)
    assert whole.log_score(every) - stream.log_score(every) < 2e-3
    assert stream.scores[0].log_score is None
    assert stream.scores[-1].log_score == pytest.approx(whole.log_score(every), abs=0.3)


def test_the_first_chunk_from_a_start_is_an_m_step_of_em():
    """One chunk, step 1: what one pass of EM does, MAP included."""
    rng = np.random.default_rng(1)
    rows, start = chunk(rng), {"means": [[0.0, 1.0], [3.0, 3.0]]}
    stream = eb.Stream("gaussian_mixture", n_components=2, start=start, prior="default").partial_fit(rows)
    fit = eb.fit(
        "gaussian_mixture", rows, n_components=2, start=start, prior="default", stop={"tol": 0, "max_passes": 1}
    )
    np.testing.assert_allclose(stream.params.means, fit.params.means, rtol=1e-10)
    np.testing.assert_allclose(stream.params.covariances, fit.params.covariances, rtol=1e-9)
    assert stream.scores[0].step == 1.0


def test_steps_are_those_documented():
    stream = eb.Stream("coins", n_components=2, start={"probs": [0.3, 0.6]}, exponent=0.8)
    for _ in range(4):
        stream.partial_fit({"heads": [3, 7, 5], "tosses": [10, 10, 10]})
    assert [score.step for score in stream.scores] == [1.0, *(pytest.approx((t + 2) ** -0.8) for t in range(3))]


def test_weights_are_repeated_rows():
    start = {"probs": [0.3, 0.6]}
    once = eb.Stream("coins", n_components=2, start=start)
    twice = eb.Stream("coins", n_components=2, start=start)
    once.partial_fit({"heads": [3, 7], "tosses": [10, 10]}, sample_weight=[2, 1])
    twice.partial_fit({"heads": [3, 3, 7], "tosses": [10, 10, 10]})
    np.testing.assert_allclose(once.params.probs, twice.params.probs, rtol=1e-12)
    assert once.weight == twice.weight == 3


@pytest.mark.parametrize("exponent", [0.5, 0.2, 1.1, float("nan")])
def test_exponents_under_which_nothing_settles(exponent):
    with pytest.raises(eb.InputError, match="exponent"):
        eb.Stream("coins", n_components=2, exponent=exponent)


def test_what_cannot_be_streamed():
    rng = np.random.default_rng(2)
    with pytest.raises(eb.InputError, match="shared by all rows"):
        eb.Stream("linear_evidence").partial_fit({"X": rng.normal(size=9), "t": rng.normal(size=9)})
    with pytest.raises(eb.InputError, match="at once"):
        eb.Stream("kmeans", n_components=2).partial_fit(rng.normal(size=(9, 2)))
    stream = eb.Stream("gaussian_mixture", n_components=2, prior="default")
    with pytest.raises(eb.InputError, match="no data"):
        stream.log_score(rng.normal(size=(4, 2)))
    stream.partial_fit(chunk(rng))
    with pytest.raises(eb.InputError, match="columns"):
        stream.partial_fit(rng.normal(size=(50, 3)))


def test_a_collapse_is_an_error_with_a_remedy_and_changes_nothing():
    rng = np.random.default_rng(3)
    stream = eb.Stream("gaussian_mixture", n_components=2, start={"means": [[0.0, 0.0], [4.0, 3.0]]})
    stream.partial_fit(chunk(rng))
    stream.exponent = 0.0  # every chunk as if it were all
    thin = np.tile([[4.0, 3.0], [4.0, 3.0], [0.0, 0.0], [1.0, 0.0]], (5, 1))

    def feed():
        for _ in range(20):
            seen.append((stream.params, stream.weight))
            stream.partial_fit(thin)

    seen = []
    with pytest.raises(eb.InputError, match="Use a prior"):
        feed()
    assert (stream.params, stream.weight) == seen[-1]
