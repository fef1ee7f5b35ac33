"""The rows of the table of evidences, one function a method: a number, or the sentence that says why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from emvsbayes.core.errors import InputError
from emvsbayes.core.trace import Status
from emvsbayes.evidence.bridge import Bridge, bridge_sampling
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.laplace import Laplace, laplace
from emvsbayes.evidence.record import Row
from emvsbayes.evidence.symmetric import symmetric_bound
from emvsbayes.evidence.unconstrained import Unconstrained
from emvsbayes.fitting import fit_problem
from emvsbayes.problem import Problem
from emvsbayes.vb.collapsed import collapsed
from emvsbayes.vb.fitting import variational_problem

SHAKY = 0.3  # nats: a larger standard error, and the estimate is named as one
APART = 1.0  # nats between runs of SMC: more, and they are named
STRANGE = 6.0  # standard errors by which draws are of another posterior: more, and there is no number
MIXED = 1.05  # R-hat of the height of the posterior: more, and the chains are named


def enumeration_row(problem: Problem, prior: Any) -> Row:
    """The sum over allocations."""
    try:
        return Row("enumeration", exact_posterior(problem, prior).log_evidence)
    except InputError as error:
        return Row("enumeration", remark=str(error))


def bridge_row(target: Unconstrained, draws: Any, seed: int) -> tuple[Bridge | None, Row]:
    """Bridge sampling from draws (C, S, P), and what is odd about it."""
    try:
        found = bridge_sampling(target, draws, seed=seed)
    except InputError as error:
        return None, Row("bridge", remark=str(error))
    remark = ""
    if found.rhat > MIXED:
        remark = (
            f"chains sit in different modes that are no relabellings of one another (R-hat of the posterior's height "
            f"{found.rhat:.2f}): each mode counts by the chains in it, and the standard error does not know; use SMC."
        )
    elif found.misfit > STRANGE:
        return None, Row(
            "bridge",
            remark=f"the draws are not of this posterior, by {found.misfit:.0f} standard errors, so that the bridge "
            "from them is no evidence; give draws of the same model, prior and data, of chains that have mixed.",
        )
    elif found.se > SHAKY:
        remark = f"a standard error of {found.se:.2g} nats is large, and itself uncertain; draw more."
    elif found.renamings < found.copies:
        remark = f"the proposal is averaged over {found.renamings} of {found.copies} labellings, drawn at random."
    return found, Row("bridge", found.log_evidence, found.se, remark=remark)


def laplace_rows(target: Unconstrained, n_starts: int | None, seed: int) -> tuple[Laplace | None, list[Row]]:
    """Laplace's method on both scales, of one mode."""
    names = ("laplace_free", "laplace_natural")
    try:
        best = fit_problem(target.problem, prior=target.prior, n_starts=n_starts, record=False, seed=seed)
        found = laplace(target, best.params, seed=seed)
    except InputError as error:
        return None, [Row(names[0], remark=str(error)), Row(names[1])]
    return found, [Row(names[0], found.free), Row(names[1], found.natural)]


def counted(row: Row, log_copies: float) -> Row:
    """A row of one mode with the number of its copies in it."""
    if row.value is None:
        return row
    return Row(row.method, row.value + log_copies, log_copies=log_copies, remark=row.remark)


def variational_rows(target: Unconstrained, prior: Any, n_starts: int | None, seed: int) -> list[Row]:
    """ELBO; the bound of q(θ) alone; and that of q(θ) averaged over labellings, where there are several."""
    try:
        found = variational_problem(target.problem, prior=prior, n_starts=n_starts, seed=seed)
    except InputError as error:
        return [Row("vb", remark=str(error))]
    if target.copies == 1:
        alone = collapsed(target.problem, found, seed=seed)
        return [Row("vb", found.elbo), Row("vb_collapsed", alone.elbo, alone.se)]
    every = symmetric_bound(target, found, seed=seed)
    remark = ""
    if every.renamings < target.copies:
        remark = f"averaged over {every.renamings} of {target.copies} labellings, and lower for it."
    log_copies = float(np.log(every.renamings)) - every.overlap
    return [
        Row("vb", found.elbo),
        Row("vb_collapsed", every.one.elbo, every.one.se),
        Row("vb_symmetric", every.elbo, every.se, log_copies=log_copies, remark=remark),
    ]


def bic_row(problem: Problem, n_starts: int | None, seed: int) -> Row:
    """-BIC/2 of the ML fit, where there is a maximum."""
    try:
        fit = fit_problem(problem, n_starts=n_starts, record=False, seed=seed)
    except InputError as error:
        return Row("bic", remark=str(error))
    if fit.status not in (Status.CONVERGED, Status.MAX_PASSES):
        return Row("bic", remark=f"no maximum of the likelihood to take it at. {fit.status.value}")
    return Row("bic", -0.5 * fit.bic)


def smc_row(problem: Problem, prior: Any, seed: int) -> Row:
    """Sequential Monte Carlo, in PyMC."""
    from emvsbayes.bayes.smc import smc_evidence

    found = smc_evidence(problem, prior, seed=seed)
    remark = ""
    if found.spread > APART:
        remark = f"{len(found.runs)} runs differ by {found.spread:.2g} nats: such estimates tend to be too low."
    return Row("smc", found.log_evidence, found.se, remark=remark)


def advi_rows(problem: Problem, prior: Any, seed: int, say: Callable[[str], object]) -> list[Row]:
    """Both forms of ADVI, in PyMC."""
    from emvsbayes.bayes.advi import advi_elbo

    rows = []
    for method in ("advi_meanfield", "advi_fullrank"):
        found = advi_elbo(problem, prior, full_rank=method == "advi_fullrank", seed=seed, say=say)
        remark = "" if found.settled else f"still rising after {found.steps} steps: a bound, not the best of its form."
        rows.append(Row(method, found.elbo, found.se, remark=remark))
    return rows
