"""A study, or your own data, to a comparison: ML and MAP by EM, the posterior by PyMC, and the four questions."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from emvsbayes.compare.decomposition import compare_decomposition, teaching_start
from emvsbayes.compare.picture import make_picture
from emvsbayes.compare.points import compare_points, score, score_at
from emvsbayes.compare.record import Comparison, Listings, Provenance, Published, Subject
from emvsbayes.compare.scalars import scalars
from emvsbayes.compare.singularity import compare_singularity
from emvsbayes.compare.switching import compare_switching, unresolved
from emvsbayes.compare.verdict import checks, verdict
from emvsbayes.core.alignment import align_responsibilities, permute
from emvsbayes.core.em import run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import plain
from emvsbayes.fitting import Fit, as_stop, fit_problem
from emvsbayes.problem import Problem, pose
from emvsbayes.studies.listings import em_listing, pymc_listing, steps_listing
from emvsbayes.studies.spec import STUDIES, Study
from emvsbayes.tables import Table, as_table

Say = Callable[[str], None]


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
    family: str,
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
    stop: Mapping[str, Any] | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    seed: int = 0,
    title: str | None = None,
    sampling: bool = True,
    fresh: bool = False,
    say: Say | None = None,
) -> Compared:
    """Fit with EM (ML and MAP), sample the same model with PyMC, and say where they agree and why they differ.

    Parameters are those of `fit` and `sample`; `sampling=False` leaves PyMC out. `say` receives lines of progress.

    Returns
    -------
    Compared
        `.verdict` in three sentences, `.save(folder)` for the page.
    """
    if n_components is None:
        raise InputError("n_components, the number of components K >= 1, is needed.")
    source = X.source if isinstance(X, Table) else X
    name = Path(source).name if isinstance(source, str | Path) else "your data"
    study = Study(
        title=title or name,
        family=family,
        n_components=n_components,
        source=name,
        name=Path(name).stem,
        settings={key: str(value) for key, value in (settings or {}).items()},
        prior=_mapping(prior),
        start=plain(start),
        fixed=plain(fixed),
        n_starts=n_starts,
        stop=dict(stop or {}),
        draws=draws,
        tune=tune,
        chains=chains,
        seed=seed,
    )
    command = f"emvsbayes compare {name} -f {family} -k {n_components} --seed {seed}"
    return _compare(
        study, as_table(X), labels, sample_weight, data=X, command=command, sampling=sampling, fresh=fresh, say=say
    )


def run(name: str, *, sampling: bool = True, fresh: bool = False, say: Say | None = None) -> Compared:
    """The comparison of a study of the package, by name."""
    return run_study(STUDIES[name], sampling=sampling, fresh=fresh, say=say)


def run_study(study: Study, *, sampling: bool = True, fresh: bool = False, say: Say | None = None) -> Compared:
    """The comparison of a study."""
    command = f"emvsbayes run {study.name}"
    return _compare(
        study, as_table(study.table()), None, None, data=None, command=command, sampling=sampling, fresh=fresh, say=say
    )


def _compare(
    study: Study,
    table: Table,
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
    clock = _Clock()
    if study.use:
        table = table.select(study.use)
    problem = pose(
        study.family,
        table,
        n_components=study.n_components,
        settings=study.settings,
        fixed=study.fixed,
        labels=labels,
        sample_weight=sample_weight,
    )
    family, prior, stop = problem.family, problem.prior(study.prior), as_stop(study.stop)
    if prior is None:
        raise InputError("a comparison needs a prior: 'default', a mapping, or a prior record.")
    prior = family.proper_prior(prior)

    say("EM: maximum likelihood and MAP")
    given = {"start": study.start, "n_starts": study.n_starts, "stop": stop, "seed": study.seed}
    map_ = fit_problem(problem, prior=prior, **given)
    ml = fit_problem(problem, **given)
    ml = _aligned(ml, map_, problem)
    clock.lap("em")
    singularity = compare_singularity(problem, prior, stop, study.seed, say)
    clock.lap("restarts")

    posterior = relabelled = switching = mode = certificate = None
    listed = scalars(map_.params, family, getattr(problem.data, "columns", ()))
    reason = "nothing was sampled"
    if sampling:
        from emvsbayes.bayes.sampling import sample_problem
        from emvsbayes.relabelling import relabel

        posterior = sample_problem(
            problem,
            prior,
            draws=study.draws,
            tune=study.tune,
            chains=study.chains,
            seed=study.seed,
            fresh=fresh,
            map_start=map_.start,
            say=say,
        )
        clock.lap("sampling")
        say("relabelling and summaries")
        relabelled = relabel(posterior, method="ecr", pivot=map_)
        switching = compare_switching(listed, posterior, relabelled, "the MAP fit of EM")
        reason = unresolved(switching)
        mode = _mode(posterior, map_, problem)
        pairs = posterior["certificate"]
        theirs, ours = pairs["pymc"].values, pairs["emvsbayes"].values
        certificate = float(np.max(np.abs(theirs - ours) / np.maximum(1, np.abs(ours))))

    scores = [score("ML (EM)", ml, prior, problem.data), score("MAP (EM)", map_, prior, problem.data)]
    if mode is not None:
        scores.append(score_at("pm.find_MAP", family, mode, prior, problem.data, ""))
    resolved = relabelled["posterior"].to_dataset() if relabelled is not None and not reason else None
    points = compare_points(listed, ml.params, map_.params, mode, resolved, scores, reason)

    start = problem.start(study.start) if study.start else teaching_start(ml.restarts, map_.restarts) or map_.start
    climb = run_em(family, problem.data, start, stop=stop)
    map_climb = run_em(family, problem.data, start, prior=prior, stop=stop)
    decomposition = compare_decomposition(climb, map_climb, [ml.run, map_.run])
    turn = align_responsibilities(climb.q.responsibilities, map_.responsibilities, problem.data.row_weights)
    labels_shown = map_.responsibilities.argmax(axis=1)
    picture = make_picture(problem, start, None, climb.passes, labels_shown, turn)
    published = [_published(entry, study, problem) for entry in study.published]
    clock.lap("comparison")

    record = Comparison(
        subject=_subject(study, problem, prior),
        verdict=verdict(points, switching, singularity, decomposition),
        points=points,
        switching=switching,
        singularity=singularity,
        decomposition=decomposition,
        picture=picture,
        published=published,
        checks=checks(points, switching, decomposition, certificate, published),
        listings=Listings(
            em=em_listing(study, data, start, climb.passes),
            steps=steps_listing(family),
            pymc=pymc_listing(problem, study, data, start),
        ),
        provenance=_provenance(study, problem, command, posterior, clock.seconds),
    )
    return Compared(record, ml, map_, posterior, relabelled)


def _aligned(fit: Fit, reference: Fit, problem: Problem) -> Fit:
    """The fit with its components in the order of the reference, everywhere they are named."""
    order = align_responsibilities(fit.responsibilities, reference.responsibilities, problem.data.row_weights)
    run = fit.run
    slot = {int(old): new for new, old in enumerate(order)}
    events = tuple(replace(e, component=slot.get(e.component, e.component)) for e in run.events)
    axes = fit.family.component_axes
    moved = replace(run, params=permute(run.params, order, axes), q=run.q.permuted(order), events=events)
    return replace(fit, run=moved)


def _mode(posterior: Any, map_: Fit, problem: Problem) -> Any:
    """pm.find_MAP's mode as a parameter record with the labels of the MAP fit."""
    found = {name: v.values for name, v in posterior["map_estimate"].data_vars.items()}
    params = replace(map_.params, **found)
    r = problem.family.e_step(params, problem.data).responsibilities
    order = align_responsibilities(r, map_.responsibilities, problem.data.row_weights)
    return permute(params, order, problem.family.component_axes)


def _published(entry: Any, study: Study, problem: Problem) -> Published:
    data = problem.data
    if entry.labels is not None:
        data = replace(data, labels=np.asarray(entry.labels))
    start = problem.start(study.start)
    stop = as_stop({"tol": 0.0, "max_passes": entry.passes if entry.labels is None else 1})
    run = run_em(problem.family, data, start, stop=stop, record=False)
    ours = np.ravel(getattr(run.params, entry.field)).tolist()
    agree = all(round(a, entry.digits) == round(b, entry.digits) for a, b in zip(ours, entry.values, strict=True))
    return Published(entry.what, entry.field, entry.values, ours, entry.digits, agree)


def _subject(study: Study, problem: Problem, prior: Any) -> Subject:
    family = problem.family
    looks = problem.family.default_prior_note if study.prior == "default" else "The prior was given."
    mode = "; ".join(f"{name}: {what}" for name, what in problem.twin.prior_on.items() if name not in family.fixed)
    return Subject(
        name=study.name,
        title=study.title,
        family=family.name,
        summary=problem.twin.summary,
        n_components=family.n_components,
        settings={name: str(getattr(family, name)) for name in problem.twin.settings},
        fixed=sorted(family.fixed),
        n_rows=problem.data.n_rows,
        columns=list(getattr(problem.data, "columns", ())) or ["heads", "tosses"],
        source=study.source,
        prior=family.describe_prior(prior),
        prior_note=f"{looks} A mode depends on the quantity that carries the density; here that is {mode}.",
        notes=study.notes,
    )


def _provenance(
    study: Study, problem: Problem, command: str, posterior: Any | None, seconds: dict[str, float]
) -> Provenance:
    from emvsbayes.bayes.cache import data_hash

    sampler = "none"
    if posterior is not None:
        chains, draws = posterior["posterior"].sizes["chain"], posterior["posterior"].sizes["draw"]
        tune = posterior.attrs["tuning_steps"]
        sampler = f"NUTS ({posterior.attrs['sampler']}), {chains} chains of {tune} + {draws}"
    names = ("emvsbayes", "numpy", "scipy", "pymc", "pytensor", "nutpie", "arviz")
    return Provenance(
        command=command,
        seed=study.seed,
        data_sha256=data_hash(problem.data),
        versions={"python": platform.python_version(), **{name: version(name) for name in names}},
        sampler=sampler,
        seconds=seconds,
    )


def _mapping(prior: Any) -> Any:
    """A prior as a study holds it: its name, or a nested mapping without flat groups."""
    value = plain(prior)
    return {group: v for group, v in value.items() if v is not None} if isinstance(value, dict) else value


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now
