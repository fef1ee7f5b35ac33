"""Coins: a mixture of binomials. In each trial one of K coins is picked, unseen, and tossed m_n times.

Model
    z_n ~ Categorical(π),    h_n | z_n = k ~ Binomial(m_n, p_k)

    ln p(H, Z | θ) = Σ_n Σ_k [z_n = k] {ln π_k + h_n ln p_k + (m_n - h_n) ln(1 - p_k)} + Σ_n ln C(m_n, h_n)

E-step
    r_nk = π_k p_k^h_n (1 - p_k)^(m_n - h_n) / Σ_j (the same with j)

M-step, with n_k = Σ_n r_nk
    π_k = n_k / N,           p_k = Σ_n r_nk h_n / Σ_n r_nk m_n

Prior (MAP adds it to the counts)
    p_k ~ Beta(a, b):  a - 1 heads and b - 1 tails,     π ~ Dirichlet(α):  α_k - 1 trials

Known coins (`labels`) hold z_n, so that the complete-data MLE is the same M-step.

Source: Do and Batzoglou (2008), What is the expectation maximization algorithm?, Nature Biotechnology 26, 897-899.
Left out: over-dispersion (beta-binomial emissions).
"""

from emvsbayes.core.twin import Twin
from emvsbayes.families.coins.conjugate import ConjugateCoins
from emvsbayes.families.coins.em import Coins
from emvsbayes.families.coins.records import CoinsData, CoinsParams, CoinsPrior

TWIN = Twin(
    summary="mixture of binomials: which coin was tossed?",
    family=Coins,
    data=CoinsData,
    params=CoinsParams,
    prior=CoinsPrior,
    builder="emvsbayes.families.coins.bayes:build",
    fused="emvsbayes.families.coins.fused:fused",
    target="emvsbayes.families.coins.target:target",
    conjugate=ConjugateCoins,
    variants={"--e-step hard": "hard EM: every trial to its more probable coin"},
    prior_on={"probs": "the probability of heads", "weights": "the first K-1 weights"},
    shorthand={"weights": {"fixed": "weights", "free": ""}},
)
