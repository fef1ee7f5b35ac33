"""`compare_models`: each score beside its source, on posteriors that are drawn exactly; and what is refused."""

import arviz as az
import numpy as np
import pytest
import xarray as xr
from cases import FIVE_TRIALS, blobs
from scipy import stats

import emvsbayes as eb
from emvsbayes.selection.loo import behind, leave_one_out
from emvsbayes.selection.models_record import ASKS, ModelChoice, ModelScore

HEADS, TOSSES = np.array(FIVE_TRIALS["heads"]), np.array(FIVE_TRIALS["tosses"])
DRAWS = 1000


def one_coin(a, b, seed=0):
    """The posterior of one coin under a Beta(a, b), drawn from its density, with its log-likelihoods."""
    rng = np.random.default_rng(seed)
    probs = rng.beta(a + HEADS.sum(), b + (TOSSES - HEADS).sum(), size=(2, DRAWS, 1))
    rows = stats.binom.logpmf(HEADS, TOSSES, probs)
    weights = xr.Dataset({"weights": (("chain", "draw", "component"), np.ones((2, DRAWS, 1)))})
    return xr.DataTree.from_dict(
        {
            "posterior": weights.assign(probs=(("chain", "draw", "component"), probs)),
            "log_likelihood": xr.Dataset({"heads": (("chain", "draw", "obs_id"), rows)}),
        }
    )


def left_out(a, b):
    """ln p(x_n | the other rows) of a Beta-binomial, (N,)."""
    a, b = a + HEADS.sum() - HEADS, b + (TOSSES - HEADS).sum() - (TOSSES - HEADS)
    return stats.betabinom(TOSSES, a, b).logpmf(HEADS)


def test_leave_one_out_of_a_conjugate_model():
    """Each term beside the predictive density of the row from the others, which has a closed form."""
    found = leave_one_out(one_coin(2, 2), 5)
    np.testing.assert_allclose(found.rows, left_out(2, 2), atol=0.05)
    assert found.elpd == pytest.approx(left_out(2, 2).sum(), abs=0.08)
    assert found.elpd == pytest.approx(found.rows.sum())
    assert found.n_bad == 0


def test_differences_are_those_of_arviz():
    trees = {"flat": one_coin(1, 1), "steep": one_coin(40, 1, seed=1)}
    with np.errstate(all="ignore"):
        theirs = az.compare(trees, round_to="none")
    ours = {name: leave_one_out(tree, 5) for name, tree in trees.items()}
    gap, se = behind(ours["flat"].rows, ours["steep"].rows)
    assert gap == pytest.approx(-float(theirs.loc["steep", "elpd_diff"]))
    assert se == pytest.approx(float(theirs.loc["steep", "dse"]), rel=0.13)  # theirs divides by N, ours by N - 1


def test_rows_that_move_the_posterior_are_counted():
    """Draws of a posterior that never saw row 0, which lies far out: its weights have no mean."""
    rng = np.random.default_rng(0)
    rows = stats.norm.logpdf(np.array([9.0, 0.1, -0.2]), rng.normal(0, 0.5, size=(2, DRAWS, 1)))
    found = xr.Dataset({"y": (("chain", "draw", "obs_id"), rows)})
    tree = xr.DataTree.from_dict({"posterior": found.mean("obs_id"), "log_likelihood": found})
    assert leave_one_out(tree, 3).n_bad >= 1


@pytest.fixture(scope="module")
def coins():
    said = []
    found = eb.compare_models(
        "coins", FIVE_TRIALS, "1:3", sampling=False, posteriors={"K = 1": one_coin(2, 2)}, say=said.append
    )
    return found, said


def test_scores_are_those_of_their_sources(coins):
    found, _ = coins
    for model in found.models:
        k = model.n_components
        fit = eb.fit("coins", FIVE_TRIALS, n_components=k)
        assert model.half_bic == pytest.approx(-0.5 * fit.bic)
        assert model.half_icl == pytest.approx(-0.5 * fit.icl)
        assert model.n_parameters == 2 * k - 1
        assert model.elbo == pytest.approx(eb.variational("coins", FIVE_TRIALS, n_components=k).elbo, abs=1e-6)
        whole = eb.log_evidence("coins", FIVE_TRIALS, n_components=k)
        assert model.log_evidence == pytest.approx(whole.log_evidence)
        assert (model.evidence_by, model.evidence_se) == ("enumeration", None)
    assert sum(found.shares) == pytest.approx(1)
    assert found.shares[1] / found.shares[0] == pytest.approx(
        np.exp(found.models[1].log_evidence - found.models[0].log_evidence)
    )
    assert found.models[0].elpd == pytest.approx(left_out(2, 2).sum(), abs=0.08)
    assert (found.models[0].elpd_behind, found.models[1].elpd) == (0.0, None)


def test_each_criterion_has_its_winner_and_its_question(coins):
    found, said = coins
    assert found.best("half_bic").n_components == 1
    assert found.best("log_evidence").n_components == 3
    text = found.summary()
    for criterion, (words, asks) in ASKS.items():
        assert (f"By {words}" in text) == (criterion != "elpd")  # one model of three has draws: nothing to rank
        assert (asks in text) == (criterion != "elpd")
    assert found.best("elpd") is None
    assert "not worth more than a bare mention" in text
    assert "they ask different questions" in text
    assert "Nothing was sampled" in text
    assert len([line for line in said if "log evidence" in line]) == 3
    with pytest.raises(eb.InputError, match="unknown criterion"):
        found.best("aic")


def test_json_and_back(coins):
    found, _ = coins
    assert ModelChoice.from_json(found.to_json()) == found
    for text in (b"{}", found.to_json().replace(b'"format": 1', b'"format": 7')):
        with pytest.raises(eb.InputError, match="choice of models"):
            ModelChoice.from_json(text)


def test_settings_side_by_side():
    found = eb.compare_models(
        "gaussian_mixture", blobs(n=9), [1, 2], settings={"covariance": "full,tied"}, sampling=False, n_starts=2
    )
    assert [model.words for model in found.models] == ["full, K = 1", "full, K = 2", "tied, K = 1", "tied, K = 2"]
    assert set(found.prior) == {model.words for model in found.models}
    assert "unbounded" in found.summary()
    # one component is one model, whether its covariance is called full or tied
    assert found.models[0].log_evidence == pytest.approx(found.models[2].log_evidence, abs=1e-9)


def test_a_model_that_is_refused_is_a_row():
    found = eb.compare_models("coins", FIVE_TRIALS, [2, 9], sampling=False, n_starts=2)
    assert found.models[1].half_bic is None
    assert "9 components" in found.models[1].remarks[0]
    assert found.best("log_evidence") is None
    assert found.shares == [None, None]
    assert "K = 9 without" in eb.compare_models("coins", FIVE_TRIALS, [1, 2, 9], sampling=False, n_starts=2).summary()
    assert "9 components" in found.summary()


def test_a_family_without_components_or_rows_of_its_own():
    X = {"X": np.arange(9.0), "t": np.sin(np.arange(9.0))}
    found = eb.compare_models("linear_evidence", X, settings={"basis": "identity"}, sampling=False, n_starts=2)
    assert len(found.models) == 1
    assert found.models[0].half_icl is None
    joint = xr.DataTree.from_dict({"log_likelihood": xr.Dataset({"t": (("chain", "draw"), np.zeros((2, 9)))})})
    with pytest.raises(eb.InputError, match="rows are not independent"):
        leave_one_out(joint, 9)
    with pytest.raises(eb.InputError, match="group log_likelihood"):
        leave_one_out(xr.DataTree(), 9)


def test_draws_of_another_posterior_are_named():
    """The evidence is exact without them, and their elpd is of other predictions: never unremarked."""
    found = eb.compare_models(
        "coins", FIVE_TRIALS, 1, posteriors={"K = 1": one_coin(200, 2)}, sampling=False, n_starts=1
    )
    assert found.models[0].evidence_by == "enumeration"
    assert any("not of this posterior" in remark for remark in found.models[0].remarks)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"n_components": "3:1"}, "n_components"),
        ({"n_components": 2, "prior": None}, "prior is None"),
        ({"n_components": 2, "draws": 0}, "draws"),
        ({"n_components": 9}, "9 components"),
        ({"n_components": [8, 9]}, "8 components"),
        ({"n_components": 2, "settings": {"weight": "fixed"}}, "weight"),
        ({"n_components": "1:2", "posteriors": {"K=2": one_coin(2, 2)}}, "did you mean 'K = 2'"),
    ],
)
def test_bad_input(asked, said):
    with pytest.raises(eb.InputError, match=said):
        eb.compare_models("coins", FIVE_TRIALS, **asked, sampling=False)
    with pytest.raises(eb.InputError, match="leave n_components out"):
        eb.compare_models("linear_evidence", {"X": np.arange(9.0), "t": np.arange(9.0)}, 2)


def test_the_error_of_a_difference_is_said():
    """An elpd ahead by less than two standard errors is hardly told apart; an evidence is measured by both errors."""
    rows = [
        ModelScore(1, {}, -10.0, 0.3, "bridge sampling", -9.0, 1.0, elpd_behind=1.0, elpd_behind_se=0.8),
        ModelScore(2, {}, -8.0, 0.4, "bridge sampling", -8.0, 1.0, elpd_behind=0.0, elpd_behind_se=0.0),
    ]
    text = ModelChoice("coins", "", 5, {}, rows, {}, 0).summary()
    assert "2.00 nats ahead of K = 1 (± 0.50)" in text
    assert "1.00 nats ahead of K = 1 (± 0.80: hardly told apart)" in text
    assert "different questions" not in text
    assert ModelChoice("coins", "", 5, {}, [ModelScore(1, {})], {}, 0).shares == [None]


@pytest.mark.sampling
def test_draws_are_made_and_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path))
    asked = {"settings": {"weights": "fixed"}, "draws": 500, "chains": 2}
    found = eb.compare_models("coins", FIVE_TRIALS, "1:2", **asked)
    assert all(model.elpd is not None for model in found.models)
    assert found.models[0].elpd == pytest.approx(left_out(2, 2).sum(), abs=0.15)
    assert len(list(tmp_path.iterdir())) == 2
    again = eb.compare_models("coins", FIVE_TRIALS, "1:2", **asked)
    assert again.models == found.models
