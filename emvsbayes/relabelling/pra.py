"""PRA: pivotal reordering. Every draw is put in the order in which it is nearest to a pivot in parameter space.

    permutation(s) = argmin_p Σ_k Σ_j (θ_p(k),j(s) - θ*_kj)² / v_j

over all coordinates j of all fields. The squares do not depend on p, so this is the largest inner product of draw and
pivot, as in the source; but the source has v_j = 1, and then the field with the largest numbers decides alone. Here v_j
is how much coordinate j of one component varies from draw to draw, so that a change of units changes nothing, and a
field that is the same in all components counts for little. It must be known before the labels are: v_j is the mean
variance of the sorted values of the coordinate, which is right where the components are apart and somewhat small where
they are not.

Source: Marin, Mengersen and Robert (2005), Bayesian modelling and inference on mixtures of distributions, Handbook of
Statistics 25, 459-507.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers
from emvsbayes.relabelling.assignments import assignments


def pra(coordinates: Array, pivot: Array, classes: Integers) -> Integers:
    """Permutations (S, K) of coordinates (S, K, J) towards a pivot (K, J)."""
    return assignments(gains_towards(coordinates, pivot), classes)


def gains_towards(coordinates: Array, pivot: Array) -> Array:
    """Inner products (S, raw component, slot) of coordinates (S, K, J) and a pivot (K, J), about their common mean."""
    s, k, j = coordinates.shape
    pooled = coordinates.reshape(s * k, j)
    centre = pooled.mean(axis=0)
    return ((pooled - centre) @ ((pivot - centre) * _weights(coordinates)).T).reshape(s, k, k)


def _weights(coordinates: Array) -> Array:
    """1/v_j, (J,); a coordinate that never moves is measured by its spread over components, if it has any."""
    rounding = (1e-12 * np.abs(coordinates).max(axis=(0, 1))) ** 2
    within = np.sort(coordinates, axis=1).var(axis=0).mean(axis=0)
    variance = np.where(within > rounding, within, coordinates.var(axis=(0, 1)))
    return np.divide(1.0, variance, out=np.zeros_like(variance), where=variance > rounding)
