"""q(w) = N(w | m, S): one Gaussian latent that all rows share, the q of evidence EM.

Held in orthogonal coordinates `axes` in which the exact posterior is diagonal, so that precisions that differ by
twenty orders of magnitude never mix in one matrix product. Entropy, KL and statistics do not depend on the axes.

    H(q)      = M/2 (1 + ln 2π) + ln |R|                                                    S = R Rᵀ
    KL(q ‖ p) = ½ {‖R_p⁻¹ R_q‖² + ‖R_p⁻¹ (m_q - m_p)‖² - M} + ln |R_p| - ln |R_q|           ‖·‖ Frobenius
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from emvsbayes.core.checks import Array


@dataclass(frozen=True)
class Gaussian:
    """A multivariate normal distribution of w.

    Attributes
    ----------
    center : (M,)
        The mean, in the coordinates of `axes`.
    root : (M, M)
        Lower triangular, with a positive diagonal: the covariance in these coordinates is root rootᵀ.
    axes : (M, M)
        Orthogonal: w = axes @ (coordinates).
    """

    center: Array
    root: Array
    axes: Array

    @property
    def mean(self) -> Array:
        """E[w], (M,)."""
        return self.axes @ self.center

    @property
    def covariance(self) -> Array:
        """Cov[w], (M, M)."""
        turned = self.axes @ self.root
        return turned @ turned.T

    @property
    def variances(self) -> Array:
        """Variances of the coordinates, (M,)."""
        return (self.root**2).sum(axis=1)

    def entropy(self, weights: Array) -> float:
        """H(q) in nats; sample weights do not enter, because the latent belongs to no row."""
        size = len(self.center)
        return 0.5 * size * (1 + float(np.log(2 * np.pi))) + float(np.log(np.diagonal(self.root)).sum())

    def kl(self, other: Gaussian, weights: Array) -> float:
        """KL(q ‖ other) in nats; both must have the same axes."""
        if not np.array_equal(self.axes, other.axes):
            raise ValueError("Gaussians with different axes cannot be compared; both must come from the same data.")
        scale, own = np.diagonal(other.root), np.diagonal(self.root)
        # rows in units of `other`: division by its own diagonal is exact, so that KL(q ‖ q) is 0 to the bit
        both = np.column_stack([self.root, self.center - other.center]) / scale[:, None]
        both = solve_triangular(other.root / scale[:, None], both, lower=True, unit_diagonal=True)
        return 0.5 * float((both**2).sum() - len(own)) - float(np.log(own / scale).sum())

    def tempered(self, beta: float) -> Gaussian:
        """q ∝ p^β: the same mean, the covariance divided by β."""
        return replace(self, root=self.root / np.sqrt(beta))

    def factorised(self) -> Gaussian:
        """∏_i N(w_i | m_i, 1/Λ_ii), Λ the precision: the smallest KL of all q that factorise (Bishop 2006, 10.1.2)."""
        inverse = solve_triangular(self.root, self.axes.T, lower=True)  # Λ = inverseᵀ inverse
        variances = 1 / (inverse**2).sum(axis=0)
        return replace(self, root=np.linalg.cholesky((self.axes.T * variances) @ self.axes))

    def draw(self, rng: np.random.Generator) -> Array:
        """One w, (M,)."""
        return self.axes @ (self.center + self.root @ rng.standard_normal(len(self.center)))
