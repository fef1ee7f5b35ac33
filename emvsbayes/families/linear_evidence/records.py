"""What both sides of evidence EM agree on: data, parameters, prior. Validated here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import Array, above, finite_rows, row_weights, shaped
from emvsbayes.core.errors import InputError
from emvsbayes.core.priors import GammaPrior, prior_from
from emvsbayes.tables import as_table


@dataclass(frozen=True)
class LinearData:
    """N rows of D inputs and a target.

    Attributes
    ----------
    X : (N, D)
    t : (N,)
    columns : tuple of str
        Names of the inputs, then of the target.
    row_weights : (N,)
        How often each row counts; ones by default.
    labels : None
        There are no components.
    """

    X: Array
    t: Array
    columns: tuple[str, ...]
    row_weights: Array
    labels: None = None

    @property
    def n_rows(self) -> int:
        return len(self.t)

    def matrix(self) -> Array:
        """The data as (N, D + 1), one column for each of `columns`."""
        return np.column_stack([self.X, self.t])

    @cached_property
    def memory(self) -> dict[Any, Any]:
        """What a family worked out from these data (a decomposition for each basis), so that passes are cheap."""
        return {}

    @classmethod
    def read(cls, source: Any, labels: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """A table whose column `t` (the last one, where none has that name) is the target; or a mapping of X and t."""
        if labels is not None:
            raise InputError("linear_evidence has no components, so that labels mean nothing; leave them out.")
        if isinstance(source, Mapping) and {"X", "t"} <= set(source):
            return cls._from_arrays(source, sample_weight)
        table = as_table(source)
        if len(table.columns) < 2:
            raise InputError(
                f"linear_evidence needs a target t and at least one column of inputs; {table.source} has "
                f"{', '.join(table.columns) or 'no columns'}."
            )
        target = "t" if "t" in table.columns else table.columns[-1]
        table = table.select((*(name for name in table.columns if name != target), target))
        cells = table.numbers()
        finite_rows(cells, table.columns, "an entry")
        return cls(cells[:, :-1], cells[:, -1], table.columns, row_weights(sample_weight, len(cells)))

    @classmethod
    def _from_arrays(cls, source: Mapping[str, Any], sample_weight: ArrayLike | None) -> Self:
        for name in source:
            if name not in ("X", "t"):
                raise InputError(f"linear_evidence takes X and t; {name!r} is neither.")
        inputs, target = as_table(source["X"]), as_table(source["t"])
        if len(target.columns) != 1:
            raise InputError(f"t must be one column; it has {len(target.columns)}.")
        X, t = inputs.numbers(), target.numbers()[:, 0]
        if len(X) != len(t):
            raise InputError(f"X and t must have the same number of rows; X has {len(X)} and t has {len(t)}.")
        columns = (*inputs.columns, "t" if "t" not in inputs.columns else "target")
        finite_rows(np.column_stack([X, t]), columns, "an entry")
        return cls(X, t, columns, row_weights(sample_weight, len(t)))


@dataclass(frozen=True, slots=True)
class LinearParams:
    """alpha: the precision of the weights; beta: the precision of the noise. Both arrays without axes."""

    alpha: Array
    beta: Array

    def checked(self) -> Self:
        """Itself, if both are positive numbers; an M-step's result is trusted, a user's start is not."""
        for name in ("alpha", "beta"):
            shaped(above(getattr(self, name), 0, name), (), name)
        return self


@dataclass(frozen=True, slots=True)
class LinearPrior:
    """alpha, beta ~ Gamma(shape, rate); None is flat."""

    alpha: GammaPrior | None = None
    beta: GammaPrior | None = None

    @classmethod
    def read(cls, value: LinearPrior | Mapping[str, Any]) -> LinearPrior:
        """From a record or a nested mapping such as {"alpha": {"shape": 1, "rate": 0.1}}."""
        return prior_from(value, cls, {"alpha": GammaPrior, "beta": GammaPrior})
