"""q(θ) averaged over labellings: its bound by quadrature; and how far apart copies are before ln of them is added."""

import numpy as np
import pytest
from cases import FIVE_TRIALS, blobs
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import logsumexp

import emvsbayes as eb
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.normals import SEPARATE, Normal, Symmetric
from emvsbayes.evidence.symmetric import symmetric_bound
from emvsbayes.evidence.unconstrained import unconstrained
from emvsbayes.problem import pose
from emvsbayes.vb.collapsed import collapsed

FIXED = {"weights": "fixed"}


def test_two_coins_by_quadrature():
    """E_q̂[ln f - ln q̂] of q̂ = ½ {q(p1, p2) + q(p2, p1)} on a grid, from q's parameters and scipy alone."""
    fit = eb.variational("coins", FIVE_TRIALS, n_components=2, settings=FIXED)
    target = unconstrained(pose("coins", FIVE_TRIALS, n_components=2, settings=FIXED))
    found = symmetric_bound(target, fit, draws=2000, seed=3)
    x, w = np.polynomial.legendre.leggauss(120)
    x, w = (x + 1) / 2, w / 2
    p, post = np.meshgrid(x, x, indexing="ij"), fit.posterior.probs
    log_q = sum(stats.beta(post.a[k], post.b[k]).logpdf(p[k]) for k in range(2))
    both = np.logaddexp(log_q, log_q.T) - np.log(2)
    log_f = sum(stats.beta(2, 2).logpdf(p[k]) for k in range(2))
    for heads in FIVE_TRIALS["heads"]:
        log_f = log_f + logsumexp([stats.binom(10, p[k]).logpmf(heads) + np.log(0.5) for k in range(2)], axis=0)
    exact = (np.exp(both) * w[:, None] * w * (log_f - both)).sum()
    assert abs(found.elbo - exact) < 4 * found.se < 0.05
    overlap = (np.exp(log_q) * w[:, None] * w * (np.logaddexp(log_q, log_q.T) - log_q)).sum()
    assert found.overlap == pytest.approx(overlap, abs=0.03)
    assert found.elbo < exact_posterior(target.problem).log_evidence + 4 * found.se


@pytest.mark.parametrize(("family", "X"), [("coins", FIVE_TRIALS), ("gaussian_mixture", blobs(n=7, d=1))])
@pytest.mark.parametrize("k", [2, 3])
def test_the_bound_rises_and_stays_one(family, X, k):
    problem = pose(family, X, n_components=k)
    fit, target = eb.variational(family, X, n_components=k, n_starts=5), unconstrained(problem)
    found, one = symmetric_bound(target, fit, draws=400), collapsed(problem, fit, draws=400)
    some = symmetric_bound(target, fit, draws=400, most=2)
    exact = exact_posterior(problem).log_evidence
    assert found.renamings == target.copies
    assert 0 <= found.overlap <= np.log(target.copies)
    assert fit.elbo <= one.elbo <= found.elbo + 4 * found.se
    assert max(found.elbo - 4 * found.se, some.elbo - 4 * some.se) < exact
    assert found.elbo == pytest.approx(one.elbo + np.log(target.copies) - found.overlap, abs=5 * (one.se + found.se))


def test_adding_ln_of_the_copies_errs_by_their_overlap():
    """Of ĝ = ½ {N(m, 1) + N(-m, 1)}: H(ĝ) = H(g) + ln 2 - overlap, by quadrature and by the package's draws."""
    rng = np.random.default_rng(0)
    for half in (0.0, 0.7, 1.5, 2.5, 4.0):
        g = stats.norm(half)
        both = lambda v, m=half: np.logaddexp(stats.norm.logpdf(v, m), stats.norm.logpdf(v, -m)) - np.log(2)  # noqa: E731
        entropy, _ = quad(lambda v, h=both: -np.exp(h(v)) * h(v), -half - 9, half + 9, limit=400)
        overlap = g.entropy() + np.log(2) - entropy
        symmetric = Symmetric(Normal(np.array([half]), np.eye(1)), np.array([[[1.0]], [[-1.0]]]))
        assert symmetric.overlap(rng, 20_000) == pytest.approx(overlap, abs=0.01)
        assert 0 <= overlap <= np.log(2) + 1e-12


def test_copies_are_separate_from_five_and_a_half_standard_deviations():
    """Where the overlap is `SEPARATE`, and what is then added in vain is half of the 0.02 nats that are asked for."""

    def overlap(distance):
        def excess(v):
            return stats.norm.pdf(v) * np.log1p(np.exp(stats.norm.logpdf(v, distance) - stats.norm.logpdf(v)))

        return quad(excess, -10, 10 + distance, limit=400)[0]

    assert brentq(lambda d: overlap(d) - SEPARATE, 1, 9) == pytest.approx(5.4, abs=0.05)
    assert pytest.approx(np.log(2)) == overlap(0.0)
    assert SEPARATE <= 0.02 / 2


def test_laplace_of_separate_copies_errs_by_less_than_the_threshold():
    """∫ {N(v | m, 1) + N(v | -m, 1)}: the height at a mode holds the other's, and twice that of one is too much."""
    for distance in (5.4, 7.0):
        height = np.exp(stats.norm.logpdf(0) + np.log1p(np.exp(-(distance**2) / 2)))
        curvature = 1.0  # that of the other adds (d² - 1) e^(-d²/2), 1e-5 at most here
        assert np.log(2 * height * np.sqrt(2 * np.pi / curvature) / 2) < SEPARATE / 100
