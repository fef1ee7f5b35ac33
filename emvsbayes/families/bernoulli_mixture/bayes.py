"""The Bernoulli mixture as a PyMC model, z and unobserved entries summed out; derived a second time.

Equations in the package docstring. Nothing here comes from `em` or `densities`; a test holds the two log-densities
equal. Unobserved entries are marginal: they leave the product, and are drawn afterwards from p(x_mis | x_obs, θ).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from emvsbayes.families.bernoulli_mixture.records import BernoulliData, BernoulliParams, BernoulliPrior


def build(family: Any, data: BernoulliData, prior: BernoulliPrior, held: BernoulliParams) -> pm.Model:
    """The model: variables `weights`, `probs`; a field in `family.fixed` is constant data from `held`."""
    k = len(held.weights)
    coords = {"component": np.arange(k), "feature": list(data.columns), "obs_id": np.arange(data.n_rows)}
    with pm.Model(coords=coords) as model:
        x = pm.Data("X_data", data.X, dims=("obs_id", "feature"))
        seen = np.ones_like(data.X) if data.observed is None else data.observed
        observed = pm.Data("observed", seen, dims=("obs_id", "feature"))
        row_weights = pm.Data("row_weights", data.row_weights, dims="obs_id")

        if "weights" in family.fixed:
            weights = pm.Data("weights", held.weights, dims="component")
        else:
            weights = pm.Dirichlet("weights", prior.weights.of_size(k), dims="component")

        if "probs" in family.fixed:
            probs = pm.Data("probs", held.probs, dims=("component", "feature"))
        else:
            a, b = (np.reshape(h, (-1, 1)) if np.ndim(h) == 1 else h for h in (prior.probs.a, prior.probs.b))
            probs = pm.Beta("probs", a, b, dims=("component", "feature"))

        known = () if data.labels is None else (pm.Data("labels", data.labels, dims="obs_id"),)
        pm.CustomDist(
            "X",
            weights,
            probs,
            observed,
            row_weights,
            *known,
            logp=held_probs_logp if "probs" in family.fixed else mixture_logp,
            signature=f"(k),(k,d),(d),(){',()' if known else ''}->(d)",
            observed=x,
            dims=("obs_id", "feature"),
        )
    return model


def mixture_logp(x: Any, weights: Any, probs: Any, observed: Any, row_weights: Any, labels: Any = None) -> Any:
    """w_n ln Σ_k π_k ∏_d [μ_kd^x_nd (1 - μ_kd)^(1 - x_nd)]^o_nd, (N,); o_nd = 0 where unobserved."""
    weights, probs = weights[0], probs[0]  # PyMC adds a row axis to the parameters
    ones, zeros = observed * x, observed * (1 - x)
    log_joint = pt.log(weights) + ones @ pt.log(probs).T + zeros @ pt.log1p(-probs).T
    return row_weights * without_z(log_joint, labels)


def held_probs_logp(x: Any, weights: Any, probs: Any, observed: Any, row_weights: Any, labels: Any = None) -> Any:
    """The same for held probabilities, which may be exactly 0 or 1: 0 ln 0 = 0, and ln 0 for what cannot be."""
    weights, probs = weights[0], probs[0]
    ones, zeros = observed * x, observed * (1 - x)
    never, always = pt.eq(probs, 0), pt.eq(probs, 1)
    log_p, log_q = pt.log(pt.switch(never, 1, probs)), pt.log1p(-pt.switch(always, 0, probs))
    log_joint = pt.log(weights) + ones @ log_p.T + zeros @ log_q.T
    against = ones @ pt.cast(never, "float64").T + zeros @ pt.cast(always, "float64").T
    return row_weights * without_z(pt.switch(against > 0, -np.inf, log_joint), labels)


def without_z(log_joint: Any, labels: Any) -> Any:
    """ln Σ_k of (N, K), or the entry of the known label."""
    total = pt.logsumexp(log_joint, axis=-1)
    if labels is None:
        return total
    at_label = log_joint[pt.arange(log_joint.shape[0]), pt.maximum(labels, 0)]
    return pt.switch(labels >= 0, at_label, total)
