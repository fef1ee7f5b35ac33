"""Where algorithms disagree: the share of draws that two of them label differently, but for one renaming of all draws.

Labelling a puts raw component a_k(s) in slot k, labelling b puts b_k(s). Names are free, so the two say the same where
one renaming g of slots makes b agree with a in every draw, and

    disagreement(a, b) = min over g of the share of draws with a(s) ≠ b(s) ∘ g
                       = 1 - the share of the most frequent b(s)^-1 ∘ a(s)

0 says that one partition of the draws' components into K groups is what both found, up to names.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array, Integers


def disagreement(first: Integers, second: Integers) -> tuple[float, Array]:
    """The share of draws that differ, and of those in which a slot of the first differs (K,)."""
    relative = np.take_along_axis(np.argsort(second, axis=1), first, axis=1)  # slot of b that holds slot k of a
    kinds, counts = np.unique(relative, axis=0, return_counts=True)
    differs = relative != kinds[counts.argmax()]
    return float(differs.any(axis=1).mean()), differs.mean(axis=0)
