"""What the commands do when all is well: options, output to pipe, files, and what is never imported."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from cases import FIVE_TRIALS

import emvsbayes as eb
from emvsbayes.studies.saving import read_result

GAUSS = ["-f", "gaussian_mixture", "-k", "2", "--starts", "3"]
START = {"means": [[2, 55], [4.3, 80]], "weights": [0.4, 0.6]}


def fitted(call, here, *words, data="data.csv"):
    done = call("em", data, *words, "--json", "fit.json")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    return eb.Fit.from_json((here / "fit.json").read_text())


def test_em_is_fit(call, here):
    ours = fitted(call, here, *GAUSS, "--seed", "3", "--covariance", "diag")
    theirs = eb.fit("gaussian_mixture", "data.csv", n_components=2, settings={"covariance": "diag"}, n_starts=3, seed=3)
    assert ours.to_json() == theirs.to_json()
    assert call("em", "data.csv", *GAUSS, "--set", "covariance=diag", "--seed", "3").stdout.strip() == theirs.summary()


def test_map(call, here):
    ours = fitted(call, here, *GAUSS, "--prior", "default")
    assert ours.prior is not None
    theirs = eb.fit("gaussian_mixture", "data.csv", n_components=2, prior="default", n_starts=3)
    assert ours.log_posterior == theirs.log_posterior


PRIOR = {
    "means": {"location": [3.5, 70.0], "strength": 0.5},
    "covariances": {"dof": 5.0, "scale": [[2.0, 0.0], [0.0, 90.0]]},
    "weights": {"concentration": 2.0},
}
TOML = """\
[means]
location = [3.5, 70.0]
strength = 0.5
[covariances]
dof = 5
scale = [[2.0, 0.0], [0.0, 90.0]]
[weights]
concentration = 2
"""


def test_a_prior_inline_and_from_files(call, here):
    (here / "p.json").write_text(json.dumps(PRIOR))
    (here / "p.toml").write_text(TOML)
    found = [fitted(call, here, *GAUSS, "--prior", p).to_json() for p in (json.dumps(PRIOR), "p.json", "p.toml")]
    assert found[0] == found[1] == found[2]
    assert json.loads(found[0])["prior"]["covariances"]["dof"] == 5


def test_a_start_inline_from_files_and_by_method(call, here):
    (here / "s.json").write_text(json.dumps(START))
    (here / "s.toml").write_text("means = [[2, 55], [4.3, 80]]\nweights = [0.4, 0.6]\n")
    words = ["-f", "gaussian_mixture", "-k", "2"]
    found = [fitted(call, here, *words, "--start", s) for s in (json.dumps(START), "s.json", "s.toml")]
    assert len({f.to_json() for f in found}) == 1
    assert found[0].start.weights.tolist() == [0.4, 0.6]
    assert len(found[0].restarts) == 1
    assert {r.how for r in fitted(call, here, *GAUSS, "--start", "k-means++").restarts} == {"k-means++"}


def test_compare_takes_every_start_that_em_takes(call, here):
    for start in (json.dumps(START), "kmeans"):
        done = call("compare", "data.csv", *GAUSS, "--start", start, "--no-sampling", "--out", "out")
        assert done.exit_code == 0, done.output


def test_columns_labels_and_weights(call, here):
    frame = pd.read_csv("data.csv")
    frame["who"] = ["a"] * len(frame)
    frame["known"] = np.where(np.arange(len(frame)) % 3 == 0, (frame["waiting"] > 67).astype(float), np.nan)
    frame["count"] = np.arange(len(frame)) % 4
    frame.to_csv("d.csv", index=False)
    ours = fitted(
        call, here, *GAUSS, "--columns", "waiting, eruptions", "--labels", "known", "--weights", "count", data="d.csv"
    )
    theirs = eb.fit(
        "gaussian_mixture",
        frame[["waiting", "eruptions"]],
        n_components=2,
        labels=frame["known"].fillna(-1),
        sample_weight=frame["count"],
        n_starts=3,
    )
    assert ours.columns == ("waiting", "eruptions")
    np.testing.assert_array_equal(ours.params.means, theirs.params.means)
    assert ours.total_weight == frame["count"].sum()
    one = fitted(call, here, *GAUSS, "--columns", "waiting", data="d.csv")
    assert one.params.means.shape == (2, 1)


def test_labels_and_weights_are_no_data(call, here):
    frame = pd.read_csv("data.csv").assign(w=1.0, z=-1)
    frame.to_csv("d.csv", index=False)
    ours = fitted(call, here, *GAUSS, "--labels", "z", "--weights", "w", data="d.csv")
    assert ours.columns == ("eruptions", "waiting")
    assert ours.log_likelihood == fitted(call, here, *GAUSS).log_likelihood


def test_fields_are_held_from_the_command_line(call, here):
    (here / "held.toml").write_text("weights = [0.25, 0.75]\n")
    for words in ('{"weights": [0.25, 0.75]}', "held.toml"):
        assert fitted(call, here, *GAUSS, "--fixed", words).params.weights.tolist() == [0.25, 0.75]


def test_coins(call, here):
    pd.DataFrame(FIVE_TRIALS).to_csv("coins.csv", index=False)
    words = ["-f", "coins", "-k", "2", "--set", "weights=fixed", "--start", '{"probs": [0.6, 0.5]}']
    found = fitted(call, here, *words, data="coins.csv")
    assert found.params.probs.round(2).tolist() == [0.8, 0.52]
    assert found.params.weights.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("suffix", [".parquet", ".npy", ".npz", ".CSV"])
def test_every_kind_of_file(suffix, call, here):
    frame = pd.read_csv("data.csv")
    path = here / f"d{suffix}"
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    elif suffix == ".npy":
        np.save(path, frame.to_numpy())
    elif suffix == ".npz":
        np.savez(path, **{name: frame[name].to_numpy() for name in frame})
    else:
        frame.to_csv(path, index=False)
    assert fitted(call, here, *GAUSS, data=path).log_likelihood == fitted(call, here, *GAUSS).log_likelihood


def test_compare_writes_a_report_and_prints_the_verdict(call, here):
    done = call("compare", "data.csv", *GAUSS, "--no-sampling")
    assert done.exit_code == 0, done.output
    folder = here / "data-report"
    assert {path.name for path in folder.iterdir()} == {"index.html", "result.json"}
    record = read_result(folder / "result.json")
    printed = " ".join(done.stdout.split())
    for sentence in record.verdict:
        assert " ".join(sentence.split()) in printed
    assert done.stdout.splitlines()[-1] == "data-report/index.html"
    assert "EM" in done.stderr
    assert record.subject.title == "data.csv"


def test_run_writes_reports_and_the_gallery(call, here):
    done = call("run", "two-coins", "--no-sampling", "--out", "out")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (here / "out").iterdir()) == ["index.html", "two-coins"]
    assert done.stdout.splitlines()[-1] == "out/two-coins/index.html"
    both = call("run", "two-coins", "heights", "--no-sampling", "--out", "out")
    assert both.exit_code == 0, both.output
    assert {path.name for path in (here / "out").iterdir()} == {"index.html", "two-coins", "heights"}
    gallery = (here / "out" / "index.html").read_text()
    for name in ("two-coins", "heights"):
        assert eb.STUDIES[name].title in gallery


def test_all_begins_with_the_first_study(call, here, monkeypatch):
    asked = []

    def run_study(study, **given):
        asked.append(study.name)
        raise eb.InputError("enough")  # of the first

    monkeypatch.setattr("emvsbayes.studies.several.run_study", run_study)
    assert call("run", "--all", "--out", "out").exit_code == 2
    assert asked == [next(iter(eb.STUDIES))]


def test_render_draws_the_same_page(call, here):
    assert call("run", "two-coins", "--no-sampling", "--out", "out").exit_code == 0
    page = here / "out" / "two-coins" / "index.html"
    before = page.read_bytes()
    page.unlink()
    done = call("render", "out/two-coins/result.json")
    assert done.exit_code == 0
    assert done.stdout.strip() == "out/two-coins/index.html"
    assert page.read_bytes() == before
    assert call("render", "out/two-coins/result.json", "--out", "else/where.html").exit_code == 0
    assert (here / "else" / "where.html").read_bytes() == before


def test_a_failed_render_keeps_the_page(call, here, full_disk):
    assert call("run", "two-coins", "--no-sampling", "--out", "out").exit_code == 0
    page = here / "out" / "two-coins" / "index.html"
    before = page.read_bytes()
    with full_disk():
        done = call("render", "out/two-coins/result.json")
    assert done.exit_code == 2
    assert page.read_bytes() == before


def test_list(call):
    done = call("list")
    assert done.exit_code == 0
    assert done.stderr == ""
    for name in (*eb.FAMILIES, *eb.STUDIES):
        assert name in done.stdout
    for word in ("full", "tied", "diag", "spherical", "EII", "fixed", "online", "medoids", "hard EM"):
        assert word in done.stdout


def test_output_can_be_piped(process):
    """Results on standard output without colour, progress on standard error."""
    done = process("em", "data.csv", *GAUSS)
    assert done.returncode == 0
    assert done.stdout.startswith("gaussian_mixture, K = 2, maximum likelihood\n")
    assert "\x1b" not in done.stdout + done.stderr
    done = process("compare", "data.csv", *GAUSS, "--no-sampling", "--out", "out")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "out/index.html"
    assert "\x1b" not in done.stdout + done.stderr


WATCH = """
import sys
from emvsbayes.cli import main
try:
    main({words!r}, standalone_mode=False)
except SystemExit as exit:
    assert not exit.code, exit.code
print(sorted(name for name in {names!r} if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["em", "data.csv", *GAUSS], ("pymc", "pytensor", "matplotlib", "arviz", "xarray", "nutpie")),
        (["list"], ("pymc", "pytensor", "matplotlib", "arviz", "xarray", "nutpie")),
        (
            ["run", "two-coins", "old-faithful", "--no-sampling", "--out", "out"],
            ("pymc", "pytensor", "nutpie", "arviz"),
        ),
        (["compare", "data.csv", *GAUSS, "--no-sampling"], ("pymc", "pytensor", "nutpie", "arviz")),
    ],
)
def test_what_is_never_imported(words, names, process):
    done = process(code=WATCH.format(words=words, names=names))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_render_never_imports_pymc(process, call):
    assert call("run", "two-coins", "--no-sampling", "--out", "out").exit_code == 0
    words, names = ["render", "out/two-coins/result.json"], ("pymc", "pytensor", "nutpie", "arviz", "xarray")
    done = process(code=WATCH.format(words=words, names=names))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
