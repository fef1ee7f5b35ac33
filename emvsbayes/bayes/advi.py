"""PyMC's ADVI: the best bound of the evidence by a normal on unconstrained coordinates, latents summed out.

    ELBO(q) = E_q[ln f(v) - ln q(v)] = ln p(X) - KL(q ‖ posterior)        f(v) as in `evidence.unconstrained`

q is a product of normals (mean field) or one normal with a full covariance (full rank), found by noisy gradients. Its
ELBO is then estimated afresh from draws of q, so that it is a bound, to its standard error, however far the climb came.
A normal covers one labelling of a mixture: nothing is added for the others. The climb starts at the best MAP estimate
of EM, for at PyMC's initial point components are equal, a saddle that it may not leave.

Source: Kucukelbir, Tran, Ranganath, Gelman and Blei (2017), JMLR 18(14), 1-45.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.bayes.chains import chain_starts
from emvsbayes.bayes.quiet import quiet
from emvsbayes.core.checks import Array, whole_number
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.problem import Problem


@dataclass(frozen=True)
class ADVI:
    """A normal q on PyMC's unconstrained coordinates and its bound.

    Attributes
    ----------
    elbo, se : in nats, and the standard error of its estimate from draws
    mean, covariance : of q, (P,) and (P, P), in the order of the model's variables
    """

    elbo: float
    se: float
    mean: Array
    covariance: Array


def advi_elbo(
    problem: Problem, prior: Any, *, full_rank: bool = False, steps: int = 30_000, draws: int = 4000, seed: int = 0
) -> ADVI:
    """The ELBO of ADVI for a problem with a proper prior record.

    Parameters
    ----------
    full_rank : bool
        One normal with correlations; else independent ones.
    steps : int
        Of the climb.
    draws : int
        Of q, for the ELBO.
    """
    import pymc as pm

    for name, value, least in (("steps", steps, 1), ("draws", draws, 100), ("seed", seed, 0)):
        whole_number(value, least, name)
    prior = problem.family.proper_prior(prior)
    (start,) = chain_starts(problem, prior, 1, seed)
    model = problem.twin.build(problem.family, problem.data, prior, start)
    with model, quiet():
        found: Any = pm.fit(
            n=steps,
            method="fullrank_advi" if full_rank else "advi",
            start={rv.name: getattr(start, rv.name) for rv in model.free_RVs},
            random_seed=seed,
            progressbar=False,
        )
    mean, covariance = np.asarray(found.mean.eval()), np.asarray(found.cov.eval())
    root = np.linalg.cholesky(covariance)
    standard = np.random.default_rng(seed).normal(size=(draws, len(mean)))
    log_density = model.compile_logp()
    at = mean + standard @ root.T
    log_f = np.array([float(log_density(_point(found.ordering, v))) for v in at])
    log_q = -0.5 * (standard**2).sum(axis=1) - np.log(np.diagonal(root)).sum() - 0.5 * len(mean) * LOG_2PI
    gain = log_f - log_q
    return ADVI(float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(draws)), mean, covariance)


def _point(ordering: Any, vector: Array) -> dict[str, Array]:
    """A flat vector as values of the model's variables."""
    return {name: vector[where].reshape(shape).astype(dtype) for name, where, shape, dtype in ordering.values()}
