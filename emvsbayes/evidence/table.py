"""`log_evidence`: every log evidence of one model side by side; `record` says what each number is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes import __version__
from emvsbayes.core.checks import whole_number
from emvsbayes.core.errors import InputError
from emvsbayes.core.trace import Status
from emvsbayes.evidence.bridge import Bridge, bridge_sampling
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.laplace import Laplace, laplace
from emvsbayes.evidence.normals import SEPARATE
from emvsbayes.evidence.record import Evidence, Row, decomposed
from emvsbayes.evidence.unconstrained import Unconstrained, tree_vectors, unconstrained
from emvsbayes.fitting import fit_problem, settle
from emvsbayes.problem import Problem, pose, require_twin
from emvsbayes.vb.collapsed import collapsed
from emvsbayes.vb.fitting import variational_problem

SHAKY = 0.3  # nats: a larger standard error, and the estimate is named as one

APART = 1.0  # nats between runs of SMC: more, and they are named


def log_evidence(
    family: Any,
    X: Any,
    *,
    n_components: int | None = None,
    settings: Mapping[str, Any] | None = None,
    prior: Any = "default",
    fixed: Mapping[str, Any] | None = None,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    posterior: Any = None,
    smc: bool = False,
    advi: bool = False,
    n_starts: int | None = None,
    seed: int = 0,
    say: Callable[[str], object] | None = None,
) -> Evidence:
    """ln p(X) of a model by enumeration, bridge sampling, SMC, Laplace's method, variational bounds and BIC.

    Parameters
    ----------
    family, X, n_components, settings, fixed, labels, sample_weight
        As in `fit`.
    prior : "default", mapping or prior record
        Proper: the evidence is an integral over it. A default prior that looks at the data makes evidences of
        different models comparable only roughly.
    posterior : xarray.DataTree
        Draws of this posterior, from `sample` or any other sampler, for bridge sampling.
    smc, advi : bool
        Also run PyMC's sequential Monte Carlo, and its ADVI, mean-field and full-rank.
    n_starts, seed : int
        Of the fits, as in `fit`.
    say : callable, optional
        Given a line of progress a method.

    Returns
    -------
    Evidence
        One row a method; a method that does not apply has a sentence in the place of a number.

    Raises
    ------
    InputError
        For input that cannot be used, and where the prior is improper.
    """
    problem = pose(
        family,
        X,
        n_components=n_components,
        settings=settings,
        fixed=fixed,
        labels=labels,
        sample_weight=sample_weight,
    )
    whole_number(seed, 0, "seed")
    if smc or advi:
        require_twin(problem)
    problem = settle(problem, seed=seed)
    return evidence_problem(
        problem, prior=prior, posterior=posterior, smc=smc, advi=advi, n_starts=n_starts, seed=seed, say=say
    )


def evidence_problem(
    problem: Problem,
    *,
    prior: Any = "default",
    posterior: Any = None,
    smc: bool = False,
    advi: bool = False,
    n_starts: int | None = None,
    seed: int = 0,
    say: Callable[[str], object] | None = None,
) -> Evidence:
    """`log_evidence` of a problem that is already posed."""
    target = unconstrained(problem, prior, seed)
    draws = None if posterior is None else tree_vectors(target, posterior)
    tell = say or (lambda line: None)
    rows: list[Row] = [_enumerated(problem, prior)]

    bridge = None
    if draws is not None:
        tell("bridge sampling")
        bridge, row = _bridged(target, draws, seed)
        rows.append(row)
    if smc:
        tell("sequential Monte Carlo")
        rows.append(_smc(problem, target.prior, seed))
    tell("Laplace's method")
    found, rows_of = _laplace(target, n_starts, seed)
    overlap = bridge.overlap if bridge else found.overlap if found else None
    separate = overlap is not None and overlap < SEPARATE and target.copies > 1
    log_copies = float(np.log(target.copies)) if separate else 0.0
    rows += [_counted(row, log_copies) for row in rows_of]
    tell("variational Bayes")
    rows += _variational(problem, prior, n_starts, seed, log_copies, target.copies)
    if advi:
        tell("ADVI")
        rows += _advi(problem, target.prior, seed)
    rows.append(_bic(problem, n_starts, seed))
    return Evidence(
        family=problem.family.name,
        n_components=problem.family.n_components,
        n_rows=problem.data.n_rows,
        rows=decomposed(rows),
        prior=problem.family.describe_prior(target.prior),
        copies=target.copies,
        overlap=overlap,
        separate=separate,
        seed=seed,
        notes=_notes(problem, prior, target.copies, overlap, separate),
        version=__version__,
    )


def _enumerated(problem: Problem, prior: Any) -> Row:
    try:
        return Row("enumeration", exact_posterior(problem, prior).log_evidence)
    except InputError as error:
        return Row("enumeration", remark=str(error))


def _bridged(target: Unconstrained, draws: Any, seed: int) -> tuple[Bridge | None, Row]:
    try:
        found = bridge_sampling(target, draws, seed=seed)
    except InputError as error:
        return None, Row("bridge", remark=str(error))
    remark = ""
    if found.se > SHAKY:
        remark = f"a standard error of {found.se:.2g} nats is large, and itself uncertain; draw more."
    elif found.renamings < found.copies:
        remark = f"the proposal is averaged over {found.renamings} of {found.copies} labellings, drawn at random."
    return found, Row("bridge", found.log_evidence, found.se, remark=remark)


def _laplace(target: Unconstrained, n_starts: int | None, seed: int) -> tuple[Laplace | None, list[Row]]:
    names = ("laplace_free", "laplace_natural")
    try:
        best = fit_problem(target.problem, prior=target.prior, n_starts=n_starts, record=False, seed=seed)
        found = laplace(target, best.params, seed=seed)
    except InputError as error:
        return None, [Row(names[0], remark=str(error)), Row(names[1])]
    return found, [Row(names[0], found.free), Row(names[1], found.natural)]


def _counted(row: Row, log_copies: float) -> Row:
    """A row of one mode with the number of its copies in it."""
    if row.value is None:
        return row
    return Row(row.method, row.value + log_copies, log_copies=log_copies, remark=row.remark)


def _variational(
    problem: Problem, prior: Any, n_starts: int | None, seed: int, log_copies: float, copies: int
) -> list[Row]:
    try:
        found = variational_problem(problem, prior=prior, n_starts=n_starts, record=False, seed=seed)
    except InputError as error:
        return [Row("vb", remark=str(error))]
    alone = collapsed(problem, found, seed=seed)
    rows = [Row("vb", found.elbo), Row("vb_collapsed", alone.elbo, alone.se)]
    if log_copies:
        rows.append(Row("vb_relabelled", found.elbo + log_copies, log_copies=log_copies))
    elif copies > 1:
        remark = f"not given: the copies are not shown to be apart, and ln {copies} would count some of them twice."
        rows.append(Row("vb_relabelled", remark=remark))
    return rows


def _bic(problem: Problem, n_starts: int | None, seed: int) -> Row:
    try:
        fit = fit_problem(problem, n_starts=n_starts, record=False, seed=seed)
    except InputError as error:
        return Row("bic", remark=str(error))
    if fit.status not in (Status.CONVERGED, Status.MAX_PASSES):
        return Row("bic", remark=f"no maximum of the likelihood to take it at. {fit.status.value}")
    return Row("bic", -0.5 * fit.bic)


def _smc(problem: Problem, prior: Any, seed: int) -> Row:
    from emvsbayes.bayes.smc import smc_evidence

    found = smc_evidence(problem, prior, seed=seed)
    remark = ""
    if found.spread > APART:
        remark = f"{len(found.runs)} runs differ by {found.spread:.2g} nats: such estimates tend to be too low."
    return Row("smc", found.log_evidence, found.se, remark=remark)


def _advi(problem: Problem, prior: Any, seed: int) -> list[Row]:
    from emvsbayes.bayes.advi import advi_elbo

    rows = []
    for method in ("advi_meanfield", "advi_fullrank"):
        found = advi_elbo(problem, prior, full_rank=method == "advi_fullrank", seed=seed)
        rows.append(Row(method, found.elbo, found.se))
    return rows


def _notes(problem: Problem, prior: Any, copies: int, overlap: float | None, separate: bool) -> list[str]:
    notes = []
    if separate:
        notes.append(
            f"The posterior is the same under {copies} labellings, and these copies are apart: ln {copies} is in what "
            "was found from one of them."
        )
    elif copies > 1 and overlap is None:
        notes.append(
            f"The posterior is the same under {copies} labellings, and how far these copies overlap is not known: "
            f"ln {copies} is added nowhere."
        )
    elif copies > 1:
        notes.append(
            f"The posterior is the same under {copies} labellings, and these copies overlap (by {overlap:.2g} nats of "
            f"at most {np.log(copies):.2g}): ln {copies} would count them twice, and is added nowhere."
        )
    if isinstance(prior, str):
        notes.append(problem.family.default_prior_note)
    if (problem.data.row_weights != 1).any():
        notes.append("Rows have weights: the likelihood is a product of powers, and its integral no density of data.")
    return notes
