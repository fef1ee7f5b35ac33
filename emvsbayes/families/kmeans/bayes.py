"""K-means as a PyMC model: a Gaussian mixture with weights 1/K and one held variance, z summed out.

The centres are the only parameters. Equations in the package docstring. Nothing here comes from `em` or `densities`; a
test holds the two log-densities equal, constants included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from emvsbayes.core.errors import InputError
from emvsbayes.families.kmeans.records import KMeansData, KMeansParams, KMeansPrior


def build(family: Any, data: KMeansData, prior: KMeansPrior, held: KMeansParams) -> pm.Model:
    """The model: one variable, `centers`; data taken from `held` where `family.fixed` names it."""
    if family.method == "medoids":
        raise InputError("k-medoids has no density, so that there is no model to sample; use the method batch.")
    k = len(held.centers)
    variance = data.interim_variance if family.variance is None else family.variance
    coords = {"component": np.arange(k), "feature": list(data.columns), "obs_id": np.arange(data.n_rows)}
    with pm.Model(coords=coords) as model:
        x = pm.Data("X_data", data.X, dims=("obs_id", "feature"))
        row_weights = pm.Data("row_weights", data.row_weights, dims="obs_id")
        if "centers" in family.fixed:
            centers = pm.Data("centers", held.centers, dims=("component", "feature"))
        else:
            location, scale = prior.centers.location, prior.centers.scale
            centers = pm.Normal("centers", mu=location, sigma=scale, dims=("component", "feature"))

        known = () if data.labels is None else (pm.Data("labels", data.labels, dims="obs_id"),)
        pm.CustomDist(
            "X",
            centers,
            np.sqrt(variance),
            row_weights,
            *known,
            logp=mixture_logp,
            signature=f"(k,d),(),(){',()' if known else ''}->(d)",
            observed=x,
            dims=("obs_id", "feature"),
        )
    return model


def mixture_logp(x: Any, centers: Any, sigma: Any, row_weights: Any, labels: Any = None) -> Any:
    """w_n ln Σ_k N(x_n | μ_k, σ²I) / K, (N,).  PyMC adds a row axis to the parameters; [0] takes it off."""
    centers, sigma = centers[0], sigma[0]
    standard = (x[:, None, :] - centers) / sigma
    log_normal = (-0.5 * standard**2 - pt.log(sigma) - 0.5 * np.log(2 * np.pi)).sum(axis=-1)
    log_joint = log_normal - pt.log(centers.shape[0])
    total = pt.logsumexp(log_joint, axis=-1)
    if labels is not None:
        at_label = log_joint[pt.arange(log_joint.shape[0]), pt.maximum(labels, 0)]
        total = pt.switch(labels >= 0, at_label, total)
    return row_weights * total
