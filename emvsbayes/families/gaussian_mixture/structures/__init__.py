"""Covariance structures: how K covariances are tied to one another, and nothing else.

With Σ_k = λ_k D_k A_k D_kᵀ, λ_k the volume (|A_k| = 1), A_k the shape, D_k the orientation, mclust's names have a
letter for each: E equal over components, V varying, I the identity.

    EII  λI          EEI  λA         EEE  λDADᵀ         EVE  λDA_kDᵀ        EEV  λD_kAD_kᵀ
    VII  λ_k I       VEI  λ_k A      VEE  λ_k DADᵀ      VVE  λ_k DA_kDᵀ     VEV  λ_k D_kAD_kᵀ
                     EVI  λA_k                                              EVV  λD_kA_kD_kᵀ
                     VVI  λ_k A_k                                           VVV  λ_k D_kA_kD_kᵀ

The four plain names are those of VVV (full), EEE (tied), VVI (diag) and VII (spherical), with a field `covariances`
that holds each number once; under mclust's names the field is (K, D, D) throughout.

Every structure works on one of two forms, covariance matrices (K, D, D) or, axis-aligned, variances (K, D), which the
densities and the moments share. A structure says what maximises the bound, from scatter S_k about the means and counts
n_k, and which free coordinates it has:

    pooled      EII VII EEI VVI EEE VVV   one division each; conjugate
    volumes     VEI VEE, EVI EVV          one shape or one volume for all
    frames      EEV VEV, EVE VVE          eigenvectors of each, or of all together (`rotations`)
    ratio       a bound on the ratio of all eigenvalues, for those whose components are free of one another

Frames are eigenvectors, which depend on the units of the columns: for the last four structures, and under a bound on
the ratio, columns should be on comparable scales.

Sources: Banfield and Raftery (1993), Biometrics 49, 803-821; Celeux and Govaert (1995), Gaussian parsimonious
clustering models, Pattern Recognition 28, 781-793; Scrucca, Fop, Murphy and Raftery (2016), mclust 5, The R Journal 8,
289-317.
"""

from __future__ import annotations

from emvsbayes.families.gaussian_mixture.records import LAYOUTS
from emvsbayes.families.gaussian_mixture.structures.fields import compact, compress, expand, field, strays
from emvsbayes.families.gaussian_mixture.structures.frames import CommonFrame, OwnFrames
from emvsbayes.families.gaussian_mixture.structures.pooled import Pooled
from emvsbayes.families.gaussian_mixture.structures.ratio import SEPARATE, relative_eigenvalues, truncated
from emvsbayes.families.gaussian_mixture.structures.structure import Structure
from emvsbayes.families.gaussian_mixture.structures.volumes import OneShape, OneVolume

STRUCTURES: dict[str, Structure] = {
    **{name: Pooled(*layout) for name, layout in LAYOUTS.items()},
    "VEI": OneShape(matrices=False),
    "VEE": OneShape(matrices=True),
    "EVI": OneVolume(matrices=False),
    "EVV": OneVolume(matrices=True),
    "EEV": OwnFrames(one_volume=True),
    "VEV": OwnFrames(one_volume=False),
    "EVE": CommonFrame(one_volume=True),
    "VVE": CommonFrame(one_volume=False),
}

__all__ = [
    "SEPARATE",
    "STRUCTURES",
    "Structure",
    "compact",
    "compress",
    "expand",
    "field",
    "is_matrix",
    "is_shared",
    "one_volume",
    "relative_eigenvalues",
    "strays",
    "truncated",
]


def is_matrix(covariance: str) -> bool:
    """Whether the structure works on covariance matrices rather than on variances."""
    return STRUCTURES[covariance].matrices


def is_shared(covariance: str) -> bool:
    """Whether all components share one covariance."""
    return covariance in LAYOUTS and LAYOUTS[covariance].shared


def one_volume(covariance: str) -> bool:
    """Whether all components have one volume, so that none can be scaled alone."""
    return covariance == "tied" or covariance.startswith("E")
