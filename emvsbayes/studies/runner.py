"""`compare` and `run`: your own data, or a study, to a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from emvsbayes.bayes.sampling import check_request as check_sampling
from emvsbayes.comparison.record import Comparison
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import plain
from emvsbayes.fits import Fit
from emvsbayes.fitting import as_stop, check_request, settle
from emvsbayes.plan import read_plan
from emvsbayes.problem import identify, pose, require_twin
from emvsbayes.studies.assembly import Clock, Say, assemble, fit_both, sample_and_relabel
from emvsbayes.studies.spec import STUDIES, Study
from emvsbayes.tables import Table, as_table

LARGE, LARGE_STARTS = 200_000, 3  # entries (N · D) of a file beyond which a study is not sampled; starts of EM then


@dataclass(frozen=True)
class Compared:
    """A comparison with everything it came from.

    Attributes
    ----------
    record : Comparison
        Plain data: what the page shows and `result.json` holds.
    ml, map : Fit
    posterior, relabelled : xarray.DataTree or None
        As drawn, and relabelled to the MAP fit; None where nothing was sampled.
    """

    record: Comparison
    ml: Fit
    map: Fit
    posterior: Any | None
    relabelled: Any | None

    @property
    def verdict(self) -> list[str]:
        """Three sentences."""
        return self.record.verdict

    def save(self, folder: str | Path) -> Path:
        """Write index.html, result.json and posterior.nc into `folder`, whole or not at all; returns the page."""
        from emvsbayes.studies.saving import save

        return save(self.record, self.relabelled, Path(folder))


def compare(
    family: Any,
    X: Any,
    *,
    n_components: int | None = None,
    settings: Mapping[str, Any] | None = None,
    prior: Any = "default",
    start: Mapping[str, Any] | None = None,
    n_starts: int | None = None,
    fixed: Mapping[str, Any] | None = None,
    labels: Any = None,
    sample_weight: Any = None,
    e_step: str | None = None,
    stop: Mapping[str, Any] | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 0,
    title: str | None = None,
    sampling: bool = True,
    fresh: bool = False,
    say: Say | None = None,
    command: str | None = None,
) -> Compared:
    """Fit with EM (ML and MAP), sample the same model with PyMC, and say where they agree and why they differ.

    Parameters are those of `fit` and `sample`; `sampling=False` leaves PyMC out. `say` receives lines of progress;
    `command` is what the page names as the way to do it again.

    Returns
    -------
    Compared
        `.verdict` in three sentences, `.save(folder)` for the page.
    """
    family, settings, n_components = identify(family, settings, n_components, fixed)
    source = X.source if isinstance(X, Table) else X
    name = Path(source).name if isinstance(source, str | Path) else "your data"
    study = Study(
        title=title or name,
        family=family,
        n_components=n_components,
        source=name,
        name=Path(name).stem,
        settings={key: str(value) for key, value in settings.items() if value is not None},
        prior=_mapping(prior),
        start=plain(start.params if isinstance(start, Fit) else start),
        fixed=plain(fixed),
        n_starts=n_starts,
        e_step=e_step,
        stop=plain(as_stop(stop)) if stop else {},
        draws=draws,
        tune=tune,
        chains=chains,
        seed=seed,
    )
    command = command or f"emvsbayes.compare({family!r}, ..., n_components={n_components}, seed={seed})"
    return _compare(study, X, labels, sample_weight, data=X, command=command, sampling=sampling, fresh=fresh, say=say)


def run(name: str, *, sampling: bool = True, fresh: bool = False, say: Say | None = None) -> Compared:
    """The comparison of a study of the package, by name."""
    return run_study(STUDIES[name], sampling=sampling, fresh=fresh, say=say)


def run_study(
    study: Study,
    *,
    data: str | Path | None = None,
    labels: Any = None,
    sampling: bool = True,
    fresh: bool = False,
    say: Say | None = None,
) -> Compared:
    """The comparison of a study.

    `data` is a file to put in the place of the study's own, such as images in IDX format, and `labels` (N,) are known
    components of its rows. Of more than 200 000 entries nothing is sampled, EM has 3 starts, and the page says so.
    """
    command = f"emvsbayes run {study.name}"
    sampling = sampling and study.sampling
    source = study.table()
    if data is not None and study.photograph is not None:
        raise InputError(
            f"the pages of {study.name} show the photograph {study.photograph.file}, pixel by pixel, and take no other "
            "data; use `emvsbayes compare` for a file of your own."
        )
    if data is not None:
        path = Path(data).resolve()
        command += f" --data {data}"
        source = as_table(path)
        study = replace(study, data=str(path), columns=None, source=path.name, notes=[], published=[])
        if source.n_rows * len(source.columns) > LARGE:
            note = f"{source.n_rows} rows of {len(source.columns)} numbers are more than {LARGE} entries: nothing was"
            note += f" sampled, and EM had {LARGE_STARTS} starts."
            study, sampling = replace(study, notes=[note], n_starts=LARGE_STARTS), False
    return _compare(
        study,
        source,
        labels,
        None,
        data=None if data is None else source,
        command=command,
        sampling=sampling,
        fresh=fresh,
        say=say,
    )


def _compare(
    study: Study,
    source: Any,
    labels: Any,
    sample_weight: Any,
    *,
    data: Any,
    command: str,
    sampling: bool,
    fresh: bool,
    say: Say | None,
) -> Compared:
    say = say or (lambda line: None)
    clock = Clock()
    if study.use:
        source = as_table(source).select(study.use)
    problem = pose(
        study.family,
        source,
        n_components=study.n_components,
        settings=study.settings,
        fixed=study.fixed,
        labels=labels,
        sample_weight=sample_weight,
    )
    require_twin(problem)
    prior = problem.prior(study.prior)
    if prior is None:
        raise InputError("a comparison needs a prior: 'default', a mapping, or a prior record.")
    prior = problem.family.proper_prior(prior)

    check_request(problem, prior=prior, start=study.start, n_starts=study.n_starts, seed=study.seed)
    read_plan(problem, e_step=study.e_step)
    if sampling:
        check_sampling(problem, draws=study.draws, tune=study.tune, chains=study.chains, seed=study.seed)
    say("EM: maximum likelihood and MAP")
    problem = settle(problem, start=study.start, n_starts=study.n_starts, stop=as_stop(study.stop), seed=study.seed)
    fits = fit_both(problem, study, prior)
    clock.lap("em")
    posterior = None
    if sampling:
        posterior = sample_and_relabel(problem, study, prior, fits, fresh=fresh, say=say)
        clock.lap("sampling")
    record = assemble(problem, study, prior, fits, posterior, data=data, command=command, clock=clock, say=say)
    raw, relabelled = (posterior.raw, posterior.relabelled) if posterior is not None else (None, None)
    return Compared(record, fits.ml, fits.map, raw, relabelled)


def _mapping(prior: Any) -> Any:
    """A prior as a study holds it: its name, or a nested mapping without flat groups."""
    value = plain(prior)
    return {group: v for group, v in value.items() if v is not None} if isinstance(value, dict) else value
