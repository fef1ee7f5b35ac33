"""What a covariance structure must be able to do."""

from __future__ import annotations

from typing import Protocol

from emvsbayes.core.checks import Array


class Structure(Protocol):
    """How K covariances are tied; covariances are matrices (K, D, D), or variances (K, D) where `matrices` is False."""

    @property
    def matrices(self) -> bool: ...

    @property
    def bounded(self) -> bool:
        """Whether no component can collapse alone, so that the likelihood is bounded."""
        ...

    def pool(self, scatter: Array, n: Array, held: Array) -> Array:
        """The covariances that maximise -½ Σ_k [n_k ln|Σ_k| + tr(Σ_k⁻¹ S_k)].

        `scatter` S is about the means, in the form of the structure; `n` (K,). `held`, the covariances before, serve
        components without data, and are where an inner loop starts: it never ends below them.
        """
        ...

    def to_coordinates(self, covariances: Array) -> Array:
        """Free coordinates, one a free parameter."""
        ...

    def from_coordinates(self, vector: Array, k: int, d: int) -> Array:
        """The inverse of `to_coordinates`; every vector is allowed."""
        ...
