"""Free coordinates of a Gaussian mixture: weights by log-ratio, means as they are, covariances as their structure says.

Every vector of real numbers is a valid set of parameters. Under a bound on the ratio of eigenvalues a vector beyond it
stands for the nearest covariances within (in the sense of the M-step, components counted alike).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.weights import weights_from_vector, weights_to_vector
from emvsbayes.families.gaussian_mixture import structures
from emvsbayes.families.gaussian_mixture.records import GaussianParams


def to_vector(params: GaussianParams, family: Any) -> Array:
    """Free coordinates (P,)."""
    parts = []
    if "weights" not in family.fixed:
        parts.append(weights_to_vector(params.weights))
    if "means" not in family.fixed:
        parts.append(params.means.ravel())
    if "covariances" not in family.fixed:
        expanded = structures.expand(family.covariance, params.covariances, *params.means.shape)
        parts.append(structures.STRUCTURES[family.covariance].to_coordinates(expanded))
    return np.concatenate(parts) if parts else np.empty(0)


def from_vector(vector: Array, like: GaussianParams, family: Any) -> GaussianParams:
    """The inverse of `to_vector`; held fields are taken from `like`."""
    weights, means, covariances = like.weights, like.means, like.covariances
    if "weights" not in family.fixed:
        k = len(weights)
        weights, vector = weights_from_vector(vector[: k - 1]), vector[k - 1 :]
    if "means" not in family.fixed:
        means, vector = vector[: means.size].reshape(means.shape), vector[means.size :]
    if "covariances" not in family.fixed:
        expanded = structures.STRUCTURES[family.covariance].from_coordinates(vector, *means.shape)
        if family.eigenvalue_ratio is not None:
            expanded = structures.truncated(expanded, np.ones(len(means)), family.eigenvalue_ratio)
        covariances = structures.field(family.covariance, expanded)
    return GaussianParams(weights, means, covariances)
