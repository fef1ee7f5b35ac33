"""The posterior of the coins on free coordinates, compiled whole: what NUTS climbs.

    ln p(X | θ) + ln p(θ) + ln |∂θ/∂coordinates|,      coordinates (simplex of π, log odds of p), without held fields

Likelihood and gradient come from one pass over the trials, as in `fused`; prior and Jacobians add counts to it, as
`kernels.coordinates` says. Derived without the PyMC model, whose density and gradient a test holds equal to these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.np.numpy_support import carray

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.twin import Target
from emvsbayes.densities import rate_targets as shared
from emvsbayes.densities.kernels.binomial import sweep
from emvsbayes.densities.kernels.calls import FIRST, MOST, WORDS, integers, matrix, outcome, point, pulled, vector
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.families.coins.records import CoinsData, CoinsParams, CoinsPrior

HERE = "emvsbayes.families.coins.target"
HEADS, TOSSES, BASE, ROW_WEIGHTS, LABELS = range(shared.OWN, shared.OWN + 5)


def target(family: Any, data: CoinsData, prior: CoinsPrior, held: CoinsParams) -> Target:
    """The arrays and functions of one posterior; `prior` is proper, `held` gives shapes and held fields."""
    labels = np.empty(0, dtype=np.int64) if data.labels is None else data.labels
    own = data.heads, data.tosses, data.log_coefficients, data.row_weights, labels
    k = len(held.weights)
    arrays = (*shared.shared_arrays(prior, held.weights, held.probs[:, None], family.fixed), *own)
    sizes = {name: size for name, size in {"weights": k - 1, "probs": k}.items() if name not in family.fixed}
    return Target(f"{HERE}:c_density", f"{HERE}:c_values", arrays, sum(sizes.values()), dict.fromkeys(sizes, (k,)))


@compiled
def density(x: Array, gradient: Array, words: Integers) -> float:
    """The density and its gradient, (P,)."""
    k_all = len(matrix(words[shared.PROBS]))
    log_weights, log_p, log_q = np.empty(k_all), np.empty((k_all, 1)), np.empty((k_all, 1))
    at = shared.place(x, words, log_weights, log_p, log_q)
    n, heads, tails, trials = np.zeros(k_all), np.zeros((k_all, 1)), np.zeros((k_all, 1)), vector(words[HEADS])
    value = sweep(
        trials, vector(words[TOSSES]), vector(words[BASE]), vector(words[ROW_WEIGHTS]), integers(words[LABELS]),
        log_weights, log_p[:, 0].copy(), log_q[:, 0].copy(), FIRST, len(trials), n, heads.ravel(), tails.ravel(),
    )  # fmt: skip
    return value + shared.prior_part(at, words, log_weights, log_p, log_q, n, heads, tails, gradient)


def c_density(size: Any, x: Any, gradient: Any, value: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    out, rows = carray(gradient, (int(size),)), carray(words, (MOST, WORDS))
    value[0] = density(point(carray(x, (int(size),)), rows), out, rows)
    pulled(out, rows)
    return outcome(value[0], out)


def c_values(size: Any, many: Any, x: Any, out: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    rows = carray(words, (MOST, WORDS))
    shared.values(point(carray(x, (int(size),)), rows), carray(out, (int(many),)), rows)
    return 0
