"""The bound of q(θ) alone, latents summed out: what variational Bayes gives away by a q(Z) that knows no θ.

    E_q(θ)[ln p(X, θ) - ln q(θ)] = ELBO + E_q(θ)[KL(q(Z) ‖ p(Z | X, θ))]

The left side is a bound of ln p(X) too, short of it by KL(q(θ) ‖ p(θ | X)), the divergence over parameters. The mean on
the right is over draws of q(θ), and what it is a mean of is the KL of EM, there at its one value of the parameters.

Source: the chain rule of the divergence, Cover and Thomas (2006), Elements of Information Theory, theorem 2.5.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from emvsbayes.core.checks import Array, whole_number
from emvsbayes.core.errors import InputError
from emvsbayes.problem import Problem
from emvsbayes.vb.fits import VariationalFit

DRAWS = 1000


@dataclass(frozen=True)
class Collapsed:
    """The bound of q(θ).

    Attributes
    ----------
    elbo : in nats, at least that of the fit
    se : of its mean over draws
    latents : E_q(θ)[KL(q(Z) ‖ p(Z | X, θ))], what it is more than the fit's, at least 0
    """

    elbo: float
    se: float
    latents: float


def collapsed(problem: Problem, fit: VariationalFit, *, draws: int = DRAWS, seed: int = 0) -> Collapsed:
    """The bound of the q(θ) of a fit, by draws of it.

    Raises
    ------
    InputError
        For a fit that holds no q(Z): read from JSON, or made without a record.
    """
    whole_number(draws, 2, "draws")
    if fit.q is None:
        raise InputError("a fit read from JSON, or made with record=False, holds no q(Z); fit the data again.")
    rng, family, data = np.random.default_rng(seed), problem.family, problem.data
    conjugate = fit.conjugate
    found = np.empty(draws)
    for i in range(draws):
        params = replace(conjugate.draw(fit.posterior, rng), **fit.held)
        found[i] = fit.q.kl(family.e_step(params, data), data.row_weights)
    return averaged(fit, found)


def averaged(fit: VariationalFit, kls: Array) -> Collapsed:
    """From KL(q(Z) ‖ p(Z | X, θ)) at draws of θ, (S,)."""
    mean = float(kls.mean())
    return Collapsed(fit.elbo + mean, float(kls.std(ddof=1) / np.sqrt(len(kls))), mean)
