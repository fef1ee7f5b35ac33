"""The posterior of a Gaussian mixture on free coordinates, compiled whole: what NUTS climbs.

    ln p(X | θ) + ln p(θ) + ln |∂θ/∂coordinates|,      coordinates (simplex of π, covariances, μ), without held fields

Likelihood and gradient are those of `fused`, from one pass over the rows; `densities.matrix_targets` and
`densities.variance_targets` add the conjugate prior and the Jacobians. Here a problem is laid out as arrays for them.
Derived without the PyMC model, whose density and gradient a test holds equal to these.

Source: Fraley and Raftery (2007), Journal of Classification 24, 155-181, for the prior.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.np.numpy_support import carray
from scipy.special import gammaln

from emvsbayes.core.checks import Array
from emvsbayes.core.twin import Target
from emvsbayes.densities.gaussian import LOG_2PI
from emvsbayes.densities.kernels.calls import MOST, WORDS, outcome, point, pulled
from emvsbayes.densities.matrix_targets import density_of_matrices, values_of_matrices
from emvsbayes.densities.variance_targets import density_of_variances, values_of_variances
from emvsbayes.families.gaussian_mixture.records import LAYOUTS, MCLUST, GaussianData, GaussianParams, GaussianPrior

HERE = "emvsbayes.families.gaussian_mixture.target"


def target(family: Any, data: GaussianData, prior: GaussianPrior, held: GaussianParams) -> Target:
    """The arrays and functions of one posterior; `prior` is proper, `held` gives shapes and held fields."""
    (k, d), whole, layout = held.means.shape, family.covariance in MCLUST, LAYOUTS.get(family.covariance)
    weights_free, covariances_free, means_free = (f not in family.fixed for f in ("weights", "covariances", "means"))
    matrices = layout is None or layout.matrices
    shared, round_ = layout is not None and layout.shared, layout is not None and layout.round
    many = 1 if shared else k

    alpha, of_weights = weights_prior(prior, k) if weights_free else (np.ones(k), 0.0)
    shape = (d, d) if matrices else (many, 1 if round_ else d)
    scatter = covariance_prior(prior, shape, many, matrices) if covariances_free else (0.0, np.zeros(shape), 0.0)
    dof, scale, of_covariances = scatter
    strength, location, of_means = means_prior(prior, k, d) if means_free else (0.0, np.zeros((k, d)), 0.0)
    constant = of_weights + of_covariances + of_means

    # in the order of the names in `densities.gaussian_targets`
    flags = np.array([weights_free, covariances_free, means_free, shared, round_, whole], dtype=np.int64)
    labels = np.empty(0, dtype=np.int64) if data.labels is None else data.labels
    numbers = np.array([strength, dof, constant])
    arrays = (
        np.ascontiguousarray(data.X, dtype=np.float64), data.row_weights, labels, flags, alpha, held.weights,
        held_spread(held, matrices, whole), held.means, scale, location, numbers,
    )  # fmt: skip
    free_covariances = many * (d * (d + 1) // 2 if matrices else 1 if round_ else d)
    sizes = {"weights": k - 1, "covariances": free_covariances, "means": k * d}
    fields = {name: np.shape(getattr(held, name)) for name in sizes if name not in family.fixed}
    kind = "matrices" if matrices else "variances"
    functions = f"{HERE}:c_density_of_{kind}", f"{HERE}:c_values_of_{kind}"
    return Target(*functions, arrays, sum(sizes[name] for name in fields), fields)


def weights_prior(prior: GaussianPrior, k: int) -> tuple[Array, float]:
    """α (K,), and the constant of the Dirichlet with that of the simplex's Jacobian."""
    assert prior.weights is not None
    alpha = np.asarray(prior.weights.of_size(k), dtype=np.float64)
    return alpha, float(np.log(k) + gammaln(alpha.sum()) - gammaln(alpha).sum())


def covariance_prior(
    prior: GaussianPrior, shape: tuple[int, int], many: int, matrices: bool
) -> tuple[float, Array, float]:
    """ν0, Ψ or ψ in their shape, and the constant of `many` inverse-Wisharts with Jacobians, or of inverse-gammas."""
    assert prior.covariances is not None
    dof, d = float(prior.covariances.dof), shape[1]
    scale = np.ascontiguousarray(np.broadcast_to(prior.covariances.scale, shape), dtype=np.float64)
    if not matrices:
        return dof, scale, float((0.5 * dof * np.log(scale / 2) - gammaln(dof / 2)).sum())
    log_det = np.linalg.slogdet(scale)[1]
    log_gamma = gammaln(0.5 * (dof - np.arange(d))).sum() + 0.25 * d * (d - 1) * np.log(np.pi)
    each = 0.5 * dof * (log_det - d * np.log(2)) - log_gamma + d * np.log(2)  # the last is the Jacobian's
    return dof, scale, float(many * each)


def means_prior(prior: GaussianPrior, k: int, d: int) -> tuple[float, Array, float]:
    """κ0, m0 (K, D), and the constant of K normal densities."""
    assert prior.means is not None
    strength = float(prior.means.strength)
    location = np.ascontiguousarray(np.broadcast_to(prior.means.location, (k, d)), dtype=np.float64)
    return strength, location, float(0.5 * k * d * (np.log(strength) - LOG_2PI))


def held_spread(held: GaussianParams, matrices: bool, whole: bool) -> Array:
    """Cholesky factors (K, D, D), or standard deviations (K, D), of the covariances; used where these are held."""
    (k, d), expanded = held.means.shape, np.asarray(held.covariances, dtype=np.float64)
    if matrices:
        return np.ascontiguousarray(np.broadcast_to(np.linalg.cholesky(expanded), (k, d, d)))
    variances = np.diagonal(expanded, axis1=1, axis2=2) if whole else expanded.reshape(k, -1)
    return np.ascontiguousarray(np.broadcast_to(np.sqrt(variances), (k, d)))


def c_density_of_matrices(size: Any, x: Any, gradient: Any, value: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    out, rows = carray(gradient, (int(size),)), carray(words, (MOST, WORDS))
    value[0] = density_of_matrices(point(carray(x, (int(size),)), rows), out, rows)
    pulled(out, rows)
    return outcome(value[0], out)


def c_density_of_variances(size: Any, x: Any, gradient: Any, value: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    out, rows = carray(gradient, (int(size),)), carray(words, (MOST, WORDS))
    value[0] = density_of_variances(point(carray(x, (int(size),)), rows), out, rows)
    pulled(out, rows)
    return outcome(value[0], out)


def c_values_of_matrices(size: Any, many: Any, x: Any, out: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    rows = carray(words, (MOST, WORDS))
    values_of_matrices(point(carray(x, (int(size),)), rows), carray(out, (int(many),)), rows)
    return 0


def c_values_of_variances(size: Any, many: Any, x: Any, out: Any, words: Any) -> int:
    """As `kernels.calls` has it."""
    rows = carray(words, (MOST, WORDS))
    values_of_variances(point(carray(x, (int(size),)), rows), carray(out, (int(many),)), rows)
    return 0
