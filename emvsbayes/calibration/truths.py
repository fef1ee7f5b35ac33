"""Parameters drawn from a prior record, by NumPy and SciPy alone: the side of the check that PyMC has no hand in.

    weights      π ~ Dirichlet(α)                                   numpy.random.Generator.dirichlet
    probs        p ~ Beta(a, b), each entry                         numpy.random.Generator.beta
    covariances  Σ ~ IW(ν, Ψ);  σ² ~ IG(ν/2, ψ/2) by coordinate     scipy.stats.invwishart, invgamma
    means        μ | Σ = location + L z / √strength, Σ = L Lᵀ       z standard normal
    alpha, beta  ~ Gamma(shape, rate)                               numpy.random.Generator.gamma(shape, 1 / rate)

These are the densities that the prior records document; the twins write them a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.stats import invgamma, invwishart

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.core.priors import BetaPrior, DirichletPrior, GammaPrior
from emvsbayes.problem import Problem


def draw_truth(problem: Problem, prior: Any, rng: np.random.Generator) -> Any:
    """One parameter record from a proper prior record; the data give the number of columns and no more.

    Raises
    ------
    InputError
        For a family whose prior nobody draws from here, or a flat group, which has nothing to draw from.
    """
    name = problem.family.name
    if name not in DRAWN:
        raise InputError(f"truths are drawn for {', '.join(DRAWN)}; {name} is none of them: choose another family.")
    for field in problem.fields:
        if getattr(prior, field) is None:
            raise InputError(f"the prior of {field} is flat: it has no draws; give it a proper prior.")
    return problem.twin.record(problem.family)(**DRAWN[name](problem, prior, rng))


def _weights(prior: DirichletPrior, k: int, rng: np.random.Generator) -> Array:
    return rng.dirichlet(prior.of_size(k))


def _probs(prior: BetaPrior, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    a, b = (h.reshape(-1, *[1] * (len(shape) - 1)) if h.ndim else h for h in (prior.a, prior.b))
    return rng.beta(a, b, size=shape)


def _precision(prior: GammaPrior, rng: np.random.Generator) -> Array:
    return np.asarray(rng.gamma(float(prior.shape), 1 / float(prior.rate)))


def _coins(problem: Problem, prior: Any, rng: np.random.Generator) -> Mapping[str, Array]:
    k = problem.family.n_components
    return {"weights": _weights(prior.weights, k, rng), "probs": _probs(prior.probs, (k,), rng)}


def _bernoulli(problem: Problem, prior: Any, rng: np.random.Generator) -> Mapping[str, Array]:
    k, d = problem.family.n_components, problem.data.X.shape[1]
    return {"weights": _weights(prior.weights, k, rng), "probs": _probs(prior.probs, (k, d), rng)}


def _linear(problem: Problem, prior: Any, rng: np.random.Generator) -> Mapping[str, Array]:
    return {"alpha": _precision(prior.alpha, rng), "beta": _precision(prior.beta, rng)}


def _gaussian(problem: Problem, prior: Any, rng: np.random.Generator) -> Mapping[str, Array]:
    k, d, layout = problem.family.n_components, problem.data.X.shape[1], problem.family.covariance
    dof, scale = float(prior.covariances.dof), prior.covariances.scale
    if layout in ("full", "tied"):
        count = k if layout == "full" else 1
        drawn = np.asarray(invwishart(dof, scale).rvs(size=count, random_state=rng)).reshape(count, d, d)
        roots = np.broadcast_to(np.linalg.cholesky(drawn), (k, d, d))
        covariances = drawn if layout == "full" else drawn[0]
    elif layout in ("diag", "spherical"):
        shape = (k, d) if layout == "diag" else (k,)
        covariances = invgamma(dof / 2, scale=scale / 2).rvs(size=shape, random_state=rng)
        variances = covariances if layout == "diag" else np.repeat(covariances[:, None], d, axis=1)
        roots = np.sqrt(variances)[:, :, None] * np.eye(d)
    else:
        raise InputError(f"truths are drawn for full, tied, diag and spherical; covariance is {layout!r}.")
    noise = np.einsum("kij,kj->ki", roots, rng.standard_normal((k, d)))
    means = prior.means.location + noise / np.sqrt(float(prior.means.strength))
    return {"weights": _weights(prior.weights, k, rng), "means": means, "covariances": covariances}


DRAWN: dict[str, Callable[[Problem, Any, np.random.Generator], Mapping[str, Array]]] = {
    "coins": _coins,
    "gaussian_mixture": _gaussian,
    "bernoulli_mixture": _bernoulli,
    "linear_evidence": _linear,
}
