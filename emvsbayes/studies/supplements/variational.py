"""Variational Bayes beside the posterior: how tight the ELBO is, and how much narrower q(θ) is than the draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.comparison.record import Sheet, Supplement
from emvsbayes.core.alignment import align_responsibilities, permute
from emvsbayes.core.scalars import scalars, thinned
from emvsbayes.vb.enumeration import log_evidence
from emvsbayes.vb.fitting import adapt, variational_problem

MOST_ROWS = 24
N_STARTS = 10


def supplements(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """One section: the ELBO, and moments of every scalar under q and under the posterior."""
    prior = fits.map.prior
    fit = variational_problem(problem, prior=prior, n_starts=N_STARTS, seed=study.seed)
    moments = _moments(problem, fits, fit)
    rows = []
    for scalar in scalars(moments[0], problem.family, problem.data.columns):
        (mean, sd), (center, spread) = (_exists(scalar.of(m)) for m in moments), _drawn(scalar, posterior)
        rows.append([scalar.name, mean, sd, center, spread, sd / spread if sd is not None and spread else None])
    ratios = [row[-1] for row in rows if isinstance(row[-1], float)]
    text = [
        "Variational Bayes puts a distribution q(θ) where EM has a point, of the prior's own kind and independent of "
        "q(Z), and climbs the ELBO, a lower bound of the log evidence ln p(X) with every constant (Bishop 2006, "
        f"chapter 10). {fit.status.value}",
        "Because q(Z) and q(θ) are independent, q(θ) does not know how uncertain the assignments are"
        if "components" in problem.family.capabilities
        else "Because q(w), q(α) and q(β) are independent, each ignores how uncertain the others are",
    ]
    text[-1] += ": it tends to be narrower than the posterior, under-dispersed."
    if ratios:
        text[-1] += f" Here its standard deviations are {min(ratios):.2f} to {max(ratios):.2f} times the posterior's."
    elif posterior is not None:
        text[-1] += " The posterior's labels are unresolved, so that it has no component-wise moments to compare."
    headers = ["", "q mean", "q sd", "posterior mean", "posterior sd", "sd ratio"]
    shown = [rows[i] for i in thinned(len(rows), MOST_ROWS)]
    note = "" if len(shown) == len(rows) else f"{len(shown)} of {len(rows)} entries, evenly spaced."
    sheets = [
        Sheet("ELBO, in nats", ["", "value"], _scores(problem, prior, fit), digits=7),
        Sheet("Mean and standard deviation under q and under the posterior", headers, shown, note),
    ]
    return [Supplement("Variational Bayes beside the posterior", text, sheets)]


def _scores(problem: Any, prior: Any, fit: Any) -> list[list[Any]]:
    """ELBO, ELBO + ln K!, and the exact log evidence where it can be summed."""
    rows: list[list[Any]] = [["ELBO, a lower bound of the log evidence", fit.elbo]]
    if fit.log_symmetry > 0:
        copies = round(float(np.exp(fit.log_symmetry)))
        name = f"ELBO + ln {copies}, for {copies} equal labellings: an approximation, no bound"
        rows.append([name, fit.elbo_relabelled])
    exact = log_evidence(adapt(problem, prior), problem.data)
    if exact is not None:
        rows.append(["log evidence, summed over every allocation", exact])
    return rows


def _moments(problem: Any, fits: Any, fit: Any) -> tuple[Any, Any]:
    """Means and sds of q under the labels of the MAP fit."""
    means, sds = fit.means, fit.sds
    if "components" not in problem.family.capabilities:
        return means, sds
    order = align_responsibilities(
        fit.responsibilities, fits.map.responsibilities, problem.data.row_weights, fits.classes
    )
    axes = problem.family.component_axes
    return permute(means, order, axes), permute(sds, order, axes)


def _exists(value: float) -> float | None:
    """None for a moment that is infinite."""
    return value if np.isfinite(value) else None


def _drawn(scalar: Any, posterior: Any) -> tuple[float | None, float | None]:
    """Posterior mean and sd of an entry; None where nothing was sampled, or labels are unresolved."""
    if posterior is None or not posterior.resolved:
        return None, None
    draws = scalar.draws(posterior.relabelled["posterior"])
    return float(draws.mean()), float(draws.std(ddof=1))
