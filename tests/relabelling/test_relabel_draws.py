"""Arrays in, permutations out: known permutations are found, and no other permutation agrees better."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

import emvsbayes as eb
from emvsbayes.core.alignment import shuffled
from emvsbayes.relabelling import relabel_draws


def separated(k, draws=200, n=60, seed=0):
    """True allocations, draws in one labelling, allocation probabilities, and the permutations that scramble them."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(n) % k)
    means = 10.0 * np.arange(k)[:, None] + rng.normal(size=(draws, k, 3))
    logits = 6.0 * (truth[:, None] == np.arange(k)) + rng.normal(size=(draws, n, k))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    turns = np.stack([rng.permutation(k) for _ in range(draws)])
    return truth, means, probabilities, turns


def scramble(values, turns, axis=1):
    """Draw s of the result holds in slot j what was in slot turns[s, j]."""
    return np.stack([np.take(value, turn, axis=axis - 1) for value, turn in zip(values, turns, strict=True)])


@pytest.mark.parametrize("k", [2, 3, 4])
def test_known_permutations_are_recovered(k):
    truth, means, probabilities, turns = separated(k)
    raw, raw_probabilities = scramble(means, turns), scramble(probabilities, turns, axis=2)
    found = relabel_draws({"means": raw}, probabilities=raw_probabilities, pivot=truth)
    assert found.method == "ecr"
    assert (found.permutations == np.argsort(turns, axis=1)).all()
    np.testing.assert_array_equal(found.apply(raw), means)
    np.testing.assert_array_equal(found.apply(raw_probabilities, axis=2), probabilities)
    agreement = (probabilities.argmax(axis=2) == truth).mean(axis=1)
    np.testing.assert_allclose(found.agreement, agreement)
    assert len(np.unique(found.permutations, axis=0)) == len(list(permutations(range(k))))


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_no_permutation_agrees_better(k):
    """On allocations that look nothing like the pivot, against all K! by force."""
    rng = np.random.default_rng(k)
    z, pivot = rng.integers(0, k, (80, 17)), rng.integers(0, k, 17)
    found = relabel_draws({"weights": np.zeros((80, k))}, allocations=z, pivot=pivot)
    for s in range(80):
        best = max(np.mean([p.index(label) for label in z[s]] == pivot) for p in permutations(range(k)))
        assert found.agreement[s] == pytest.approx(best)
        relabelled = np.argsort(found.permutations[s])[z[s]]
        assert np.mean(relabelled == pivot) == pytest.approx(best)
        assert sorted(found.permutations[s]) == list(range(k))


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_labels_of_the_input_do_not_matter(k):
    truth, means, probabilities, turns = separated(k, seed=1)
    other = np.stack([np.random.default_rng(9).permutation(k)] * len(turns))
    results = []
    for turn in (turns, other):
        raw = scramble(means, turn)
        found = relabel_draws({"m": raw}, probabilities=scramble(probabilities, turn, axis=2), pivot=truth)
        results.append(found.apply(raw))
    np.testing.assert_array_equal(*results)


def test_a_pivot_may_be_probabilities_or_a_draw():
    truth, means, probabilities, turns = separated(3)
    raw, z = scramble(means, turns), scramble(probabilities, turns, axis=2).argmax(axis=2)
    by_labels = relabel_draws({"m": raw}, allocations=z, pivot=truth)
    by_probabilities = relabel_draws({"m": raw}, allocations=z, pivot=np.eye(3)[truth])
    np.testing.assert_array_equal(by_labels.permutations, by_probabilities.permutations)
    first = relabel_draws({"m": raw}, allocations=z)
    np.testing.assert_array_equal(first.permutations[0], [0, 1, 2])
    density = np.zeros(200)
    density[7] = 1.0
    best = relabel_draws({"m": raw}, allocations=z, log_posterior=density)
    np.testing.assert_array_equal(best.permutations[7], [0, 1, 2])
    np.testing.assert_array_equal(best.permutations, relabel_draws({"m": raw}, allocations=z, pivot=z[7]).permutations)


def test_every_field_moves_together_and_the_input_stays():
    truth, means, probabilities, turns = separated(2, draws=20)
    raw = {"means": scramble(means, turns), "weights": scramble(means[..., 0], turns)}
    kept = {name: value.copy() for name, value in raw.items()}
    found = relabel_draws(raw, probabilities=scramble(probabilities, turns, axis=2), pivot=truth)
    np.testing.assert_array_equal(found.apply(raw["means"])[..., 0], found.apply(raw["weights"]))
    for name, value in raw.items():
        np.testing.assert_array_equal(value, kept[name])


@pytest.mark.parametrize("classes", [[0, 0, 2, 2], [0, 1, 2, 3], [7, 3, 7, 3]])
def test_components_are_renamed_only_within_their_class(classes):
    rng = np.random.default_rng(5)
    z, pivot = rng.integers(0, 4, (60, 13)), rng.integers(0, 4, 13)
    found = relabel_draws({"w": np.zeros((60, 4))}, allocations=z, pivot=pivot, classes=classes)
    assert (np.array(classes)[found.permutations] == classes).all()
    allowed = [p for p in permutations(range(4)) if all(classes[p[j]] == classes[j] for j in range(4))]
    for s in range(60):
        best = max(np.mean([p.index(label) for label in z[s]] == pivot) for p in allowed)
        assert found.agreement[s] == pytest.approx(best)


def test_rows_count_by_their_weight():
    z, pivot = np.array([[0, 0, 0, 1]]), np.array([0, 0, 0, 0])
    weights = [1.0, 1.0, 1.0, 50.0]
    plain = relabel_draws({"w": np.zeros((1, 2))}, allocations=z, pivot=pivot)
    weighted = relabel_draws({"w": np.zeros((1, 2))}, allocations=z, pivot=pivot, row_weights=weights)
    assert plain.permutations.tolist() == [[0, 1]]
    assert weighted.permutations.tolist() == [[1, 0]]
    assert weighted.agreement == pytest.approx([50 / 53])
    assert relabel_draws(
        {"w": np.zeros((1, 2))}, allocations=np.repeat(z, 2, axis=1), pivot=np.repeat(pivot, 2)
    ).agreement == pytest.approx(plain.agreement)


Z = np.zeros((3, 5), dtype=int)
P = np.full((3, 5, 2), 0.5)
D = {"means": np.zeros((3, 2, 4)), "weights": np.zeros((3, 2))}


@pytest.mark.parametrize(
    ("draws", "options", "words"),
    [
        (D, {"method": "stephen", "allocations": Z}, ["stephen", "stephens"]),
        ({}, {"allocations": Z}, ["at least one name"]),
        (D, {}, ["ecr needs allocations (S, N) or probabilities (S, N, K)"]),
        ({"means": np.zeros(3)}, {"allocations": Z}, ["(S, K, ...)"]),
        ({**D, "probs": np.zeros((3, 4))}, {"allocations": Z}, ["same S and K", "probs"]),
        ({"means": np.full((3, 2), np.nan)}, {"allocations": Z}, ["means", "nan"]),
        (D, {"allocations": Z[:2]}, ["3 draws", "2"]),
        (D, {"allocations": Z + 2}, ["between 0 and 1", "2"]),
        (D, {"allocations": Z - 1}, ["between 0 and 1", "-1"]),
        (D, {"allocations": Z + 0.5}, ["allocations", "whole"]),
        (D, {"probabilities": P[:2]}, ["(3, N, 2)", "(2, 5, 2)"]),
        (D, {"probabilities": P[:, :, :1]}, ["(3, N, 2)"]),
        (D, {"probabilities": P * 0.9}, ["add to 1"]),
        (D, {"probabilities": np.tile([2.0, -1.0], (3, 5, 1))}, ["probabilities", ">= 0"]),
        (D, {"allocations": Z, "row_weights": np.ones(4)}, ["(5,)", "(4,)"]),
        (D, {"allocations": Z, "row_weights": -np.ones(5)}, ["negative"]),
        (D, {"allocations": Z, "classes": [0, 0, 0]}, ["classes", "(2,)", "(3,)"]),
        (D, {"probabilities": P[0]}, ["probabilities", "3 axes"]),
        (D, {"allocations": Z, "pivot": np.zeros(4)}, ["pivot", "(5,)", "(4,)"]),
        (D, {"allocations": Z, "pivot": np.full(5, 2)}, ["pivot", "between 0 and 1", "2"]),
        (D, {"allocations": Z, "pivot": 0}, ["pivot"]),
        (D, {"allocations": Z, "pivot": np.full(5, 0.7)}, ["pivot", "whole"]),
        (D, {"allocations": Z, "pivot": np.zeros((5, 7))}, ["pivot"]),
        (D, {"allocations": Z, "log_posterior": np.arange(5.0)}, ["log_posterior", "3"]),
        (D, {"allocations": Z, "log_posterior": [0.0]}, ["log_posterior", "3"]),
        ({"m": np.zeros((0, 2))}, {"allocations": np.zeros((0, 5))}, ["draw"]),
        (D, {"allocations": np.zeros((3, 0))}, ["row"]),
    ],
)
def test_bad_input_is_told_in_one_sentence(draws, options, words):
    with pytest.raises(eb.InputError) as caught:
        relabel_draws(draws, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


# row weights


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("hard", [True, False])
def test_a_weight_is_a_repeated_row(k, hard):
    rng = np.random.default_rng(k)
    weights = rng.choice([0, 1, 2, 7], size=15)
    r, pivot = rng.dirichlet(np.full(k, 0.4), (120, 15)), rng.dirichlet(np.full(k, 0.4), 15)
    z = rng.integers(0, k, (120, 15))
    draws = {"m": np.zeros((120, k))}

    def found(rows, row_weights=None):
        side = {"allocations": z[:, rows]} if hard else {"probabilities": r[:, rows]}
        return relabel_draws(draws, **side, pivot=pivot[rows], row_weights=row_weights)

    weighted, repeated = found(np.arange(15), weights), found(np.repeat(np.arange(15), weights))

    def shared(moves):  # what each relabelling scores; equally good ones may tie
        side = np.eye(k)[z] if hard else r
        moved = np.take_along_axis(side, moves[:, None, :], axis=2)
        return np.einsum("n,snk,nk->s", weights, moved, pivot)

    np.testing.assert_allclose(shared(weighted.permutations), shared(repeated.permutations), rtol=1e-12)
    same = (weighted.permutations == repeated.permutations).all(axis=1)
    assert same.mean() > 0.9
    np.testing.assert_allclose(weighted.agreement[same], repeated.agreement[same])
    unweighted = found(np.arange(15))
    assert (unweighted.permutations != weighted.permutations).any()
    scaled = found(np.arange(15), 1000.0 * weights)
    np.testing.assert_allclose(scaled.agreement, weighted.agreement)


def test_one_heavy_row_decides():
    pivot, z = np.array([0, 1, 1, 1]), np.array([[1, 1, 1, 1], [0, 0, 0, 0]])
    draws = {"m": np.zeros((2, 2))}
    even = relabel_draws(draws, allocations=z, pivot=pivot)
    assert even.permutations.tolist() == [[0, 1], [1, 0]]
    assert even.agreement.tolist() == [0.75, 0.75]
    heavy = relabel_draws(draws, allocations=z, pivot=pivot, row_weights=[10.0, 1, 1, 1])
    assert heavy.permutations.tolist() == [[1, 0], [0, 1]]
    np.testing.assert_allclose(heavy.agreement, 10 / 13)


def test_probabilities_say_more_than_allocations():
    """Every row is most likely of component 0 in draw and pivot, and only the probabilities tell which is which."""
    pivot = np.array([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1]])
    straight = np.array([[0.95, 0.05], [0.55, 0.45], [0.97, 0.03]])
    found = relabel_draws({"m": np.zeros((2, 2))}, probabilities=np.stack([straight, straight[:, ::-1]]), pivot=pivot)
    assert found.permutations.tolist() == [[0, 1], [1, 0]]
    assert found.agreement.tolist() == [1.0, 1.0]


# classes


@pytest.mark.parametrize("classes", [[0, 0, 1, 1], [0, 1, 0, 2], [5, 5, 5, 5], [0, 1, 2, 3]])
def test_renamings_within_classes_are_recovered_and_no_others_made(classes):
    k, classes = 4, np.array(classes)
    truth, means, probabilities, _ = separated(k)
    rng = np.random.default_rng(3)
    turns = np.stack([shuffled(classes, rng) for _ in range(len(means))])
    raw, raw_probabilities = scramble(means, turns), scramble(probabilities, turns, axis=2)
    found = relabel_draws({"m": raw}, probabilities=raw_probabilities, pivot=truth, classes=classes)
    np.testing.assert_array_equal(found.apply(raw), means)
    # scrambled over classes too: what comes back stays within them, and is the best there
    wild = np.stack([rng.permutation(k) for _ in range(len(means))])
    raw_probabilities = scramble(probabilities, wild, axis=2)
    found = relabel_draws({"m": raw}, probabilities=raw_probabilities, pivot=truth, classes=classes)
    assert (classes[found.permutations] == classes).all()
    allowed = np.array([p for p in permutations(range(k)) if (classes[list(p)] == classes).all()])
    assert {tuple(p) for p in found.permutations.tolist()} == {tuple(p) for p in allowed.tolist()}
    one_hot = np.eye(k)[truth]
    scores = np.stack([(raw_probabilities[:, :, p] * one_hot).sum(axis=(1, 2)) for p in allowed])
    chosen = np.take_along_axis(raw_probabilities, found.permutations[:, None, :], axis=2)
    np.testing.assert_allclose((chosen * one_hot).sum(axis=(1, 2)), scores.max(axis=0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": [0, 1, 2]}, ["classes", "(2,)"]),
        ({"classes": [0, 0.5]}, ["classes", "whole"]),
        ({"row_weights": np.ones(4)}, ["weight", "5"]),
        ({"row_weights": [-1.0, 1, 1, 1, 1]}, ["weight"]),
        ({"row_weights": np.zeros(5)}, ["weight"]),
    ],
)
def test_bad_weights_and_classes_are_told_in_one_sentence(options, words):
    with pytest.raises(eb.InputError) as caught:
        relabel_draws(D, allocations=Z, **options)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
