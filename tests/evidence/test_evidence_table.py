"""`log_evidence`: one table, its rows in agreement with their sources, and its way to JSON and back."""

import numpy as np
import pytest
import xarray as xr
from cases import FIVE_TRIALS, blobs
from exact_draws import exact_draws, stacked

import emvsbayes as eb
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.record import METHODS, OVER, REFERENCES, Evidence, Row, decomposed
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
    assert all(row.log_copies == 0 for row in coins.rows if row.method != "vb_symmetric")
    assert 0 < coins.row("vb_symmetric").log_copies < np.log(2) - 0.05
    assert any("overlap" in note for note in coins.notes)
    assert abs(coins.gap("bridge")) < 4 * coins.row("bridge").se < 0.08


def test_separate_copies_are_counted_once_for_what_covers_one(apart):
    assert apart.separate
    added = {row.method: row.log_copies for row in apart.rows}
    assert added == {
        "enumeration": 0,
        "bridge": 0,
        "laplace_free": pytest.approx(np.log(2)),
        "laplace_natural": pytest.approx(np.log(2)),
        "vb": 0,
        "vb_collapsed": 0,
        "vb_symmetric": pytest.approx(np.log(2), abs=1e-3),
        "bic": 0,
    }
    assert abs(apart.gap("bridge")) < 0.05
    assert abs(apart.gap("laplace_free")) < 0.1
    assert apart.gap("vb_collapsed") == pytest.approx(apart.gap("vb_symmetric") + np.log(2), abs=1e-3)
    assert 0 < apart.gap("vb_symmetric") < 0.2


def test_the_second_decomposition(coins, apart):
    """ELBO + KL = ln p(X) for every bound; the KL is of the reference, and its error of both sides."""
    for found in (coins, apart):
        assert [row.method for row in found.bounds] == ["vb", "vb_collapsed", "vb_symmetric"]
        for row in found.bounds:
            assert row.value + row.kl == pytest.approx(found.log_evidence)
            assert row.kl > 0
            assert row.kl_se == row.se  # the reference is exact
        assert found.row("vb").kl >= found.row("vb_collapsed").kl > found.row("vb_symmetric").kl
        assert all(row.kl is None for row in found.rows if row.kind != "bound")
        assert found.decomposition.count("over parameters") == 2
        assert "It is not that of EM" in found.decomposition
        assert f"{found.row('vb').kl:.4f} over latents and parameters" in found.summary()


def test_the_kl_of_estimates_has_their_error():
    rows = [Row("bridge", -10.0, 0.03), Row("vb", -11.0), Row("vb_collapsed", -10.5, 0.04), Row("bic", -9.0)]
    found = decomposed(rows)
    assert [row.kl for row in found] == [None, pytest.approx(1.0), pytest.approx(0.5), None]
    assert found[1].kl_se == pytest.approx(0.03)
    assert found[2].kl_se == pytest.approx(0.05)
    assert decomposed(rows[1:]) == rows[1:]  # nothing to measure from


def test_rows_are_those_of_their_sources(coins):
    fit = eb.fit("coins", FIVE_TRIALS, n_components=2)
    assert coins.row("bic").value == pytest.approx(-0.5 * fit.bic)
    assert coins.row("vb").value == pytest.approx(eb.variational("coins", FIVE_TRIALS, n_components=2).elbo)
    assert coins.reference == coins.row("enumeration")
    assert coins.gap("vb") == pytest.approx(coins.log_evidence - coins.row("vb").value)


def test_components_told_apart_have_one_copy():
    found = eb.log_evidence("coins", FIVE_TRIALS, n_components=2, labels=[0, 1, 1, 0, -1])
    assert found.copies == 1
    assert "vb_symmetric" not in [row.method for row in found.rows]
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
    assert any("how far these copies overlap is not known" in note for note in steep.notes)
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
    assert "ln 2 would count some of it twice" in text
    assert coins.row("vb").kind == "bound"
    assert set(REFERENCES) < set(METHODS)
    assert set(OVER) == {name for name, (_, kind, _) in METHODS.items() if kind == "bound"}
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
