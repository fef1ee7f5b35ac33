"""Collapses counted and named, and the same starts under the prior."""

from __future__ import annotations

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs

from emvsbayes.comparison import singularity
from emvsbayes.comparison.singularity import compare_singularity
from emvsbayes.core.em import Stop
from emvsbayes.problem import pose

STOP = Stop(tol=1e-6, max_passes=200)
X = np.r_[blobs(n=40), [[30.0, 30.0], [30.0, 30.0]]]  # two tied rows far away: a component collapses on them


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(singularity, "N_STARTS", 30)
        problem = pose("gaussian_mixture", X, n_components=3)
        return compare_singularity(problem, problem.prior("default"), STOP, 3)


def test_collapses_are_counted_under_maximum_likelihood_only(found):
    assert found.n_starts == 30
    assert not found.bounded
    assert found.how
    for under in (found.ml, found.map):
        assert len(under.starts) == 30
        assert under.n_singular == sum(s.status == "SINGULAR" for s in under.starts)
    assert (found.ml.objective, found.map.objective) == ("ml", "map")
    assert found.ml.n_singular > 0
    assert found.map.n_singular == 0


def test_the_rows_are_named(found):
    collapsed = [s for s in found.ml.starts if s.status == "SINGULAR"]
    assert all(0 <= s.component < 3 for s in collapsed)
    assert all(1 <= len(s.rows) <= 8 for s in collapsed)
    assert all(s.n_collapsed_rows >= len(s.rows) for s in collapsed)
    assert any(s.rows == [40, 41] for s in collapsed)
    for s in found.ml.starts:
        if s.status != "SINGULAR":
            assert (s.component, s.rows, s.n_collapsed_rows) == (None, [], 0)


def test_both_climbs_begin_at_the_same_starts(found):
    ours, theirs = (sorted(s.index for s in under.starts) for under in (found.ml, found.map))
    assert ours == theirs == list(range(30))
    first = [{p.index: p.log_likelihood[0] for p in under.paths} for under in (found.ml, found.map)]
    shared = set(first[0]) & set(first[1])
    assert all(first[0][index] == first[1][index] for index in shared)


def test_best_first_collapsed_last_and_optima_numbered(found):
    for under in (found.ml, found.map):
        usable = [s for s in under.starts if s.optimum >= 0]
        assert under.starts[: len(usable)] == usable
        objectives = [s.objective for s in usable]
        assert objectives == sorted(objectives, reverse=True)
        assert all(s.optimum == -1 for s in under.starts[len(usable) :])
        assert [o.number for o in under.optima] == list(range(len(under.optima)))
        assert sum(o.count for o in under.optima) == len(usable)
        for o in under.optima:
            assert o.objective == max(s.objective for s in usable if s.optimum == o.number)
            assert set(o.params) == {"weights", "means", "covariances"}


def test_paths_show_the_way_into_the_collapse(found):
    assert [p.status for p in found.ml.paths].count("SINGULAR") >= 1
    for path in (*found.ml.paths, *found.map.paths):
        assert len(path.passes) == len(path.log_likelihood) <= 500
        assert path.passes[0] == 0
        assert (np.diff(path.passes) > 0).all()
        assert np.isfinite(path.log_likelihood).all()
    for path in found.ml.paths:
        assert (np.diff(path.log_likelihood) > -1e-9 * (1 + abs(path.log_likelihood[0]))).all()
        start = next(s for s in found.ml.starts if s.index == path.index)
        assert path.log_likelihood[-1] == pytest.approx(start.log_likelihood, abs=1e-6)
        assert path.passes[-1] == start.passes


def test_the_same_seed_gives_the_same_starts(monkeypatch):
    monkeypatch.setattr(singularity, "N_STARTS", 6)
    problem = pose("gaussian_mixture", X, n_components=2)
    one, same, other = (compare_singularity(problem, problem.prior("default"), STOP, seed) for seed in (1, 1, 2))
    assert one == same
    assert [s.objective for s in one.ml.starts] != [s.objective for s in other.ml.starts]


def test_coins_cannot_collapse(monkeypatch):
    monkeypatch.setattr(singularity, "N_STARTS", 6)
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    found = compare_singularity(problem, problem.prior("default"), STOP, 0)
    assert found.bounded
    assert found.ml.n_singular == 0
    assert "beta" in found.how.lower()


@pytest.mark.parametrize("covariance", ["tied", "diag", "spherical", "EII"])
def test_every_structure(covariance, monkeypatch):
    monkeypatch.setattr(singularity, "N_STARTS", 8)
    problem = pose("gaussian_mixture", X, n_components=3, settings={"covariance": covariance})
    found = compare_singularity(problem, problem.prior("default"), STOP, 0)
    assert found.map.n_singular == 0
    if covariance in ("tied", "EII"):
        assert found.bounded
        assert found.ml.n_singular == 0  # 42 rows that are not on a line hold one covariance open


def test_labels_and_held_fields_reach_every_start(monkeypatch):
    monkeypatch.setattr(singularity, "N_STARTS", 4)
    problem = pose("gaussian_mixture", X, n_components=2, fixed={"means": [[0.0, 0.0], [2.0, 2.0]]})
    found = compare_singularity(problem, problem.prior("default"), STOP, 0)
    for optimum in (*found.ml.optima, *found.map.optima):
        assert optimum.params["means"] == [[0.0, 0.0], [2.0, 2.0]]
