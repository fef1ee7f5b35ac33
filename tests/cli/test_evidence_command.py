"""`emvsbayes evidence`: the table of the function, several K, files; and PyMC only where it is asked for."""

import numpy as np
import pytest
import xarray as xr

import emvsbayes as eb
from emvsbayes.bayes import sampling

COINS = ["coins.csv", "-f", "coins"]
TRIALS = {"heads": [5, 9, 8, 4, 7], "tosses": [10] * 5}


@pytest.fixture(autouse=True)
def coins(here):
    (here / "coins.csv").write_text("heads,tosses\n" + "".join(f"{h},10\n" for h in TRIALS["heads"]))


def test_quick_is_the_table_of_the_function(call):
    done = call("evidence", *COINS, "-k", "2", "--quick", "--starts", "3")
    assert done.exit_code == 0, done.output
    same = eb.log_evidence("coins", TRIALS, n_components=2, n_starts=3)
    assert done.stdout == same.summary() + "\n"
    assert done.stderr.splitlines() == ["Laplace's method", "variational Bayes"]
    assert "The second decomposition" in done.stdout


def test_draws_are_bridged(call, monkeypatch):
    """Without --quick the posterior is sampled, with the numbers that were asked for."""
    seen = {}

    def drawn(**asked):
        seen.update(asked)
        rng = np.random.default_rng(0)
        probs = rng.beta(12, 9, size=(2, 300, 2))
        share = rng.beta(3, 3, size=(2, 300))
        variables = {"probs": probs, "weights": np.stack([share, 1 - share], axis=-1)}
        data = {name: (("chain", "draw", "component"), values) for name, values in variables.items()}
        return xr.DataTree.from_dict({"posterior": xr.Dataset(data)})

    monkeypatch.setattr(sampling, "sample", drawn)
    done = call("evidence", *COINS, "-k", "2", "--draws", "300", "--chains", "2", "--starts", "3", "--fresh")
    assert done.exit_code == 0, done.output
    assert (seen["draws"], seen["chains"], seen["fresh"], seen["n_components"]) == (300, 2, True, 2)
    assert "bridge sampling" in done.stdout
    assert "about a minute" in done.stderr.splitlines()[0]


def test_several_k_are_set_side_by_side(call, here):
    done = call("evidence", *COINS, "-k", "1:3", "--quick", "--json", "models.json", "--out", "page")
    assert done.exit_code == 0, done.output
    found = eb.ModelChoice.from_json((here / "models.json").read_bytes())
    assert found.command == "emvsbayes evidence coins.csv -f coins -k 1:3 --quick --json models.json --out page"
    assert [model.n_components for model in found.models] == [1, 2, 3]
    assert done.stdout == found.summary() + "\npage/index.html\n"
    page = (here / "page/index.html").read_text()
    assert "<svg" in page
    assert "How many components?" in page
    assert len([line for line in done.stderr.splitlines() if "log evidence" in line]) == 3


def test_several_settings_are_set_side_by_side(call):
    words = ["data.csv", "-f", "gaussian_mixture", "-k", "1", "--covariance", "full,diag", "--quick", "--starts", "2"]
    done = call("evidence", *words)
    assert done.exit_code == 0, done.output
    assert "full, K = 1" in done.stdout
    assert "diag, K = 1" in done.stdout


def test_one_model_as_data_and_as_a_page(call, here):
    done = call("evidence", *COINS, "-k", "2", "--quick", "--starts", "3", "--json", "e.json", "--out", "page")
    assert done.exit_code == 0, done.output
    assert eb.Evidence.from_json((here / "e.json").read_bytes()).row("enumeration").value < 0
    page = (here / "page/index.html").read_text()
    assert "VB, every labelling" in page
    assert page.count("<table") == 2


BAD = {
    "quick and a sampler": (["-k", "2", "--quick", "--smc"], ["--quick", "PyMC"]),
    "K of nothing": (["--quick"], ["n_components"]),
    "no range": (["-k", "3:1", "--quick"], ["1:6", "3:1"]),
    "no prior": (["-k", "2", "--quick", "--prior", "none"], ["prior", "none"]),
    "fixed with several K": (["-k", "1:2", "--quick", "--fixed", '{"weights": [0.5, 0.5]}'], ["--fixed", "one"]),
    "advi with several K": (["-k", "1:2", "--advi"], ["--advi", "one model"]),
    "a folder for a file": (["-k", "2", "--quick", "--json", "."], ["folder"]),
    "an option of em": (["-k", "2", "--tol", "1e-3"], ["--tol"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_writes_nothing(call, listing, name):
    options, words = BAD[name]
    before = listing()
    done = call("evidence", *COINS, *options)
    assert done.exit_code == 2
    assert "Error: " in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert listing() == before


def test_a_family_without_components(call, here):
    (here / "line.csv").write_text("x,t\n" + "".join(f"{i},{np.sin(i):.4f}\n" for i in range(9)))
    done = call("evidence", "line.csv", "-f", "linear_evidence", "--quick", "--starts", "2")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("linear_evidence: the log evidence on 9 rows")


def test_quick_never_imports_pymc(process):
    code = (
        "import sys; from emvsbayes.cli import main; "
        "main(['evidence', 'coins.csv', '-f', 'coins', '-k', '1:2', '--quick'], standalone_mode=False)"
    )
    done = process(code=f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    print('pymc' in sys.modules)")
    assert done.stdout.strip().endswith("False"), done.stderr
