"""`compare_models`: K and settings by the evidence, PSIS-LOO, BIC and ICL, side by side; its record has the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes import __version__
from emvsbayes.core.checks import Array, whole_number
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.trace import Status
from emvsbayes.evidence.record import Row
from emvsbayes.evidence.rows import bridge_row, enumeration_row, smc_row
from emvsbayes.evidence.unconstrained import tree_vectors, unconstrained
from emvsbayes.families import FAMILIES
from emvsbayes.fitting import fit_problem, settle
from emvsbayes.problem import Problem, identify, pose, require_twin
from emvsbayes.selection.choosing import read_components, read_values
from emvsbayes.selection.loo import behind, leave_one_out
from emvsbayes.selection.models_record import ModelChoice, ModelScore
from emvsbayes.tables import as_table
from emvsbayes.vb.fitting import variational_problem


def compare_models(
    family: str,
    X: Any,
    n_components: int | str | Iterable[int] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    prior: Any = "default",
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    sampling: bool = True,
    smc: bool = False,
    n_starts: int | None = None,
    seed: int = 0,
    fresh: bool = False,
    posteriors: Mapping[str, Any] | None = None,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> ModelChoice:
    """Score models of one data set by four criteria that ask different questions.

    Parameters
    ----------
    family : str
    X : array (N,) or (N, D), DataFrame, path, or mapping of the family's data fields
    n_components : int, "1:4", "1,2,4" or ints
        The numbers K to try; "1:4" by default, none for a family without components.
    settings : mapping
        A value, a list of values, or "all", as in `select`: {"covariance": "full,tied"}.
    prior : "default", mapping or prior record
        Proper, and the same for every model; "default" is each model's own, and may look at the data.
    draws, tune, chains, seed, fresh
        As in `sample`, for every model; draws are cached.
    posteriors : mapping of DataTrees
        Draws that there are already, by the words of the model: {"K = 2": posterior}. The others are drawn.
    sampling : bool
        False leaves out draws, and with them elpd and, where it cannot be summed, the evidence.
    smc : bool
        Sequential Monte Carlo where bridge sampling cannot be used, or nothing was sampled.
    n_starts : int
        Of the ML fits and of variational Bayes.
    say : callable
        Told of progress, a line a model.

    Returns
    -------
    ModelChoice

    Raises
    ------
    InputError
        For input that cannot be used. A model that only some K or settings exclude is a row that says so.

    References
    ----------
    Kass and Raftery (1995), JASA 90, 773-795; Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413-1432;
    Biernacki, Celeux and Govaert (2000), IEEE PAMI 22, 719-725.
    """
    for name, value, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1), ("seed", seed, 0)):
        whole_number(value, least, name)
    if prior is None:
        raise InputError("the evidence is an integral over the prior, and prior is None; use 'default', or give one.")
    name, chosen, _ = identify(family, settings, 1, None)
    twin = FAMILIES[name]
    if n_components is not None and not twin.components:
        raise InputError(f"{name} has no components; leave n_components out (it is {n_components!r}).")
    ks = read_components("1:4" if n_components is None else n_components) if twin.components else [1]
    values = {setting: read_values(name, twin, setting, value) for setting, value in chosen.items()}
    varied = [setting for setting, options in values.items() if len(options) > 1]
    X = getattr(twin.data, "table", as_table)(X) if isinstance(X, str | Path) else X  # a file is read once

    how = {"draws": draws, "tune": tune, "chains": chains, "fresh": fresh}
    found: list[tuple[ModelScore, Array | None]] = []
    posed, words = [], {}
    cells = [dict(zip(values, options, strict=True)) for options in product(*values.values())]
    asked = [ModelScore(k, {setting: str(these[setting]) for setting in varied}).words for these in cells for k in ks]
    for model in posteriors or {}:
        if model not in asked:
            raise unknown("model of the posteriors", model, asked)
    for number, (these, k) in enumerate(((these, k) for these in cells for k in ks), 1):
        row = ModelScore(k, {setting: str(these[setting]) for setting in varied})
        told = f"{number} of {len(cells) * len(ks)}, {row.words}"
        try:
            problem = pose(
                name,
                X,
                n_components=k if twin.components else None,
                settings=these,
                labels=labels,
                sample_weight=sample_weight,
            )
            if sampling or smc:
                require_twin(problem)
            problem = settle(problem, seed=seed)
            target = unconstrained(problem, prior, seed)
        except InputError as error:
            if len(cells) * len(ks) == 1:
                raise
            found.append((replace(row, remarks=[str(error)]), None))
            say(f"{told}: refused")
            continue
        posed.append(problem)
        words[row.words] = problem.family.describe_prior(target.prior)
        say(f"{told}: fits" + (", draws" if sampling else "") + " and evidence")
        row = _fits(row, problem, target.prior, n_starts, seed)
        given = (posteriors or {}).get(row.words)
        found.append(_draws(row, problem, target, prior, given, how if sampling else None, smc, seed, say))
        say(f"{told}: {_told(found[-1][0])}")
    if not posed:
        raise InputError(found[0][0].remarks[0])
    return ModelChoice(
        family=name,
        source=getattr(X, "source", "an array"),
        n_rows=posed[0].data.n_rows,
        settings={setting: str(options[0]) for setting, options in values.items() if len(options) == 1},
        models=_ranked(found),
        prior=words,
        seed=seed,
        notes=_notes(posed, default=isinstance(prior, str), sampling=sampling),
        command=command,
        version=__version__,
    )


def _fits(row: ModelScore, problem: Problem, prior: Any, n_starts: int | None, seed: int) -> ModelScore:
    """BIC and ICL of the ML fit, and the ELBO of variational Bayes."""
    remarks = list(row.remarks)
    fit = fit_problem(problem, n_starts=n_starts, record=False, seed=seed)
    if fit.status in (Status.CONVERGED, Status.MAX_PASSES):
        icl = -0.5 * fit.icl if "components" in problem.family.capabilities else None
        row = replace(
            row,
            log_likelihood=fit.log_likelihood,
            n_parameters=fit.n_parameters,
            half_bic=-0.5 * fit.bic,
            half_icl=icl,
        )
    else:
        remarks.append(f"no BIC and no ICL: {fit.status.value}")
    try:
        row = replace(row, elbo=variational_problem(problem, prior=prior, n_starts=n_starts, seed=seed).elbo)
    except InputError as error:
        remarks.append(str(error))
    return replace(row, remarks=remarks)


def _draws(
    row: ModelScore,
    problem: Problem,
    target: Any,
    prior: Any,
    posterior: Any,
    how: Mapping[str, Any] | None,
    smc: bool,
    seed: int,
    say: Callable[[str], None],
) -> tuple[ModelScore, Array | None]:
    """The evidence by the best method there is, and PSIS-LOO with its terms."""
    remarks, terms = list(row.remarks), None
    rows: list[Row] = [enumeration_row(problem, prior)]
    if posterior is None and how is not None:
        from emvsbayes.bayes.sampling import sample_problem

        posterior = sample_problem(problem, target.prior, seed=seed, say=say, **how)
    if posterior is not None:
        rows.append(bridge_row(target, tree_vectors(target, posterior), seed)[1])
        try:
            if (problem.data.row_weights != 1).any():
                raise InputError("rows have weights, so that leaving one out leaves out all it stands for: no elpd.")
            loo = leave_one_out(posterior, problem.data.n_rows)
            row = replace(row, elpd=loo.elpd, elpd_se=loo.se, p_loo=loo.p, pareto_k=loo.n_bad)
            terms = loo.rows
            if loo.n_bad:
                remarks.append(
                    f"{loo.n_bad} row{'s have' if loo.n_bad > 1 else ' has'} a Pareto k above {loo.limit:.2f}: elpd is "
                    "too high there, and cannot be trusted to a nat; draw more, or use the evidence."
                )
        except InputError as error:
            remarks.append(str(error))
    if smc and all(row.value is None for row in rows):
        rows.append(smc_row(problem, target.prior, seed))
    able = next((found for found in rows if found.value is not None), None)
    if able is not None:
        row = replace(row, log_evidence=able.value, evidence_se=able.se, evidence_by=able.words)
    elif posterior is not None or smc:
        remarks += [found.remark for found in rows[-1:]]
    # what is odd about the draws matters for elpd too, even where the evidence is exact
    remarks += [found.remark for found in rows[1:] if able is not None and found.remark]
    return replace(row, remarks=remarks), terms


def _ranked(found: list[tuple[ModelScore, Array | None]]) -> list[ModelScore]:
    """The models with how far each elpd is behind the best."""
    terms = [term for _, term in found if term is not None]
    if not terms:
        return [row for row, _ in found]
    best = max(terms, key=lambda term: float(np.sum(term)))
    rows = []
    for row, term in found:
        if term is not None:
            gap, se = behind(best, term)
            row = replace(row, elpd_behind=gap, elpd_behind_se=se)
        rows.append(row)
    return rows


def _told(row: ModelScore) -> str:
    """A model in a line of progress."""
    parts = []
    if row.log_evidence is not None:
        parts.append(f"log evidence {row.log_evidence:.2f} by {row.evidence_by}")
    if row.elpd is not None:
        parts.append(f"elpd {row.elpd:.2f}")
    if row.half_bic is not None:
        parts.append(f"-BIC/2 {row.half_bic:.2f}")
    return ", ".join(parts) or "no score"


def _notes(posed: list[Problem], *, default: bool, sampling: bool) -> list[str]:
    """What to know before choosing."""
    notes = []
    if not sampling:
        notes.append("Nothing was sampled: there is no elpd, and an evidence only where it can be summed.")
    if default:
        notes.append(posed[0].family.default_prior_note)
    if any("bounded" not in problem.family.capabilities for problem in posed):
        notes.append(
            "The likelihood of this family is unbounded: -BIC/2 and -ICL/2 are of ML fits, and one with a component on "
            "a few rows can win."
        )
    return notes
