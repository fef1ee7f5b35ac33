"""Interrupted studies go on; results travel through JSON; pages say what the numbers say. No sampler runs here."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import emvsbayes as eb
from emvsbayes import InputError
from emvsbayes.calibration import coverage as coverage_module
from emvsbayes.calibration import sbc as sbc_module
from emvsbayes.calibration import store as store_module
from emvsbayes.calibration.coverage import coverage
from emvsbayes.calibration.coverage import specification as of_setting
from emvsbayes.calibration.coverage_record import Coverage
from emvsbayes.calibration.models import find_model
from emvsbayes.calibration.record import Calibration
from emvsbayes.calibration.replicate import Curvature, Replicate
from emvsbayes.calibration.sbc import clock, sbc, specification
from emvsbayes.calibration.settings import find_setting
from emvsbayes.calibration.simulation import Simulation
from emvsbayes.calibration.store import Store
from emvsbayes.report.coverage import render_coverage
from emvsbayes.report.sbc import render_calibration
from emvsbayes.studies.saving import render_result, save_calibration, save_coverage, write_gallery


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path / "cache"))


class FakeSimulator:
    """Ranks that depend on seed and index alone, and a count of how often it was asked."""

    asked: list[int] = []  # noqa: RUF012

    def __init__(self, model, compiled, seed):
        self.size, self.seed = len(sbc_module.ranked(model.pose())) + 1, seed

    def simulate(self, index):
        self.asked.append(index)
        rng = np.random.default_rng([self.seed, index])
        ranks, narrow = rng.integers(0, 100, self.size), (100 * rng.beta(0.5, 0.5, self.size)).astype(int)
        return Simulation(index, ranks.tolist(), narrow.tolist(), 400.0 + index, 1.01, 0, 2000, 1, 0.5)


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr("emvsbayes.bayes.compiled.compile_twin", lambda problem, prior, likelihood: None)
    monkeypatch.setattr(sbc_module, "Simulator", FakeSimulator)
    FakeSimulator.asked = []
    return FakeSimulator


def test_what_is_done_is_not_done_again(fake):
    said = []
    first = sbc("coins", simulations=20)
    assert fake.asked == list(range(20))
    more = sbc("coins", simulations=30, say=said.append)
    assert fake.asked == list(range(30))
    assert said[0] == "coins: 20 of 30 simulations are kept from an earlier run"
    assert said[-1] == "coins: 30 of 30 simulations, 0 s left"
    assert [h.ranks[:20] for h in more.models[0].histograms] == [h.ranks for h in first.models[0].histograms]
    sbc("coins", simulations=30, fresh=True)
    assert fake.asked == [*range(30), *range(30)]


def test_a_run_that_was_stopped_while_it_wrote_goes_on(fake):
    whole = sbc("coins", simulations=25)
    store = Store(Simulation, "sbc-coins", specification(find_model("coins"), 0, "fused"))
    store.path.write_bytes(store.path.read_bytes()[:-30])
    fake.asked = []
    assert sbc("coins", simulations=25) == whole
    assert fake.asked == [24]
    assert sbc("coins", simulations=25) == whole
    assert fake.asked == [24]


def test_another_seed_or_prior_is_another_store():
    model = find_model("coins")
    at = {
        Store(Simulation, "x", specification(m, seed, "fused")).path
        for m, seed in ((model, 0), (model, 1), (replace(model, order="weights"), 0), (replace(model, prior={}), 0))
    }
    assert len(at) == 4
    assert Store(Simulation, "x", specification(model, 0, "plain")).path not in at
    renamed = replace(model, title="Other words", statement="for the same thing")
    assert Store(Simulation, "x", specification(renamed, 0, "fused")).path in at


def test_the_record_travels_through_json(fake, tmp_path):
    found = sbc(["coins", "linear-evidence"], simulations=20)
    again = Calibration.from_json(found.to_json())
    assert again == found
    assert again["coins"].histogram("log-likelihood").ranks == found.models[0].histograms[-1].ranks
    with pytest.raises(InputError, match="unknown model"):
        again["bernoulli"]
    with pytest.raises(InputError, match="make it again with `emvsbayes sbc`"):
        Calibration.from_json(b'{"models": 3}')
    with pytest.raises(InputError, match="of a calibration in format 7, and this version reads"):
        Calibration.from_json(found.to_json().replace(b'"format": 2', b'"format": 7'))


@pytest.mark.parametrize(("kind", "said"), [(Calibration, "a calibration"), (Coverage, "a coverage study")])
def test_of_an_old_file_its_format_is_named_and_not_the_first_field_it_lacks(kind, said):
    """Bug: the file was said to be none of its kind, for want of a field that its format does not have."""
    with pytest.raises(InputError, match=f"of {said} in format 1.*make it again with `emvsbayes") as caught:
        kind.from_json(b'{"models": [{"name": "coins"}], "settings": [{"name": "coins"}], "format": 1}')
    assert "likelihood" not in str(caught.value)


@pytest.mark.parametrize("likelihood", ["fused", "plain"])
@pytest.mark.parametrize(
    "changed",
    [
        "families/coins/em.py",
        "families/coins/records.py",
        "bayes/chains.py",
        "bayes/compiled.py",
        "core/scalars.py",
        "relabelling/ecr.py",
    ],
)
def test_what_is_kept_is_of_the_code_that_made_it(likelihood, changed, monkeypatch):
    """Both studies; a file reads otherwise, the rest stays."""
    setting, model = find_setting("coins"), find_model("coins")

    def paths():
        specs = specification(model, 0, likelihood), of_setting(setting, setting.sizes[0], 0, likelihood)
        return [Store(Simulation, "x", spec).path for spec in specs]

    before, read, name = paths(), Path.read_bytes, str(Path("emvsbayes", changed))
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self) + b"#" * str(self).endswith(name))
    moved = [one != other for one, other in zip(before, paths(), strict=True)]
    assert moved == [not changed.startswith("relabelling"), True]


@pytest.mark.parametrize("likelihood", ["fused", "plain"])
def test_what_is_kept_is_of_the_densities_that_made_it(likelihood, monkeypatch):
    """Bug: ranks of a log-likelihood that was computed otherwise stayed valid where the PyMC model is sampled."""
    before = Store(Simulation, "x", specification(find_model("linear-evidence"), 0, likelihood)).path
    monkeypatch.setattr(store_module, "SOURCES", "of tomorrow")
    assert Store(Simulation, "x", specification(find_model("linear-evidence"), 0, likelihood)).path != before


def test_the_verdict_names_what_is_rejected(fake):
    found = sbc("coins", simulations=100)
    assert found.verdict[0].startswith("None of 4 rank histograms is rejected at 0.001; the smallest p-value is ")
    assert "reject a histogram of 1 of 1 models." in found.verdict[1]
    model = found.models[0]
    bad = replace(model, histograms=[replace(model.histograms[0], ecdf=1e-4), *model.histograms[1:]])
    spoiled = replace(found, models=[bad])
    assert spoiled.verdict[0] == "1 of 4 rank histograms is rejected at 0.001: weights[0] of coins."
    assert "REJECTED" in spoiled.summary()
    assert "weights[0]: rejected" in render_calibration(spoiled)


def test_the_page_says_what_was_done(fake, tmp_path):
    found = replace(sbc("coins", simulations=20), command="emvsbayes sbc --model coins")
    page = save_calibration(found, tmp_path / "sbc")
    text = page.read_text()
    assert all(words in text for words in ("emvsbayes sbc --model coins", "Beta(2, 2)", found.verdict[2], "sorted by"))
    assert len(set(re.findall(r' id="([^"]*)"', text))) == len(re.findall(r' id="([^"]*)"', text))
    assert json.loads((tmp_path / "sbc" / "result.json").read_text())["kind"] == "sbc"
    assert render_result(tmp_path / "sbc" / "result.json") == text


def words_of(page):
    """The text of a page, tags left out."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_the_page_says_which_of_two_densities_was_sampled(fake, tmp_path):
    found = sbc(["coins", "linear-evidence"], simulations=20)
    assert [model.likelihood for model in found.models] == ["fused", "plain"]
    text = words_of(save_calibration(found, tmp_path / "sbc").read_text())
    assert "coins the compiled posterior 20" in text
    assert "linear-evidence the PyMC model 20" in text


def test_bad_requests_are_refused():
    for arguments, words in (
        ({"simulations": 5}, "simulations must be a whole number >= 20"),
        ({"seed": -1}, "seed must be"),
        ({"models": "gauss"}, "unknown model 'gauss'"),
    ):
        with pytest.raises(InputError, match=words):
            sbc(**arguments)
    with pytest.raises(InputError, match="replicates must be a whole number >= 20"):
        coverage(replicates=3)
    with pytest.raises(InputError, match="unknown setting 'overlap'"):
        coverage("overlap")


def test_public_names_are_lazy():
    assert eb.sbc is sbc
    assert eb.coverage is coverage
    assert (eb.Calibration, eb.Coverage) == (Calibration, Coverage)


def test_waiting_times():
    assert [clock(s) for s in (3.2, 99, 101, 1500)] == ["3 s", "99 s", "2 min", "25 min"]


class FakeExperiment:
    """Intervals about the truth of the coins that hold it in known cases; some fits without a standard error."""

    asked: list[tuple[int, int]] = []  # noqa: RUF012

    def __init__(self, setting, problem, compiled, seed):
        self.n = problem.data.n_rows

    def run(self, index):
        self.asked.append((self.n, index))
        truth = [0.4, 0.35, 0.65]
        off = 0.5 if index % 4 == 0 else 0.0  # one in four intervals of ML misses
        ml = Curvature("CONVERGED", "", [t + off for t in truth], [0.1] * 3, [0.0] * 3, [1.0] * 3)
        if index % 10 == 9:
            ml = Curvature("SINGULAR", "there are no standard errors", truth, [None] * 3, [None] * 3, [None] * 3)
        if index % 10 == 8:
            ml = replace(ml, reason="on the boundary: probs[0]", se=[0.1, None, 0.1])
        mapped = Curvature("CONVERGED", "", truth, [0.05] * 3, [0.0] * 3, [1.0] * 3)
        return Replicate(index, ml, mapped, truth, [0.0, 0.0, 0.7], [1.0, 1.0, 1.0], 300.0, 1.01, 0.1)


@pytest.fixture
def fake_coverage(monkeypatch):
    monkeypatch.setattr("emvsbayes.bayes.compiled.compile_twin", lambda problem, prior, likelihood: None)
    monkeypatch.setattr(coverage_module, "Experiment", FakeExperiment)
    FakeExperiment.asked = []
    return FakeExperiment


def test_coverage_counts_intervals_that_hold_the_truth(fake_coverage, tmp_path):
    found = coverage("coins", replicates=40)
    assert len(fake_coverage.asked) == 120
    size = found["coins"].sizes[0]
    assert size.missing["ml"] == {"singular": 4, "on the boundary": 4}
    ml = size.cell("weights[0]", "ml")
    assert (ml.intervals, ml.covered) == (36, 26)  # 10 of 40 miss, and the 4 singular ones are not among them
    assert ml.width == pytest.approx(0.4)
    assert size.cell("probs[0]", "ml").intervals == 32
    assert size.cell("probs[1]", "posterior").covered == 0
    assert size.cell("probs[0]", "posterior").coverage == 1.0
    assert "8 of 40 (coins, N = 50)" in found.verdict[-1]
    assert Coverage.from_json(found.to_json()) == found
    coverage("coins", replicates=45)
    assert len(fake_coverage.asked) == 135
    page = save_coverage(found, tmp_path / "coverage").read_text()
    assert "4 on the boundary, 4 singular" in page
    assert render_result(tmp_path / "coverage" / "result.json") == page == render_coverage(found)


def test_coverage_of_the_other_density_is_another_study(fake_coverage, monkeypatch):
    compiled = coverage("coins", replicates=20)
    asked = len(FakeExperiment.asked)
    monkeypatch.setattr("emvsbayes.bayes.likelihoods.available_likelihood", lambda problem, prior, say: "plain")
    model = coverage("coins", replicates=20)
    assert (compiled["coins"].likelihood, model["coins"].likelihood) == ("fused", "plain")
    assert len(FakeExperiment.asked) == 2 * asked
    assert "coins, the compiled posterior." in words_of(render_coverage(compiled))
    assert "coins, the PyMC model." in words_of(render_coverage(model))


def test_limits_are_those_of_clopper_and_pearson():
    """Their table of 1934 for 190 of 200, by the beta quantiles."""
    from scipy.stats import beta

    held = np.tile([0.0, 1.0], (200, 1))
    held[:10] += 5
    found = coverage_module.cell("p", "ml", 0.5, held)
    assert (found.covered, found.coverage) == (190, 0.95)
    assert found.lower == pytest.approx(beta.ppf(0.025, 190, 11), rel=1e-9)
    assert found.upper == pytest.approx(beta.ppf(0.975, 191, 10), rel=1e-9)


def test_the_gallery_links_to_both(fake, fake_coverage, tmp_path):
    save_calibration(sbc("coins", simulations=20), tmp_path / "sbc")
    save_coverage(coverage("coins", replicates=20), tmp_path / "coverage")
    said = []
    text = write_gallery(tmp_path, said.append).read_text()
    assert not said
    assert 'href="./sbc/index.html"' in text
    assert 'href="./coverage/index.html"' in text
