"""What K-means adds to its page: half-steps that end with the last one, and K-medoids by name."""

import numpy as np
import pytest

import emvsbayes as eb
from emvsbayes.core.errors import InputError
from emvsbayes.studies.supplements.kmeans import LINES, PANELS


@pytest.fixture(scope="module")
def found():
    return eb.run("kmeans-old-faithful", sampling=False).record.supplements


def test_every_half_step_is_drawn_where_they_fit(found):
    (steps,) = [s for s in found if s.plots]
    assert len(steps.plots) == len(steps.sheets[0].rows) == 11 <= PANELS
    assert steps.plots[-1].title.startswith("pass 5, E")


def test_the_last_half_step_is_kept_where_they_do_not_fit():
    X = np.random.default_rng(5).normal(size=(1500, 2))
    compared = eb.compare("kmeans", X, n_components=9, sampling=False, n_starts=1)
    (steps,) = [s for s in compared.record.supplements if s.plots]
    (sheet,) = steps.sheets
    last = compared.ml.passes
    assert 2 * last + 1 > LINES
    assert len(steps.plots) == PANELS
    assert [row[:1] for row in sheet.rows[-3:]] == [["⋮"], [f"{last}"], [f"{last}"]]
    assert sheet.note.startswith(f"{2 * last + 1 - LINES} half-steps")
    assert f"leave out {2 * last + 1 - PANELS}" in sheet.note
    assert steps.plots[-1].title.startswith(f"pass {last}, E")


def test_k_medoids_is_listed_with_j_only(found):
    (sheet,) = [s.sheets[0] for s in found if s.title.startswith("K-medoids")]
    assert [row[0] for row in sheet.rows] == ["euclidean", "manhattan", "cosine"]
    assert "no twin and no KL" in sheet.caption
    X = eb.STUDIES["kmeans-old-faithful"].table().numbers()
    rows = [int(row) for row in sheet.rows[1][2].split(", ")]
    assert sheet.rows[1][1] == pytest.approx(np.abs(X[:, None] - X[rows]).sum(axis=2).min(axis=1).sum())


@pytest.mark.parametrize("call", [eb.compare, eb.sample])
def test_what_has_no_twin_says_why(call):
    X = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(InputError, match="nothing to sample or to compare"):
        call("kmeans", X, n_components=2, settings={"method": "medoids"})
    fit = eb.fit("kmeans", X, n_components=2, settings={"method": "medoids"})
    with pytest.raises(InputError, match="nothing to draw new rows from"):
        fit.simulate(X)
