"""0 fine, 2 bad input, 3 not converged, 4 singular: each shown, each documented."""

from __future__ import annotations

import json

import pytest

from emvsbayes.cli import main

GAUSS = ["-f", "gaussian_mixture", "-k", "2"]
POINT = {
    "weights": [0.02, 0.98],
    "means": [[3.6, 79.0], [3.5, 70.0]],
    "covariances": [[[1e-9, 0], [0, 1e-7]], [[1.3, 0], [0, 180.0]]],
}
COMMANDS = ["list", "run", "compare", "em", "vb", "select", "simulate", "render", "relabel"]
COMMANDS += ["evidence", "sbc", "coverage"]


@pytest.fixture(autouse=True)
def _a_short_page(monkeypatch):
    monkeypatch.setattr("emvsbayes.report.page.render", lambda record: "<html></html>")


@pytest.mark.parametrize("command", ["em", "compare"])
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--starts", "3"], 0),
        (["--starts", "3", "--prior", "default"], 0),
        (["--starts", "0"], 2),
        (["--starts", "3", "--max-passes", "1"], 3),
        (["--start", json.dumps(POINT)], 4),
    ],
)
def test_exit_codes(command, options, code, call, here):
    extra = ["--no-sampling", "--out", "out"] if command == "compare" else []
    done = call(command, "data.csv", *GAUSS, *options, *extra)
    assert done.exit_code == code, done.output
    assert (command == "compare" and code != 2) == (here / "out").exists()


def test_a_singular_fit_names_its_rows(call):
    done = call("em", "data.csv", *GAUSS, "--start", json.dumps(POINT))
    assert done.exit_code == 4
    assert done.stderr == ""
    assert "Singular: the likelihood is unbounded" in done.stdout
    assert "component 0 collapsed on" in done.stdout
    mended = call("em", "data.csv", *GAUSS, "--start", json.dumps(POINT), "--prior", "default")
    assert mended.exit_code == 0


def test_codes_from_a_process(process):
    for words, code in (
        (["list"], 0),
        (["em", "data.csv", *GAUSS, "--starts", "2"], 0),
        (["em", "data.csv", *GAUSS, "--max-passes", "0"], 3),
        (["em", "data.csv", *GAUSS, "--start", json.dumps(POINT)], 4),
    ):
        done = process(*words)
        assert done.returncode == code, done.stderr
        assert done.stderr == ""


def test_an_unresolved_posterior_is_not_converged(call, monkeypatch):
    """EM is fine, the sampler is not: 3. The comparison is put in the place of one that was sampled."""
    from dataclasses import replace

    from emvsbayes import studies
    from emvsbayes.comparison.record import Check
    from emvsbayes.studies import runner

    real = runner.compare

    def unresolved(*args, **options):
        found = real(*args, **{**options, "sampling": False})
        checks = [Check("R-hat", None, 1.01, False, "of one chain"), Check("R-hat", 1.0123, 1.01, False, "of four")]
        return replace(found, record=replace(found.record, switching=object(), checks=checks))

    monkeypatch.setattr(studies, "compare", unresolved)
    monkeypatch.setattr(runner.Compared, "save", lambda self, folder: folder / "index.html")
    done = call("compare", "data.csv", *GAUSS, "--starts", "2")
    assert done.exit_code == 3, done.output
    assert "CHECK FAILED R-hat: does not exist, bound 1.01 (of one chain)" in done.output
    assert "CHECK FAILED R-hat: 1.012, bound 1.01 (of four)" in done.output


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_exit_codes(command, flag, call):
    done = call(*command, flag)
    assert done.exit_code == 0
    for line in (
        "0  fine",
        "2  bad input or usage",
        "3  not converged (EM or sampler)",
        "4  the requested fit is singular",
    ):
        assert line in done.stdout.splitlines() or f"  {line}" in done.stdout, done.stdout


def test_every_command_is_covered_here():
    assert sorted(main.commands) == sorted(COMMANDS)


def test_version(call):
    import emvsbayes

    assert emvsbayes.__version__ in call("--version").stdout


@pytest.mark.parametrize(("declared", "code"), [("fine", 3), ("unresolved", 0), ("singular", 3), ("not converged", 3)])
def test_a_study_that_ends_as_declared_is_fine(declared, code, call, here, monkeypatch):
    """A posterior that stays unresolved is a result where the study says so; the report is written either way."""
    from dataclasses import replace

    import msgspec

    from emvsbayes import studies
    from emvsbayes.studies import STUDIES, runner

    study = msgspec.structs.replace(STUDIES["two-coins"], outcome=declared)
    found = runner.run_study(study, sampling=False)
    unresolved = replace(found, record=replace(found.record, switching=object()))
    monkeypatch.setattr(studies, "STUDIES", {"two-coins": study})
    monkeypatch.setattr(studies.several, "run_study", lambda *args, **options: unresolved)
    monkeypatch.setattr(runner.Compared, "save", lambda self, folder: folder / "index.html")
    done = call("run", "--all", "--out", "out")
    assert done.exit_code == code, done.output
    assert (here / "out" / "index.html").exists()
