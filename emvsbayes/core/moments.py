"""Weight, mean and scatter of the columns of many rows, added up part by part.

With W the weight, m the mean and C = Σ w (x - m)(x - m)ᵀ of two parts a and b, δ = m_b - m_a,

    W = W_a + W_b,    m = m_a + δ W_b / W,    C = C_a + C_b + δ δᵀ W_a W_b / W

(Chan, Golub and LeVeque 1983, The American Statistician 37, 242-247). Sums of squares about 0 would lose
(mean / standard deviation)² of their digits; these lose none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emvsbayes.core.checks import Array

AT_ONCE = 65_536  # rows that are copied at a time


@dataclass(frozen=True, slots=True)
class Moments:
    """weight W, mean (D,), scatter C (D, D) or its diagonal (D,), least and largest entries (D,) where w > 0."""

    weight: float
    mean: Array
    scatter: Array
    low: Array
    high: Array

    def __add__(self, other: Moments) -> Moments:
        weight = self.weight + other.weight
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        if other.weight == 0 or self.weight == 0:
            kept = self if other.weight == 0 else other
            return Moments(weight, kept.mean, kept.scatter, low, high)
        delta = other.mean - self.mean
        square = np.outer(delta, delta) if self.scatter.ndim == 2 else delta**2
        between = square * (self.weight * other.weight / weight)
        return Moments(
            weight, self.mean + delta * (other.weight / weight), self.scatter + other.scatter + between, low, high
        )

    @property
    def variances(self) -> Array:
        """Column variances (D,), divisor W."""
        return (self.scatter if self.scatter.ndim == 1 else np.diagonal(self.scatter)) / self.weight


def moments_of(X: Array, row_weights: Array, matrix: bool = True) -> Moments:
    """The moments of the rows of X (N, D), float32 ones in float64; a part of weight 0 has the mean 0.

    Of the scatter only the diagonal where it is not wanted as a `matrix`.
    """
    d, weight = X.shape[1], float(row_weights.sum())
    shape = (d, d) if matrix else (d,)
    present = X[row_weights > 0] if (row_weights == 0).any() else X
    if len(present) == 0:
        return Moments(0.0, np.zeros(d), np.zeros(shape), np.full(d, np.inf), np.full(d, -np.inf))
    mean, scatter = row_weights @ X / weight, np.zeros(shape)
    for start in range(0, len(X), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        deviations = X[rows] - mean
        if matrix:
            scatter += (deviations * row_weights[rows, None]).T @ deviations
        else:
            scatter += row_weights[rows] @ deviations**2
    # column by column: over the first axis of narrow rows NumPy takes ten times as long
    low, high = (np.array([take(present[:, j]) for j in range(d)], dtype=np.float64) for take in (np.min, np.max))
    return Moments(weight, mean, scatter, low, high)
