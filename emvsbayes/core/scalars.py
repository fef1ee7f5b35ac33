"""Scalars by name: every free entry of a parameter record, named as ArviZ names it.

    means[0, waiting]    covariances[1, waiting, eruptions]    weights[2]    ln alpha

Of a symmetric matrix only the lower triangle is listed. A field that its twin compares on the log scale has the
logarithms of its entries for scalars, and `ln` in their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, Integers


@dataclass(frozen=True)
class Scalar:
    """One entry of a parameter field, or its logarithm: its name, field, index, and component (-1 for none)."""

    name: str
    field: str
    index: tuple[int, ...]
    component: int
    log: bool = False

    def of(self, params: Any) -> float:
        """The entry of a parameter record."""
        return float(self._scaled(getattr(params, self.field)[self.index]))

    def draws(self, posterior: Mapping[str, Any]) -> Array:
        """The entry of every draw, (chain, draw)."""
        values = posterior[self.field].transpose("chain", "draw", ...).values
        return self._scaled(values[(slice(None), slice(None), *self.index)])

    def _scaled(self, value: Any) -> Any:
        return np.log(value) if self.log else value


def scalars(params: Any, family: Any, columns: Sequence[str], log_scale: frozenset[str] = frozenset()) -> list[Scalar]:
    """The free scalars of a parameter record, held fields left out; logarithms for the fields in `log_scale`."""
    found, component_of = [], getattr(family, "component_of", None)
    for field in params.__dataclass_fields__:
        if field in family.fixed or (field == "weights" and family.n_components == 1):
            continue
        value = getattr(params, field)
        component_axes = family.component_axes.get(field, ())
        for index in np.ndindex(value.shape):
            if component_of and component_of(field, index) is None:
                continue  # an entry that repeats another one
            inner = [i for axis, i in enumerate(index) if axis not in component_axes]
            if len(inner) == 2 and inner[1] > inner[0]:
                continue  # the upper triangle of a symmetric matrix
            labels = [
                str(i) if axis in component_axes or i >= len(columns) else str(columns[i])
                for axis, i in enumerate(index)
            ]
            component = index[component_axes[0]] if component_axes else -1
            component = component_of(field, index) if component_of else component
            name = f"{field}[{', '.join(labels)}]" if labels else field
            log = field in log_scale
            found.append(Scalar(f"ln {name}" if log else name, field, index, component, log))
    return found


def thinned(n: int, most: int) -> Integers:
    """At most `most` positions out of n, evenly spaced, first and last among them."""
    if n <= most:
        return np.arange(n, dtype=np.int64)
    return np.unique(np.round(np.linspace(0, n - 1, most)).astype(np.int64))
