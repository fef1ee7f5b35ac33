"""A normal density on free coordinates, and its average over renamings of components.

    g(v) = N(v | m, C),    ĝ(v) = 1/R Σ_A g(A v)                       A the R renamings, |det A| = 1

A posterior that does not change with labels has K! equal copies, and ĝ has them too. How much they overlap is

    overlap = E_g[ln Σ_A g(A v) / g(v)]        0 where copies are apart, ln R where they lie on one another

by which ln R is too much: the entropy of ĝ is that of g, plus ln R, less the overlap. Copies count as separate where it
is below 0.01 nats: a hundredth of the evidence, and two normals that are 5.4 standard deviations apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.densities.gaussian import LOG_2PI

SEPARATE = 0.01  # nats of overlap


@dataclass(frozen=True)
class Normal:
    """N(mean, root rootᵀ): mean (P,), root (P, P) lower triangular."""

    mean: Array
    root: Array

    @classmethod
    def of(cls, mean: Array, covariance: Array) -> Self:
        """From a mean and a covariance; raises where that is not positive definite."""
        try:
            return cls(mean, np.linalg.cholesky(np.atleast_2d(covariance)))
        except np.linalg.LinAlgError:
            raise InputError(
                "the covariance of the draws on free coordinates is not positive definite; give more draws."
            ) from None

    @classmethod
    def fitted(cls, vectors: Array) -> Self:
        """To draws (S, P)."""
        return cls.of(vectors.mean(axis=0), np.cov(vectors.T))

    def log_density(self, vectors: Array, renaming: Array | None = None) -> Array:
        """ln g(A v) of every row, (S,); A the identity by default."""
        moved = vectors if renaming is None else vectors @ renaming.T
        standard = np.linalg.solve(self.root, (moved - self.mean).T)
        log_det = np.log(np.diagonal(self.root)).sum()
        return -0.5 * (standard**2).sum(axis=0) - log_det - 0.5 * len(self.mean) * LOG_2PI

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """(count, P)."""
        return self.mean + rng.normal(size=(count, len(self.mean))) @ self.root.T


@dataclass(frozen=True)
class Symmetric:
    """ĝ: a normal averaged over renamings (R, P, P), the identity among them."""

    normal: Normal
    renamings: Array

    def log_density(self, vectors: Array) -> Array:
        """ln ĝ of every row, (S,)."""
        total = np.full(len(vectors), -np.inf)
        for renaming in self.renamings:
            total = np.logaddexp(total, self.normal.log_density(vectors, renaming))
        return total - np.log(len(self.renamings))

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """(count, P): A⁻¹ of a draw from g, A at random."""
        which = rng.integers(len(self.renamings), size=count)
        return np.linalg.solve(self.renamings[which], self.normal.draw(count, rng)[..., None])[..., 0]

    def overlap(self, rng: np.random.Generator, count: int = 2000) -> float:
        """E_g[ln Σ_A g(A v) / g(v)] from `count` draws, in nats."""
        at = self.normal.draw(count, rng)
        excess = self.log_density(at) + np.log(len(self.renamings)) - self.normal.log_density(at)
        return float(np.maximum(excess, 0.0).mean())
