"""From a problem to its comparison: both sides fitted, put under one labelling, and asked the four questions."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from time import perf_counter
from typing import Any

import numpy as np

from emvsbayes.comparison.decomposition import compare_decomposition, teaching_start
from emvsbayes.comparison.errors import compare_errors
from emvsbayes.comparison.picture import make_picture
from emvsbayes.comparison.points import compare_points, fit_starts, score, score_at
from emvsbayes.comparison.posterior import compare_posterior
from emvsbayes.comparison.record import Comparison, Listings, Provenance, Subject
from emvsbayes.comparison.singularity import compare_singularity
from emvsbayes.comparison.switching import compare_switching, unresolved
from emvsbayes.comparison.verdict import SOFT_MAP, checks, verdict
from emvsbayes.core.alignment import Permutation, align_responsibilities, label_classes, permute
from emvsbayes.core.checks import Integers
from emvsbayes.core.em import run_em
from emvsbayes.core.scalars import scalars
from emvsbayes.fits import Fit
from emvsbayes.fitting import as_stop, fit_problem, schedule_of
from emvsbayes.problem import Problem
from emvsbayes.relabelling.climbs import LONG, chain_modes, short
from emvsbayes.studies.listings import em_listing, pymc_listing, steps_listing
from emvsbayes.studies.published import published_numbers, watched
from emvsbayes.studies.spec import Study
from emvsbayes.studies.supplements import SUPPLEMENTS

Say = Callable[[str], None]


@dataclass(frozen=True)
class Fits:
    """Both EM fits under the labels of the MAP fit, and the classes of components whose labels are arbitrary."""

    ml: Fit
    map: Fit
    classes: Integers

    def order(self, problem: Problem, params: Any) -> Permutation:
        """The permutation that gives `params` the labels of the MAP fit."""
        if not has_components(problem):
            return np.arange(1)
        r = problem.family.e_step(params, problem.data).responsibilities
        return align_responsibilities(r, self.map.responsibilities, problem.data.row_weights, self.classes)


@dataclass(frozen=True)
class Posterior:
    """The Bayesian side: draws as sampled and relabelled, and PyMC's mode as a parameter record.

    Unless `resolved`, chains sit in different modes, and component-wise summaries mean nothing.
    """

    raw: Any
    relabelled: Any
    mode: Any
    resolved: bool = True

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
    """ML and MAP from the same starts, to the end, aligned."""
    given = {
        "start": study.start,
        "n_starts": study.n_starts,
        "e_step": study.e_step,
        "stop": as_stop(study.stop),
        "seed": study.seed,
    }
    fits = Fits(
        ml=_finished(problem, fit_problem(problem, **given), study),
        map=_finished(problem, fit_problem(problem, prior=prior, **given), study),
        classes=label_classes(problem.family, problem.data, prior, problem.random_params(study.seed)),
    )
    run, order = fits.ml.run, fits.order(problem, fits.ml.params)
    slot = {int(old): new for new, old in enumerate(order)}
    events = tuple(replace(e, component=slot.get(e.component, e.component)) for e in run.events)
    params = permute(run.params, order, problem.family.component_axes)
    q = run.q.permuted(order) if has_components(problem) else run.q
    return replace(fits, ml=replace(fits.ml, run=replace(run, params=params, q=q, events=events)))


def has_components(problem: Problem) -> bool:
    """Whether rows belong to components; in a regression all rows share one latent."""
    return "components" in problem.family.capabilities


def _finished(problem: Problem, fit: Fit, study: Study) -> Fit:
    """The fit run on from its best start where EM is so slow that the tolerance left more than 1e-4 nats to gain."""
    if study.stop or not short(fit.run):
        return fit
    schedule = schedule_of(problem, fit.e_step)
    run = run_em(problem.family, problem.data, fit.start, prior=fit.prior, schedule=schedule, stop=LONG)
    return replace(fit, run=run) if run.status.usable else fit


def sample_and_relabel(problem: Problem, study: Study, prior: Any, fits: Fits, *, fresh: bool, say: Say) -> Posterior:
    """Draws, relabelled to the MAP fit, and pm.find_MAP's mode under the same labels."""
    from emvsbayes.bayes.sampling import sample_problem
    from emvsbayes.relabelling.trees import relabel, without_labels

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
    relabelled = relabel(raw, method="ecr", pivot=fits.map) if has_components(problem) else without_labels(raw)
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
    schedule = schedule_of(problem, ml.e_step)
    say("EM: random starts")
    singularity = compare_singularity(problem, prior, stop, study.seed, schedule)
    clock.lap("restarts")

    listed = scalars(map_.params, family, problem.data.columns, problem.twin.log_scale)
    scores = [score("ML (EM)", ml, prior, problem.data), score("MAP (EM)", map_, prior, problem.data)]
    besides = [e_step for e_step in study.beside or ([] if ml.e_step == "exact" else ["exact"]) if e_step != ml.e_step]
    switching, resolved, reason = None, None, "nothing was sampled"
    if posterior is not None:
        from emvsbayes.bayes.diagnosis import diagnose

        say("relabelling and summaries")
        diagnosis = diagnose(posterior.relabelled)
        switching = compare_switching(
            listed,
            posterior.raw,
            posterior.relabelled,
            "the MAP fit of EM",
            diagnosis,
            chain_modes(problem, prior, posterior.raw, map_.params),
        )
        reason = unresolved(switching)
        posterior = replace(posterior, resolved=not reason)
        resolved = None if reason else posterior.relabelled["posterior"].to_dataset()
        status = "CONVERGED" if posterior.raw["map_estimate"].attrs["converged"] else "MAX_PASSES"
        scores.append(score_at("pm.find_MAP", family, posterior.mode, prior, problem.data, status))
    mode = None if posterior is None else posterior.mode
    starts = [fit_starts("ml", ml), fit_starts("map", map_)]

    start = (
        problem.start(study.start)
        if isinstance(study.start, Mapping)
        else teaching_start(ml.restarts, map_.restarts) or ml.start
    )
    climb = run_em(family, problem.data, start, schedule=schedule, stop=stop)
    map_climb = run_em(family, problem.data, start, prior=prior, schedule=schedule, stop=stop)
    beside = []
    for e_step in besides:  # the same model with the other E-step: its climb from the same start, its end near ours
        other = fit_problem(problem, start=start, e_step=e_step, stop=stop)
        beside.append((e_step, other.run))
        if e_step == "hard":
            scores.append(score("ML, hard E-step", other, prior, problem.data))
            continue
        for name, objective, near in (("ML, exact E-step", None, ml.params), (SOFT_MAP, prior, map_.params)):
            top = fit_problem(problem, prior=objective, start=near, e_step=e_step, stop=LONG)
            scores.append(score(name, top, prior, problem.data))
    decomposition = compare_decomposition(climb, map_climb, [ml.run, map_.run], ml.e_step, beside)
    points = compare_points(listed, ml.params, map_.params, mode, resolved, scores, starts, reason)
    published = published_numbers(study, problem)
    certificate = None if posterior is None else posterior.certificate
    labels = map_.responsibilities.argmax(axis=1) if has_components(problem) else np.zeros(problem.data.n_rows, int)
    order = fits.order(problem, climb.params)
    picture = make_picture(problem, start, schedule, int(climb.passes), labels, order, study.panels)
    supplements = []
    for name in (*study.supplements, *([family.name] if family.name in SUPPLEMENTS else [])):
        say(f"supplement: {name}")
        supplements += SUPPLEMENTS[name](problem, study, fits, posterior)
    further = compare_errors(problem, ml, map_, points, study.bootstrap, study.seed, say)
    if posterior is not None:
        further += compare_posterior(problem, ml, map_, posterior.relabelled, points, study.seed, say)
    clock.lap("comparison")

    return Comparison(
        subject=_subject(study, problem, prior, ml.e_step),
        verdict=verdict(points, switching, singularity, decomposition),
        points=points,
        switching=switching,
        singularity=singularity,
        decomposition=decomposition,
        picture=picture,
        published=published,
        checks=checks(points, switching, decomposition, certificate, published),
        listings=Listings(
            em=em_listing(problem, study, data, start, int(climb.passes), ml.e_step),
            steps=steps_listing(family),
            pymc=pymc_listing(problem, study, data, start),
        ),
        provenance=_provenance(study, problem, command, posterior, clock.seconds),
        supplements=supplements,
        further=further,
    )


def _subject(study: Study, problem: Problem, prior: Any, e_step: Any) -> Subject:
    family = problem.family
    looks = family.default_prior_note if study.prior == "default" else "The prior was given."
    mode = "; ".join(f"{name}: {what}" for name, what in problem.twin.prior_on.items() if name not in family.fixed)
    return Subject(
        name=study.name,
        title=study.title,
        family=family.name,
        summary=problem.twin.summary,
        n_components=family.n_components,
        settings=_settings(problem),
        fixed=sorted(family.fixed),
        n_rows=problem.data.n_rows,
        total_weight=float(problem.data.row_weights.sum()),
        columns=list(problem.data.columns),
        source=study.source,
        prior=family.describe_prior(prior),
        prior_note=f"{looks} A mode depends on the quantity that carries the density; here that is {mode}.",
        notes=[*study.notes, *watched(study, problem)],
        e_step=e_step,
    )


def _settings(problem: Problem) -> dict[str, str]:
    """The settings of the family as text; a family may leave out those that it does not use."""
    described = getattr(problem.family, "described", None)
    if described is not None:
        return described()
    values = {name: getattr(problem.family, name) for name in problem.twin.settings}
    return {name: f"{v:.6g}" if isinstance(v, float) else str(v) for name, v in values.items()}


def _provenance(
    study: Study, problem: Problem, command: str, posterior: Posterior | None, seconds: dict[str, float]
) -> Provenance:
    from emvsbayes.bayes.cache import data_hash

    sampler = "none"
    if posterior is not None:
        sizes, attrs = posterior.raw["posterior"].sizes, posterior.raw.attrs
        sampler = f"NUTS ({attrs['sampler']}), {sizes['chain']} chains of {attrs['tuning_steps']} + {sizes['draw']}"
        fused = attrs.get("likelihood") == "fused"
        sampler += ", on the compiled posterior (fused)" if fused else ", on the PyMC model (plain)"
    names = ("emvsbayes", "numpy", "scipy", "pymc", "pytensor", "nutpie", "arviz")
    return Provenance(
        command=command,
        seed=study.seed,
        data_sha256=data_hash(problem.data),
        versions={"python": platform.python_version(), **{name: version(name) for name in names}},
        sampler=sampler,
        seconds=seconds,
    )
