"""The posterior of z, beside the responsibilities of EM: how over-confident is a point estimate?

    EM        r̂_nk = p(z_n = k | x_n, θ̂)
    Bayes     r̄_nk = p(z_n = k | X) = E[p(z_n = k | x_n, θ) | X] ≈ (1/S) Σ_s p(z_n = k | x_n, θ_s)

EM takes θ̂ for the truth, so that r̂ leaves out what is not known of θ. Put every row where θ̂ says: EM expects
Σ_n (1 - max_k r̂_nk) errors, and the posterior of z expects Σ_n (1 - r̄_n,k(n)) of the same decisions.

r̄ has meaning only where the labels of the draws do. Where they do not, pairs of rows are asked instead:

    C_nm = p(z_n = z_m | X) ≈ (1/S) Σ_s Σ_k r_nk(s) r_mk(s)        beside Σ_k r̂_nk r̂_mk
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import entr

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.records import take_rows
from emvsbayes.core.scalars import thinned
from emvsbayes.posterior.draws import Draws
from emvsbayes.posterior.record import LEVEL, Pairs, Responsibilities
from emvsbayes.relabelling.coclustering import coclustering

DRAWS = 400
ROWS = 300  # of which all pairs are taken


def responsibilities(draws: Draws, estimate: Any, *, most: int = DRAWS) -> Responsibilities:
    """The posterior probability of every allocation, beside the plug-in one.

    Parameters
    ----------
    draws : Draws
        Of relabelled draws, under the labels of the estimate.
    estimate : Fit or parameters
    most : int
        Draws to average over, evenly spaced.

    Raises
    ------
    InputError
        Where there are no components.
    """
    r, plugged = _probabilities(draws, draws.data, estimate, most)
    weights = draws.data.row_weights / draws.data.row_weights.sum()
    mean = r.mean(axis=0)
    lower, upper = np.quantile(r, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    chosen = plugged.argmax(axis=1)[:, None]
    sure, surely = (np.take_along_axis(one, chosen, axis=1)[:, 0] for one in (plugged, mean))
    total = float(draws.data.row_weights.sum())
    return Responsibilities(
        mean.tolist(),
        r.std(axis=0, ddof=1 if len(r) > 1 else 0).tolist(),
        lower.tolist(),
        upper.tolist(),
        plugged.tolist(),
        float(weights @ entr(plugged).sum(axis=1)),
        float(weights @ entr(mean).sum(axis=1)),
        total * float(weights @ (1 - sure)),
        total * float(weights @ (1 - surely)),
        float(weights @ (sure > surely)),
        len(r),
    )


def pairs(draws: Draws, estimate: Any, *, most: int = DRAWS, rows: int = ROWS) -> Pairs:
    """The posterior probability that two rows share a component, beside the plug-in one; labels do not matter.

    `rows`: where the data have more, so many of them are taken, evenly spaced; those of weight 0 never are. A pair
    counts w_n w_m times; pairs inside one row of weight w are left out. The others as in `responsibilities`.
    """
    counted = np.flatnonzero(draws.data.row_weights > 0)
    kept = counted[thinned(len(counted), rows)]
    if len(kept) < 2:
        raise InputError("a pair needs two rows; give data with at least 2 of positive weight.")
    r, plugged = _probabilities(draws, take_rows(draws.data, kept), estimate, most)
    together, by_plug = coclustering(probabilities=r), coclustering(probabilities=plugged[None])
    upper = np.triu_indices(len(kept), 1)
    w = draws.data.row_weights[kept] / draws.data.row_weights[kept].sum()
    weights = w[upper[0]] * w[upper[1]]
    weights = weights / weights.sum()
    ours, theirs = (np.clip(matrix[upper], 0, 1) for matrix in (together, by_plug))
    return Pairs(
        kept.tolist(),
        together.tolist(),
        by_plug.tolist(),
        float(weights @ _binary(theirs)),
        float(weights @ _binary(ours)),
        float(weights @ (np.abs(theirs - 0.5) > np.abs(ours - 0.5))),
        len(r),
    )


def _probabilities(draws: Draws, data: Any, estimate: Any, most: int) -> tuple[Array, Array]:
    """Responsibilities of some draws (S, N, K), and of the estimate (N, K)."""
    family = draws.family
    if "components" not in family.capabilities:
        raise InputError(f"{family.name} has no components, so that no row is allocated to one.")
    plugged = family.e_step(draws.estimate(estimate), data).responsibilities
    return np.array([family.e_step(p, data).responsibilities for p in draws.records(draws.some(most))]), plugged


def _binary(p: Array) -> Array:
    """Entropy of a yes or no, in nats."""
    return entr(p) + entr(1 - p)
