"""Studies over a cluster: the comparisons of one after another, to the bit; a worker that dies costs a retry."""

import json
import os
import signal
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

import emvsbayes as eb
from emvsbayes.cli import main
from emvsbayes.comparison import singularity
from emvsbayes.report import page
from emvsbayes.studies import STUDIES, runner, several
from emvsbayes.workers import clients


def results(record):
    """What a study finds, every number to the bit; its times are those of the machine."""
    found = json.loads(record.to_json())
    return {key: value for key, value in found.items() if key != "provenance"}


@pytest.fixture
def _few_starts(client, monkeypatch):
    monkeypatch.setattr(singularity, "N_STARTS", 5)

    def few():
        from emvsbayes.comparison import singularity

        singularity.N_STARTS = 5

    client.run(few)


@pytest.mark.sampling  # no sampler, but whole studies
@pytest.mark.usefixtures("_few_starts")
def test_studies_over_a_client_are_those_here(client, monkeypatch):
    said = []
    small = {
        name: replace(STUDIES[name], bootstrap=0, supplements=[], models=[], n_starts=3)
        for name in ("two-coins", "heights")
    }
    monkeypatch.setattr(several, "STUDIES", small)
    there = eb.run_studies(small, sampling=False, client=client, say=said.append)
    here = eb.run_studies(small, sampling=False)
    assert list(there) == list(here) == list(small)
    for name in small:
        assert results(there[name].record) == results(here[name].record)
        assert any(line.startswith(f"{name}: EM: maximum likelihood") for line in said)


@pytest.mark.sampling
@pytest.mark.usefixtures("_few_starts")
def test_a_sampled_study_and_its_cache(client):
    """PyMC compiles and samples in a worker's thread, and finds its own draws again."""
    small = replace(STUDIES["two-coins"], bootstrap=0, supplements=[], models=[], draws=100, tune=100)
    said = []
    (first,), (second,) = (
        list(several.studies_done([small], fresh=fresh, client=client, say=said.append)) for fresh in (True, False)
    )
    assert dict(first[1].posterior.posterior.sizes)["draw"] == 100
    assert first[1].posterior.posterior.identical(second[1].posterior.posterior)
    assert "two-coins: posterior: the same draws are cached" in said
    assert any(line.startswith("two-coins: NUTS: sampled in") for line in said)


@pytest.mark.sampling
@pytest.mark.usefixtures("_few_starts")
def test_a_study_whose_worker_dies_is_done_again(client, tmp_path):
    marker = tmp_path / "killed"

    def rigged(path):
        from emvsbayes.studies import runner

        whole = runner.run_study

        def run_study(study, **options):
            if not path.exists():
                path.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return whole(study, **options)

        runner.run_study = run_study

    client.run(rigged, marker)
    small = replace(STUDIES["heights"], bootstrap=0, supplements=[], models=[], n_starts=3)
    [(number, found)] = several.studies_done([small], sampling=False, client=client)
    assert marker.exists()
    assert number == 0
    assert results(found.record) == results(runner.run_study(small, sampling=False).record)


@pytest.mark.sampling
def test_the_command_writes_the_pages_here(client, tmp_path, monkeypatch):
    @contextmanager
    def given(workers, scheduler):
        assert (workers, scheduler) == (2, None)
        yield client

    monkeypatch.setattr(clients, "connected", given)
    monkeypatch.setattr(page, "render", lambda record: f"<html>{record.subject.title}</html>")
    words = ["run", "heights", "--no-sampling", "--workers", "2", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "heights" / "index.html").stat().st_size > 0
    assert (tmp_path / "index.html").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--workers", "0"], "--workers must be a whole number >= 1; it is 0."),
        (["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "give one of the two."),
        (
            ["--scheduler", "somewhere"],
            "'somewhere' is no address of a Dask scheduler; write it as in tcp://HOST:8786.",
        ),
        (["--data", "x.csv", "--workers", "2"], "leave --workers and --scheduler out."),
    ],
)
def test_refused(words, sentence, tmp_path):
    done = CliRunner().invoke(main, ["run", "heights", "--out", str(tmp_path / "out"), *words])
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert sentence in done.output
    assert not (tmp_path / "out").exists()


def test_a_scheduler_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(clients, "SECONDS", 0.5)
    with (
        pytest.raises(eb.InputError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1 \(OSError\); give its"),
        clients.connected(scheduler="tcp://127.0.0.1:1"),
    ):
        pass


def test_names_are_several():
    with pytest.raises(eb.InputError, match=r"as in \['heights'\]; it is one text"):
        eb.run_studies("heights")
