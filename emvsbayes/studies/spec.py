"""What a study is: a problem, its seeds, and the numbers in print that it must reproduce.

A TOML file whose keys are the fields of `Study`; a misspelt key is an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import field

from emvsbayes.core.errors import InputError, unknown
from emvsbayes.tables import Table, as_table

FOLDER = Path(__file__).parent


class PublishedNumber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number in print: a field of EM after `passes` passes from the study's start, or with `labels` known.

    It is reproduced when ours, rounded to the `digits` printed, is equal to it. `sampling` is for a print from another
    sample: the number of data sets from which `studies.published` learns by how much two samples may differ.
    """

    what: str
    field: str
    values: list[float]
    passes: int = 1000
    labels: list[int] | None = None
    digits: int = 2
    e_step: str = "exact"
    sampling: int = 0


class Photograph(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows from a photograph among the sample data of matplotlib.

    `block` 1: a row is a pixel, its columns red, green, blue in [0, 1]. `block` b > 1: a row is a block of b x b grey
    pixels. Every `shrink`-th pixel is kept; `rows` are drawn for the comparison, while supplements use them all.
    """

    file: str
    shrink: int = 1
    block: int = 1
    rows: int = 2000


class Study(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comparison to run. One of `data` (a file in studies/data), `columns` and `photograph` holds the data.

    `start` are starting values of EM; without it there are 20 starts. `prior` is "default" or a nested mapping.
    `e_step` is what the family stands for where it is left out; `beside` names other E-steps to run from the same
    start. `standardise` divides every column, less its mean, by its standard deviation. `sampling` false is EM only.
    `bootstrap` is the number of replicates beside the standard errors of EM. `supplements` name sections of
    `studies.supplements` that belong to this study; `models` are the K that `evidence` sets side by side. `panels` are
    the passes whose picture is drawn; `watch` is the pass at which a source stops, and the page says how far it is from
    the end. `outcome` declares how the run ends where it cannot end well, such as a posterior whose chains stay in
    different modes: the run's exit code is then 0.
    """

    title: str
    family: str
    n_components: int
    source: str
    name: str = ""
    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    data: str | None = None
    columns: dict[str, list[float]] | None = None
    photograph: Photograph | None = None
    standardise: bool = False
    sampling: bool = True
    bootstrap: int = 0
    models: str = ""
    use: list[str] | None = None
    prior: str | dict[str, dict[str, Any]] = "default"
    start: dict[str, Any] | str | None = None
    fixed: dict[str, Any] | None = None
    n_starts: int | None = None
    e_step: str | None = None
    beside: list[str] = field(default_factory=list)
    supplements: list[str] = field(default_factory=list)
    stop: dict[str, Any] = field(default_factory=dict)
    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    seed: int = 0
    panels: list[int] = field(default_factory=lambda: [0, 1, 2, 5, 20])
    watch: int = 0
    outcome: Literal["fine", "not converged", "unresolved", "singular"] = "fine"
    notes: list[str] = field(default_factory=list)
    published: list[PublishedNumber] = field(default_factory=list)

    def table(self) -> Any:
        """The data as a path or as columns, for `emvsbayes.problem.pose`."""
        if self.photograph is not None:
            from emvsbayes.studies.photographs import sampled_rows

            return sampled_rows(self.photograph, self.seed)
        source = self._source()
        return standardised(as_table(source)) if self.standardise else source

    def _source(self) -> Any:
        if self.columns is not None:
            return self.columns
        return FOLDER / "data" / str(self.data)


def standardised(table: Table) -> Table:
    """Every column less its mean, divided by its standard deviation (divisor N)."""
    values = table.numbers()
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    return replace(table, values=tuple(scaled.T))


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
