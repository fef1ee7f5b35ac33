"""Mixtures of Gaussians on free coordinates: what all covariance structures share of the density that a sampler climbs.

Coordinates (simplex of π, covariances, μ), without held fields. The arrays of a target are given by the names below; a
structure's own part, the covariances, is in `matrix_targets` and `variance_targets`.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.densities.kernels import coordinates as free
from emvsbayes.densities.kernels.calls import integers, matrix, vector
from emvsbayes.densities.kernels.elementary import compiled

X, ROW_WEIGHTS, LABELS, FLAGS, ALPHA, WEIGHTS, SPREAD, MEANS, SCALE, LOCATION, NUMBERS = range(11)  # the arrays
FREE_WEIGHTS, FREE_COVARIANCES, FREE_MEANS, SHARED, ROUND, FULL_FIELD = range(6)  # of the flags
STRENGTH, DOF, CONSTANT = range(3)  # of the numbers


@compiled
def place(x: Array, words: Integers, log_weights: Array, means: Array) -> int:
    """ln π and μ, free or held; returns where the coordinates of the covariances begin."""
    flags, (k_all, d) = integers(words[FLAGS]), means.shape
    at = k_all - 1 if flags[FREE_WEIGHTS] else 0
    if flags[FREE_WEIGHTS]:
        free.simplex(x[:at], log_weights)
    begin = len(x) - k_all * d
    for k in range(k_all):
        if not flags[FREE_WEIGHTS]:
            log_weights[k] = np.log(vector(words[WEIGHTS])[k])
        for a in range(d):
            means[k, a] = x[begin + k * d + a] if flags[FREE_MEANS] else matrix(words[MEANS])[k, a]
    return at


@compiled
def put_ends(x: Array, words: Integers, log_weights: Array, covariances: Array, means: Array, out: Array) -> None:
    """The free fields one after the other: weights, covariances (already as the field has them), means."""
    flags, at = integers(words[FLAGS]), 0
    if flags[FREE_WEIGHTS]:
        for k in range(len(log_weights)):
            out[k] = np.exp(log_weights[k])
        at = len(log_weights)
    if flags[FREE_COVARIANCES]:
        for i in range(len(covariances)):
            out[at + i] = covariances[i]
    if flags[FREE_MEANS]:
        (k_all, d), begin = means.shape, len(out) - means.size
        for k in range(k_all):
            for a in range(d):
                out[begin + k * d + a] = means[k, a]
