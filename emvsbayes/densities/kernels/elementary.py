"""What every kernel is built from: the compiler's settings, and exp and log that a compiler turns into vectors.

    exp x = 2^k e^r,   k = round(x / ln 2),  r = x - k ln 2 in [-0.35, 0.35],   e^r by its Taylor series to r^13
    ln x  = k ln 2 + 2 artanh f,   x = 2^k m,  m in [0.71, 1.41],  f = (m - 1) / (m + 1),   artanh f to f^19

Both are free of branches and agree with NumPy's to one unit in the last place or two. Where calls of a library take 4
to 10 ns an element, these take less than half of one.

Kernels index blocks of rows, views, by the loop's own counter. An index such as `weights[at + i]` might be negative and
count from the end, for all that a compiler knows; before it turns the loop into vectors it then looks whether any array
lies where that would lead, and where one happens to, sums are taken in another order: the last digits of a result would
depend on addresses.
"""

from __future__ import annotations

import numpy as np

from emvsbayes.densities.kernels.compiling import kernel

# sums may be taken in any order that the compiler likes, the same for equal input; NaN and infinity stay what they are
compiled = kernel({"contract", "reassoc", "nsz"})
in_order = kernel({"contract"})  # ln 2 in two parts, and rounding

LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 21 zeros at its end
ROUND = 6755399441055744.0  # 1.5 · 2^52: a number added to it is rounded, and its low bits are that integer
SMALLEST = -708.0  # below it exp leaves the normal numbers, and is 0 here
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


@in_order
def exp(x: float) -> float:
    """e^x for x <= 709; 0 below -708, where the value is no normal number."""
    clipped = max(x, SMALLEST)
    shifted = clipped * LOG2_E + ROUND
    k = shifted - ROUND
    r = (clipped - k * LN2_HIGH) - k * LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    low = (r / 5040 + 1 / 720) * r2 + (r / 120 + 1 / 24)
    high = (r / 39916800 + 1 / 3628800) * r2 + (r / 362880 + 1 / 40320)
    top = r / 6227020800 + 1 / 479001600
    p = (((top * r4 + high) * r4 + low) * r2 + (r / 6 + 0.5)) * r2 + r + 1.0
    bits = np.float64(p).view(np.int64) + (np.float64(shifted).view(np.int64) << 52)
    return np.int64(bits).view(np.float64) if x >= SMALLEST else 0.0


@in_order
def log(x: float) -> float:
    """ln x for normal x > 0."""
    bits = np.float64(x).view(np.int64)
    k = (bits - SQRT_HALF_BITS) >> 52
    m = np.int64(bits - (k << 52)).view(np.float64)
    f = (m - 1.0) / (m + 1.0)
    s = f * f
    p = s * (1 / 19) + 1 / 17
    p = p * s + 1 / 15
    p = p * s + 1 / 13
    p = p * s + 1 / 11
    p = p * s + 1 / 9
    p = p * s + 1 / 7
    p = p * s + 1 / 5
    p = p * s + 1 / 3
    return k * LN2_LOW + (2.0 * f * (s * p) + 2.0 * f) + k * LN2_HIGH
