"""The bound of a q(θ) that is averaged over all labellings: ln of the copies, less what they overlap.

Variational Bayes settles on one of R equal copies of the posterior. With q̂(θ) = 1/R Σ_A q(Aθ), A the renamings,

    E_q̂[ln f - ln q̂] = E_q[ln f - ln q] + ln R - overlap,    overlap = E_q[ln Σ_A q(Aθ) / q(θ)]

for f is the same at Aθ as at θ. So ln R may be added to a bound, and it stays a bound, once the overlap is taken off,
which lies between 0 and ln R. No copy need be apart from another, and where they are the overlap is 0. The optimal q is

    q(θ) ∝ p(θ) exp E_q(Z)[ln p(X, Z | θ)]

so that q(Aθ) / q(θ) is the ratio of the expected log joints, under a prior that is the same for the components renamed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from emvsbayes.core.alignment import permute
from emvsbayes.evidence.unconstrained import Unconstrained
from emvsbayes.vb.collapsed import DRAWS, Collapsed, averaged
from emvsbayes.vb.fits import VariationalFit

MOST = 120  # renamings: all of K = 5; of more a random subset, whose bound is lower and still one


@dataclass(frozen=True)
class SymmetricBound:
    """The bound of q̂(θ), latents summed out.

    Attributes
    ----------
    elbo, se : in nats, and the standard error of its mean over draws of q
    renamings : that q̂ is averaged over
    overlap : nats by which the copies of q overlap, from 0 to ln renamings
    one : the bound of q(θ) itself, from the same draws
    """

    elbo: float
    se: float
    renamings: int
    overlap: float
    one: Collapsed


def symmetric_bound(
    target: Unconstrained, fit: VariationalFit, *, draws: int = DRAWS, seed: int = 0, most: int = MOST
) -> SymmetricBound:
    """The bound of the q(θ) of a fit averaged over labellings.

    Parameters
    ----------
    target : the posterior, which knows what may be renamed
    fit : with its q(Z)
    most : renamings at most
    """
    rng, family, data = np.random.default_rng(seed), target.problem.family, target.problem.data
    renamings = list(target.permutations(rng, most))
    conjugate = fit.conjugate
    stats = family.expect(fit.q, data, conjugate.means(fit.posterior))
    latents, overlaps = np.empty(draws), np.empty(draws)
    for i in range(draws):
        params = replace(conjugate.draw(fit.posterior, rng), **fit.held)
        heights = [family.expected_log_joint(permute(params, p, target.free_axes), stats) for p in renamings]
        overlaps[i] = logsumexp(np.array(heights) - heights[0])
        latents[i] = fit.q.kl(family.e_step(params, data), data.row_weights)
    gain = latents - overlaps
    return SymmetricBound(
        fit.elbo + float(gain.mean()) + float(np.log(len(renamings))),
        float(gain.std(ddof=1) / np.sqrt(draws)),
        len(renamings),
        float(overlaps.mean()),
        averaged(fit, latents),
    )
