"""`log_evidence`: every log evidence of one model side by side; `record` says what each number is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes import __version__
from emvsbayes.core.checks import whole_number
from emvsbayes.evidence.normals import SEPARATE
from emvsbayes.evidence.record import Evidence, Row, decomposed
from emvsbayes.evidence.rows import (
    advi_rows,
    bic_row,
    bridge_row,
    counted,
    enumeration_row,
    laplace_rows,
    smc_row,
    variational_rows,
)
from emvsbayes.evidence.unconstrained import tree_vectors, unconstrained
from emvsbayes.fitting import settle
from emvsbayes.problem import Problem, pose, require_twin


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
    rows: list[Row] = [enumeration_row(problem, prior)]

    bridge = None
    if draws is not None:
        tell("bridge sampling")
        bridge, row = bridge_row(target, draws, seed)
        rows.append(row)
    if smc:
        tell("sequential Monte Carlo")
        rows.append(smc_row(problem, target.prior, seed))
    tell("Laplace's method")
    found, rows_of = laplace_rows(target, n_starts, seed)
    overlap = bridge.overlap if bridge else found.overlap if found else None
    separate = overlap is not None and overlap < SEPARATE and target.copies > 1
    log_copies = float(np.log(target.copies)) if separate else 0.0
    rows += [counted(row, log_copies) for row in rows_of]
    tell("variational Bayes")
    rows += variational_rows(target, prior, n_starts, seed)
    if advi:
        tell("ADVI")
        rows += advi_rows(problem, target.prior, seed, tell)
    rows.append(bic_row(problem, n_starts, seed))
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


def _notes(problem: Problem, prior: Any, copies: int, overlap: float | None, separate: bool) -> list[str]:
    notes = []
    if separate:
        notes.append(
            f"The posterior is the same under {copies} labellings, and these copies are apart: ln {copies} is in what "
            "was found from one of them."
        )
    elif copies > 1:
        known = "is not known" if overlap is None else f"is {overlap:.2g} nats of at most {np.log(copies):.2g}"
        notes.append(
            f"The posterior is the same under {copies} labellings, and how far these copies overlap {known}: "
            f"ln {copies} would count some of it twice, and Laplace's method is of one copy."
        )
    if isinstance(prior, str):
        notes.append(problem.family.default_prior_note)
    if (problem.data.row_weights != 1).any():
        notes.append("Rows have weights: the likelihood is a product of powers, and its integral no density of data.")
    return notes
