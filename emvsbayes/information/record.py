"""What `standard_errors` returns: estimates and their errors by method, and the way to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError, unknown
from emvsbayes.core.records import plain

Numbers = list[float | None]


@dataclass(frozen=True)
class Errors:
    """The standard errors of one method.

    Attributes
    ----------
    se, lower, upper : (Q,)
        For each quantity, None where it has none: on the natural scale, and an interval.
    covariance : (F, F)
        On the free coordinates that are not on a boundary.
    replicates, failures : int, mapping
        Of a bootstrap: how many refits were tried, and by status how many gave no estimate.
    """

    se: Numbers
    lower: Numbers
    upper: Numbers
    covariance: list[list[float]]
    replicates: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def coordinates(self) -> Array:
        """Standard errors of the free coordinates, (F,)."""
        return np.sqrt(np.diagonal(np.asarray(self.covariance)))


@dataclass(frozen=True)
class StandardErrors:
    """Estimates and what is known of their errors.

    Attributes
    ----------
    objective : {"log-likelihood", "log posterior"}
        Whose curvature it is.
    names, estimates, scales : (Q,)
        Every free parameter on its natural scale, and the scale on which its interval is symmetric.
    methods : mapping of name to `Errors`
    refused : mapping of name to a sentence
        The methods that were asked for and do not apply.
    missing : (Q,)
        Fraction of missing information: the share of a quantity's variance that is there because Z is not known.
    missing_coordinates : (F,)
        The same for the free coordinates inside.
    rate : float
        The largest eigenvalue of EM's rate matrix: the fraction missing in the worst direction, and the factor by
        which EM's error shrinks in a pass. None where no observed information was computed.
    distance : float
        How far the maximum is, in standard errors.
    level : float
        Of the intervals.
    notes : list of str
        What a reader must know, in sentences.
    """

    objective: str
    names: list[str]
    estimates: list[float]
    scales: list[str]
    methods: dict[str, Errors]
    refused: dict[str, str]
    missing: Numbers
    missing_coordinates: Numbers
    rate: float | None
    distance: float | None
    level: float
    notes: list[str]

    def se(self, method: str | None = None) -> dict[str, float | None]:
        """Standard errors by name of the parameter; of the first method by default."""
        return dict(zip(self.names, self._of(method).se, strict=True))

    def interval(self, method: str | None = None) -> dict[str, tuple[float | None, float | None]]:
        """Intervals by name of the parameter; of the first method by default."""
        found = self._of(method)
        return dict(zip(self.names, zip(found.lower, found.upper, strict=True), strict=True))

    def _of(self, method: str | None) -> Errors:
        if method is None:
            return next(iter(self.methods.values()))
        if method not in self.methods:
            raise unknown("method", method, self.methods)
        return self.methods[method]

    def summary(self) -> str:
        """A table of estimates ± standard errors by method, the intervals of the first, and what else is to be said."""
        first = next(iter(self.methods.values()))
        head = ["", "estimate", *self.methods, f"{self.level:.0%} interval", "missing"]
        rows = [
            [
                name,
                f"{estimate:.6g}",
                *(_pm(m.se[i]) for m in self.methods.values()),
                _interval(first.lower[i], first.upper[i]),
                _percent(self.missing[i]),
            ]
            for i, (name, estimate) in enumerate(zip(self.names, self.estimates, strict=True))
        ]
        lines = [f"standard errors, from the {self.objective}", *_aligned([head, *rows])]
        if self.rate is not None:
            lines.append(f"largest fraction of missing information, the rate of EM: {self.rate:.4f}")
        for name, found in self.methods.items():
            if found.replicates:
                lines.append(f"{name}: {_used(found)}")
        lines += [f"no {name}: {sentence}" for name, sentence in self.refused.items()]
        return "\n".join([*lines, *(f"note: {sentence}" for sentence in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes, as a mapping."""
        return plain(self)

    def to_json(self) -> str:
        """The record as JSON."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        try:
            raw = json.loads(text)
            return cls(**{**raw, "methods": {name: Errors(**errors) for name, errors in raw["methods"].items()}})
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise InputError("this is not the JSON of standard errors; write one with errors.to_json().") from None


def numbers(values: Array | Sequence[float]) -> Numbers:
    """Floats, None for NaN, which is no JSON."""
    return [None if value != value else float(value) for value in values]


def _pm(se: float | None) -> str:
    return "none" if se is None else f"± {se:.4g}"


def _interval(lower: float | None, upper: float | None) -> str:
    return "" if lower is None or upper is None else f"{lower:.4g} to {upper:.4g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _used(found: Errors) -> str:
    lost = ", ".join(f"{count} {status}" for status, count in found.failures.items())
    return f"{found.replicates} replicates, {lost + ' left out' if lost else 'none left out'}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
