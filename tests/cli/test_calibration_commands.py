"""`emvsbayes sbc` and `emvsbayes coverage`: pages, exit codes, one sentence for bad input. No sampler runs here."""

import numpy as np
import pytest

from emvsbayes import Calibration
from emvsbayes.calibration import sbc as sbc_module
from emvsbayes.calibration.simulation import Simulation


@pytest.fixture(autouse=True)
def uniform(monkeypatch, tmp_path):
    """Simulations with ranks that are uniform, or what `spoil` makes of them."""

    class Fake:
        spoil = staticmethod(lambda ranks: ranks)

        def __init__(self, model, compiled, seed):
            self.size = len(sbc_module.ranked(model.pose())) + 1

        def simulate(self, index):
            ranks = np.random.default_rng([1, index]).integers(0, 100, self.size)
            return Simulation(index, Fake.spoil(ranks).tolist(), (ranks // 2).tolist(), 400.0, 1.0, 0, 2000, 1, 0.1)

    monkeypatch.setenv("EMVSBAYES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("emvsbayes.bayes.compiled.compile_twin", lambda problem, prior, likelihood: None)
    monkeypatch.setattr(sbc_module, "Simulator", Fake)
    return Fake


def test_the_page_and_the_data_are_written(call, here):
    done = call("sbc", "--model", "coins", "--simulations", "40", "--out", "checked")
    assert done.exit_code == 0
    assert done.stdout.startswith("None of 4 rank histograms is rejected at 0.001")
    assert done.stdout.splitlines()[-1] == "checked/index.html"
    assert "coins: 40 of 40 simulations, 0 s left" in done.stderr
    record = Calibration.from_json((here / "checked/result.json").read_bytes())
    assert record.command == "emvsbayes sbc --model coins --simulations 40 --out checked"
    page = (here / "checked/index.html").read_bytes()
    (here / "checked/index.html").unlink()
    assert call("render", "checked/result.json").exit_code == 0
    assert (here / "checked/index.html").read_bytes() == page


def test_a_rejected_histogram_is_exit_code_3(call, uniform):
    uniform.spoil = staticmethod(lambda ranks: ranks // 2)
    done = call("sbc", "--model", "linear-evidence", "--simulations", "60", "--out", "checked")
    assert done.exit_code == 3
    assert done.stdout.startswith("3 of 3 rank histograms are rejected at 0.001: alpha of linear-evidence, beta")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sbc", "--model", "coin"], "unknown model 'coin': did you mean 'coins'?"),
        (["sbc", "--simulations", "10"], "simulations must be a whole number >= 20; it is 10."),
        (["coverage", "--setting", "overlap"], "unknown setting 'overlap': did you mean 'overlapping'?"),
        (["coverage", "--replicates", "0"], "replicates must be a whole number >= 20; it is 0."),
        (["sbc", "--out", "data.csv/x"], "data.csv is a file, so that data.csv/x cannot be a folder"),
    ],
)
def test_bad_input_is_one_sentence(call, here, words, said):
    done = call(*words)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {said}")
    assert len(done.stderr.splitlines()) == 1
    assert not (here / "reports").exists()


def test_a_spoiled_result_is_refused(call, here):
    (here / "result.json").write_text('{"kind": "sbc", "models": 3}')
    done = call("render", "result.json")
    assert done.exit_code == 2
    assert "result.json: this is not the result.json of a calibration, format 2" in done.stderr
    assert "make it again with `emvsbayes sbc`" in done.stderr
