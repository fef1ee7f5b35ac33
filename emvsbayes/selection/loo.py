"""PSIS-LOO from the draws of a posterior: how well each row is foreseen from the others, latents summed out.

    elpd = Σ_n ln p(x_n | X without x_n),    p(x_n | X without x_n) = 1 / E[1 / p(x_n | θ)]    over the posterior

The mean on the right is over draws, its largest weights smoothed by a generalised Pareto distribution. Its shape k says
whether the mean can be trusted: a row with k above 0.7, or above 1 - 1 / log10(draws) where draws are few, moves the
posterior so much that the draws do not reach where it would be without the row. p(x_n | θ) is a sum over the components
of row n, so that no label is left out with its row.

Source: Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413-1432.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError


@dataclass(frozen=True)
class LeaveOneOut:
    """Expected log pointwise predictive density by leaving rows out.

    Attributes
    ----------
    elpd, se : in nats, the sum over rows and its standard error
    p : effective number of parameters
    rows : (N,)
        The terms of the sum.
    n_bad : rows whose k is above the limit
    limit : of k, for this number of draws
    """

    elpd: float
    se: float
    p: float
    rows: Array
    n_bad: int
    limit: float


def leave_one_out(posterior: Any, n_rows: int) -> LeaveOneOut:
    """PSIS-LOO of a DataTree with a log_likelihood group, such as `sample` returns.

    Raises
    ------
    InputError
        Where there is no log-likelihood for each row.
    """
    import arviz as az

    groups = getattr(posterior, "children", {})
    if "log_likelihood" not in groups:
        raise InputError("leaving rows out needs the group log_likelihood; draw the posterior with sample.")
    found = posterior["log_likelihood"].to_dataset()
    (variable,) = found.data_vars.values()
    if variable.shape[2:] != (n_rows,):
        raise InputError(
            "rows are not independent given the parameters here, so that none can be left out alone; compare the "
            "evidence."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large k, which are counted
        loo: Any = az.loo(posterior, pointwise=True)
    k = np.asarray(loo.pareto_k)
    return LeaveOneOut(
        float(loo.elpd),
        float(loo.se),
        float(loo.p),
        np.asarray(loo.elpd_i, dtype=np.float64),
        int((k > loo.good_k).sum()),
        float(loo.good_k),
    )


def behind(best: Array, other: Array) -> tuple[float, float]:
    """Σ_n of how far one elpd is below another, row by row, and its standard error √(N Var)."""
    gaps = best - other
    return float(gaps.sum()), float(np.sqrt(len(gaps) * gaps.var(ddof=1))) if len(gaps) > 1 else 0.0
