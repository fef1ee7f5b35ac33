"""The coins as a PyMC model, z summed out: the same likelihood and prior as `em`, derived a second time.

Equations in the package docstring. Nothing here comes from `em` or `densities`; a test holds the two log-densities
equal, constants and binomial coefficients included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from emvsbayes.families.coins.records import CoinsData, CoinsParams, CoinsPrior


def build(family: Any, data: CoinsData, prior: CoinsPrior, held: CoinsParams) -> pm.Model:
    """The model: variables `weights`, `probs`; a field in `family.fixed` is constant data from `held`."""
    k = len(held.weights)
    coords = {"component": np.arange(k), "obs_id": np.arange(data.n_rows)}
    with pm.Model(coords=coords) as model:
        heads = pm.Data("heads_data", data.heads.astype(int), dims="obs_id")
        tosses = pm.Data("tosses", data.tosses.astype(int), dims="obs_id")
        row_weights = pm.Data("row_weights", data.row_weights, dims="obs_id")

        if "weights" in family.fixed:
            weights = pm.Data("weights", held.weights, dims="component")
        else:
            weights = pm.Dirichlet("weights", prior.weights.of_size(k), dims="component")

        if "probs" in family.fixed:
            probs = pm.Data("probs", held.probs, dims="component")
        else:
            probs = pm.Beta("probs", prior.probs.a, prior.probs.b, dims="component")

        known = () if data.labels is None else (pm.Data("labels", data.labels, dims="obs_id"),)
        pm.CustomDist(
            "heads",
            weights,
            probs,
            tosses,
            row_weights,
            *known,
            logp=mixture_logp,
            signature=f"(k),(k),(),(){',()' if known else ''}->()",
            dtype="int64",
            observed=heads,
            dims="obs_id",
        )
    return model


def mixture_logp(heads: Any, weights: Any, probs: Any, tosses: Any, row_weights: Any, labels: Any = None) -> Any:
    """w_n ln Σ_k π_k Binomial(h_n | m_n, p_k), (N,)."""
    log_joint = pt.log(weights) + pm.logp(pm.Binomial.dist(tosses[:, None], probs), heads[:, None])
    total = pt.logsumexp(log_joint, axis=-1)
    if labels is not None:
        at_label = log_joint[pt.arange(log_joint.shape[0]), pt.maximum(labels, 0)]
        total = pt.switch(labels >= 0, at_label, total)
    return row_weights * total
