"""Floors: seconds below which no pass can fall on this machine, from its own rates (`machine.rates`).

A pass of a Gaussian mixture with full covariances needs, for each row and component, a quadratic form and a weighted
square of D columns, both of which are symmetric, and one exponential:

    operations   2 N K D (D + 1)          D (D + 1) / 2 products and as many sums, twice
    exp          N K
    bytes        8 N D, read once

Each is divided by the rate of a large float64 product, of `np.exp` in the first cache, of reading main memory. The
first two share the processors, and what they need adds up; reading can go on beside them. A floor is what arithmetic
asks for and not what can be reached: products of D columns are no large products where D is small.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.harness import PROCESSORS
from bench.records import Value

PRODUCTS, SINGLES, MEMORY = "products, float64", "products, float32", "memory, read"
EXP = "exp, in the first cache"
BERNOULLI = (
    "logits by look-up", "statistics by look-up", "statistics under masks", "operations of two products", "exponentials"
)  # fmt: skip


def rate(rates: Sequence[Value], name: str) -> float:
    """A rate by name, in operations, bytes or elements a second."""
    found = next(v for v in rates if v.name == name)
    return PROCESSORS / (found.value * 1e-9) if found.unit.startswith("ns") else found.value * 1e9


def gaussian(sizes: dict[str, int], rates: Sequence[Value]) -> dict[str, float]:
    """Seconds of products, of exponentials and of reading, for N, D and K."""
    n, d, k = sizes["N"], sizes["D"], sizes["K"]
    return {
        "products": 2.0 * n * k * d * (d + 1) / rate(rates, PRODUCTS),
        "exp": n * k / rate(rates, EXP),
        "reading": 8.0 * n * d / rate(rates, MEMORY),
    }


def least(parts: dict[str, float]) -> float:
    """The floor: arithmetic adds up, reading goes on beside it."""
    return max(parts["products"] + parts["exp"], parts["reading"])


def bernoulli(parts: dict[str, float], rates: Sequence[Value]) -> tuple[float, float, float]:
    """Seconds of a pass by look-up, by look-up and masks, and by products of X in float32, which holds a bit exactly.

    The additions alone, at the rate at which they are done in the first cache or in registers; no loads of tables.
    """
    logits, buckets, masked, operations, exponentials = (parts[name] for name in BERNOULLI)
    return (
        logits + buckets + exponentials,
        logits + masked + exponentials,
        operations / rate(rates, SINGLES) + exponentials,
    )
