"""`standard_errors`: how well the estimates of a fit are known, by several methods side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Array, whole_number
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.information.bootstrap import DRAWS, replicates
from emvsbayes.information.natural import Quantity, delta, estimates, quantities, transformation
from emvsbayes.information.observed import ANALYTIC, complete_information, covariance, largest_rate
from emvsbayes.information.optimum import NEAR, Optimum, require_regular, settled
from emvsbayes.information.record import Errors, Numbers, StandardErrors, numbers

METHODS = (*ANALYTIC, *DRAWS)
SAME_DATA = 1e-6  # relative: how far the log-likelihood of the data may be from the fit's


def standard_errors(
    fit: Any,
    X: Any,
    methods: Sequence[str] = ("louis",),
    *,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    level: float = 0.95,
    n_replicates: int = 200,
    seed: int = 0,
    say: Callable[[str], object] | None = None,
) -> StandardErrors:
    """Standard errors and intervals of the free parameters of a fit.

    Parameters
    ----------
    fit : Fit
    X, labels, sample_weight : the data it was fitted to; a fit holds none
    methods : names among louis, sem, hessian, bootstrap, parametric
        See `emvsbayes.information`. One that does not apply is left out, with a sentence in `refused`.
    level : float
        Of the intervals.
    n_replicates, seed : int
        Of the bootstraps.
    say : callable, optional
        Given a line of progress now and then.

    Returns
    -------
    StandardErrors
        Of the maximum-likelihood estimate, or of the mode of the posterior for a MAP fit (then the inverse curvature of
        the log posterior on free coordinates). The estimates are those of the optimum that the fit is near, EM being
        carried on to 1e-12 nats an observation.

    Raises
    ------
    InputError
        Where the fit has none: it is singular, has an empty component, does not maximise the likelihood (a hard or
        restricted E-step); or where no method applies.

    References
    ----------
    Louis (1982), JRSS B 44, 226-233. Meng and Rubin (1991), JASA 86, 899-909. Efron and Tibshirani (1993).
    """
    methods = tuple([methods] if isinstance(methods, str) else methods)
    for name in methods:
        if name not in METHODS:
            raise unknown("method of standard errors", name, METHODS)
    if not methods:
        raise InputError(f"name a method of standard errors: {', '.join(METHODS)}.")
    if not (isinstance(level, int | float) and 0 < level < 1):
        raise InputError(f"level must be a number between 0 and 1; it is {level!r}.")
    if set(methods) & set(DRAWS):
        whole_number(n_replicates, 2, "n_replicates")
    whole_number(seed, 0, "seed")
    if not hasattr(fit, "family"):
        raise InputError(f"standard errors are those of a Fit; this is {fit!r}.")
    require_regular(fit)
    data = fit.data_of(X, labels, sample_weight)
    _require_same(fit, data)
    optimum = settled(fit.family, data, fit.params, fit.prior)
    return errors_at(optimum, methods, level=level, n_replicates=n_replicates, seed=seed, say=say)


def errors_at(
    optimum: Optimum,
    methods: Sequence[str],
    *,
    level: float = 0.95,
    n_replicates: int = 200,
    seed: int = 0,
    say: Callable[[str], object] | None = None,
) -> StandardErrors:
    """`standard_errors` of an optimum that is already there."""
    family, params = optimum.family, optimum.params
    listed = quantities(params, family, tuple(getattr(optimum.data, "columns", ())))
    values = estimates(listed, params)
    found, refused, notes = {}, {}, _notes(optimum)
    missing, missing_coordinates, rate, distance = np.full(len(listed), np.nan), np.empty(0), None, None
    complete = slopes = None
    for name in methods:
        try:
            if name in DRAWS:
                found[name] = _drawn(name, listed, optimum, values, level, n_replicates, seed, say)
                continue
            if bound := getattr(family, "constrained", lambda params: "")(params):
                raise InputError(
                    f"there is no standard error by {name}: {bound}, where the score is not zero; use the bootstrap."
                )
            if complete is None or slopes is None:
                complete, slopes = complete_information(optimum), transformation(listed, optimum)
            observed = ANALYTIC[name](optimum, complete)
            spread = covariance(observed)
        except InputError as error:
            refused[name] = str(error)
            continue
        se = delta(slopes, spread)
        found[name] = Errors(numbers(se), *_intervals(listed, values, se, level), spread.tolist())
        if rate is None:
            ideal = covariance(complete)
            missing = 1 - (delta(slopes, ideal) / se) ** 2
            missing_coordinates = 1 - np.diagonal(ideal) / np.diagonal(spread)
            rate, distance = largest_rate(complete, observed), optimum.distance(observed)
            if distance > NEAR:
                notes.append(
                    f"the maximum is still {distance:.2g} standard errors away after many passes; "
                    "these standard errors are approximate."
                )
    if not found:
        raise InputError(next(iter(refused.values())))
    return StandardErrors(
        objective="log-likelihood" if optimum.prior is None else "log posterior",
        names=[quantity.name for quantity in listed],
        estimates=values.tolist(),
        scales=[quantity.scale for quantity in listed],
        methods=found,
        refused=refused,
        missing=numbers(missing),
        missing_coordinates=numbers(missing_coordinates),
        rate=rate,
        distance=distance,
        level=level,
        notes=notes,
    )


def _drawn(
    name: str,
    listed: list[Quantity],
    optimum: Optimum,
    values: Array,
    level: float,
    n_replicates: int,
    seed: int,
    say: Callable[[str], object] | None,
) -> Errors:
    """The spread of the estimates over replicates, and their percentiles; none for one on its boundary."""
    family = optimum.family
    made = replicates(name, family, optimum.data, optimum.params, optimum.prior, count=n_replicates, seed=seed, say=say)
    if len(made.params) < max(2, n_replicates / 2):
        raise InputError(
            f"of {made.tried} replicates {made.tried - len(made.params)} gave no estimate "
            f"({', '.join(f'{n} {status}' for status, n in made.failures.items())}); use a prior (MAP)."
        )
    table = np.array([estimates(listed, params) for params in made.params])
    fixed = _on_boundary(listed, optimum)
    se = np.where(fixed, np.nan, table.std(axis=0, ddof=1))
    lower, upper = (np.where(fixed, np.nan, np.quantile(table, q, axis=0)) for q in ((1 - level) / 2, (1 + level) / 2))
    vectors = np.array([family.to_vector(params)[optimum.inside] for params in made.params])
    vectors = vectors[np.isfinite(vectors).all(axis=1)]  # a replicate on a boundary has no coordinates
    spread = np.atleast_2d(np.cov(vectors.T)).tolist() if len(vectors) > 1 else []
    return Errors(numbers(se), numbers(lower), numbers(upper), spread, made.tried, made.failures)


def _on_boundary(listed: list[Quantity], optimum: Optimum) -> Array:
    """Which quantities (Q,) no coordinate inside moves."""
    if len(optimum.inside) == len(optimum.vector):
        return np.zeros(len(listed), dtype=bool)
    return (transformation(listed, optimum) == 0).all(axis=1)


def _intervals(listed: list[Quantity], values: Array, se: Array, level: float) -> tuple[Numbers, Numbers]:
    ends = [
        (np.nan, np.nan) if error != error else quantity.interval(float(value), float(error), level)
        for quantity, value, error in zip(listed, values, se, strict=True)
    ]
    return numbers([low for low, _ in ends]), numbers([high for _, high in ends])


def _notes(optimum: Optimum) -> list[str]:
    on, notes = len(optimum.vector) - len(optimum.inside), []
    if on:
        notes.append(
            f"{on} of {len(optimum.vector)} coordinates on the boundary of what is possible: no standard error applies "
            "there, and the others' are taken with these held."
        )
    if optimum.family.fixed:
        notes.append(f"held, and without error: {', '.join(sorted(optimum.family.fixed))}.")
    return notes


def _require_same(fit: Any, data: Any) -> None:
    """Raise where the data are not those of the fit."""
    here = fit.family.log_likelihood(fit.params, data)
    if not abs(here - fit.log_likelihood) <= SAME_DATA * (1 + abs(fit.log_likelihood)):
        raise InputError(
            f"these are not the data of the fit: their log-likelihood is {here:.6g}, the fit's "
            f"{fit.log_likelihood:.6g}; pass the same X, labels and sample_weight."
        )
