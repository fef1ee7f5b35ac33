"""Power-scaling: what would move if the prior, or the likelihood, were a little stronger?

    p_a(θ | X) ∝ p(X | θ) p(θ)^a        a = 0.99 and 1.01, by Pareto-smoothed weights p(θ_s)^(a-1)

    sensitivity = ∂ (cumulative Jensen-Shannon distance of p_a from p_1) / ∂ |log2 a|

above 0.05 the prior informs the quantity; with a likelihood above 0.05 as well, the two may be in conflict, and with
one below, the prior speaks alone (Kallioinen et al. 2024). The numbers are ArviZ's (`az.psense_summary`). It is given
every scalar as a variable of its own: it uses the dimension name `component` for itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.scalars import Scalar, scalars, thinned
from emvsbayes.posterior.draws import Draws
from emvsbayes.posterior.log_prior import log_prior_by_field
from emvsbayes.posterior.record import PriorSensitivity, Sensitivity

THRESHOLD = 0.05
SPREAD = 1e-12  # of a log density, relative: below it a power changes nothing
MOST = 400  # scalars
LEAST = 20  # draws, below which there are no tails to smooth


def sensitivity(draws: Draws, prior: Any, *, log_scale: frozenset[str] = frozenset(), most: int = MOST) -> Sensitivity:
    """Power-scaling sensitivity of every scalar to the prior, to the prior of each field, and to the likelihood.

    Parameters
    ----------
    draws : Draws
        Relabelled: with labels unresolved, every scalar is a mixture of components.
    prior : prior record
        Under which the draws were made.
    log_scale : fields taken by their logarithms
    most : int
        Scalars to measure, evenly spaced where there are more.

    Returns
    -------
    Sensitivity

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), Statistics and Computing 34, 57.
    """
    if prior is None:
        raise InputError("there is no prior to scale: prior is None; give the prior under which the draws were made.")
    if draws.size < LEAST * draws.chains:
        raise InputError(f"sensitivity needs at least {LEAST} draws of each chain; there are {draws.size} in all.")
    every = scalars(draws.like, draws.family, getattr(draws.data, "columns", ()), log_scale)
    listed = [every[i] for i in thinned(len(every), most)]
    pieces, shape = log_prior_by_field(draws, prior), draws.shape
    likelihood = np.array([draws.family.log_likelihood(draws.record(s), draws.data) for s in range(draws.size)])
    values = _values(draws, listed, shape)
    notes = [
        f"The prior of {name} has the same density at every draw: no power changes it."
        for name, v in pieces.items()
        if not _varies(v)
    ]
    if not pieces:
        notes.append("Every prior is flat: no power changes it.")
    whole = _summary(values, pieces, likelihood, shape)
    alone = {name: _summary(values, {name: v}, likelihood, shape) for name, v in pieces.items() if _varies(v)}
    rows = []
    for name, (by_prior, by_likelihood, diagnosis) in whole.items():
        by_field = {field: alone[field][name][0] if field in alone else 0.0 for field in pieces}
        rows.append(PriorSensitivity(name, by_prior, by_likelihood, by_field, diagnosis))
    return Sensitivity(rows, THRESHOLD, len(every), notes)


def _values(draws: Draws, listed: Sequence[Scalar], shape: tuple[int, int]) -> dict[str, Array]:
    """Every scalar that was sampled and moves, (chain, draw) each."""
    found = {scalar.name: draws.scalar(scalar).reshape(shape) for scalar in listed}
    return {name: value for name, value in found.items() if np.ptp(value) > 0}


def _varies(log_density: Array) -> bool:
    return bool(np.ptp(log_density) > SPREAD * max(1.0, float(np.abs(log_density).max())))


def _summary(
    values: dict[str, Array], pieces: dict[str, Array], likelihood: Array, shape: tuple[int, int]
) -> dict[str, tuple[float, float, str]]:
    """Sensitivity to these pieces of the prior, to the likelihood, and ArviZ's diagnosis, by name."""
    import arviz as az
    import xarray as xr

    def dataset(variables: dict[str, Array]) -> Any:
        return xr.Dataset({name: (("chain", "draw"), v.reshape(shape)) for name, v in variables.items()})

    total = np.sum([np.zeros(int(np.prod(shape))), *pieces.values()], axis=0)
    tree = xr.DataTree.from_dict(
        {
            "posterior": dataset(values),
            "log_prior": dataset({"log_prior": total}),
            "log_likelihood": dataset({"log_likelihood": likelihood}),
        }
    )
    if not _varies(np.asarray(total)):  # ArviZ has no tail to smooth
        by_likelihood = az.psense(tree, group="likelihood")
        return {name: (0.0, float(by_likelihood[name]), "") for name in values}
    with _quiet():
        table = az.psense_summary(tree, threshold=THRESHOLD, round_to=12)
    return {
        str(name): (float(row["prior"]), float(row["likelihood"]), "" if row["diagnosis"] == "✓" else row["diagnosis"])
        for name, row in table.to_dict("index").items()
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without ArviZ's line on its logger: the diagnosis is in the table."""
    logger = logging.getLogger("arviz_stats")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
