"""Probabilities of a one against a zero: what coins and Bernoulli mixtures do with them, written once.

M-step         p = ones / (ones + zeros)
boundary       p = 0 only where there are no ones, p = 1 only where there are no zeros
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array

INSIDE = (np.nextafter(0, 1), np.nextafter(1, 0))  # the smallest and the largest probability that are neither 0 nor 1
BOUNDARY = 1e-12  # an estimate this near to 0 or 1 is a boundary estimate


def update_rates(ones: Array, zeros: Array, held: Array) -> Array:
    """ones / (ones + zeros), `held` where nothing was seen.

    A quotient that only rounds to 0 or 1 would make zeros · ln(1 - p) infinite: it is kept inside.
    """
    seen = ones + zeros
    rates = np.divide(ones, seen, out=held.copy(), where=seen > 0)
    return np.where((ones > 0) & (zeros > 0), np.clip(rates, *INSIDE), rates)


def on_boundary(rates: Array) -> np.ndarray:
    """Which estimates lie on 0 or 1, to rounding."""
    return np.abs(rates - 0.5) >= 0.5 - BOUNDARY
