"""What leaves this folder: the wheel, the pinned versions, and the Makefile that a fresh machine starts with.

The wheel is built from a copy of the sources (a `build` folder left in the tree would lend it files that the
configuration no longer names) and runs in environments that cannot see the tree.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def call(*command: str | Path, cwd: Path) -> str:
    """The command's output; its complaint if it fails. No variable of the caller's brings in other packages."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in ("emvsbayes", "tests"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    call(*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", target, ".", cwd=source)
    (built,) = target.glob("*.whl")
    return built


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if not name.endswith("/")}
        licence = archive.read(f"emvsbayes-{PROJECT['version']}.dist-info/licenses/LICENSE")
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "emvsbayes").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    inside = {name for name in packed if name.startswith("emvsbayes/")}
    assert files - inside == set(), "not packed: name them under package-data, or give their folder an __init__.py"
    assert inside - files == set()
    assert {name.split("/")[0] for name in packed} == {"emvsbayes", f"emvsbayes-{PROJECT['version']}.dist-info"}
    assert licence == (ROOT / "LICENSE").read_bytes()
    studies = {f"emvsbayes/studies/{name}.toml" for name in ("two-coins", "old-faithful")}
    assert {"emvsbayes/py.typed", *studies} <= inside
    for pattern in (r"emvsbayes/studies/data/.+\.csv", r"emvsbayes/report/.+\.html"):
        assert any(re.fullmatch(pattern, name) for name in inside), pattern


def test_the_wheel_runs_a_study_from_its_own_data(wheel: Path, tmp_path: Path) -> None:
    # The packages around come from this environment by a .pth file, which does not pass on an editable install:
    # Python does not read the .pth files of a folder named in one.
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    venv.create(environment, symlinks=True)
    empty.mkdir()
    python = environment / "bin" / "python"
    call(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "--quiet",
         "--no-deps", "--no-index", wheel, cwd=empty)  # fmt: skip
    (packages,) = environment.glob("lib/python*/site-packages")
    around = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (packages / "around.pth").write_text("\n".join(around) + "\n")

    imported = call(python, "-c", "import emvsbayes; print(emvsbayes.__file__)", cwd=empty)
    assert Path(imported.strip()).is_relative_to(packages)
    listed = call(python, "-m", "emvsbayes", "list", cwd=empty)
    for name in ("coins", "gaussian_mixture", "two-coins", "old-faithful"):
        assert name in listed
    assert "run" in call(environment / "bin" / "emvsbayes", "--help", cwd=empty)
    call(python, "-m", "emvsbayes", "run", "two-coins", "--no-sampling", "--out", "out", cwd=empty)
    assert (empty / "out/two-coins/index.html").stat().st_size > 0
    assert (empty / "out/two-coins/result.json").stat().st_size > 0
    assert [path.name for path in empty.iterdir()] == ["out"]


@pytest.mark.sampling
def test_the_wheel_installs_by_itself_and_runs_a_study(wheel: Path, tmp_path: Path) -> None:
    environment, empty = tmp_path / "environment", tmp_path / "empty"
    venv.create(environment, symlinks=True, with_pip=True)
    empty.mkdir()
    call(environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet",
         wheel, "--constraint", ROOT / "constraints.txt", cwd=empty)  # fmt: skip
    call(environment / "bin" / "emvsbayes", "run", "two-coins", "--out", "out", cwd=empty)
    assert (empty / "out/two-coins/index.html").stat().st_size > 0
    assert (empty / "out/two-coins/result.json").stat().st_size > 0


def test_every_requirement_is_pinned_to_one_version_and_no_address() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    pinned = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    for text in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text


def test_the_changelog_speaks_of_this_version() -> None:
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text()


# The Makefile's search for a Python, on a PATH that holds nothing but stubs.

OLD = "exit 1"
SHIM = "echo \"pyenv: version '3.12' is not installed\" >&2; exit 127"
BARE = 'echo "$0"; exit 1'  # new enough, but without venv
GOOD = '[ "$1" != -c ] || echo "$0"'


def make_environment(folder: Path, **stubs: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    path = folder / "path"
    path.mkdir()
    for tool in ("env", "rm", "sh"):
        (path / tool).symlink_to(str(shutil.which(tool)))
    for name, body in stubs.items():
        (path / name.replace("_", ".")).write_text(f"#!/bin/sh\n{body}\n")
        (path / name.replace("_", ".")).chmod(0o755)
    return subprocess.run(
        [str(shutil.which("make")), ".venv/bin/python"],
        cwd=folder, env={"PATH": str(path), "LC_ALL": "C"}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stubs", "sentence"),
    [
        ({}, "emvsbayes needs Python >= 3.12"),
        ({"python3": OLD, "python3_13": SHIM, "uv": OLD}, "emvsbayes needs Python >= 3.12"),
        ({"python3": BARE, "python3_12": OLD}, "cannot make environments: install its venv module"),
    ],
)
def test_without_a_python_make_says_in_one_sentence_what_to_install(
    tmp_path: Path, stubs: dict[str, str], sentence: str
) -> None:
    done = make_environment(tmp_path, **stubs)
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert done.returncode != 0
    assert len(said) == 1
    assert sentence in said[0]
    assert done.stdout == ""
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("stubs", "chosen"),
    [
        ({"python3": GOOD, "python3_14": GOOD}, "python3"),
        ({"python3": SHIM, "python3_14": SHIM, "python3_13": GOOD, "python3_12": GOOD}, "python3.13"),
        ({"python3": BARE, "python3_12": GOOD}, "python3.12"),
        ({"python3": 'case $1$PYENV_VERSION in -csystem) echo "$0";; -c*) exit 1;; esac'}, "python3"),
        ({"python3": OLD, "uv": 'echo "${0%uv}elsewhere"', "elsewhere": GOOD}, "elsewhere"),
    ],
)
def test_make_takes_the_first_python_that_will_do(tmp_path: Path, stubs: dict[str, str], chosen: str) -> None:
    done = make_environment(tmp_path, **stubs)
    assert done.stderr == ""
    assert done.stdout == f"creating .venv with {tmp_path}/path/{chosen}\n"
