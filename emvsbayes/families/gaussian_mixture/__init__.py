"""Gaussian mixture: K normal components in D >= 1 dimensions.

Model
    z_n ~ Categorical(π),    x_n | z_n = k ~ N(μ_k, Σ_k)

    ln p(X, Z | θ) = Σ_n Σ_k [z_n = k] {ln π_k + ln N(x_n | μ_k, Σ_k)}                     (Bishop 2006, eq. 9.36)

E-step
    r_nk = π_k N(x_n | μ_k, Σ_k) / Σ_j π_j N(x_n | μ_j, Σ_j)                               (9.23)

M-step, with N_k = Σ_n r_nk
    π_k = N_k / N,   μ_k = Σ_n r_nk x_n / N_k,   Σ_k = Σ_n r_nk (x_n - μ_k)(x_n - μ_k)ᵀ / N_k   (9.24 to 9.26)

Covariance structures (module `structures`)
    full: Σ_k (K, D, D) · tied: one Σ (D, D) · diag: σ²_kd (K, D) · spherical: σ²_k (K,)
    mclust's fourteen, all (K, D, D): EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV VVV, of which VVV is full, EEE
    tied, VVI diag and VII spherical. Under EII, one σ² for all, r_nk ∝ π_k exp(-‖x_n - μ_k‖² / 2σ²)

Prior (MAP adds it to the statistics)
    μ_k | Σ_k ~ N(m0, Σ_k / κ0)
    full, VVV, tied, EEE: Σ ~ IW(ν0, Ψ) · diag, VVI, EEI: σ²_d ~ IG(ν0/2, ψ_d/2)
    spherical, VII, EII: σ² ~ IG(ν0/2, ψ/2)
    (where all components share a covariance, tied, EEE, EEI and EII, its prior counts once; the other structures have
    no conjugate prior on the covariances)
    π ~ Dirichlet(α)

Default prior, that of Fraley and Raftery (2007), which looks at the data:
    m0 = column means, κ0 = 0.01, ν0 = D + 2, Ψ = S / K^(2/D) with S the sample covariance (divisor N - 1), α = 1.
    Variances take the diagonal of Ψ, spherical, VII and EII the mean of that diagonal. (They average the columns for
    diag as well, which distorts columns in different units.)

The likelihood is unbounded: a component on one row, on tied rows or on a hyperplane has a covariance of determinant 0.
Such a run ends as SINGULAR, and names the component and the rows. A covariance that is shared (tied, EEE, EEI, EII; but
for its orientation EEV) or held cannot shrink onto some of the rows: it stays as wide as the rest needs it. The setting
`eigenvalue_ratio` = c >= 1 bounds max λ / min λ over all eigenvalues of all components (full, diag, spherical and their
mclust names; maximum likelihood only), and with it the likelihood: a cure beside MAP and the posterior. It compares
columns with one another, which should be on comparable scales.

Sources: Bishop (2006), Pattern Recognition and Machine Learning, chapter 9; Fraley and Raftery (2007), Bayesian
regularization for normal mixture estimation and model-based clustering, Journal of Classification 24, 155-181; Celeux
and Govaert (1995), Pattern Recognition 28, 781-793; Hathaway (1985), Ann. Statist. 13, 795-800.
Left out: missing entries.
"""

from emvsbayes.core.twin import Free, Twin
from emvsbayes.families.gaussian_mixture.conjugate import ConjugateGaussian
from emvsbayes.families.gaussian_mixture.em import GaussianMixture
from emvsbayes.families.gaussian_mixture.records import (
    COVARIANCES,
    MCLUST,
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
    fused="emvsbayes.families.gaussian_mixture.fused:fused",
    target="emvsbayes.families.gaussian_mixture.target:target",
    conjugate=ConjugateGaussian,
    prior_on={
        "means": "the means, given the covariances",
        "covariances": "the covariance matrices (or variances) themselves",
        "weights": "the first K-1 weights",
    },
    settings={"covariance": COVARIANCES, "eigenvalue_ratio": Free("a number >= 1, or no bound", read_ratio)},
    distinct={"covariance": MCLUST},
    shorthand={"weights": {"fixed": "weights", "free": ""}},
)
