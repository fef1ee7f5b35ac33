"""Ranks of the truth among draws: what simulation-based calibration counts.

    θ* ~ p(θ),  X ~ p(X | θ*),  θ_1 … θ_L ~ p(θ | X)        rank = #{l: f(θ_l) < f(θ*)}  ~  uniform on 0 … L

for every function f of parameters and data: truth and draws have one law given X. Ties, where f takes few values, are
broken at random: the rank is then drawn from the places that the ties leave open. L = 99 makes a hundred ranks, which
many numbers of bins divide. Draws of a chain are not independent: of many, 99 evenly spaced ones are kept, and the
effective sample size says whether that is far enough apart.

Source: Talts, Betancourt, Simpson, Vehtari and Gelman (2018), Validating Bayesian inference algorithms with
simulation-based calibration, arXiv:1804.06788, algorithms 1 and 2.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers

KEPT = 99  # draws whose ranks are 0 … 99


def ranks(truth: Array, draws: Array, rng: np.random.Generator) -> Integers:
    """Ranks (Q,) of the truth (Q,) among draws (L, Q), ties broken at random."""
    below, ties = (draws < truth).sum(axis=0), (draws == truth).sum(axis=0)
    return below + rng.integers(0, ties, endpoint=True)


def spaced(total: int, kept: int = KEPT) -> Integers:
    """Positions (kept,) of draws evenly spaced in a chain of `total`, each the middle of its stretch."""
    return ((np.arange(kept) + 0.5) * total / kept).astype(np.int64)


def narrowed(draws: Array, factor: float) -> Array:
    """Draws (L, Q) drawn towards their mean by a factor: a posterior that is too sure, which the check must reject."""
    centre = draws.mean(axis=0)
    return centre + factor * (draws - centre)
