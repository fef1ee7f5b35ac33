"""The Gaussian mixture with a distribution over its parameters: the conjugate pieces of variational Bayes.

    q(π) = Dirichlet(α_k + n_k),    q(μ_k | Σ_k) = N(m_k, Σ_k / κ_k),    κ_k = κ0 + n_k,    m_k = (κ0 m0 + Σ r x) / κ_k

    full        q(Σ_k) = IW(ν0 + n_k, Ψ + A_k)             tied        q(Σ) = IW(ν0 + N, Ψ + Σ_k A_k)
    diag        q(σ²_kd) = IG(½(ν0 + n_k), ½(ψ_d + a_kd))  spherical   q(σ²_k) = IG(½(ν0 + D n_k), ½(ψ + Σ_d a_kd))
    EII         q(σ²) = IG(½(ν0 + D N), ½(ψ + Σ_k Σ_d a_kd))
    EEI         q(σ²_d) = IG(½(ν0 + N), ½(ψ_d + Σ_k a_kd))

VVV, EEE, VVI and VII are full, tied, diag and spherical; mclust's other structures have no conjugate prior. Here
A_k = Σ_n r_nk (x_n - m_k)(x_n - m_k)ᵀ + κ0 (m0 - m_k)(m0 - m_k)ᵀ and a_k its diagonal (Bishop 2006, eq. 10.58 to 10.63,
there for precisions: W = Ψ⁻¹). With C_k = Ψ_k / ν_k, the inverse of E[Σ_k⁻¹],

    E[ln N(x | μ_k, Σ_k)] = ln N(x | m_k, C_k) + b_k                                             (10.64, 10.65)
    b_k = ½ Σ_i {ψ((ν_k + 1 - i)/2) - ln(ν_k/2)} - D / (2 κ_k),   i = 1 … D; i = 1, D times, for variances

so that every structure shares the densities of EM. Held means have no κ, and m_k is their value; held covariances no ν,
and C_k is theirs. See `core.variational`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from emvsbayes.core.checks import Array
from emvsbayes.core.latents.categorical import Categorical, clamp_labels, log_sum_exp, posterior, weighted_sum
from emvsbayes.core.priors import DirichletPrior, InverseWishartPrior, NormalPrior
from emvsbayes.core.weights import log_weights
from emvsbayes.densities import conjugate_draws, conjugate_moments, divergences, gaussian
from emvsbayes.families.gaussian_mixture import structures
from emvsbayes.families.gaussian_mixture.em import GaussianMixture, GaussianStats, one_pass
from emvsbayes.families.gaussian_mixture.records import LAYOUTS, GaussianData, GaussianParams, GaussianPrior


@dataclass(frozen=True, slots=True)
class ConjugateGaussian:
    """Normal-inverse-Wishart (or -gamma) and Dirichlet posteriors; `held`: values of the fields in `family.fixed`."""

    family: GaussianMixture
    prior: GaussianPrior
    held: Mapping[str, Array]

    def posterior(self, stats: GaussianStats) -> GaussianPrior:
        """Expected moments added to the prior's, and measured about the new m_k: the scale never falls below Ψ."""
        means, covariances, weights = self.prior.means, self.prior.covariances, self.prior.weights
        n = stats.n_weight
        if means is None:
            scatter = stats.about(self.held["means"]).second
        else:
            k, d = stats.first.shape
            count, at = np.full(k, float(means.strength)), np.broadcast_to(means.location, (k, d))
            prior = GaussianStats(count, count, count, np.zeros((k, d)), np.zeros_like(stats.second), at)
            both = stats + prior.about(stats.origin)
            location = both.origin + both.first / both.n_mean[:, None]
            means, scatter = NormalPrior(location, both.n_mean), both.about(location).second
        if covariances is not None:
            covariances = self._pooled(covariances, n, scatter)
        if weights is not None:
            weights = DirichletPrior(weights.of_size(len(n)) + n)
        return GaussianPrior(means, covariances, weights)

    def _pooled(self, prior: InverseWishartPrior, n: Array, scatter: Array) -> InverseWishartPrior:
        """Counts and scatter added to dof and scale, pooled as the structure says."""
        layout = LAYOUTS[self.family.covariance]
        if layout.round:
            n, scatter = n * scatter.shape[1], scatter.sum(axis=1)
        if layout.shared:
            n, scatter = np.asarray(n.sum()), scatter.sum(axis=0)
        return InverseWishartPrior(prior.dof + n, prior.scale + scatter)

    def _plug(self, post: GaussianPrior) -> tuple[Array, Array, Array]:
        """m_k (K, D), C_k as (K, D, D) or (K, D), and b_k (K,): E[ln N(x | μ_k, Σ_k)] = ln N(x | m_k, C_k) + b_k."""
        means = self.held["means"] if post.means is None else post.means.location
        (k, d), covariance, bias = means.shape, self.family.covariance, np.zeros(len(means))
        if post.covariances is None:
            covariances = structures.expand(covariance, self.held["covariances"], k, d)
        else:
            dof, scale = post.covariances.dof, post.covariances.scale
            covariances = self._working(scale / dof.reshape(dof.shape + (1,) * (scale.ndim - dof.ndim)), k, d)
            by_axis = 1 if LAYOUTS[covariance].matrices else 0
            digammas = digamma(0.5 * (dof[..., None] - by_axis * np.arange(d))).sum(axis=-1)
            bias = bias + 0.5 * (digammas - d * np.log(0.5 * dof))
        if post.means is not None:
            bias = bias - 0.5 * d / post.means.strength
        return means, covariances, bias

    def _working(self, numbers: Array, k: int, d: int) -> Array:
        """Numbers of the posterior, each once, as (K, D, D) or, where axis-aligned, (K, D)."""
        layout = LAYOUTS[self.family.covariance]
        if layout.matrices:
            return np.broadcast_to(numbers, (k, d, d))
        return np.broadcast_to(numbers[..., None] if layout.round else numbers, (k, d))

    def _log_shares(self, post: GaussianPrior) -> Array:
        """E[ln π], (K,)."""
        if post.weights is None:
            return log_weights(self.held["weights"])
        return divergences.log_shares(post.weights.concentration)

    def _log_joint(self, post: GaussianPrior, data: GaussianData) -> Array:
        """E[ln p(x_n, z_n = k | θ)], (N, K)."""
        means, covariances, bias = self._plug(post)
        log_joint = self._log_shares(post) + bias + gaussian.log_density(data.X, means, covariances)
        return clamp_labels(log_joint, data.labels)

    def e_step(self, post: GaussianPrior, data: GaussianData) -> Categorical:
        """r_nk ∝ exp E[ln p(x_n, z_n = k | θ)]                                                     (10.46, 10.49)."""
        return posterior(self._log_joint(post, data))

    def accumulate(self, post: GaussianPrior, data: GaussianData, about: GaussianParams) -> tuple[GaussianStats, float]:
        """The statistics of `e_step`, and `log_normaliser`, in one pass."""
        means, covariances, bias = self._plug(post)
        return one_pass(data, self._log_shares(post) + bias, means, covariances, about.means)

    def log_normaliser(self, post: GaussianPrior, data: GaussianData) -> float:
        """Σ_n w_n ln Σ_k exp E[ln p(x_n, z_n = k | θ)]."""
        return weighted_sum(data.row_weights, log_sum_exp(self._log_joint(post, data)))

    def expected_log_joint(self, post: GaussianPrior, stats: GaussianStats) -> float:
        """Σ_k {n_k (E[ln π_k] + b_k) - ½ [n_k (D ln 2π + ln|C_k|) + tr(C_k⁻¹ S_k(m_k))]}, 0 · ln 0 = 0."""
        means, covariances, bias = self._plug(post)
        n, used = stats.n_weight, stats.n_weight != 0
        counts = n[used] @ self._log_shares(post)[used]
        normalisers = n @ (means.shape[1] * gaussian.LOG_2PI + gaussian.log_det(covariances) - 2 * bias)
        quadratic = gaussian.trace_solve(covariances, stats.about(means).second).sum()
        return float(counts - 0.5 * (normalisers + quadratic))

    def kl(self, post: GaussianPrior) -> float:
        """KL of the weights, of the covariances (once where they are shared), and of the means given them."""
        total, prior = 0.0, self.prior
        if post.weights is not None and prior.weights is not None:
            alpha = post.weights.concentration
            total += divergences.dirichlet(alpha, prior.weights.of_size(len(alpha)))
        if post.covariances is not None and prior.covariances is not None:
            dof, scale, dof0, scale0 = *_pair(post.covariances), *_pair(prior.covariances)
            if LAYOUTS[self.family.covariance].matrices:
                total += divergences.inverse_wishart(dof, scale, float(dof0), scale0)
            else:
                dof = dof.reshape(dof.shape + (1,) * (scale.ndim - dof.ndim))
                shape, rate = np.broadcast_arrays(0.5 * dof, 0.5 * scale)
                total += divergences.gamma(shape, rate, 0.5 * dof0, 0.5 * scale0)
        if post.means is not None and prior.means is not None:
            away, covariances = post.means.location - prior.means.location, self._plug(post)[1]
            second = away**2 if covariances.ndim == 2 else away[:, :, None] * away[:, None, :]
            squared = gaussian.trace_solve(covariances, second)
            total += divergences.normal(post.means.strength, float(prior.means.strength), squared, away.shape[1])
        return total

    def means(self, post: GaussianPrior) -> GaussianParams:
        """E[π], E[μ] = m, E[Σ]."""
        return self._moments(post, 0)

    def sds(self, post: GaussianPrior) -> GaussianParams:
        """Standard deviations of π, μ and Σ; Cov[μ_k] = E[Σ_k] / κ_k. 0 where held."""
        return self._moments(post, 1)

    def draw(self, post: GaussianPrior, rng: np.random.Generator) -> GaussianParams:
        """θ ~ q(θ): covariances, each distinct one once, then means given them."""
        found = dict(self.held)
        (k, d), covariance = self._plug(post)[0].shape, self.family.covariance
        if post.weights is not None:
            found["weights"] = conjugate_draws.dirichlet(post.weights.concentration, rng)
        if post.covariances is not None:
            dof, scale = _pair(post.covariances)
            if LAYOUTS[covariance].matrices:
                numbers = conjugate_draws.inverse_wishart(dof, scale, rng)
            else:
                dof = dof.reshape(dof.shape + (1,) * (scale.ndim - dof.ndim))
                numbers = conjugate_draws.inverse_gamma(dof, scale, rng)
            found["covariances"] = structures.field(covariance, self._working(numbers, k, d))
        if post.means is not None:
            whole, noise = structures.expand(covariance, found["covariances"], k, d), rng.normal(size=(k, d))
            moved = (
                (np.linalg.cholesky(whole) @ noise[..., None])[..., 0] if whole.ndim == 3 else np.sqrt(whole) * noise
            )
            found["means"] = post.means.location + moved / np.sqrt(post.means.strength)[:, None]
        return GaussianParams(**found)

    def _moments(self, post: GaussianPrior, which: int) -> GaussianParams:
        found = {name: (value, np.zeros(value.shape)) for name, value in self.held.items()}
        (k, d), covariance = self._plug(post)[0].shape, self.family.covariance
        if post.weights is not None:
            found["weights"] = conjugate_moments.dirichlet(post.weights.concentration)
        if post.covariances is not None:
            dof, scale = _pair(post.covariances)
            if LAYOUTS[covariance].matrices:
                moments = conjugate_moments.inverse_wishart(dof, scale)
            else:
                dof = dof.reshape(dof.shape + (1,) * (scale.ndim - dof.ndim))
                moments = conjugate_moments.inverse_gamma(dof, scale)
            mean, sd = (structures.field(covariance, self._working(moment, k, d)) for moment in moments)
            found["covariances"] = mean, sd
        if post.means is not None:
            expanded = structures.expand(covariance, found["covariances"][0], k, d)
            variances = np.diagonal(expanded, axis1=-2, axis2=-1) if expanded.ndim == 3 else expanded
            found["means"] = post.means.location, np.sqrt(variances / post.means.strength[:, None])
        return GaussianParams(*(found[name][which] for name in ("weights", "means", "covariances")))


def _pair(prior: InverseWishartPrior) -> tuple[Array, Array]:
    return prior.dof, prior.scale
