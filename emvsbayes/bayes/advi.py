"""PyMC's ADVI: the best bound of the evidence by a normal on unconstrained coordinates, latents summed out.

    ELBO(q) = E_q[ln f(v) - ln q(v)] = ln p(X) - KL(q ‖ posterior)        f(v) as in `evidence.unconstrained`

q is a product of normals (mean field) or one normal with a full covariance (full rank), found by noisy gradients. The
climb goes on in rounds for as long as the mean ELBO of a round is above that of the round before by more than twice its
standard error; then the steps are made shorter, and after the shortest it ends. Its ELBO is then estimated afresh from
draws of q, so that it is a bound, to its standard error, however far the climb came.

A normal covers one labelling of a mixture: nothing is added for the others. The climb starts at the best MAP estimate
of EM, for at PyMC's initial point components are equal, a saddle that it may not leave.

Source: Kucukelbir, Tran, Ranganath, Gelman and Blei (2017), JMLR 18(14), 1-45.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emvsbayes.bayes.chains import chain_starts
from emvsbayes.bayes.quiet import quiet
from emvsbayes.core.checks import Array, whole_number
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.problem import Problem

ROUND = 2000  # steps between two looks at the ELBO
RATES = (0.02, 0.005, 0.001)  # lengths of a step, one after the other
RISE = 2.0  # standard errors by which a round must be above the one before


@dataclass(frozen=True)
class ADVI:
    """A normal q on PyMC's unconstrained coordinates and its bound.

    Attributes
    ----------
    elbo, se : in nats, and the standard error of its estimate from draws
    mean, covariance : of q, (P,) and (P, P), in the order of the model's variables
    steps : of the climb
    settled : whether the climb came to its end, or was cut off
    """

    elbo: float
    se: float
    mean: Array
    covariance: Array
    steps: int = 0
    settled: bool = True


def advi_elbo(
    problem: Problem,
    prior: Any,
    *,
    full_rank: bool = False,
    most: int = 60_000,
    draws: int = 4000,
    seed: int = 0,
    say: Callable[[str], object] | None = None,
) -> ADVI:
    """The ELBO of ADVI for a problem with a proper prior record.

    Parameters
    ----------
    full_rank : bool
        One normal with correlations; else independent ones.
    most : int
        Steps of the climb at most.
    draws : int
        Of q, for the ELBO.
    say : callable, optional
        Given a line of progress a round.
    """
    import pymc as pm
    from pytensor.compile.sharedvalue import shared

    for name, value, least in (("most", most, 1), ("draws", draws, 100), ("seed", seed, 0)):
        whole_number(value, least, name)
    prior = problem.family.proper_prior(prior)
    (start,) = chain_starts(problem, prior, 1, seed)
    model = problem.twin.build(problem.family, problem.data, prior, start)
    with model, quiet():
        method: Any = pm.FullRankADVI if full_rank else pm.ADVI
        inference = method(start={rv.name: getattr(start, rv.name) for rv in model.free_RVs}, random_seed=seed)
        rate: Any = shared(np.asarray(RATES[0]))
        optimiser = pm.adagrad_window(learning_rate=rate)
        steps, settled = _climb(inference, optimiser, rate, most, say or (lambda line: None))
    found = inference.approx
    mean, covariance = np.asarray(found.mean.eval()), np.asarray(found.cov.eval())
    root = np.linalg.cholesky(covariance)
    standard = np.random.default_rng(seed).normal(size=(draws, len(mean)))
    log_density = model.compile_logp()
    at = mean + standard @ root.T
    log_f = np.array([float(log_density(_point(found.ordering, v))) for v in at])
    log_q = -0.5 * (standard**2).sum(axis=1) - np.log(np.diagonal(root)).sum() - 0.5 * len(mean) * LOG_2PI
    gain = log_f - log_q
    return ADVI(float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(draws)), mean, covariance, steps, settled)


def _climb(inference: Any, optimiser: Any, rate: Any, most: int, say: Callable[[str], object]) -> tuple[int, bool]:
    """Rounds of steps until the shortest no longer raise the ELBO: the number of steps, and whether that came to be."""
    before, steps = (-np.inf, 0.0), 0
    rates = list(RATES)
    rate.set_value(np.asarray(rates.pop(0)))
    while steps < most:
        count = min(ROUND, most - steps)
        if steps:
            inference.refine(count, progressbar=False)
        else:
            inference.fit(count, obj_optimizer=optimiser, progressbar=False)
        losses = inference.hist[-count:]
        steps += count
        now = -float(np.mean(losses)), float(np.std(losses) / np.sqrt(count))
        say(f"ADVI: {steps} steps, ELBO {now[0]:.3f}")
        if now[0] - before[0] > RISE * np.hypot(now[1], before[1]):
            before = now
            continue
        if not rates:
            return steps, True
        rate.set_value(np.asarray(rates.pop(0)))
        before = (-np.inf, 0.0)
    return steps, False


def _point(ordering: Any, vector: Array) -> dict[str, Array]:
    """A flat vector as values of the model's variables."""
    return {name: vector[where].reshape(shape).astype(dtype) for name, where, shape, dtype in ordering.values()}
