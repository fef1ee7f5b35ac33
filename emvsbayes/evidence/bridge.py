"""Bridge sampling: the evidence from draws of the posterior and of a proposal, each judged under both densities.

With f the unnormalised posterior and ĝ the proposal, r = ∫ f solves the optimal bridge (Meng and Wong 1996, eq. 4.1)

    r = mean_ĝ[ℓ / (s1 ℓ + s2 r)] / mean_f[1 / (s1 ℓ + s2 r)],    ℓ = f / ĝ,  s1 = n1 / (n1 + n2),  s2 = 1 - s1

by iteration; n1 counts independent draws of the posterior, n2 the proposals. One half of every chain fits the proposal,
a normal on free coordinates, and the other half estimates, for draws that made the proposal agree with it too well
(Overstall and Forster 2010); then the halves change places, and the mean of the two is taken. The relative error of
each is (Frühwirth-Schnatter 2004, section 3.4)

    se² = Var_ĝ[h1] / (n2 E_ĝ[h1]²) + τ Var_f[h2] / (S E_f[h2]²),    h1 = p / (s1 p + s2 ĝ),  h2 = ĝ / (s1 p + s2 ĝ)

with p = f / r, and τ the autocorrelation time of h2: that of ln r, to first order. The two estimates share no draw in
the same place, and are taken for independent.

Draws of another posterior give a number too, with a small error. But r is also the intercept of a logistic regression
of "drawn, not proposed" on ln ℓ, whose slope is 1 where the draws are of f:

    P = s1 ℓ / (s1 ℓ + s2 r),    U = s1 mean_f[(1 - P) x] - s2 mean_ĝ[P x],    x = ln ℓ, centred by weights P (1 - P)

so that U over its standard error is standard normal there, and large where ln ℓ does not tell draws from proposals.

Labels: ĝ is the normal averaged over all renamings that leave the posterior as it is, and draws are renamed at random,
so that no copy is missed and none counted twice: nothing is added afterwards, and copies may overlap. No warping.

Sources: Meng and Wong (1996), Statistica Sinica 6, 831-860; Geyer (1994), Technical Report 568, University of
Minnesota, for the logistic regression; Frühwirth-Schnatter (2004), The Econometrics Journal 7, 143-167; Gronau,
Singmann and Wagenmakers (2020), Journal of Statistical Software 92(10).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, logsumexp

from emvsbayes.core.checks import Array
from emvsbayes.core.errors import InputError
from emvsbayes.evidence.autocorrelation import autocorrelation_time, split_rhat
from emvsbayes.evidence.normals import Normal, Symmetric
from emvsbayes.evidence.symmetry import aligned, shuffled_draws
from emvsbayes.evidence.unconstrained import MOST, Unconstrained

TOLERANCE = 1e-12  # of ln r
ITERATIONS = 10_000
COVERED = 0.01  # the share of all renamings that a proposal must have
PROPOSALS = 2  # for each draw of the posterior: they cost no chain
PIVOTS = 200  # draws among which the highest is looked for


@dataclass(frozen=True)
class Bridge:
    """An estimate of ln p(X).

    Attributes
    ----------
    log_evidence, se : in nats; se is the relative error of the evidence
    draws : of the posterior, and how many independent ones they are worth (`effective`)
    iterations : of the longer of the two bridges
    copies, renamings : renamings that leave the posterior as it is, and how many the proposal is averaged over
    overlap : nats by which the copies of the proposal overlap; see `normals`
        Less than those of the posterior do, for draws were renamed towards one copy; where copies of the posterior lie
        on one another it was 0.26 of ln 2.
    rhat : R-hat of the height of the posterior, which knows no labels
        Above 1.05 chains sit in different modes: these are counted by how many chains sit in each, and the estimate and
        its error are those of a posterior with such shares.
    misfit : standard errors by which the draws are not of this posterior; see `misfit_of`
    """

    log_evidence: float
    se: float
    draws: int
    effective: float
    iterations: int
    copies: int
    renamings: int
    overlap: float
    rhat: float = 1.0
    misfit: float = 0.0


def bridge_sampling(target: Unconstrained, draws: Array, *, seed: int = 0, most: int = MOST) -> Bridge:
    """Estimate the evidence from draws of the posterior.

    Parameters
    ----------
    target : the posterior on free coordinates
    draws : (C, S, P)
        On free coordinates (`unconstrained.tree_vectors`), chains apart and in the order of drawing.
    most : int
        Renamings in the proposal at most; a random subset where there are more.

    Raises
    ------
    InputError
        For draws too few to fit a normal to, and where the renamings are too many for a proposal.
    """
    rng = np.random.default_rng(seed)
    if draws.ndim != 3 or draws.shape[2] != target.size:
        raise InputError(f"draws must have shape (chains, draws, {target.size}); their shape is {draws.shape}.")
    half = draws.shape[1] // 2
    if half * len(draws) < 10 * target.size:
        raise InputError(
            f"bridge sampling of {target.size} free parameters needs at least {20 * target.size} draws; "
            f"there are {draws.shape[0] * draws.shape[1]}."
        )
    if most < COVERED * target.copies:
        raise InputError(
            f"the posterior has {target.copies} equal copies, too many for a proposal; use fewer components or SMC."
        )
    parts = [draws[:, :half], draws[:, half:]]
    found, heights = [], []
    for fitted, estimating in (parts, parts[::-1]):
        proposal = symmetric_proposal(target, fitted.reshape(-1, target.size), rng, most)
        again = shuffled_draws(target, estimating, rng)
        flat = again.reshape(-1, target.size)
        heights.append(target.many(flat).reshape(again.shape[:2]))
        of_draws = heights[-1] - proposal.log_density(flat).reshape(again.shape[:2])
        theirs = proposal.draw(PROPOSALS * len(flat), rng)
        of_proposals = target.many(theirs) - proposal.log_density(theirs)
        bridged = optimal_bridge(of_draws, of_proposals)
        found.append((*bridged, proposal.overlap(rng), misfit_of(of_draws, of_proposals, bridged[0])))
    log_r, se, effective, iterations, overlap, misfit = zip(*found, strict=True)
    return Bridge(
        log_evidence=sum(log_r) / 2,
        se=float(np.hypot(*se)) / 2,
        draws=draws.shape[0] * draws.shape[1],
        effective=sum(effective),
        iterations=max(iterations),
        copies=target.copies,
        renamings=len(proposal.renamings),
        overlap=max(overlap),
        rhat=split_rhat(np.concatenate(heights[::-1], axis=1)),
        misfit=max(misfit),
    )


def symmetric_proposal(target: Unconstrained, vectors: Array, rng: np.random.Generator, most: int = MOST) -> Symmetric:
    """A normal fitted to draws (S, P) of which each is renamed to one copy, averaged over the renamings."""
    some = vectors[np.linspace(0, len(vectors) - 1, min(PIVOTS, len(vectors))).astype(int)]
    pivot = some[int(np.argmax(target.many(some)))]
    return Symmetric(Normal.fitted(aligned(target, vectors, pivot)), target.renamings(rng, most))


def optimal_bridge(of_draws: Array, of_proposals: Array) -> tuple[float, float, float, int]:
    """ln r, its standard error, the effective number of draws, and the iterations.

    Parameters
    ----------
    of_draws : (C, S)
        ln ℓ = ln f - ln ĝ at draws of the posterior.
    of_proposals : (M,)
        The same at proposals; -inf where f is 0.
    """
    if not np.isfinite(of_draws).all():
        raise InputError("a draw has no density under the posterior; give draws of the same model, prior and data.")
    shift = float(np.median(of_draws))
    l1, l2 = of_draws.ravel() - shift, of_proposals - shift
    effective = len(l1) / max(autocorrelation_time(of_draws), 1.0)
    log_s1, log_s2 = np.log([effective / (effective + len(l2)), len(l2) / (effective + len(l2))])
    log_r, iterations = 0.0, 0
    while iterations < ITERATIONS:
        up = logsumexp(l2 - np.logaddexp(log_s1 + l2, log_s2 + log_r)) - np.log(len(l2))
        down = logsumexp(-np.logaddexp(log_s1 + l1, log_s2 + log_r)) - np.log(len(l1))
        moved, iterations = float(up - down), iterations + 1
        change, log_r = abs(moved - log_r), moved
        if not np.isfinite(log_r):
            raise InputError("no proposal has a density under the posterior; give more draws, of a sampler that mixed.")
        if change < TOLERANCE:
            break
    h1 = np.exp(l2 - log_r - np.logaddexp(log_s1 + l2 - log_r, log_s2))
    h2 = np.exp(-np.logaddexp(log_s1 + l1 - log_r, log_s2)).reshape(of_draws.shape)
    tau = max(autocorrelation_time(h2), 1.0)
    square = h1.var(ddof=1) / (len(h1) * h1.mean() ** 2) + tau * h2.var(ddof=1) / (h2.size * h2.mean() ** 2)
    return log_r + shift, float(np.sqrt(square)), float(effective), iterations


def misfit_of(of_draws: Array, of_proposals: Array, log_r: float) -> float:
    """|U| over its standard error: how surely the slope of draws on ln ℓ is not 1, and they are of another density.

    Parameters
    ----------
    of_draws, of_proposals : ln ℓ, as in `optimal_bridge`
    log_r : the bridge between the two
    """
    able = of_proposals > -np.inf  # P is 0 at the others, whatever x is there
    x1, x2 = of_draws - log_r, np.where(able, of_proposals - log_r, 0.0)
    effective = of_draws.size / max(autocorrelation_time(of_draws), 1.0)
    s1 = effective / (effective + len(of_proposals))
    drawn1, drawn2 = expit(x1 + logit(s1)), np.where(able, expit(x2 + logit(s1)), 0.0)
    w1, w2 = drawn1 * (1 - drawn1) * effective / of_draws.size, drawn2 * (1 - drawn2)
    total = w1.sum() + w2.sum()
    if not total > 0:
        return np.inf
    center = float(((w1 * x1).sum() + (w2 * x2).sum()) / total)
    u1, u2 = s1 * (1 - drawn1) * (x1 - center), (1 - s1) * drawn2 * (x2 - center)
    tau = max(autocorrelation_time(u1), 1.0)
    error = np.sqrt(tau * u1.var() / u1.size + u2.var() / u2.size)
    away = abs(float(u1.mean() - u2.mean()))
    return 0.0 if away <= 1e-12 else float(away / error) if error > 0 else np.inf
