"""Covariance structures: each M-step against a numerical maximum, counts of parameters, starts, published numbers."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from cases import OLD_FAITHFUL, blobs
from scipy.optimize import minimize

import emvsbayes as eb
from emvsbayes.core.trace import Status
from emvsbayes.families.gaussian_mixture import structures
from emvsbayes.families.gaussian_mixture.records import LAYOUTS, MCLUST
from emvsbayes.problem import pose

LONG = {"tol": 1e-13, "max_passes": 20_000}


def scatters(k, d, seed):
    """Scatter matrices (K, D, D) of counts n (K,), unrelated to one another."""
    rng = np.random.default_rng(seed)
    n = rng.uniform(5, 40, size=k)
    roots = rng.normal(size=(k, d, d)) * rng.uniform(0.5, 2, size=(k, 1, d))
    return n[:, None, None] * (roots @ np.swapaxes(roots, 1, 2) + 0.1 * np.eye(d)), n


def height(covariances, scatter, n):
    """-½ Σ_k [n_k ln|Σ_k| + tr(Σ_k⁻¹ S_k)], dense."""
    logs = np.array([np.linalg.slogdet(c)[1] for c in covariances])
    traces = np.array([np.trace(np.linalg.inv(c) @ s) for c, s in zip(covariances, scatter, strict=True)])
    return -0.5 * (n @ logs + traces.sum())


def dense(expanded):
    return expanded if expanded.ndim == 3 else expanded[:, :, None] * np.eye(expanded.shape[1])


def pooled(name, scatter, n, held=None):
    structure = structures.STRUCTURES[name]
    k, d = scatter.shape[:2]
    form = scatter if structure.matrices else np.diagonal(scatter, axis1=1, axis2=2)
    wide = structures.expand(name, structures.compress(name, scatter.sum(axis=0) / n.sum(), k), k, d)
    return structure.pool(form, n, wide if held is None else held)


@pytest.mark.parametrize(("d", "seed"), [(2, 0), (2, 1), (3, 2)])
@pytest.mark.parametrize("name", MCLUST)
def test_the_m_step_is_where_a_numerical_optimiser_ends(name, d, seed):
    """BFGS over free coordinates, from elsewhere, on the dense formula."""
    (scatter, n), structure = scatters(2, d, seed), structures.STRUCTURES[name]
    ours = pooled(name, scatter, n)
    best, centre = height(dense(ours), scatter, n), structure.to_coordinates(ours)

    def negative(vector):
        with np.errstate(all="ignore"):
            try:
                value = -height(dense(structure.from_coordinates(vector, 2, d)), scatter, n)
            except np.linalg.LinAlgError:
                return 1e10
        return value if np.isfinite(value) else 1e10

    rng = np.random.default_rng(seed)
    found = [minimize(negative, centre + 0.3 * rng.normal(size=centre.size), options={"gtol": 1e-7}) for _ in range(3)]
    top = min(found, key=lambda one: one.fun)
    assert -top.fun == pytest.approx(best, abs=1e-6)
    theirs = dense(structure.from_coordinates(top.x, 2, d))
    np.testing.assert_allclose(theirs, dense(ours), rtol=1e-3, atol=1e-4 * np.abs(ours).max())
