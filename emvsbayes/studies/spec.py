"""What a study is: a problem, its seeds, and the numbers in print that it must reproduce.

A TOML file whose keys are the fields of `Study`; a misspelt key is an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import field

from emvsbayes.core.errors import InputError, unknown

FOLDER = Path(__file__).parent


class PublishedNumber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number in print: a field of EM after `passes` passes from the study's start, or with `labels` known.

    It is reproduced when ours, rounded to the `digits` printed, is equal to it.
    """

    what: str
    field: str
    values: list[float]
    passes: int = 1000
    labels: list[int] | None = None
    digits: int = 2


class Study(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comparison to run. Exactly one of `data` (a file in studies/data) and `columns` holds the data.

    `start` are starting values of EM; without it there are 20 starts. `prior` is "default" or a nested mapping.
    """

    title: str
    family: str
    n_components: int
    source: str
    name: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    data: str | None = None
    columns: dict[str, list[float]] | None = None
    use: list[str] | None = None
    prior: str | dict[str, dict[str, Any]] = "default"
    start: dict[str, Any] | str | None = None
    fixed: dict[str, Any] | None = None
    n_starts: int | None = None
    stop: dict[str, Any] = field(default_factory=dict)
    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    seed: int = 0
    notes: list[str] = field(default_factory=list)
    published: list[PublishedNumber] = field(default_factory=list)

    def table(self) -> Any:
        """The data as a path or as columns, for `emvsbayes.problem.pose`."""
        if self.columns is not None:
            return self.columns
        return FOLDER / "data" / str(self.data)


class Studies(Mapping[str, Study]):
    """The studies of the package by name, read on first use."""

    def __getitem__(self, name: str) -> Study:
        path = FOLDER / f"{name}.toml"
        if name not in set(self):
            raise unknown("study", name, self)
        return read_study(path)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in FOLDER.glob("*.toml")))

    def __len__(self) -> int:
        return len(list(iter(self)))


def read_study(path: Path) -> Study:
    """A study from its TOML file, named after the file."""
    try:
        study = msgspec.toml.decode(path.read_bytes(), type=Study)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InputError(f"{path.name} is not a study: {error}.") from None
    return msgspec.structs.replace(study, name=path.stem)


STUDIES = Studies()
