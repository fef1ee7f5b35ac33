"""How well a model foretells rows that it has not seen: the held-out log score.

    score = Σ_{n held out} w_n ln p(x_n | θ̂ of the other rows) / Σ w_n          in nats a row, larger is better

by cross-validation (every row held out once, in one of F folds) or by one split. A prior that looks at the data looks
at the training rows only. The standard error is that of the mean over folds, which share training rows: it is a rough
one (Bengio and Grandvalet 2004, JMLR 5, 1089-1105: no unbiased one exists).

Sources: Smyth (2000), Statistics and Computing 10, 63-72, for mixtures; Gneiting and Raftery (2007), JASA 102, 359-378,
for the logarithmic score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Integers, whole_number
from emvsbayes.core.em import Stop
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import take_rows
from emvsbayes.fitting import as_stop, fit_problem
from emvsbayes.plan import read_plan
from emvsbayes.problem import Problem, pose


@dataclass(frozen=True)
class LogScore:
    """Held-out log scores.

    Attributes
    ----------
    mean : float
        Nats a row (a unit of weight), over all rows held out; -inf where one of them was impossible.
    se : float or None
        Its standard error over folds; None for one split.
    folds : list of float
        Of each fold.
    rows : list of int
        Rows held out in each fold.
    statuses : list of str
        How the fit of each fold ended, by the name of a `core.trace.Status`.
    """

    mean: float
    se: float | None
    folds: list[float]
    rows: list[int]
    statuses: list[str]


def held_out_score(
    family: Any,
    X: Any,
    *,
    n_components: int | None = None,
    settings: Mapping[str, Any] | None = None,
    prior: Any = None,
    sample_weight: ArrayLike | None = None,
    folds: int | None = 10,
    share: float | None = None,
    n_starts: int | None = None,
    stop: Mapping[str, Any] | Stop | None = None,
    seed: int = 0,
    say: Callable[[str], object] | None = None,
) -> LogScore:
    """The log score of rows that a fit has not seen.

    Parameters
    ----------
    family, X, n_components, settings, prior, sample_weight, n_starts, stop : as of `fit`
    folds : int
        F-fold cross-validation; a row is held out in one fold whatever its weight.
    share : float, optional
        In its place, one split: this share of the rows is held out.
    seed : int
        Of the split and of the starts.
    say : callable, optional
        Given a line of progress for each fold.

    Raises
    ------
    InputError
        For a family whose rows are not independent given its parameters, and where a fold cannot be fitted.
    """
    whole_number(seed, 0, "seed")
    problem = pose(family, X, n_components=n_components, settings=settings, sample_weight=sample_weight)
    for capability in ("density", "rowwise"):
        if capability not in problem.family.capabilities:
            raise InputError(f"{problem.family.name} has no held-out score. {problem.family.absent[capability]}")
    parts = _parts(np.flatnonzero(problem.data.row_weights > 0), folds, share, seed)
    sums, weights, statuses = [], [], []
    for i, rows in enumerate(parts):
        if say is not None and len(parts) > 1:
            say(f"held-out score: fold {i + 1} of {len(parts)}")
        held = take_rows(problem.data, rows)
        training = _training(problem, rows)
        fit = fit_problem(
            training,
            prior=training.prior(prior),
            n_starts=n_starts,
            plan=read_plan(training),
            stop=as_stop(stop),
            record=False,
            seed=seed,
        )
        sums.append(fit.family.log_likelihood(fit.params, held))
        weights.append(float(held.row_weights.sum()))
        statuses.append(fit.status.name)
    scores = np.array(sums) / np.array(weights)
    mean = float(np.sum(sums) / np.sum(weights))
    several = len(parts) > 1 and np.isfinite(scores).all()
    se = float(np.sqrt(np.average((scores - mean) ** 2, weights=weights) / (len(parts) - 1))) if several else None
    return LogScore(mean, se, scores.tolist(), [len(rows) for rows in parts], statuses)


def _training(problem: Problem, held: Integers) -> Problem:
    """The problem without the rows held out, if it can be fitted."""
    data = take_rows(problem.data, np.setdiff1d(np.arange(problem.data.n_rows), held))
    try:
        problem.family.check(data)
    except InputError as error:
        raise InputError(f"a fold cannot be fitted: {error} Use fewer folds.") from None
    return replace(problem, data=data)


def _parts(rows: Integers, folds: int | None, share: float | None, seed: int) -> list[Integers]:
    """The rows held out, one array a fold, shuffled."""
    shuffled = np.random.default_rng(seed).permutation(rows)
    if share is not None:
        size = round(share * len(rows)) if isinstance(share, Real) and 0 < share < 1 else 0
        if not 0 < size < len(rows):
            raise InputError(f"share must be a number between 0 and 1 that holds out some rows; it is {share!r}.")
        return [np.sort(shuffled[:size])]
    whole_number(folds, 2, "folds")
    if folds is None or folds > len(rows):
        raise InputError(f"{folds} folds need at least as many rows; there are {len(rows)}.")
    return [np.sort(part) for part in np.array_split(shuffled, folds)]
