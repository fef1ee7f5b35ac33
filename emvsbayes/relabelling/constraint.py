"""Artificial identifiability constraint: in every draw the components are sorted by one coordinate of one field.

    θ_p(0) < θ_p(1) < … < θ_p(K-1)        for one scalar θ of every component; the whole component moves

The oldest cure and the weakest: where the coordinate does not separate all components, the constraint cuts through the
posterior's modes (Celeux, Hurn and Robert 2000; Jasra, Holmes and Stephens 2005). Where none is named, the coordinate
with the widest narrowest gap is taken:

    max over coordinates of  min_k  (mean_(k+1) - mean_(k)) / sqrt((var_(k+1) + var_(k)) / 2)

with means and variances over the draws of the sorted values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.errors import InputError, unknown

SPELLING = re.compile(r"(?P<field>[^\[\]]+)(\[(?P<at>\d+(\s*,\s*\d+)*)\])?")


def constraint(values: Array, classes: Integers) -> Integers:
    """Permutations (S, K) that sort values (S, K) within each class."""
    permutations = np.empty(values.shape, dtype=np.int64)
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        permutations[:, members] = members[np.argsort(values[:, members], axis=1, kind="stable")]
    return permutations


def coordinate(draws: Mapping[str, Array], spelling: str | None, classes: Integers) -> Array:
    """The coordinate (S, K) to sort by: "means" or "means[0]" or "covariances[0,1]"; None finds the clearest."""
    if spelling is None:
        s, k = next(iter(draws.values())).shape[:2]
        candidates = np.concatenate([value.reshape(s, k, -1) for value in draws.values()], axis=2)
        return candidates[:, :, int(np.argmax(_narrowest_gaps(candidates, classes)))]
    found = SPELLING.fullmatch(spelling.strip())
    if found is None:
        raise InputError(
            f'a constraint names a field and an entry, as "constraint:means[0]"; this one is {spelling!r}.'
        )
    name = found["field"].strip()
    if name not in draws:
        raise unknown("field of the constraint", name, draws)
    shape = draws[name].shape[2:]
    at = tuple(int(i) for i in found["at"].split(",")) if found["at"] else (0,) * len(shape)
    if len(at) != len(shape) or any(i >= size for i, size in zip(at, shape, strict=True)):
        raise InputError(f"a component's {name} has shape {shape}, and {list(at)} is no entry of it; count from 0.")
    return draws[name][(slice(None), slice(None), *at)]


def _narrowest_gaps(candidates: Array, classes: Integers) -> Array:
    """The narrowest gap of sorted neighbours in units of their spread, (J,), for candidates (S, K, J)."""
    narrowest = np.full(candidates.shape[2], np.inf)
    for label in np.unique(classes):
        ordered = np.sort(candidates[:, classes == label], axis=1)
        mean, variance = ordered.mean(axis=0), ordered.var(axis=0)
        gap, spread = np.diff(mean, axis=0), np.sqrt((variance[1:] + variance[:-1]) / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(gap > 0, gap / spread, 0.0)  # without spread any gap is infinitely wide
        narrowest = np.minimum(narrowest, ratio.min(axis=0, initial=np.inf))
    return narrowest
