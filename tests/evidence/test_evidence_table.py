"""`log_evidence`: one table, its rows in agreement with their sources, and its way to JSON and back."""

import numpy as np
import pytest
import xarray as xr
from cases import FIVE_TRIALS, blobs
from exact_draws import exact_draws, stacked

import emvsbayes as eb
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.record import METHODS, REFERENCES, Evidence, Row
from emvsbayes.problem import pose

APART = np.r_[blobs(n=4, d=1, k=1) * 0.3, blobs(n=5, d=1, k=1, seed=2) * 0.3 + 9]
TIGHT = {
    "means": {"location": [4.5], "strength": 0.05},
    "covariances": {"dof": 20, "scale": 4.0},
    "weights": {"concentration": 20},
}


def tree(family, X, prior="default", n=1000, **posed):
    """Exact draws as a DataTree, such as `sample` returns."""
    problem = pose(family, X, **posed)
    draws = stacked(exact_draws(problem, exact_posterior(problem, prior), n, np.random.default_rng(0)))
    free = {k: v for k, v in draws.items() if k not in problem.family.fixed}
    variables = {k: (("chain", "draw", *(f"{k}_{i}" for i in range(v.ndim - 1))), v[None]) for k, v in free.items()}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})


@pytest.fixture(scope="module")
def coins():
    draws = tree("coins", FIVE_TRIALS, n_components=2)
    return eb.log_evidence("coins", FIVE_TRIALS, n_components=2, posterior=draws)


@pytest.fixture(scope="module")
def apart():
    draws = tree("gaussian_mixture", APART, TIGHT, n_components=2)
    return eb.log_evidence("gaussian_mixture", APART, n_components=2, prior=TIGHT, posterior=draws)


def test_overlapping_copies_are_not_counted(coins):
    assert (coins.copies, coins.separate) == (2, False)
    assert coins.row("vb_relabelled").value is None
    assert "not shown to be apart" in coins.row("vb_relabelled").remark
    assert all(row.log_copies == 0 for row in coins.rows)
    assert any("overlap" in note for note in coins.notes)
    assert coins.row("bridge").value == pytest.approx(coins.log_evidence, abs=0.05)


def test_separate_copies_are_counted_once_for_what_covers_one(apart):
    assert apart.separate
    added = {row.method: row.log_copies for row in apart.rows}
    assert added == {
        "enumeration": 0,
        "bridge": 0,
        "laplace_free": pytest.approx(np.log(2)),
        "laplace_natural": pytest.approx(np.log(2)),
        "vb": 0,
        "vb_relabelled": pytest.approx(np.log(2)),
        "bic": 0,
    }
    assert abs(apart.gap("bridge")) < 0.05
    assert abs(apart.gap("laplace_free")) < 0.1
    assert apart.gap("vb") == pytest.approx(apart.gap("vb_relabelled") + np.log(2))
    assert 0 < apart.gap("vb_relabelled") < 0.2


def test_rows_are_those_of_their_sources(coins):
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2)
    assert coins.row("bic").value == pytest.approx(-0.5 * fit.bic)
    assert coins.row("vb").value == pytest.approx(eb.variational("coins", FIVE_TRIALS, n_components=2).elbo)
    assert coins.reference == coins.row("enumeration")
    assert coins.gap("vb") == pytest.approx(coins.log_evidence - coins.row("vb").value)


def test_components_told_apart_have_one_copy():
    found = eb.log_evidence("coins", FIVE_TRIALS, n_components=2, labels=[0, 1, 1, 0, -1])
    assert found.copies == 1
    assert "vb_relabelled" not in [row.method for row in found.rows]
    assert not found.separate


def test_what_does_not_apply_has_a_sentence():
    found = eb.log_evidence("gaussian_mixture", blobs(), n_components=2, n_starts=2)
    assert found.reference is None
    assert "bridge sampling" in found.row("enumeration").remark
    with pytest.raises(eb.InputError, match="no estimate"):
        _ = found.log_evidence
    assert found.gap("vb") is None
    steep = eb.log_evidence("coins", FIVE_TRIALS, n_components=2, prior={"probs": {"a": 0.5, "b": 0.5}}, n_starts=3)
    assert "at least 1 for MAP" in steep.row("laplace_free").remark
    assert steep.row("vb").value < steep.log_evidence
    assert any("is added nowhere" in note for note in steep.notes)
    line = eb.log_evidence("linear_evidence", {"X": np.arange(9.0), "t": np.sin(np.arange(9.0))}, n_starts=2)
    assert line.row("vb").value < line.row("laplace_free").value + 1


def test_a_collapse_has_no_bic():
    X = np.r_[np.zeros(3), np.random.default_rng(0).normal(3, 1, 12)]
    found = eb.log_evidence("gaussian_mixture", X, n_components=2, n_starts=5)
    assert found.row("bic").value is None
    assert "no maximum" in found.row("bic").remark


def test_json_and_back(coins, apart):
    for found in (coins, apart):
        assert Evidence.from_json(found.to_json()) == found
    for text in (b"{}", b"nothing", coins.to_json().replace(b'"format": 1', b'"format": 9')):
        with pytest.raises(eb.InputError, match="evidence record"):
            Evidence.from_json(text)
    with pytest.raises(eb.InputError, match="unknown method"):
        Evidence.from_json(coins.to_json().replace(b'"bic"', b'"aic"'))


def test_the_summary_names_every_row_and_says_what_it_is(coins):
    text = coins.summary()
    for row in coins.rows:
        assert row.words in text
        assert row.value is None or row.meaning in text
    assert "ln 2 would count them twice" in text
    assert coins.row("vb").kind == "bound"
    assert set(REFERENCES) < set(METHODS)
    assert Row("bridge").kind == "estimate"
    with pytest.raises(eb.InputError, match="unknown method"):
        coins.row("laplace")


def test_bad_input():
    with pytest.raises(eb.InputError, match="prior is None"):
        eb.log_evidence("coins", FIVE_TRIALS, n_components=2, prior=None)
    with pytest.raises(eb.InputError, match="DataTree"):
        eb.log_evidence("coins", FIVE_TRIALS, n_components=2, posterior={"probs": 1})
    with pytest.raises(eb.InputError, match="seed"):
        eb.log_evidence("coins", FIVE_TRIALS, n_components=2, seed=-1)
    few = tree("coins", FIVE_TRIALS, n_components=2, n=20)
    remark = eb.log_evidence("coins", FIVE_TRIALS, n_components=2, posterior=few).row("bridge").remark
    assert "at least 60 draws" in remark
