"""The field `covariances` and the form that a structure works on, one from the other.

full (K, D, D) · tied (D, D) · diag (K, D) · spherical (K,): each number once
mclust's names (K, D, D)
"""

from __future__ import annotations

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.families.gaussian_mixture.records import LAYOUTS, PLAIN

AGREES = 1e-6  # relative; how far given matrices may be from their structure


def expand(covariance: str, covariances: Array, k: int, d: int) -> Array:
    """The field as covariance matrices (K, D, D), or variances (K, D) of the axis-aligned structures."""
    if covariance == "tied":
        return np.broadcast_to(covariances, (k, d, d))
    if covariance == "spherical":
        return np.broadcast_to(covariances[:, None], (k, d))
    if covariance in PLAIN or not covariance.endswith("I"):
        return covariances
    return np.diagonal(covariances, axis1=1, axis2=2)


def field(covariance: str, expanded: Array) -> Array:
    """The inverse of `expand`."""
    if covariance in PLAIN:
        return compact(covariance, expanded)
    whole = expanded if expanded.ndim == 3 else expanded[:, :, None] * np.eye(expanded.shape[1])
    return np.array(whole)


def compact(covariance: str, expanded: Array) -> Array:
    """Each number of a conjugate structure once: what its prior is a density on."""
    layout = LAYOUTS[covariance]
    distinct = expanded[..., 0] if layout.round else expanded
    return np.array(distinct[0] if layout.shared else distinct)


def compress(covariance: str, matrix: Array, k: int) -> Array:
    """One covariance matrix (D, D) as the field of K equal components."""
    variances = np.diagonal(matrix)
    if covariance in LAYOUTS and LAYOUTS[covariance].round:
        variances = np.full_like(variances, variances.mean())
    aligned = covariance.endswith("I") or (covariance in PLAIN and not PLAIN[covariance].matrices)
    return field(covariance, np.tile(variances, (k, 1)) if aligned else np.tile(matrix, (k, 1, 1)))


def strays(covariance: str, covariances: Array) -> bool:
    """Whether matrices (K, D, D) are no covariances of this structure: its letters are read one by one."""
    if covariance in PLAIN:
        return False
    volume, shape, orientation = covariance
    d = covariances.shape[1]
    sizes = np.linalg.slogdet(covariances).logabsdet / d
    unit = covariances / np.exp(sizes)[:, None, None]
    agree = [] if volume == "V" else [(sizes, sizes[:1])]
    if shape == "I":
        agree.append((unit, np.eye(d)))
    elif shape == "E" and orientation != "V":
        agree.append((unit, unit[:1]))
    elif shape == "E":
        values = np.linalg.eigvalsh(unit)
        agree.append((values, values[:1]))
    if orientation == "I":
        agree.append((unit, unit * np.eye(d)))
    elif orientation == "E":  # matrices with the same eigenvectors commute
        products = unit @ unit[:, None]
        agree.append((products, np.swapaxes(products, 0, 1)))
    return not all(np.allclose(a, b, rtol=AGREES, atol=AGREES * np.abs(b).max()) for a, b in agree)
