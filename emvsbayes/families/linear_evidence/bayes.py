"""Evidence regression as a PyMC model, w integrated out: t is Gaussian with the covariance β⁻¹ I + α⁻¹ ΦΦᵀ.

The left singular vectors of Φ turn that covariance into a diagonal one, whatever α and β are: the rotated t are
independent, and one decomposition in NumPy saves a Cholesky factor a step. A row of weight w_n > 0 counts w_n times:

    N(t_n | μ, β⁻¹)^w_n = (β/2π)^((w_n - 1)/2) N(√w_n t_n | √w_n μ, β⁻¹)

so that t_n and φ_n are scaled by √w_n, and the first factor is shared out evenly. A row of weight 0 is left out.
Nothing here comes from `em` or `densities`; only the basis functions are those of the family.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from emvsbayes.core.priors import GammaPrior
from emvsbayes.families.linear_evidence.records import LinearData, LinearParams, LinearPrior


def build(family: Any, data: LinearData, prior: LinearPrior, held: LinearParams) -> pm.Model:
    """The model: variables `alpha`, `beta`; a field in `family.fixed` is constant data from `held`."""
    present = data.row_weights > 0
    weights = data.row_weights[present]
    rows = np.sqrt(weights)[:, None] * family.design(data)[present]
    left, singular, _ = np.linalg.svd(rows, full_matrices=True)
    rotated = left.T @ (np.sqrt(weights) * data.t[present])
    eigenvalues = np.zeros(len(rotated))  # of ΦΦᵀ
    eigenvalues[: len(singular)] = singular**2

    with pm.Model(coords={"direction": np.arange(len(rotated))}) as model:
        t = pm.Data("t_data", rotated, dims="direction")
        explained = pm.Data("eigenvalues", eigenvalues, dims="direction")
        surplus = pm.Data("surplus", np.full(len(rotated), (weights - 1).mean()), dims="direction")
        alpha = _precision("alpha", family, prior.alpha, held.alpha)
        beta = _precision("beta", family, prior.beta, held.beta)
        pm.CustomDist("t", alpha, beta, explained, surplus, logp=evidence_logp, observed=t, dims="direction")
    return model


def _precision(name: str, family: Any, prior: GammaPrior | None, held: Any) -> Any:
    if name in family.fixed:
        return pm.Data(name, np.asarray(held))
    assert prior is not None
    return pm.Gamma(name, alpha=prior.shape, beta=prior.rate)


def evidence_logp(t: Any, alpha: Any, beta: Any, explained: Any, surplus: Any) -> Any:
    """ln N(t_i | 0, 1/β + λ_i/α) + surplus/2 ln(β/2π), for each direction."""
    normal = pm.logp(pm.Normal.dist(0.0, pt.sqrt(1 / beta + explained / alpha)), t)
    return normal + 0.5 * surplus * pt.log(beta / (2 * np.pi))
