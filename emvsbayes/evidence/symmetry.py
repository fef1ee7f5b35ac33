"""Draws and labels: renaming draws at random, and renaming them towards one another.

A sampler visits some of the K! equal copies of a posterior and not others. Renamed at random its draws are from all of
them alike, which is what the symmetric posterior says (Frühwirth-Schnatter 2001, JASA 96, 194-209). A normal
proposal is fitted to one copy: there every draw is renamed so that its components are nearest to the mean ones, one
joint assignment a draw, until no label changes.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.alignment import assignment, shuffled
from emvsbayes.core.checks import Array
from emvsbayes.core.records import record_fields
from emvsbayes.evidence.unconstrained import Unconstrained

ROUNDS = 50  # of assignment and means


def shuffled_draws(target: Unconstrained, vectors: Array, rng: np.random.Generator) -> Array:
    """Every draw (…, P) under a random name of its components."""
    if target.copies == 1:
        return vectors
    flat = vectors.reshape(-1, target.size)
    return np.array([target.renamed(v, shuffled(target.classes, rng)) for v in flat]).reshape(vectors.shape)


def aligned(target: Unconstrained, vectors: Array, pivot: Array) -> Array:
    """Every draw (S, P) with its components named as those of `pivot` (P,), then as those of their mean."""
    if target.copies == 1:
        return vectors
    features = np.array([_features(target, v) for v in vectors])  # (S, K, F)
    scale = features.std(axis=(0, 1), ddof=1)
    features = features / np.where(scale > 0, scale, 1.0)
    center = _features(target, pivot) / np.where(scale > 0, scale, 1.0)
    names = np.tile(np.arange(features.shape[1]), (len(vectors), 1))
    for _ in range(ROUNDS):
        # |a - b|² but for what no assignment changes
        agreement = np.einsum("sjf,kf->sjk", features, center)
        found = np.array([assignment(one, target.classes) for one in agreement])
        center = np.take_along_axis(features, found[..., None], axis=1).mean(axis=0)
        if (found == names).all():
            break
        names = found
    return np.array([target.renamed(v, p) for v, p in zip(vectors, names, strict=True)])


def _features(target: Unconstrained, vector: Array) -> Array:
    """What a component is told by, (K, F): its entries of every free field."""
    params = record_fields(target.problem.family.from_vector(vector, target.like))
    rows = []
    for name, axes in target.free_axes.items():
        rows.append(np.moveaxis(params[name], axes[0], 0).reshape(len(target.classes), -1))
    return np.hstack(rows)
