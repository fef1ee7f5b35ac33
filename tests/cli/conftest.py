"""The command line, in this process and in one of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from contextlib import contextmanager

import pytest
from cases import OLD_FAITHFUL
from click.testing import CliRunner

from emvsbayes.cli import main
from emvsbayes.comparison import singularity


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own with data.csv in it; few starts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(singularity, "N_STARTS", 5)
    (tmp_path / "data.csv").write_text(OLD_FAITHFUL.read_text())
    return tmp_path


@pytest.fixture
def call():
    def call(*words):
        return CliRunner().invoke(main, [str(word) for word in words])

    return call


@pytest.fixture
def process():
    def process(*words, code=None):
        command = [sys.executable, "-W", "error", *(["-c", code] if code else ["-m", "emvsbayes", *map(str, words)])]
        return subprocess.run(command, capture_output=True, text=True)

    return process


@pytest.fixture
def listing(here):
    """Every file below the folder with its bytes, to see that nothing was written."""

    def listing():
        return {str(path.relative_to(here)): path.read_bytes() for path in here.rglob("*") if path.is_file()} | {
            str(path.relative_to(here)): None for path in here.rglob("*") if path.is_dir()
        }

    return listing


@pytest.fixture
def full_disk():
    """A context in which no file can grow beyond a thousand bytes, however it is written."""

    @contextmanager
    def full():
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full
