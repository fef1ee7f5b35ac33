"""`emvsbayes select`, and what it shares with `em`: starts, stopping rules, a fit to start from."""

import json

import pytest

import emvsbayes as eb

GAUSS = ["data.csv", "-f", "gaussian_mixture"]
FEW = ["--starts", "2"]


def test_the_table_is_that_of_the_function(call):
    done = call("select", *GAUSS, "-k", "1:2", "--covariance", "full,tied", "--map", *FEW)
    assert done.exit_code == 0
    same = eb.select(
        "gaussian_mixture", "data.csv", [1, 2], settings={"covariance": "full,tied"}, prior="both", n_starts=2
    )
    assert done.stdout == same.summary() + "\n"
    assert done.stderr.count(" of 8: ") == 8


def test_the_page_and_the_data_are_written(call, here):
    done = call("select", *GAUSS, "-k", "1,2", *FEW, "--out", "chosen")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "chosen/index.html"
    assert sorted(path.name for path in (here / "chosen").iterdir()) == ["index.html", "selection.json"]
    record = eb.Selection.from_json((here / "chosen/selection.json").read_bytes())
    assert record.command == "emvsbayes select data.csv -f gaussian_mixture -k 1,2 --starts 2 --out chosen"
    assert record.best.n_components == 2


def test_exit_codes(call, here):
    assert call("select", *GAUSS, "-k", "2", *FEW, "--max-passes", "2").exit_code == 3
    (here / "tied.csv").write_text("a,b\n" + "0,0\n1,1\n0,1\n" + "9,9\n" * 5 + "-9,9\n" * 5)
    tied = ["tied.csv", "-f", "gaussian_mixture", "-k", "3", "--start", "kmeans", *FEW]
    done = call("select", *tied)
    assert done.exit_code == 4
    assert "use a prior (MAP)" in done.stdout
    assert call("select", *tied, "--prior", "default").exit_code == 0


BAD = {
    "no range": (["-k", "3:1"], ["n_components", "1:6"]),
    "no structure": (["--covariance", "ful"], ["did you mean 'full'?"]),
    "no criterion": (["--criterion", "bci"], ["did you mean 'bic'?"]),
    "two priors": (["--map", "--prior", "default"], ["--prior both", "leave one"]),
    "values to start from": (["--start", '{"means": [[1, 2]]}'], ["name of a starting method"]),
    "starts": (["--starts", "2:3"], ["20:5", "'2:3'"]),
    "threads": (["--jobs", "0"], ["n_jobs", "0"]),
    "a rule": (["--stop-rule", "bth"], ["did you mean 'both'?"]),
    "a file for a folder": (["--out", "data.csv"], ["data.csv is a file", "another output folder"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_writes_nothing(call, listing, name):
    options, words = BAD[name]
    before = listing()
    done = call("select", *GAUSS, *options)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr
    assert listing() == before


def test_a_family_without_components(call):
    done = call("select", "data.csv", "-f", "linear_evidence")
    assert done.exit_code == 2
    assert "no K to choose" in done.stderr


def test_em_goes_on_from_a_fit(call, here):
    model = [*GAUSS, "-k", "3"]
    assert call("em", *model, "--starts", "4:2", "--max-passes", "30", "--json", "fit.json").exit_code == 3
    first = json.loads((here / "fit.json").read_text())
    done = call("em", *model, "--start", "fit.json", "--json", "on.json", "--aitken")
    assert done.exit_code == 0
    second = json.loads((here / "on.json").read_text())
    assert second["fit"]["start"] == first["fit"]["params"]
    assert "Aitken" in second["fit"]["stopped_by"]
    done = call("em", *GAUSS, "-k", "2", "--start", "fit.json")
    assert done.exit_code == 2
    assert "give a start of the same model" in done.stderr


def test_stopping_rules_reach_the_fit(call, here):
    rules = ["--tol", "1e-4", "--param-tol", "1e-5", "--stop-rule", "both"]
    assert call("em", *GAUSS, "-k", "2", *FEW, *rules, "--json", "fit.json").exit_code == 0
    fit = eb.Fit.from_json((here / "fit.json").read_text())
    assert (fit.stop.tol, fit.stop.param_tol, fit.stop.rule, fit.stop.aitken) == (1e-4, 1e-5, "both", False)
