"""`emvsbayes vb`: the library's variational fit, its file, and what it refuses."""

from __future__ import annotations

import json

import emvsbayes as eb

GAUSS = ["-f", "gaussian_mixture", "-k", "2", "--starts", "3"]


def test_vb_is_variational(call, here):
    done = call("vb", "data.csv", *GAUSS, "--covariance", "diag", "--json", "fit.json")
    assert done.exit_code == 0, done.output
    theirs = eb.variational("gaussian_mixture", "data.csv", n_components=2, settings={"covariance": "diag"}, n_starts=3)
    assert done.stdout.strip() == theirs.summary()
    assert (here / "fit.json").read_text().strip() == theirs.to_json()


def test_a_prior_below_one_and_few_passes(call):
    prior = {"probs": {"a": 0.5, "b": 0.5}, "weights": {"concentration": 0.1}}
    (words := ["-f", "coins", "-k", "2", "--prior", json.dumps(prior)]).append("--max-passes=2")
    with open("coins.csv", "w") as file:
        file.write("heads,tosses\n5,10\n9,10\n8,10\n4,10\n7,10\n")
    done = call("vb", "coins.csv", *words)
    assert done.exit_code == 3
    assert "Not converged" in done.stdout
    assert "ELBO + ln 2 = " in done.stdout


def test_what_vb_refuses(call):
    for words, said in (
        (["-f", "kmeans", "-k", "2"], "no variational Bayes"),
        ([*GAUSS, "--prior", "none"], "none"),
    ):
        done = call("vb", "data.csv", *words)
        assert done.exit_code == 2
        assert done.stderr.startswith("Error: ")
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_vb_never_imports_pymc(process):
    code = (
        "import sys; from emvsbayes.cli import main; "
        "main(['vb', 'data.csv', '-f', 'gaussian_mixture', '-k', '2', '--starts', '1'], standalone_mode=False)"
    )
    done = process(code=f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    print('pymc' in sys.modules)")
    assert done.stdout.strip().endswith("False"), done.stderr
