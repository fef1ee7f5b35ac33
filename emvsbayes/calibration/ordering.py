"""Components in an order of their own: the same rule for the truth and for every draw.

    θ_(0) < θ_(1) < … < θ_(K-1)        for one scalar θ of every component; the whole component moves

A mixture posterior has K! copies, and the truth is one of them: before ranks mean anything, names must. Here the order
depends on the parameters alone. Then (ordered truth, data) has the law of (ordered draw, data), for both come from one
joint distribution by one function, and the ranks are uniform whether or not the components are far apart.

A rule that looks at more than one parameter vector is no such function. Matching each draw to the truth moves draws
nearer to it than the posterior has them: the ranks crowd in the middle. Matching draws to one another, as the
iterative algorithms of `relabelling` do, renames the draws by a consensus that the truth has no part in. Matching both
to an EM fit of the data would be allowed in principle, f(θ, X) for f(θ), but only where that fit owes nothing to the
truth, not even its starting values; sorting has nothing to hide.

Source: Modrák, Moon, Kim, Bürkner, Huurre, Faltejsková, Gelman and Vehtari (2023), Simulation-based calibration
checking for Bayesian computation: the choice of test quantities shapes sensitivity, Bayesian Analysis,
doi 10.1214/23-BA1404.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from emvsbayes.core.alignment import ComponentAxes
from emvsbayes.core.checks import Array
from emvsbayes.core.records import record_fields
from emvsbayes.relabelling.constraint import constraint, coordinate


def ordered_draws(draws: Mapping[str, Array], axes: ComponentAxes, order: str) -> dict[str, Array]:
    """Draws (S, …) by field, the components of each sorted; fields without the component axis are untouched.

    Parameters
    ----------
    draws : mapping of arrays (S, …)
    axes : mapping
        For each field with components, their axes within a record.
    order : str
        The scalar to sort by, such as "means[0]"; empty leaves everything as it is.
    """
    if not order:
        return dict(draws)
    leading = {name: np.moveaxis(value, axes[name][0] + 1, 1) for name, value in draws.items() if name in axes}
    k = next(iter(leading.values())).shape[1]
    classes = np.zeros(k, dtype=np.int64)
    permutations = constraint(coordinate(leading, order, classes), classes)
    found = dict(draws)
    for name in leading:
        for axis in axes[name]:
            moved = np.moveaxis(found[name], axis + 1, 1)
            index = permutations.reshape(*permutations.shape, *[1] * (moved.ndim - 2))
            found[name] = np.moveaxis(np.take_along_axis(moved, index, axis=1), 1, axis + 1)
    return found


def ordered_params(params: Any, axes: ComponentAxes, order: str) -> Any:
    """A parameter record with its components sorted, by the rule of the draws: it is one draw."""
    one = {name: np.asarray(value)[None] for name, value in record_fields(params).items()}
    return replace(params, **{name: value[0] for name, value in ordered_draws(one, axes, order).items()})
