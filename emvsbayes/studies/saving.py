"""A comparison on disk: index.html, result.json, posterior.nc, whole or not at all; and the gallery of a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from emvsbayes.calibration.coverage_record import Coverage
from emvsbayes.calibration.record import Calibration
from emvsbayes.comparison.record import Comparison
from emvsbayes.core.errors import InputError
from emvsbayes.selection.record import Selection

PAGE, RESULT, POSTERIOR, SELECTION = "index.html", "result.json", "posterior.nc", "selection.json"
NUMBERS = "results.json"  # of a page that no command of the package makes
CHECKS = {
    "sbc": ("Simulation-based calibration", Calibration),
    "coverage": ("Do the intervals hold the truth?", Coverage),
}


def writable(folder: Path) -> Path:
    """`folder`, if files can be written there (now, before any work is done); it is not created."""
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        below = "" if nearest == folder else f", so that {folder} cannot be a folder"
        raise InputError(f"{nearest} is a file{below}; choose another output folder.")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise InputError(
            f"nothing can be written to {folder} ({error.strerror}); choose another output folder."
        ) from None
    return folder


def save(record: Comparison, posterior: Any | None, folder: Path) -> Path:
    """Write the page, the result and the posterior; every file is complete before the first appears."""
    from emvsbayes.report.page import render

    page, result = render(record), record.to_json()  # before anything is created
    writable(folder)
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        (staging / PAGE).write_text(page, encoding="utf-8")
        (staging / RESULT).write_bytes(result)
        if posterior is not None:
            posterior.to_netcdf(staging / POSTERIOR, engine="h5netcdf")
        for path in sorted(staging.iterdir()):
            os.replace(path, folder / path.name)
        if posterior is None:
            (folder / POSTERIOR).unlink(missing_ok=True)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for parent in made:  # nothing is left of a report that could not be written
            with suppress(OSError):
                parent.rmdir()
        raise
    shutil.rmtree(staging, ignore_errors=True)
    return folder / PAGE


def save_selection(selection: Selection, folder: Path) -> Path:
    """Write the table of a selection as a page and as data."""
    from emvsbayes.report.selection import render_selection

    page, result = render_selection(selection), selection.to_json().decode()  # before anything is created
    writable(folder)
    write_text(result, folder / SELECTION)
    return write_text(page, folder / PAGE)


def save_calibration(calibration: Calibration, folder: Path) -> Path:
    """Write a simulation-based calibration as a page and as data."""
    from emvsbayes.report.sbc import render_calibration

    return _save_page(render_calibration(calibration), calibration.to_json(), folder)


def save_coverage(coverage: Coverage, folder: Path) -> Path:
    """Write a coverage study as a page and as data."""
    from emvsbayes.report.coverage import render_coverage

    return _save_page(render_coverage(coverage), coverage.to_json(), folder)


def _save_page(page: str, result: bytes, folder: Path) -> Path:
    writable(folder)
    write_text(result.decode(), folder / RESULT)
    return write_text(page, folder / PAGE)


def write_text(text: str, path: Path) -> Path:
    """A text file, whole or not at all; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def read_result(path: Path) -> Comparison:
    """The record in a result.json."""
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file; check the path.")
    try:
        return Comparison.from_json(path.read_bytes())
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def kind_of(path: Path) -> str:
    """What a result.json says that it is; "comparison" where it says nothing."""

    class Head(msgspec.Struct):
        kind: str = "comparison"

    try:
        return msgspec.json.decode(path.read_bytes(), type=Head).kind
    except msgspec.MsgspecError:
        return "comparison"


def render_result(path: Path) -> str:
    """The page of a result.json, whatever it is of."""
    from emvsbayes.report.coverage import render_coverage
    from emvsbayes.report.page import render
    from emvsbayes.report.sbc import render_calibration

    kind = kind_of(path) if path.is_file() else "comparison"
    try:
        if kind == "sbc":
            return render_calibration(Calibration.from_json(path.read_bytes()))
        if kind == "coverage":
            return render_coverage(Coverage.from_json(path.read_bytes()))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return render(read_result(path))


class _Shown(msgspec.Struct):
    """What the gallery needs of a page that was made elsewhere."""

    title: str
    verdict: list[str]


def write_gallery(folder: Path, say: Callable[[str], None] = lambda line: None) -> Path:
    """index.html of a folder of reports: a card for each sub-folder with a result.json, studies first, then checks.

    A page that no command of the package makes, that of the benchmarks, has a results.json with a title and a verdict.
    """
    from emvsbayes.report.gallery import render_gallery

    entries, checks = [], []
    for path in sorted(folder.glob(f"*/{RESULT}")):
        try:
            if (kind := kind_of(path)) in CHECKS:
                title, record = CHECKS[kind]
                checks.append((path.parent.name, title, record.from_json(path.read_bytes()).verdict))
            else:
                entries.append((path.parent.name, read_result(path)))
        except InputError as error:
            say(f"gallery: {path.parent.name} is left out: {error}")
    for path in sorted(folder.glob(f"*/{NUMBERS}")):
        try:
            shown = msgspec.json.decode(path.read_bytes(), type=_Shown)
        except msgspec.MsgspecError as error:
            say(f"gallery: {path.parent.name} is left out: {error}")
            continue
        checks.append((path.parent.name, shown.title, shown.verdict))
    return write_text(render_gallery(entries, checks), folder / PAGE)
