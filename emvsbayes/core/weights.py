"""Mixing weights: what every mixture does with them, written once.

M-step         π_k = n_k / Σ_j n_j
prior          Dirichlet(α), pseudo-counts α_k - 1
coordinates    η_k = ln π_k / π_K,  k < K   (additive log-ratio)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.core.checks import Array, labels_below
from emvsbayes.core.errors import InputError
from emvsbayes.core.priors import DirichletPrior
from emvsbayes.core.trace import Event

EMPTY = 1e-6  # a component is empty when its expected count is below a millionth of one observation


def require_components(k: int, data: Any) -> None:
    """At least one component, at least as many rows as components, labels among the components."""
    if not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"n_components must be a whole number >= 1; it is {k!r}.")
    rows = int((data.row_weights > 0).sum())
    if rows < k:
        raise InputError(f"{k} components need at least {k} rows of positive weight; there are {rows}.")
    labels_below(data.labels, k)


def log_weights(weights: Array) -> Array:
    """ln π, -inf for a weight of 0."""
    with np.errstate(divide="ignore"):
        return np.log(weights)


def update_weights(n: Array) -> Array:
    """π_k = n_k / Σ_j n_j."""
    return n / n.sum()


def dirichlet_pseudo_counts(prior: DirichletPrior | None, k: int) -> Array:
    """α - 1, (K,); zero under a flat prior. A concentration below 1 has no MAP: refused."""
    if prior is None:
        return np.zeros(k)
    if (prior.concentration < 1).any():
        raise InputError(
            f"prior weights.concentration must be at least 1 for MAP (it is {prior.concentration.min():g}): "
            "below 1 the log posterior is unbounded at the boundary."
        )
    return prior.of_size(k) - 1


def empty_components(n: Array) -> tuple[Event, ...]:
    """An event for each component whose expected count n_k is below a millionth of one observation."""
    if n.min() >= EMPTY:
        return ()
    return tuple(
        Event("empty", int(k), (), float(n[k]), f"component {k} is empty: it accounts for {n[k]:.1e} observations.")
        for k in np.flatnonzero(n < EMPTY)
    )


def weights_to_vector(weights: Array) -> Array:
    """ln π_k / π_K, (K-1,); NaN where both are 0."""
    with np.errstate(invalid="ignore"):
        return log_weights(weights[:-1]) - log_weights(weights[-1:])


def weights_log_jacobian(weights: Array) -> float:
    """ln |∂(π_1, …, π_K-1) / ∂η| = Σ_k ln π_k, over all K: diag(π) - π πᵀ has that determinant without its last row."""
    return float(log_weights(weights).sum())


def weights_from_vector(vector: Array) -> Array:
    """The inverse: softmax of (η, 0), (K,)."""
    logits = np.append(vector, 0.0)
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()
