"""The bootstrap: the fit made again to data drawn again, and how far the estimates spread.

    bootstrap      rows drawn with replacement, as multinomial row weights        no trust in the model
    parametric     data simulated from the fit                                    the model taken for true

Each refit starts from the estimate and takes plain EM's nearest optimum, so that the spread is that of one mode. Which
component of a replicate is which of the estimate is settled by one joint assignment (Hungarian) on the responsibilities
of the original rows. A replicate whose refit collapses, empties or does not converge gives no estimate: it is counted,
and so is one that the family cannot fit at all (UNFIT).

Sources: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 6 and 13; for mixtures McLachlan and
Peel (2000), Finite Mixture Models, section 2.16. A bootstrap from a boundary estimate is not consistent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emvsbayes.core.alignment import align_responsibilities, label_classes, permute
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import take_rows
from emvsbayes.core.trace import Status

Say = Callable[[str], object]
STOP = Stop(tol=1e-9, max_passes=3000)
SAID = 50  # replicates between two lines of progress


@dataclass(frozen=True)
class Replicates:
    """Aligned parameter records of the refits that succeeded, and by status how many did not."""

    params: list[Any]
    tried: int
    failures: dict[str, int]


def resampled(family: Any, data: Any, params: Any, rng: np.random.Generator) -> Any:
    """The same rows with weights drawn: N of them with replacement, N the total weight to the nearest whole number.

    A row weight is a count, so that a row of weight 2 is drawn as two rows are.
    """
    total = data.row_weights.sum()
    draws = max(round(total), 1)
    counts = rng.multinomial(draws, data.row_weights / total)
    return replace(data, row_weights=counts * (total / draws))


def simulated(family: Any, data: Any, params: Any, rng: np.random.Generator) -> Any:
    """Data of the size of these drawn from the fit; what was known or missing of a row stays so."""
    like = unrolled(data)
    drawn, z = family.simulate(params, like, rng)
    if getattr(like, "labels", None) is not None:
        drawn = replace(drawn, labels=np.where(like.labels >= 0, z, -1))
    if getattr(like, "observed", None) is not None:
        drawn = replace(drawn, observed=like.observed)
    return drawn


def unrolled(data: Any) -> Any:
    """Every row as often as its weight says, with weight 1.

    Raises
    ------
    InputError
        Where a weight is no whole number: half a row cannot be simulated.
    """
    weights = data.row_weights
    if (weights == 1).all():
        return data
    counts = np.round(weights).astype(int)
    if not np.array_equal(counts, weights):
        raise InputError("a parametric bootstrap simulates rows; it needs whole numbers as sample weights.")
    rows = np.repeat(np.arange(len(counts)), counts)
    return replace(take_rows(data, rows), row_weights=np.ones(len(rows)))


DRAWS = {"bootstrap": resampled, "parametric": simulated}


def replicates(
    method: str,
    family: Any,
    data: Any,
    params: Any,
    prior: Any,
    *,
    count: int,
    seed: int,
    say: Say | None = None,
) -> Replicates:
    """Refits to `count` data sets, the i-th drawn from the i-th child of `seed`; the same for the same seed."""
    draw = DRAWS[method]
    pivot, classes = None, None
    if "components" in family.capabilities and family.n_components > 1:
        pivot = family.e_step(params, data).responsibilities
        classes = label_classes(family, data, prior, params)
    found, failures = [], Counter()
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(count)):
        if say is not None and i and i % SAID == 0:
            say(f"{method}: {i} of {count} replicates")
        drawn = draw(family, data, params, np.random.default_rng(child))
        try:
            family.check(drawn)
        except InputError:  # too few distinct rows were drawn, or a column came out constant
            failures["UNFIT"] += 1
            continue
        run = run_em(family, drawn, params, prior=prior, accelerate="squarem", stop=STOP, record=False)
        if run.status is not Status.CONVERGED:
            failures[run.status.name] += 1
            continue
        estimate = run.params
        if pivot is not None:
            moving = family.e_step(estimate, data).responsibilities
            if np.isnan(moving).any():  # a row that the replicate finds impossible has no posterior
                moving = np.nan_to_num(moving)
            estimate = permute(
                estimate, align_responsibilities(moving, pivot, data.row_weights, classes), family.component_axes
            )
        found.append(estimate)
    return Replicates(found, count, dict(sorted(failures.items())))
