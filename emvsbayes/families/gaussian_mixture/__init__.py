"""Gaussian mixture: K normal components in D >= 1 dimensions.

Model
    z_n ~ Categorical(π),    x_n | z_n = k ~ N(μ_k, Σ_k)

    ln p(X, Z | θ) = Σ_n Σ_k [z_n = k] {ln π_k + ln N(x_n | μ_k, Σ_k)}                     (Bishop 2006, eq. 9.36)

E-step
    r_nk = π_k N(x_n | μ_k, Σ_k) / Σ_j π_j N(x_n | μ_j, Σ_j)                               (9.23)

M-step, with N_k = Σ_n r_nk
    π_k = N_k / N,   μ_k = Σ_n r_nk x_n / N_k,   Σ_k = Σ_n r_nk (x_n - μ_k)(x_n - μ_k)ᵀ / N_k   (9.24 to 9.26)

Covariance structures
    full: Σ_k (K, D, D) · tied: one Σ (D, D) · diag: σ²_kd (K, D) · spherical: σ²_k (K,)
    EII: one σ² (), mclust's name for spherical covariances of equal volume; the E-step is then
    r_nk ∝ π_k exp(-‖x_n - μ_k‖² / 2σ²)

Prior (MAP adds it to the statistics)
    μ_k | Σ_k ~ N(m0, Σ_k / κ0)
    full, tied: Σ ~ IW(ν0, Ψ) · diag: σ²_kd ~ IG(ν0/2, ψ_d/2) · spherical, EII: σ² ~ IG(ν0/2, ψ/2)
    (tied and EII have one covariance, and its prior counts once)
    π ~ Dirichlet(α)

Default prior, that of Fraley and Raftery (2007), which looks at the data:
    m0 = column means, κ0 = 0.01, ν0 = D + 2, Ψ = S / K^(2/D) with S the sample covariance (divisor N - 1), α = 1.
    diag takes the diagonal of Ψ, spherical and EII the mean of that diagonal. (They average the columns for diag as
    well, which distorts columns in different units.)

The likelihood is unbounded: a component on one row, on tied rows or on a hyperplane has a covariance of determinant 0.
Such a run ends as SINGULAR, and names the component and the rows. A covariance that is shared (tied, EII) or held
cannot shrink onto some of the rows: it stays as wide as the rest needs it.

Sources: Bishop (2006), Pattern Recognition and Machine Learning, chapter 9; Fraley and Raftery (2007), Bayesian
regularization for normal mixture estimation and model-based clustering, Journal of Classification 24, 155-181.
Left out: missing entries.
"""

from emvsbayes.core.twin import Free, Twin
from emvsbayes.families.gaussian_mixture.em import GaussianMixture
from emvsbayes.families.gaussian_mixture.records import (
    COVARIANCES,
    GaussianData,
    GaussianParams,
    GaussianPrior,
    read_ratio,
)

TWIN = Twin(
    summary="mixture of Gaussians: full, tied, diag or spherical covariances, or mclust's fourteen",
    family=GaussianMixture,
    data=GaussianData,
    params=GaussianParams,
    prior=GaussianPrior,
    builder="emvsbayes.families.gaussian_mixture.bayes:build",
    prior_on={
        "means": "the means, given the covariances",
        "covariances": "the covariance matrices (or variances) themselves",
        "weights": "the first K-1 weights",
    },
    settings={"covariance": COVARIANCES, "eigenvalue_ratio": Free("a number >= 1, or no bound", read_ratio)},
    shorthand={"weights": {"fixed": "weights", "free": ""}},
)
