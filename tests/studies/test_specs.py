"""Studies as data: every file loads, a misspelt key is named, the numbers in print come out."""

from __future__ import annotations

from pathlib import Path

import pytest

import emvsbayes as eb
from emvsbayes.studies import STUDIES, run
from emvsbayes.studies.spec import FOLDER, read_study

NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))


def test_the_studies_are_the_files():
    assert list(STUDIES) == NAMES
    assert len(STUDIES) == len(NAMES)
    assert {"old-faithful", "two-coins"} <= set(NAMES)
    assert eb.STUDIES is STUDIES


@pytest.mark.parametrize("name", NAMES)
def test_every_study_loads_and_can_be_posed(name):
    from emvsbayes.problem import pose

    study = STUDIES[name]
    assert study.name == name
    assert study.title
    assert study.source
    assert study.family in eb.FAMILIES
    assert sum(source is not None for source in (study.data, study.columns, study.photograph)) == 1
    problem = pose(
        study.family, study.table(), n_components=study.n_components, settings=study.settings, fixed=study.fixed
    )
    assert problem.family.proper_prior(problem.prior(study.prior)) is not None
    for entry in study.published:
        assert problem.start(study.start) is not None
        assert entry.field in problem.fields


def test_two_coins_is_the_example_in_print():
    study = STUDIES["two-coins"]
    assert study.columns == {"heads": [5, 9, 8, 4, 7], "tosses": [10] * 5}
    assert study.start == {"probs": [0.6, 0.5]}
    assert study.settings == {"weights": "fixed"}
    exact = [entry for entry in study.published if entry.e_step == "exact"]
    printed = {entry.passes if entry.labels is None else "known": entry.values for entry in exact}
    assert printed == {1: [0.71, 0.58], 10: [0.80, 0.52], "known": [0.80, 0.45]}


def test_the_numbers_in_print_are_reproduced():
    record = run("two-coins", sampling=False).record
    assert len(record.published) == 4
    for entry in record.published:
        assert entry.passed, entry
        assert [round(value, entry.digits) for value in entry.ours] == entry.printed
    assert record.published[0].ours == pytest.approx([0.7130122354005, 0.5813393083136], abs=1e-12)
    assert record.published[2].ours == pytest.approx([24 / 30, 9 / 20], abs=1e-15)


GOOD = 'title = "T"\nfamily = "coins"\nn_components = 2\nsource = "S"\ncolumns = { heads = [1, 2], tosses = [3, 4] }\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "n_componets = 3\n", ["n_componets"]),
        (GOOD + "[[published]]\nwhat = 'a'\nfeild = 'probs'\nvalues = [1.0]\n", ["feild"]),
        (GOOD.replace("n_components = 2", "n_components = 'two'"), ["n_components", "int"]),
        (GOOD.replace('family = "coins"\n', ""), ["family"]),
        (GOOD + "seed = [1]\n", ["seed"]),
        (GOOD + "[[published]]\nwhat = 'a'\nfield = 'probs'\nvalues = ['x']\n", ["values"]),
        ("title = \n", ["not a study"]),
        ("", ["title"]),
        ("\x00", ["not a study"]),
    ],
)
def test_a_misfit_is_named_in_one_sentence(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(eb.InputError) as caught:
        read_study(path)
    message = str(caught.value)
    assert message.startswith("mine.toml is not a study: ")
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_a_good_file_is_read(tmp_path):
    (tmp_path / "mine.toml").write_text(GOOD)
    study = read_study(tmp_path / "mine.toml")
    assert study.name == "mine"
    assert study.prior == "default"
    assert (study.draws, study.tune, study.chains, study.seed) == (1000, 1000, 4, 0)


def test_an_unknown_study_is_corrected():
    with pytest.raises(eb.InputError, match="did you mean 'old-faithful'"):
        eb.run("old-faithfull")
    with pytest.raises(eb.InputError, match=r"choose from .*old-faithful, .*two-coins"):
        eb.run("zzz")
    for name in ("../two-coins", "two-coins.toml", "", str(Path(__file__))):
        with pytest.raises(eb.InputError):
            eb.run(name)
