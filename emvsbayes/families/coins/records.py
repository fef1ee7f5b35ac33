"""What both sides of the coins agree on: data, parameters, prior. Validated here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from emvsbayes.core.checks import (
    Array,
    finite_rows,
    known_labels,
    row_number,
    row_weights,
    shaped,
    simplex,
    unit_interval,
)
from emvsbayes.core.errors import InputError
from emvsbayes.core.priors import BetaPrior, DirichletPrior, prior_from
from emvsbayes.families.coins import sequences
from emvsbayes.tables import Table


@dataclass(frozen=True)
class CoinsData:
    """N trials; in trial n one coin was tossed m_n times and showed h_n heads.

    Attributes
    ----------
    heads, tosses : (N,)
        Whole numbers, 0 <= heads <= tosses, tosses >= 1.
    row_weights : (N,)
        How often each trial counts; ones by default.
    labels : (N,) or None
        The coin of each trial where it is known, -1 where it is not.
    """

    heads: Array
    tosses: Array
    row_weights: Array
    labels: NDArray[np.int64] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return ("heads", "tosses")

    def matrix(self) -> Array:
        """The data as (N, D), one column for each of `columns`."""
        return np.column_stack([self.heads, self.tosses])

    @property
    def n_rows(self) -> int:
        return len(self.heads)

    @cached_property
    def log_coefficients(self) -> Array:
        """ln C(m_n, h_n), (N,): the base measure, which no parameter changes."""
        return gammaln(self.tosses + 1) - gammaln(self.heads + 1) - gammaln(self.tosses - self.heads + 1)

    @classmethod
    def read(cls, source: Any, labels: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Columns `heads` and `tosses`; a table of two columns, in this order; or raw tosses, counted here.

        Raw tosses are a list or a column of sequences such as HTTHH, or a table of 0/1 cells, one row a trial, with
        empty cells after the last toss. A head is coded 1, a tail 0.
        """
        table = cls.table(source)
        if {"heads", "tosses"} <= set(table.columns):
            table = table.select(("heads", "tosses"))
        counts = table.numbers()
        finite_rows(counts, table.columns, "a count")
        return cls(
            counts[:, 0], counts[:, 1], row_weights(sample_weight, len(counts)), known_labels(labels, len(counts))
        )

    @staticmethod
    def table(source: Any) -> Table:
        """What `read` reads, as a table of counts."""
        return sequences.counted(source)

    def __post_init__(self) -> None:
        for name, counts in (("heads", self.heads), ("tosses", self.tosses)):
            bad = (counts != np.round(counts)) | (counts < 0)
            if bad.any():
                row = int(np.argmax(bad))
                raise InputError(
                    f"{name} must be whole numbers >= 0; row {row_number(row)} has {counts[row]:g}: give counts, not "
                    "shares."
                )
        if (self.tosses == 0).any():
            raise InputError(f"row {row_number(np.argmin(self.tosses))} has no tosses; drop it.")
        if (self.heads > self.tosses).any():
            row = int(np.argmax(self.heads > self.tosses))
            raise InputError(
                f"heads cannot exceed tosses; row {row_number(row)} has {self.heads[row]:g} heads of "
                f"{self.tosses[row]:g} tosses: correct the row, or name the "
                "columns heads and tosses where they stand in another order."
            )


@dataclass(frozen=True, slots=True)
class CoinsParams:
    """weights (K,): how often each coin is picked; probs (K,): its probability of heads."""

    weights: Array
    probs: Array

    def checked(self) -> Self:
        """Itself, if every value is possible; an M-step's result is trusted, a user's start is not."""
        simplex(self.weights, "weights")
        shaped(unit_interval(self.probs, "probs", ndim=1), self.weights.shape, "probs")
        return self


@dataclass(frozen=True, slots=True)
class CoinsPrior:
    """probs ~ Beta(a, b) for each coin, weights ~ Dirichlet(concentration); None is flat."""

    probs: BetaPrior | None = None
    weights: DirichletPrior | None = None

    @classmethod
    def read(cls, value: CoinsPrior | Mapping[str, Any]) -> CoinsPrior:
        """From a record or a nested mapping such as {"probs": {"a": 2, "b": 2}}."""
        return prior_from(value, cls, {"probs": BetaPrior, "weights": DirichletPrior})
