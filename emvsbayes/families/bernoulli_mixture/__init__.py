"""Bernoulli mixture: K prototypes of D independent bits. Latent class analysis is the same model.

Model
    z_n ~ Categorical(π),    x_nd | z_n = k ~ Bernoulli(μ_kd)

    ln p(X, Z | θ) = Σ_n Σ_k [z_n = k] {ln π_k + Σ_d [x_nd ln μ_kd + (1 - x_nd) ln(1 - μ_kd)]}   (Bishop 2006, eq. 9.54)

E-step
    r_nk = π_k p(x_n | μ_k) / Σ_j π_j p(x_n | μ_j)                                               (9.56)

M-step, with N_k = Σ_n r_nk
    π_k = N_k / N,           μ_kd = Σ_n r_nk x_nd / N_k                                          (9.59, 9.60)

Prior (MAP adds it to the counts)
    μ_kd ~ Beta(a, b): a - 1 ones and b - 1 zeros,     π ~ Dirichlet(α): α_k - 1 rows

    π_k = (N_k + α_k - 1) / (N + Σ_j (α_j - 1)),   μ_kd = (Σ_n r_nk x_nd + a - 1) / (N_k + a + b - 2)

Missing entries (`observed`, or NaN) leave the product over d and add to no count:
    p(z | x_obs) ∝ π_z ∏_{d observed} …,     E[x_d | x_obs] = Σ_k p(z = k | x_obs) μ_kd

Fractional entries (grey levels) enter as expected bits, x ln μ + (1 - x) ln(1 - μ), with no normaliser: then ln p is
not the logarithm of a density of x.

Default prior: Beta(2, 2) for every entry, Dirichlet(1); it does not look at the data.

Source: Bishop (2006), Pattern Recognition and Machine Learning, section 9.3.3.
Left out: dependence between entries within a component.
"""

from emvsbayes.core.twin import Twin
from emvsbayes.families.bernoulli_mixture.conjugate import ConjugateBernoulli
from emvsbayes.families.bernoulli_mixture.em import BernoulliMixture
from emvsbayes.families.bernoulli_mixture.records import BernoulliData, BernoulliParams, BernoulliPrior

TWIN = Twin(
    summary="mixture of Bernoullis: binary images, latent classes",
    family=BernoulliMixture,
    data=BernoulliData,
    params=BernoulliParams,
    prior=BernoulliPrior,
    builder="emvsbayes.families.bernoulli_mixture.bayes:build",
    fused="emvsbayes.families.bernoulli_mixture.fused:fused",
    target="emvsbayes.families.bernoulli_mixture.target:target",
    conjugate=ConjugateBernoulli,
    prior_on={"probs": "the probability of each entry", "weights": "the first K-1 weights"},
    shorthand={"weights": {"fixed": "weights", "free": ""}},
)
