"""The posterior of a Bernoulli mixture on free coordinates, compiled whole: what NUTS climbs.

    ln p(X | θ) + ln p(θ) + ln |∂θ/∂coordinates|,      coordinates (simplex of π, log odds of μ), without held fields

Likelihood and gradient come from one pass over bits, as in `fused`; prior and Jacobians add counts to it, as
`kernels.coordinates` says. Derived without the PyMC model, whose density and gradient a test holds equal to these.
Grey levels are no bits, and left to that model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.np.numpy_support import carray

from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.twin import Target
from emvsbayes.densities import rate_targets as shared
from emvsbayes.densities.kernels.bernoulli import sweep_bits, tables
from emvsbayes.densities.kernels.calls import (
    FIRST,
    MOST,
    WORDS,
    integers,
    matrix,
    octets,
    outcome,
    point,
    pulled,
    vector,
)
from emvsbayes.densities.kernels.elementary import compiled
from emvsbayes.families.bernoulli_mixture.records import BernoulliData, BernoulliParams, BernoulliPrior

HERE = "emvsbayes.families.bernoulli_mixture.target"
ONES, ZEROS, ROW_WEIGHTS, LABELS = range(shared.OWN, shared.OWN + 4)


def target(family: Any, data: BernoulliData, prior: BernoulliPrior, held: BernoulliParams) -> Target | None:
    """The arrays and functions of one posterior; `prior` is proper, `held` gives shapes and held fields.

    None for grey levels.
    """
    if data.bits is None:
        return None
    labels = np.empty(0, dtype=np.int64) if data.labels is None else data.labels
    (k, d), own = held.probs.shape, (*data.bits, data.row_weights, labels)
    arrays = (*shared.shared_arrays(prior, held.weights, held.probs, family.fixed), *own)
    sizes = {name: size for name, size in {"weights": k - 1, "probs": k * d}.items() if name not in family.fixed}
    fields = {name: np.shape(getattr(held, name)) for name in sizes}
    return Target(f"{HERE}:c_density", f"{HERE}:c_values", arrays, sum(sizes.values()), fields)


@compiled
def density(x: Array, gradient: Array, words: Integers) -> float:
    """The density and its gradient, (P,)."""
    k_all, d = matrix(words[shared.PROBS]).shape
    log_weights, log_p, log_q = np.empty(k_all), np.empty((k_all, d)), np.empty((k_all, d))
    at = shared.place(x, words, log_weights, log_p, log_q)
    ones, zeros, nothing = octets(words[ONES]), octets(words[ZEROS]), np.zeros((k_all, d))
    missing = zeros.shape[0] > 0
    one_tables = tables(log_p, nothing if missing else log_q, ones.shape[0])
    zero_tables = tables(log_q, nothing, zeros.shape[0])
    n, of_ones, of_zeros, row_weights = (
        np.zeros(k_all),
        np.zeros((k_all, d)),
        np.zeros((k_all, d)),
        vector(words[ROW_WEIGHTS]),
    )
    value = sweep_bits(
        ones, zeros, row_weights, integers(words[LABELS]), log_weights, one_tables, zero_tables,
        FIRST, len(row_weights), n, of_ones, of_zeros,
    )  # fmt: skip
    return value + shared.prior_part(at, words, log_weights, log_p, log_q, n, of_ones, of_zeros, gradient)


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
