"""The exact log evidence of a mixture by a sum over every allocation: what the ELBO is held against where data are few.

    ln p(X) = ln Σ_z p(X, z),    p(X, z) = ∫ p(X, z | θ) p(θ) dθ

With z known the conjugate q(θ) is the posterior itself, so that ln p(X, z) is the ELBO of a one-hot q(Z).
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from emvsbayes.core.latents.categorical import Categorical
from emvsbayes.core.variational import VariationalFamily

MOST = 4096  # allocations


def log_evidence(adapter: VariationalFamily, data: Any) -> float | None:
    """ln p(X) in nats; None where K^N is too large, rows count other than once, or there are no components."""
    found = allocations(adapter, data)
    return None if found is None else float(np.logaddexp.reduce([log_joint for log_joint, _ in found]))


def allocations(adapter: VariationalFamily, data: Any) -> list[tuple[float, Any]] | None:
    """ln p(X, z) and p(θ | X, z), a prior record, for every z; None where `log_evidence` is None."""
    family, k = adapter.family, adapter.n_components
    once = bool((data.row_weights == 1).all())
    if "components" not in family.capabilities or not once or data.n_rows * np.log(k) > np.log(MOST) + 1e-9:
        return None
    known = np.full(data.n_rows, -1) if data.labels is None else data.labels
    choices = [range(k) if label < 0 else [int(label)] for label in known]
    about = adapter.init(data, np.random.default_rng(0), "random_rows")
    found = []
    for z in product(*choices):
        with np.errstate(divide="ignore"):
            q = Categorical(np.log(np.array(z)[:, None] == np.arange(k)))
        stats = adapter.expect(q, data, about)
        posterior = adapter.m_step(stats, about)
        found.append((adapter.expected_log_joint(posterior, stats), posterior))
    return found
