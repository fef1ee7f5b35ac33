"""`select`: a fit for every number of components and every structure, ML or MAP or both, scored by AIC, BIC and ICL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes import __version__
from emvsbayes.core.checks import whole_number
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.starts import read_starts
from emvsbayes.core.stopping import Stop
from emvsbayes.core.trace import Status
from emvsbayes.core.twin import Free, Twin
from emvsbayes.families import FAMILIES
from emvsbayes.fits import Fit
from emvsbayes.fitting import as_stop, fit_problem
from emvsbayes.problem import Problem, identify, pose
from emvsbayes.selection.record import CRITERIA, Candidate, Estimate, Selection
from emvsbayes.tables import as_table

ALL = "all"
REFUSED = "REFUSED"


@dataclass(frozen=True)
class _Asked:
    """One cell of the table before it is fitted: a problem, or the sentence that refuses it."""

    n_components: int
    settings: Mapping[str, Any]
    problem: Problem | InputError


def select(
    family: str,
    X: Any,
    n_components: int | str | Iterable[int] = "1:6",
    *,
    settings: Mapping[str, Any] | None = None,
    prior: Any = None,
    criterion: str = "bic",
    start: str | None = None,
    n_starts: int | str | None = None,
    n_jobs: int = 1,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    stop: Mapping[str, Any] | Stop | None = None,
    seed: int = 0,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Selection:
    """Fit every candidate and rank them.

    Parameters
    ----------
    family : str
        A family with components and a density.
    X : array (N,) or (N, D), DataFrame, path, or mapping of the family's data fields
    n_components : int, "1:6", "1,2,4" or ints
        The numbers K to try.
    settings : mapping
        A value, a list of values, or "all" for every value the family knows: {"covariance": "all"}.
    prior : None, "default", "both", mapping or prior record
        None is maximum likelihood, "both" is maximum likelihood and MAP under the default prior.
    criterion : {"bic", "aic", "icl"}
        By which `Selection.best` chooses; the table has all three.
    start : str, optional
        The name of a starting method; see `fit`.
    n_starts, n_jobs, labels, sample_weight, stop, seed
        As in `fit`: a candidate is what `fit` returns for its K and settings, prior and seed.
    say : callable
        Told of progress, one line a candidate.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        For input that cannot be used. A candidate that only some K or settings exclude is a row that says so.

    References
    ----------
    Fraley and Raftery (2002), JASA 97, 611-631.
    """
    if criterion not in CRITERIA:
        raise unknown("criterion", criterion, CRITERIA)
    if start is not None and not isinstance(start, str):
        raise InputError("start must be the name of a starting method here: no values fit every K; leave it out.")
    name, chosen, _ = identify(family, settings, 1, None)
    twin = FAMILIES[name]
    if not twin.components:
        raise InputError(f"{name} has no components, so that there is no K to choose; fit it with `fit`.")
    ks = read_components(n_components)
    values = {setting: read_values(name, twin, setting, value) for setting, value in chosen.items()}
    whole_number(seed, 0, "seed")
    whole_number(n_jobs, 1, "n_jobs")
    if n_starts is not None:
        read_starts(n_starts)
    rules = None if stop is None else as_stop(stop)
    X = getattr(twin.data, "table", as_table)(X) if isinstance(X, str | Path) else X  # a file is read once

    asked = []
    for settings_of in product(*values.values()):
        these = dict(zip(values, settings_of, strict=True))
        for k in ks:
            try:
                problem = pose(name, X, n_components=k, settings=these, labels=labels, sample_weight=sample_weight)
            except InputError as error:
                problem = error
            asked.append(_Asked(k, these, problem))
    posed = [a.problem for a in asked if isinstance(a.problem, Problem)]
    if not posed:
        assert isinstance(asked[0].problem, InputError)
        raise asked[0].problem
    some = posed[0]
    if "density" not in some.family.capabilities:
        raise InputError(f"{name} cannot be ranked by a likelihood: {some.family.absent['density']}")

    varied = [setting for setting, options in values.items() if len(options) > 1]
    given: dict[Estimate, Any]
    given = {"ml": None} if prior is None else {"ml": None, "map": "default"} if prior == "both" else {"map": prior}
    how = {"start": start, "n_starts": n_starts, "n_jobs": n_jobs, "stop": rules, "seed": seed}
    rows: list[Candidate] = []
    for estimate, value in given.items():
        for a in asked:
            these = {setting: str(a.settings[setting]) for setting in varied}
            row = Candidate(a.n_components, these, estimate, REFUSED)
            rows.append(_fitted(row, a.problem, value, how))
            say(f"{len(rows)} of {len(asked) * len(given)}: {_told(rows[-1], criterion)}")
    if all(row.status == REFUSED for row in rows):
        raise InputError(rows[0].remark)
    data = some.data
    return Selection(
        family=name,
        source=getattr(X, "source", "an array"),
        n_rows=data.n_rows,
        total_weight=float(data.row_weights.sum()),
        columns=list(getattr(data, "columns", ())),
        settings={setting: str(options[0]) for setting, options in values.items() if len(options) == 1},
        criterion=criterion,
        candidates=_flagged(rows),
        seed=seed,
        notes=_notes(posed, rows, estimates=list(given), default=prior in ("default", "both")),
        command=command,
        version=__version__,
    )


def read_components(value: Any) -> list[int]:
    """The numbers K from 3, "1:6" (both ends), "1,2,4", or any iterable of whole numbers."""
    wrong = InputError(
        f"n_components must be a whole number, a range as in 1:6, or a list as in 1,2,4; it is {value!r}."
    )
    if isinstance(value, str):
        try:
            if ":" in value:
                low, high = (int(part) for part in value.split(":"))
                found = list(range(low, high + 1))
            else:
                found = [int(part) for part in value.split(",")]
        except ValueError:
            raise wrong from None
    elif isinstance(value, Iterable):
        found = list(value)
    else:
        found = [value]
    if not found:
        raise wrong
    return list(dict.fromkeys(whole_number(k, 1, "n_components") for k in found))


def read_values(family: str, twin: Twin, setting: str, value: Any) -> list[Any]:
    """The values to try of one setting, each of which the family knows."""
    known = twin.settings.get(setting) or twin.shorthand.get(setting)
    if known is None:
        raise unknown(f"setting of {family}:", setting, [*twin.settings, *twin.shorthand])
    if isinstance(known, Free):
        if value == ALL:
            raise InputError(f"{setting} is {known.words}, of which there is no list; give one, or several as a list.")
        return list(value) if isinstance(value, list | tuple) else [value]
    if isinstance(value, str):
        value = list(twin.distinct.get(setting, known)) if value == ALL else [part.strip() for part in value.split(",")]
    for one in (found := list(dict.fromkeys(value)) if isinstance(value, Iterable) else [value]):
        if one not in list(known):
            raise unknown(setting, one, [*known, ALL])
    if not found:
        raise InputError(f"{setting} is an empty list; give a value, several, or {ALL!r}.")
    return found


def _fitted(row: Candidate, problem: Problem | InputError, prior: Any, how: Mapping[str, Any]) -> Candidate:
    """The row filled in: scored, or with the reason why it cannot win."""
    if isinstance(problem, InputError):
        return replace(row, remark=str(problem))
    try:
        fit = fit_problem(problem, prior=problem.prior(prior), record=False, **how)
    except InputError as error:
        return replace(row, remark=str(error))
    row = replace(
        row,
        status=fit.status.name,
        passes=fit.passes,
        n_starts=len(fit.restarts),
        n_collapsed=sum(not r.run.status.usable for r in fit.restarts),
    )
    scored = fit.status in (Status.CONVERGED, Status.MAX_PASSES) and bool(np.isfinite(fit.log_likelihood))
    if fit.status in (Status.SINGULAR, Status.NONFINITE):  # the last finite parameters of a collapse have no meaning
        return replace(row, remark=fit.status.value)
    return replace(row, **_scores(fit), remark="" if scored else fit.status.value)


def _scores(fit: Fit) -> dict[str, Any]:
    return {
        "log_likelihood": fit.log_likelihood,
        "log_posterior": fit.log_posterior,
        "n_parameters": fit.n_parameters,
        "aic": fit.aic,
        "bic": fit.bic,
        "icl": fit.icl,
    }


def _flagged(rows: list[Candidate]) -> list[Candidate]:
    """The rows with the criteria by which each is best among those of its estimate, and how far above that it is."""
    best: list[list[str]] = [[] for _ in rows]
    above: list[dict[str, float]] = [{} for _ in rows]
    for estimate in {row.estimate for row in rows}:
        for criterion in CRITERIA:
            scores = {i: row.score(criterion) for i, row in enumerate(rows) if row.estimate == estimate}
            able = {i: score for i, score in scores.items() if score is not None}
            if able:
                least = min(able, key=lambda i: able[i])
                best[least].append(criterion)
                for i, score in able.items():
                    above[i][criterion] = score - able[least]
    return [replace(row, best=tuple(b), above=a) for row, b, a in zip(rows, best, above, strict=True)]


def _told(row: Candidate, criterion: str) -> str:
    """A candidate in a line of progress."""
    value = row.score(criterion)
    outcome = row.status.lower().replace("_", " ") if value is None else f"{criterion.upper()} {value:.2f}"
    return f"{row.words}, {row.estimate.upper()}: {outcome}"


def _notes(posed: list[Problem], rows: list[Candidate], *, estimates: list[str], default: bool) -> list[str]:
    """What to know before choosing."""
    notes = []
    if any(row.status == Status.MAX_PASSES.name for row in rows):
        notes.append("Some fits did not converge: their likelihood is too low; allow more passes.")
    if "ml" in estimates and any("bounded" not in problem.family.capabilities for problem in posed):
        notes.append(
            "The likelihood of this family is unbounded: a maximum with a component on a few rows can win by ML; "
            "compare with the prior."
        )
    if "map" in estimates:
        notes.append("At a MAP estimate the criteria take the log-likelihood, without the prior.")
    if default:
        notes.append(posed[0].family.default_prior_note)
    if hasattr(posed[0].family, "settled"):
        notes.append(
            "The E-step of this family is hard and its variance is set anew for each K and not counted as a parameter: "
            "the criteria are rough guides here."
        )
    return notes
