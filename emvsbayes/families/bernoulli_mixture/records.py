"""What both sides of the Bernoulli mixture agree on: data, parameters, prior. Validated here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from emvsbayes.core.checks import (
    Array,
    Integers,
    known_labels,
    row_number,
    row_weights,
    shaped,
    simplex,
    unit_interval,
)
from emvsbayes.core.errors import InputError
from emvsbayes.core.priors import BetaPrior, DirichletPrior, prior_from
from emvsbayes.core.records import stacked
from emvsbayes.tables import as_table


@dataclass(frozen=True)
class BernoulliData:
    """N rows of D binary entries, some of which may be unobserved.

    Attributes
    ----------
    X : (N, D)
        In [0, 1]; a grey level counts as an expected bit. 0 where unobserved (the value has no effect).
    observed : (N, D) of 0.0 and 1.0, or None
        None where everything is observed.
    columns : tuple of str
    row_weights : (N,)
    labels : (N,) or None
        The component of each row where it is known, -1 where it is not.
    """

    X: Array
    observed: Array | None
    columns: tuple[str, ...]
    row_weights: Array
    labels: Integers | None = None

    def matrix(self) -> Array:
        """The data as (N, D), one column for each of `columns`; NaN where unobserved."""
        return self.X if self.observed is None else np.where(self.observed > 0, self.X, np.nan)

    @property
    def n_rows(self) -> int:
        return len(self.X)

    @cached_property
    def bits(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Ones, and where entries are missing also the zeros that were observed, a bit each; None of grey levels.

        Bytes (columns, N), `columns` D / 8 rounded up to a multiple of four: bit i of byte j is entry 8j + i, and 0
        beyond D. Without missing entries the second array is (0, N), for what is no one is a zero.
        """
        ones, zeros = self.X == 1, self.X == 0
        if self.observed is not None:
            seen = self.observed > 0
            return (_packed(ones & seen), _packed(zeros & seen)) if (ones | zeros | ~seen).all() else None
        return (_packed(ones), np.empty((0, self.n_rows), dtype=np.uint8)) if (ones | zeros).all() else None

    @classmethod
    def joined(cls, parts: Sequence[BernoulliData]) -> BernoulliData:
        """The rows of all parts, in their order; a mask only where one of them has one."""
        found = stacked([p if p.observed is not None else replace(p, observed=np.ones_like(p.X)) for p in parts])
        return replace(found, observed=None) if (found.observed == 1).all() else found

    @classmethod
    def read(cls, source: Any, labels: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Every column of a table, or a mapping with X (N, D) and a mask `observed` (N, D); NaN is unobserved."""
        mask = None
        if isinstance(source, Mapping) and "observed" in source:
            mask = np.asarray(source["observed"])
            source = {name: value for name, value in source.items() if name != "observed"}
        table = as_table(source)
        X = table.numbers()
        observed = ~np.isnan(X)
        if mask is not None:
            observed &= _mask(mask, X.shape)
        present = X[observed]
        if present.size and present.max() == 2 and set(np.unique(present)) <= {1.0, 2.0}:
            raise InputError("the entries are coded 1 and 2; recode them to 0 and 1 (subtract 1).")
        outside = observed & ~((X >= 0) & (X <= 1))
        if outside.any():
            row, column = (int(i) for i in np.argwhere(outside)[0])
            raise InputError(
                f"entries must lie in [0, 1]; row {row_number(row)}, column {table.columns[column]!r} has "
                f"{X[row, column]:g}: divide grey levels by the largest possible one (such as 255), or set 0 and 1 "
                "by a threshold."
            )
        if not observed.any(axis=1).all():
            raise InputError(f"row {row_number(np.argmin(observed.any(axis=1)))} has no observed entry; drop it.")
        return cls(
            np.where(observed, X, 0.0),
            None if observed.all() else observed.astype(np.float64),
            table.columns,
            row_weights(sample_weight, len(X)),
            known_labels(labels, len(X)),
        )


def _packed(bits: np.ndarray) -> np.ndarray:
    """Bits (N, D) as bytes (columns, N)."""
    bytes_ = np.packbits(bits, axis=1, bitorder="little")
    found = np.zeros((-(-bytes_.shape[1] // 4) * 4, len(bits)), dtype=np.uint8)
    found[: bytes_.shape[1]] = bytes_.T
    return found


def _mask(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if mask.shape != shape:
        raise InputError(f"observed must have the shape of X, {shape}; it has shape {mask.shape}.")
    if not np.isin(mask, (0, 1)).all():
        raise InputError("observed must hold only 0 and 1 (or False and True).")
    return mask.astype(bool)


@dataclass(frozen=True, slots=True)
class BernoulliParams:
    """weights (K,); probs (K, D): the probability of a 1 in each column under each component."""

    weights: Array
    probs: Array

    def checked(self, k: int, d: int) -> Self:
        """Itself, if every value is possible; an M-step's result is trusted, a user's start is not."""
        shaped(simplex(self.weights, "weights"), (k,), "weights")
        shaped(unit_interval(self.probs, "probs", ndim=2), (k, d), "probs")
        return self


@dataclass(frozen=True, slots=True)
class BernoulliPrior:
    """probs ~ Beta(a, b) entry by entry, weights ~ Dirichlet(concentration); None is flat."""

    probs: BetaPrior | None = None
    weights: DirichletPrior | None = None

    @classmethod
    def read(cls, value: BernoulliPrior | Mapping[str, Any]) -> BernoulliPrior:
        """From a record or a nested mapping such as {"probs": {"a": 2, "b": 2}}."""
        return prior_from(value, cls, {"probs": BetaPrior, "weights": DirichletPrior})
