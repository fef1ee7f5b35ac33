"""Allocations of the rows under every draw, laid out so that both steps of an algorithm are one matrix product.

`values[s, k, n]` is the probability of component k in row n of draw s, or 0 and 1 where the allocation is known. With
the draws and components as one axis of length S K,

    gains[s, j, k] = Σ_n w_n values[s, j, n] target[n, k]        agreement of raw component j with slot k
    mean[n, k]     = (1/S) Σ_s values[s, p_k(s), n]              what the slots hold after relabelling
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array, Integers

LOWEST = float(np.log(np.finfo(np.float64).tiny))  # stands for ln 0, so that 0 ln 0 = 0


@dataclass(frozen=True)
class Rows:
    """values (S, K, N), contiguous, and row_weights (N,)."""

    values: Array
    row_weights: Array

    def gains(self, target: Array) -> Array:
        """Agreement (S, raw component, slot) with a target (N, K)."""
        s, k, n = self.values.shape
        return (self.values.reshape(s * k, n) @ (target * self.row_weights[:, None])).reshape(s, k, k)

    def mean(self, permutations: Integers) -> Array:
        """Mean over the relabelled draws, (N, K)."""
        s, k, n = self.values.shape
        picks = np.zeros((k, s * k))
        picks[np.arange(k), np.arange(s)[:, None] * k + permutations] = 1.0 / s
        return (picks @ self.values.reshape(s * k, n)).T

    def draw(self, s: int) -> Array:
        """One draw as a target, (N, K)."""
        return self.values[s].T

    def agreement(self, target: Array, permutations: Integers) -> Array:
        """Weighted share of rows whose most probable component is that of the target, after relabelling, (S,)."""
        slot = np.argsort(permutations, axis=1)  # the slot that raw component j goes to
        placed = np.take_along_axis(slot, self.values.argmax(axis=1), axis=1)
        return (placed == target.argmax(axis=1)) @ self.row_weights / self.row_weights.sum()


def one_hot(labels: Integers, k: int) -> Array:
    """Labels (N,) as a target (N, K)."""
    return (labels[:, None] == np.arange(k)).astype(np.float64)


def logarithm(probabilities: Array) -> Array:
    """ln p, with the smallest number in the place of ln 0."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(probabilities), LOWEST)
