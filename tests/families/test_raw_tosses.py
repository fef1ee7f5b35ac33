"""Raw tosses: sequences and 0/1 rows are the same trials as their counts."""

import numpy as np
import pytest
from cases import FIVE_TRIALS

import emvsbayes as eb
from emvsbayes.core.errors import InputError
from emvsbayes.families.coins.records import CoinsData

SEQUENCES = ["HTTTHHTHTH", "HHHHTHHHHH", "HTHHHHHTHH", "HTHTTTHHTT", "THHHTHHHTH"]  # Do and Batzoglou (2008), figure 1


def counts(source):
    data = CoinsData.read(source)
    return data.heads.tolist(), data.tosses.tolist()


def test_sequences_in_every_form_are_their_counts(tmp_path):
    expected = FIVE_TRIALS["heads"], FIVE_TRIALS["tosses"]
    bits = [[int(side == "H") for side in row] for row in SEQUENCES]
    path = tmp_path / "tosses.csv"
    path.write_text("trial\n" + "\n".join(row.lower() for row in SEQUENCES))
    digits = tmp_path / "digits.csv"
    digits.write_text("trial\n" + "\n".join("".join(map(str, row)) for row in bits))
    for source in (SEQUENCES, {"trial": SEQUENCES}, np.array(bits), path, digits, FIVE_TRIALS):
        assert counts(source) == expected


def test_trials_of_unequal_length():
    assert counts(["HTTHH", "T"]) == ([3, 0], [5, 1])
    assert counts(np.array([[1, 0, 0, 1, 1], [0, np.nan, np.nan, np.nan, np.nan]])) == ([3, 0], [5, 1])


def test_fits_and_predicts_from_sequences():
    given = {"n_components": 2, "settings": {"weights": "fixed"}, "start": {"probs": [0.6, 0.5]}}
    raw, counted = (eb.fit("coins", X, **given) for X in (SEQUENCES, FIVE_TRIALS))
    np.testing.assert_array_equal(raw.params.probs, counted.params.probs)
    np.testing.assert_array_equal(raw.predict(["HTTHH"]), counted.predict({"heads": [3], "tosses": [5]}))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (["HTX"], ["H and T", "row 0", "'X'"]),
        (["HT", ""], ["row 1 is empty"]),
        (np.array([[1, 2, 0], [1, 0, 0]]), ["coded 1 (head) and 0 (tail)", "row 0", "has 2"]),
        ({"HTTHH": np.array(["HTHTH", "TTTTH"], dtype=object)}, ["give the column a name"]),
        ({"heads": [1.0, 2.0]}, ["heads and tosses", "HTTHH"]),
    ],
)
def test_what_is_no_toss(source, words):
    with pytest.raises(InputError) as error:
        CoinsData.read(source)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_hard_em_assigns_each_trial_to_its_more_probable_coin():
    fit = eb.fit(
        "coins",
        FIVE_TRIALS,
        n_components=2,
        settings={"weights": "fixed"},
        start={"probs": [0.6, 0.5]},
        e_step="hard",
    )
    known = [1, 0, 0, 1, 0]  # the split at which hard EM stops is that of the known coins: 24 of 30 and 9 of 20
    np.testing.assert_array_equal(fit.responsibilities.argmax(axis=1), known)
    np.testing.assert_allclose(fit.params.probs, [24 / 30, 9 / 20], rtol=1e-14)
    assert set(fit.responsibilities.ravel()) == {0.0, 1.0}


def test_a_coin_that_is_never_assigned_is_flagged():
    fit = eb.fit("coins", {"heads": [9, 8, 9], "tosses": [10] * 3}, n_components=2, e_step="hard",
                 start={"probs": [0.9, 0.01]})  # fmt: skip
    assert fit.status.name == "EMPTY_COMPONENT"
    assert [event.component for event in fit.events if event.kind == "empty"] == [1]
    assert np.isfinite(fit.params.probs).all()
    assert np.isfinite(fit.log_likelihood)


def test_two_columns_of_0_and_1_are_not_guessed_at():
    """Two tosses a row, or heads of one toss: 0.75 or 0.5 of heads for the same cells."""
    cells = {"toss1": [1.0, 0.0, 1.0], "toss2": [1.0, 1.0, 1.0]}
    with pytest.raises(InputError, match="name counts heads and tosses, or write the tosses of a row"):
        eb.fit("coins", cells, n_components=1)
    named = dict(zip(("heads", "tosses"), cells.values(), strict=True))
    assert eb.fit("coins", named, n_components=1).params.probs[0] == pytest.approx(2 / 3)


def test_a_missing_count_is_named_by_its_own_column():
    with pytest.raises(InputError, match="column 'a'"):
        eb.fit("coins", {"a": [1.0, np.nan], "b": [2.0, 3.0]}, n_components=1)
