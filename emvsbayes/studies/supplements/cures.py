"""Three cures of singularities side by side: a bound on the ratio of eigenvalues, a prior (MAP), and the posterior.

The same starts of random scales under each. With max λ / min λ ≤ c over all components the likelihood is bounded
(Hathaway 1985), and a prior on the covariances bounds the posterior density; a posterior is no search for a maximum,
and a spike of the density that has no width has no mass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.comparison.record import Sheet, Supplement
from emvsbayes.comparison.singularity import HOW, N_STARTS
from emvsbayes.core.checks import Array
from emvsbayes.core.starts import Restart, restarts
from emvsbayes.core.trace import Status
from emvsbayes.families.gaussian_mixture import structures

RATIOS = (100.0, 10.0, 3.0)


def cures(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """One table: collapses, the best height, and how far apart its eigenvalues are."""
    prior = fits.map.prior
    rows = [_row("ML, nothing done", problem, _runs(problem, problem.family, None, study.seed))]
    for c in RATIOS:
        bounded = replace(problem.family, eigenvalue_ratio=c)
        rows.append(_row(f"ML, eigenvalue_ratio = {c:g}", problem, _runs(problem, bounded, None, study.seed)))
    rows.append(_row("MAP", problem, _runs(problem, problem.family, prior, study.seed)))
    if posterior is not None:
        draws = np.concatenate(posterior.raw["posterior"]["covariances"].values)
        ratios = [_ratio(problem.family, draw) for draw in draws]
        rows.append(["posterior, all draws (median ratio)", None, None, None, float(np.median(ratios))])
    text = [
        "Maximum likelihood has no maximum where a component may shrink for ever. A bound on the ratio of all "
        "eigenvalues gives it one, at the price of a number c to choose: the log-likelihood falls with c, and where "
        "the last column equals c the bound is what decides. A prior gives the posterior density a maximum, and the "
        "posterior needs none.",
    ]
    headers = [
        "cure",
        f"collapsed of {N_STARTS}",
        "best log-likelihood",
        "starts there",
        "largest / smallest eigenvalue",
    ]
    note = "of runs that did not collapse; under MAP the best is by the log posterior, and its log-likelihood printed"
    return [Supplement("Three cures of singularities", text, [Sheet("The same starts", headers, rows, note, digits=7)])]


def _runs(problem: Any, family: Any, prior: Any, seed: int) -> list[Restart]:
    return restarts(family, problem.data, N_STARTS, seed, methods=(HOW,), complete=problem.hold, prior=prior)


def _row(name: str, problem: Any, found: list[Restart]) -> list[str | float | None]:
    collapsed = sum(r.run.status is Status.SINGULAR for r in found)
    best = found[0].run
    there = sum(r.optimum == 0 for r in found)
    ratio = _ratio(problem.family, best.params.covariances)
    return [name, float(collapsed), best.log_likelihood, float(there), ratio]


def _ratio(family: Any, covariances: Array) -> float:
    """max λ / min λ over the eigenvalues of all components."""
    size = 1 if covariances.ndim < 2 else covariances.shape[-1]
    expanded = structures.expand(family.covariance, covariances, family.n_components, size)
    eigenvalues = np.linalg.eigvalsh(expanded) if expanded.ndim == 3 else expanded
    return float(eigenvalues.max() / eigenvalues.min())
