"""Stats: expected sufficient statistics form a vector space, and that is all the loop needs to know of them.

    chunked       S = S(chunk 1) + S(chunk 2) + …
    incremental   S ← S - S_old(block) + S_new(block)
    stepwise      S ← (1 - γ) S + γ (N/n_b) S(block)
    MAP           S + S(prior)

A family declares its statistics as a frozen dataclass of arrays that inherits the three operators from `VectorSpace`.
A field marked `frame()` is no vector but the frame the others are measured in (the origin of Gaussian moments): it
must be equal on both sides, and is carried along.
"""

from __future__ import annotations

from dataclasses import field, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np


def frame() -> Any:
    """Mark a dataclass field as the frame of reference of the others."""
    return field(metadata={"frame": True})


class VectorSpace:
    """Field-wise `+`, `-`, scalar `*` and `zeros_like` for a frozen dataclass of arrays."""

    __slots__ = ()

    distant = False  # whether the data lie so far from the frame that digits are lost; see `Family.expect`

    def __add__(self, other: Self) -> Self:
        ours, theirs = _split(self), _split(other)
        for name, value in ours.frame.items():
            if not np.array_equal(value, theirs.frame[name]):
                raise ValueError(f"statistics with different {name!r} cannot be added; move them first.")
        return _replace(self, {name: value + theirs.vectors[name] for name, value in ours.vectors.items()})

    def __sub__(self, other: Self) -> Self:
        return self + other * -1.0

    def __mul__(self, scalar: float) -> Self:
        return _replace(self, {name: value * scalar for name, value in _split(self).vectors.items()})

    __rmul__ = __mul__

    def zeros_like(self) -> Self:
        """The zero of the space, in the same frame."""
        return self * 0.0


class _Split(NamedTuple):
    vectors: dict[str, Any]
    frame: dict[str, Any]


def _split(record: Any) -> _Split:
    parts = _Split({}, {})
    for f in fields(record):
        (parts.frame if f.metadata.get("frame") else parts.vectors)[f.name] = getattr(record, f.name)
    return parts


def _replace(record: Any, changes: dict[str, Any]) -> Any:
    return replace(record, **changes)
