"""From a problem to its comparison: both sides fitted, put under one labelling, and asked the four questions."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
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
from emvsbayes.core.alignment import Permutation, align_responsibilities, exchangeable, permute
from emvsbayes.core.em import run_em
from emvsbayes.fitting import Fit, as_stop, fit_problem
from emvsbayes.problem import Problem
from emvsbayes.studies.listings import em_listing, pymc_listing, steps_listing
from emvsbayes.studies.spec import PublishedNumber, Study

Say = Callable[[str], None]


@dataclass(frozen=True)
class Fits:
    """Both EM fits under the labels of the MAP fit, and whether labels are arbitrary at all."""

    ml: Fit
    map: Fit
    exchangeable: bool

    def order(self, problem: Problem, params: Any) -> Permutation:
        """The permutation that gives `params` the labels of the MAP fit; identity where labels are not arbitrary."""
        if not self.exchangeable:
            return np.arange(problem.family.n_components)
        r = problem.family.e_step(params, problem.data).responsibilities
        return align_responsibilities(r, self.map.responsibilities, problem.data.row_weights)


@dataclass(frozen=True)
class Posterior:
    """The Bayesian side: draws as sampled and relabelled, and PyMC's mode as a parameter record."""

    raw: Any
    relabelled: Any
    mode: Any

    @property
    def certificate(self) -> float:
        """Largest relative difference of the two log-densities at random parameters."""
        theirs, ours = (self.raw["certificate"][name].values for name in ("pymc", "emvsbayes"))
        return float(np.max(np.abs(theirs - ours) / np.maximum(1, np.abs(ours))))


class Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        now = perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now


def fit_both(problem: Problem, study: Study, prior: Any) -> Fits:
    """ML and MAP from the same starts, aligned."""
    given = {"start": study.start, "n_starts": study.n_starts, "stop": as_stop(study.stop), "seed": study.seed}
    fits = Fits(
        ml=fit_problem(problem, **given),
        map=fit_problem(problem, prior=prior, **given),
        exchangeable=exchangeable(problem.family, problem.data, prior, problem.random_params(study.seed)),
    )
    run, order = fits.ml.run, fits.order(problem, fits.ml.params)
    slot = {int(old): new for new, old in enumerate(order)}
    events = tuple(replace(e, component=slot.get(e.component, e.component)) for e in run.events)
    params = permute(run.params, order, problem.family.component_axes)
    return replace(fits, ml=replace(fits.ml, run=replace(run, params=params, q=run.q.permuted(order), events=events)))


def sample_and_relabel(problem: Problem, study: Study, prior: Any, fits: Fits, *, fresh: bool, say: Say) -> Posterior:
    """Draws, relabelled to the MAP fit where labels are arbitrary, and pm.find_MAP's mode under the same labels."""
    from emvsbayes.bayes.sampling import sample_problem
    from emvsbayes.relabelling import relabel

    raw = sample_problem(
        problem,
        prior,
        draws=study.draws,
        tune=study.tune,
        chains=study.chains,
        seed=study.seed,
        fresh=fresh,
        map_start=fits.map.start,
        say=say,
    )
    relabelled = relabel(raw, method="ecr", pivot=fits.map) if fits.exchangeable else raw
    found = {name: variable.values for name, variable in raw["map_estimate"].data_vars.items()}
    mode = replace(fits.map.params, **found)
    return Posterior(raw, relabelled, permute(mode, fits.order(problem, mode), problem.family.component_axes))


def assemble(
    problem: Problem,
    study: Study,
    prior: Any,
    fits: Fits,
    posterior: Posterior | None,
    *,
    data: Any,
    command: str,
    clock: Clock,
    say: Say,
) -> Comparison:
    """The four questions answered, and everything else a page shows. `data` is what the listings should read."""
    family, stop = problem.family, as_stop(study.stop)
    ml, map_ = fits.ml, fits.map
    say("EM: random starts")
    singularity = compare_singularity(problem, prior, stop, study.seed)
    clock.lap("restarts")

    listed = scalars(map_.params, family, problem.data.columns)
    scores = [score("ML (EM)", ml, prior, problem.data), score("MAP (EM)", map_, prior, problem.data)]
    switching, resolved, reason = None, None, "nothing was sampled"
    if posterior is not None:
        from emvsbayes.bayes.diagnosis import diagnose

        say("relabelling and summaries")
        diagnosis = diagnose(posterior.relabelled)
        switching = compare_switching(listed, posterior.raw, posterior.relabelled, "the MAP fit of EM", diagnosis)
        reason = unresolved(switching)
        resolved = None if reason else posterior.relabelled["posterior"].to_dataset()
        status = "CONVERGED" if posterior.raw["map_estimate"].attrs["converged"] else "NOT CONVERGED"
        scores.append(score_at("pm.find_MAP", family, posterior.mode, prior, problem.data, status))
    mode = None if posterior is None else posterior.mode
    points = compare_points(listed, ml.params, map_.params, mode, resolved, scores, reason)

    start = (
        problem.start(study.start)
        if isinstance(study.start, Mapping)
        else teaching_start(ml.restarts, map_.restarts) or map_.start
    )
    climb = run_em(family, problem.data, start, stop=stop)
    map_climb = run_em(family, problem.data, start, prior=prior, stop=stop)
    decomposition = compare_decomposition(climb, map_climb, [ml.run, map_.run])
    published = [_published(entry, study, problem) for entry in study.published]
    certificate = None if posterior is None else posterior.certificate
    labels = map_.responsibilities.argmax(axis=1)
    picture = make_picture(problem, start, None, climb.passes, labels, fits.order(problem, climb.params))
    clock.lap("comparison")

    return Comparison(
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
            em=em_listing(problem, study, data, start, climb.passes),
            steps=steps_listing(family),
            pymc=pymc_listing(problem, study, data, start),
        ),
        provenance=_provenance(study, problem, command, posterior, clock.seconds),
    )


def _published(entry: PublishedNumber, study: Study, problem: Problem) -> Published:
    """A number in print beside ours: EM from the study's start, or one M-step with the labels known."""
    data = problem.data if entry.labels is None else replace(problem.data, labels=np.asarray(entry.labels))
    stop = as_stop({"tol": 0.0, "max_passes": entry.passes if entry.labels is None else 1})
    run = run_em(problem.family, data, problem.start(study.start), stop=stop, record=False)
    ours = np.ravel(getattr(run.params, entry.field)).tolist()
    agree = all(round(a, entry.digits) == round(b, entry.digits) for a, b in zip(ours, entry.values, strict=True))
    return Published(entry.what, entry.field, entry.values, ours, entry.digits, agree)


def _subject(study: Study, problem: Problem, prior: Any) -> Subject:
    family = problem.family
    looks = family.default_prior_note if study.prior == "default" else "The prior was given."
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
        columns=list(problem.data.columns),
        source=study.source,
        prior=family.describe_prior(prior),
        prior_note=f"{looks} A mode depends on the quantity that carries the density; here that is {mode}.",
        notes=study.notes,
    )


def _provenance(
    study: Study, problem: Problem, command: str, posterior: Posterior | None, seconds: dict[str, float]
) -> Provenance:
    from emvsbayes.bayes.cache import data_hash

    sampler = "none"
    if posterior is not None:
        sizes, attrs = posterior.raw["posterior"].sizes, posterior.raw.attrs
        sampler = f"NUTS ({attrs['sampler']}), {sizes['chain']} chains of {attrs['tuning_steps']} + {sizes['draw']}"
    names = ("emvsbayes", "numpy", "scipy", "pymc", "pytensor", "nutpie", "arviz")
    return Provenance(
        command=command,
        seed=study.seed,
        data_sha256=data_hash(problem.data),
        versions={"python": platform.python_version(), **{name: version(name) for name in names}},
        sampler=sampler,
        seconds=seconds,
    )
