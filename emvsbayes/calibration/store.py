"""Finished pieces of a long study on disk, one JSON line each: an interrupted run goes on where it stopped.

The file is named by everything its lines depend on (model, prior, seed, versions, the code that draws) and stands in
the cache folder of the draws. A line that was cut off counts as absent. Deleting a file loses time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from emvsbayes.bayes import cache
from emvsbayes.core.records import plain
from emvsbayes.core.twin import Twin
from emvsbayes.densities.kernels.compiling import SOURCES

FOLDER = "calibration"


class Store[T]:
    """Pieces of one type, each with an `index` of its own, in the order in which they were finished."""

    def __init__(self, kind: type[T], name: str, spec: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(plain(spec), sort_keys=True).encode()).hexdigest()[:24]
        self.kind, self.path = kind, cache.folder() / FOLDER / f"{name}-{digest}.jsonl"

    def load(self) -> dict[int, T]:
        """Every whole line, by index; of two lines with one index the last."""
        if not self.path.is_file():
            return {}
        found = {}
        for line in self.path.read_bytes().splitlines():
            try:
                piece: Any = msgspec.json.decode(line, type=self.kind)
            except msgspec.MsgspecError:  # the run was stopped while it wrote
                continue
            found[piece.index] = piece
        return found

    def append(self, piece: T) -> None:
        """Keep one more; on a line of its own even where the last one was cut off."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            file.seek(0, 2)
            if file.tell():
                file.seek(-1, 2)
                whole = file.read(1) == b"\n"
            else:
                whole = True
            file.write((b"" if whole else b"\n") + msgspec.json.encode(piece) + b"\n")

    def clear(self) -> None:
        """Forget everything."""
        self.path.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """Of everything that a piece depends on: what draws, and SciPy, with which truths are drawn and fits are made."""
    return cache.versions() | {"scipy": version("scipy")}


def code_of(family: str, twin: Twin, likelihood: str, *others: Path) -> list[str]:
    """Digests of the code behind a piece: the family, whatever is sampled, all densities, the sampler, and `others`.

    The densities count whichever likelihood is sampled: data are simulated with them, and log-likelihoods are theirs.
    What only decides where chains and fits start (`core`) is left out.
    """
    root = Path(__file__).parents[1]
    read = [*sorted((root / "families" / family).rglob("*.py")), root / "bayes" / "compiled.py", *others]
    return [*sources(read), SOURCES, *cache.sampler_code(twin, likelihood)]


def sources(modules: Iterable[Path]) -> list[str]:
    """Digests of source files, for the specification of a store."""
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in modules]
