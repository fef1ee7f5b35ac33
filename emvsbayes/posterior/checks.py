"""Posterior predictive checks: would the model have produced data like these?

    θ_s ~ p(θ | X),    X_s ~ p(X | θ_s),    p = P(T(X_s, θ_s) > T(X, θ_s)) + ½ P(T(X_s, θ_s) = T(X, θ_s))

T is a statistic of the data, or a discrepancy that looks at θ too (Gelman, Meng and Stern 1996). A p near 0 or 1 says
that the data have more, or less, of T than the model gives; p is not uniform under the model but drawn towards ½, for
the data were used once to find θ: what it flags is worth a look, what it passes is not proven.

Every family names its own statistics (`discrepancies`). For pictures of replicated data ArviZ has plot_ppc_dist and
others: `replicated_tree` gives it the group that it draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import take_rows
from emvsbayes.core.scalars import thinned
from emvsbayes.posterior.bins import Bins
from emvsbayes.posterior.draws import Draws
from emvsbayes.posterior.record import LEVEL, PredictiveCheck, PredictiveChecks

DRAWS = 400
MARKS = 500
MOST_ROWS = 100_000  # of weighted rows written out
TAIL = 0.025


def predictive_checks(
    draws: Draws,
    statistic: Callable[[Any], dict[str, float]] | None = None,
    *,
    most: int = DRAWS,
    seed: int = 0,
) -> PredictiveChecks:
    """Statistics of the data held against those of replicated data.

    Parameters
    ----------
    draws : Draws
        From `read_draws`; labels do not matter.
    statistic : callable, optional
        A data record -> {name: number}, in the place of the family's own statistics.
    most : int
        Replicates, one from each of so many draws, evenly spaced.
    seed : int

    Returns
    -------
    PredictiveChecks

    Raises
    ------
    InputError
        Where rows have weights that are no whole numbers: such data are not what the model produces; where a statistic
        is no number.

    References
    ----------
    Rubin (1984), Annals of Statistics 12, 1151-1172. Gelman, Meng and Stern (1996), Statistica Sinica 6, 733-807.
    """
    family, data = draws.family, written_out(draws.data)
    notes = [] if data is draws.data else [f"Rows count as often as their weights say: {data.n_rows} rows in all."]
    if getattr(data, "labels", None) is not None:
        notes.append("Known labels are not replicated: every row's component is drawn anew.")
    at, rng = draws.some(most), np.random.default_rng(seed)
    observed: dict[str, list[float]] = {}
    drawn: dict[str, list[float]] = {}
    bins = Bins(data)
    for params in draws.records(at):
        replicate, shared = replicated(family, params, data, rng)
        bins.add(replicate)
        for found, rows in ((observed, data), (drawn, replicate)):
            values = family.discrepancies(params, rows, shared) if statistic is None else _asked(statistic, rows)
            for name, value in values.items():
                found.setdefault(name, []).append(float(value))
    whole = [name for name in observed if len(observed[name]) == len(drawn.get(name, ())) == len(at)]
    checks = [_check(name, np.array(observed[name]), np.array(drawn[name])) for name in whole]
    if lost := [name for name in observed if name not in whole]:
        notes.append(f"Not every replicate has {', '.join(lost)}: left out.")
    return PredictiveChecks(checks, bins.histograms(), len(at), notes)


def _asked(statistic: Callable[[Any], dict[str, float]], rows: Any) -> dict[str, float]:
    """A caller's statistics, all of them numbers: one that is not would compare as neither larger nor smaller."""
    values = statistic(rows)
    if not isinstance(values, Mapping):
        raise InputError(f"statistic must return a mapping of names to numbers; it returned {values!r}.")
    for name, value in values.items():
        if not (np.ndim(value) == 0 and np.isfinite(value)):
            raise InputError(f"statistic {name} is {value!r}; return a finite number, of replicated data too.")
    return dict(values)


def replicated(family: Any, params: Any, data: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Data of the size of `data` drawn from p(X | θ), and the latent that rows share, where the family has one."""
    replicate = getattr(family, "replicate", None)
    return (family.simulate(params, data, rng)[0], None) if replicate is None else replicate(params, data, rng)


def written_out(data: Any) -> Any:
    """The data with a row of weight w written w times; rows of weight 0 are left out."""
    weights = data.row_weights
    if (weights == 1).all():
        return data
    odd = int(np.argmax(weights != np.round(weights)))
    if weights[odd] != np.round(weights[odd]):
        raise InputError(
            f"replicated data have rows that count once, and row {odd} counts {weights[odd]:g} times; use weights that "
            "are whole numbers."
        )
    if weights.sum() > MOST_ROWS:
        raise InputError(
            f"rows that count {weights.sum():g} times in all are too many to write out (at most {MOST_ROWS}); check a "
            "part of them."
        )
    found = take_rows(data, np.repeat(np.arange(data.n_rows), weights.astype(int)))
    return replace(found, row_weights=np.ones(found.n_rows))


def _check(name: str, observed: Array, drawn: Array) -> PredictiveCheck:
    """Median, interval, p and its Monte Carlo error from T(X, θ_s) and T(X_s, θ_s), (S,) each."""
    n = len(drawn)
    p = float((drawn > observed).mean() + 0.5 * (drawn == observed).mean())
    pooled = (p * n + 1) / (n + 2)  # of 0 in S draws the error is not 0
    spread = float(drawn.std())
    gaps = (drawn - observed) / spread if spread > 0 else drawn - observed
    center, lower, upper = np.quantile(drawn, [0.5, (1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return PredictiveCheck(
        name,
        float(observed.mean()),
        float(center),
        float(lower),
        float(upper),
        p,
        float(np.sqrt(pooled * (1 - pooled) / n)),
        not TAIL <= p <= 1 - TAIL,
        gaps[thinned(n, MARKS)].tolist(),
    )


def replicated_tree(posterior: Any, draws: Draws, *, most: int = DRAWS, seed: int = 0) -> Any:
    """A copy of the tree with a group `posterior_predictive`, for ArviZ: az.plot_ppc_dist and its like.

    Parameters
    ----------
    posterior : xarray.DataTree
        Whose group `observed_data` has one variable; what is replicated bears its name.
    draws : Draws
        Read from it.
    most : int
        Draws of each chain to replicate, evenly spaced.
    """
    import xarray as xr

    if "observed_data" not in posterior.children or len(posterior["observed_data"].data_vars) != 1:
        raise InputError("the tree must have a group observed_data with one variable, such as sample makes.")
    name, variable = next(iter(posterior["observed_data"].data_vars.items()))
    data = draws.data
    field = str(name)
    if not np.array_equal(getattr(data, field, np.empty(0)), variable.values, equal_nan=True):
        raise InputError(
            f"{field} of observed_data is not {field} of the data (a regression is sampled on rotated rows); use "
            "predictive_checks."
        )
    each = draws.shape[1]
    kept, rng = thinned(each, most), np.random.default_rng(seed)

    def row(s: int) -> Array:
        return getattr(replicated(draws.family, draws.record(s), data, rng)[0], field)

    values = np.array([[row(chain * each + int(i)) for i in kept] for chain in range(draws.chains)])
    tree = posterior.copy()
    tree["posterior_predictive"] = xr.Dataset(
        {field: (("chain", "draw", *variable.dims), values)},
        coords={"chain": posterior["posterior"]["chain"].values, "draw": posterior["posterior"]["draw"].values[kept]}
        | {dim: variable[dim].values for dim in variable.dims if dim in variable.coords},
    )
    return tree
