"""Linear regression with evidence EM: the weights are the latent, their precision and that of the noise the parameters.

Model
    w ~ N(0, α⁻¹ I),    t_n | w ~ N(wᵀ φ(x_n), β⁻¹),    w of M entries, Φ (N, M) with the rows φ(x_n)

    ln p(t, w | α, β) = M/2 ln(α/2π) - α/2 wᵀw + N/2 ln(β/2π) - β/2 ‖t - Φw‖²

E-step: q(w) = N(m, S)
    S⁻¹ = α I + β ΦᵀΦ,       m = β S Φᵀt

M-step
    α = M / (mᵀm + tr S),    1/β = (‖t - Φm‖² + tr(ΦᵀΦ S)) / N = (‖t - Φm‖² + β_old⁻¹ Σ_i γ_i) / N

with γ_i = λ_i / (α_old + λ_i), λ_i the eigenvalues of β_old ΦᵀΦ. Σ γ_i is the effective number of parameters.

Log evidence, which EM never lowers (s_i the singular values of Φ, u_i the coordinates of t on its left vectors)
    ln p(t | α, β) = ln N(t | 0, β⁻¹ I + α⁻¹ ΦΦᵀ)
                   = N/2 ln(β/2π) - ½ Σ_i {ln(1 + β s_i²/α) + β u_i² / (1 + β s_i²/α)} - β/2 ‖t - UUᵀt‖²

Basis functions φ, column by column of x, without cross terms; `intercept` adds a column of ones under the same α
    identity     x                    polynomial   x, x², …, x^degree
    gaussian     exp{-(x - c_j)² / 2 width²}       sigmoid   1 / (1 + exp{-(x - c_j) / width})
with `n_basis` centres c_j spread evenly over `range`, that of the training data unless given, `width` their spacing
unless given. Both are kept with the fit, so that new x meet the same functions.

Prior (MAP adds it to the counts)
    α, β ~ Gamma(shape, rate):  2 (shape - 1) to the count, 2 rate to the sum of squares

Sample weights: row n counts as w_n rows, (β/2π)^(w_n/2) exp{-β w_n/2 (t_n - wᵀφ_n)²}.

Where the algebra stops: w is shared by all rows. The data moments ΦᵀΦ and Φᵀt add over rows, but the E-step does not
split over them, so that there are no incremental schedules. There are no components, and so no labels. EM moves in
equal steps, not by a constant factor, where an optimum lies at infinity (α → ∞: the basis explains nothing).

Source: Bishop (2006), Pattern Recognition and Machine Learning, sections 3.5 and 9.3.4; MacKay (1992), Bayesian
interpolation, Neural Computation 4, 415-447. Left out: one α a weight (relevance vectors), cross terms.
"""

from emvsbayes.core.twin import Free, Twin
from emvsbayes.families.linear_evidence import bases
from emvsbayes.families.linear_evidence.conjugate import ConjugateLinear
from emvsbayes.families.linear_evidence.em import LinearEvidence
from emvsbayes.families.linear_evidence.records import LinearData, LinearParams, LinearPrior

TWIN = Twin(
    summary="Bayesian linear regression: how strong are weights and noise?",
    family=LinearEvidence,
    data=LinearData,
    params=LinearParams,
    prior=LinearPrior,
    builder="emvsbayes.families.linear_evidence.bayes:build",
    conjugate=ConjugateLinear,
    prior_on={"alpha": "the precision of the weights", "beta": "the precision of the noise"},
    settings={
        "basis": bases.KINDS,
        "intercept": Free("yes or no", bases.read_intercept),
        "degree": Free("a whole number >= 1", bases.read_degree),
        "n_basis": Free("a whole number >= 1", bases.read_n_basis),
        "range": Free("low,high of the centres, for each input column", bases.read_range),
        "width": Free("spacing, or a number > 0 in the units of x", bases.read_width),
    },
    components=False,
    log_scale=frozenset({"alpha", "beta"}),
)
