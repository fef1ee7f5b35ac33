"""A comparison on disk: index.html, result.json, posterior.nc, whole or not at all; and the gallery of a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emvsbayes.compare.record import Comparison
from emvsbayes.core.errors import InputError

PAGE, RESULT, POSTERIOR = "index.html", "result.json", "posterior.nc"


def writable(folder: Path) -> Path:
    """`folder`, if files can be written there (now, before any work is done); it is not created."""
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file, so that {folder} cannot be a folder; choose another output folder.")
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
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder / PAGE


def read_result(path: Path) -> Comparison:
    """The record in a result.json."""
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file; check the path.")
    return Comparison.from_json(path.read_bytes())


def write_gallery(folder: Path, say: Callable[[str], None] = lambda line: None) -> Path:
    """index.html of a folder of reports: one card for each sub-folder with a result.json of this format."""
    from emvsbayes.report.gallery import render_gallery

    entries = []
    for path in sorted(folder.glob(f"*/{RESULT}")):
        try:
            entries.append((path.parent.name, read_result(path)))
        except InputError as error:
            say(f"gallery: {path.parent.name} is left out: {error}")
    page = folder / PAGE
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(render_gallery(entries))
    os.chmod(temporary, 0o644)
    os.replace(temporary, page)
    return page
