"""Mixtures by quadrature over parameters, with no sum over allocations: beside enumeration, and where there is none.

Of a mixture with K = 2 in one column the likelihood is Π_n {π a_n + (1 - π) b_n}, a and b the densities of two
components, so that a grid over (μ, σ²) serves both. Nodes of Gauss are those of the prior itself.
"""

import numpy as np
import pytest
from scipy import special, stats

import emvsbayes as eb
from emvsbayes.evidence.bridge import bridge_sampling
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.laplace import laplace
from emvsbayes.evidence.unconstrained import unconstrained, vectors
from emvsbayes.problem import pose

PRIOR = {
    "means": {"location": [0.5], "strength": 0.4},
    "covariances": {"dof": 12, "scale": 8.0},
    "weights": {"concentration": 2},
}


def inverse_gamma_normal(x, size=(36, 72)):
    """Nodes (μ, σ²) of the prior, their weights, and the densities (J, N) of rows x."""
    precision, w = special.roots_genlaguerre(size[0], 12 / 2 - 1)
    variance, w = 8.0 / 2 / precision, w / w.sum()
    h, v = special.roots_hermitenorm(size[1])
    v = v / v.sum()
    mean = 0.5 + h[None, :] * np.sqrt(variance / 0.4)[:, None]
    variance = np.broadcast_to(variance[:, None], mean.shape).ravel()
    return (
        mean.ravel(),
        variance,
        (w[:, None] * v).ravel(),
        density(mean.ravel(), variance, x),
    )


def density(mean, variance, x):
    """N(x_n | μ_j, σ²_j), (J, N)."""
    return stats.norm(mean, np.sqrt(variance)).pdf(x[:, None]).T


@pytest.mark.parametrize("x", [[0.3, 1.9], [-0.4, 0.7, 2.2]], ids=["two rows", "three rows"])
def test_normal_inverse_gamma_by_enumeration(x):
    """Evidence and posterior means of all five parameters."""
    x = np.array(x)
    problem = pose("gaussian_mixture", x, n_components=2)
    exact = exact_posterior(problem, PRIOR)
    mean, variance, w, a = inverse_gamma_normal(x)
    nodes, shares = special.roots_jacobi(3, 1, 1)  # Dirichlet(2, 2) is π (1 - π): exact up to π⁵
    total, means, variances = 0.0, 0.0, 0.0
    for pi, share in zip((nodes + 1) / 2, shares / shares.sum(), strict=True):
        likelihood = np.ones((len(w), len(w)))
        for n in range(len(x)):
            likelihood *= pi * a[:, n, None] + (1 - pi) * a[None, :, n]
        first = likelihood @ w  # of the first component's node, the second integrated out
        total += share * w @ first
        means += share * (w * mean) @ first
        variances += share * (w * variance) @ first
    assert exact.log_evidence == pytest.approx(np.log(total), abs=1e-6)
    assert exact.means.means[0, 0] == pytest.approx(means / total, abs=1e-4)
    assert np.ravel(exact.means.covariances)[0] == pytest.approx(variances / total, rel=1e-4)


@pytest.fixture(scope="module")
def thirty():
    """30 rows in two components of sd 1, π and both means unknown: 2³⁰ allocations, and a grid of 70 x 70 x 40."""
    rng = np.random.default_rng(4)
    x = np.r_[rng.normal(0, 1, 18), rng.normal(2.2, 1, 12)]
    prior = {"means": {"location": [1.0], "strength": 0.25}, "weights": {"concentration": 2}}
    problem = pose("gaussian_mixture", x, n_components=2, fixed={"covariances": [[[1.0]], [[1.0]]]})
    grid, w = np.polynomial.legendre.leggauss(70)
    mean, w = 1 + 4.5 * grid, 4.5 * w * stats.norm(1, 2).pdf(1 + 4.5 * grid)
    a = stats.norm(mean[:, None], 1).pdf(x)
    nodes, shares = special.roots_jacobi(40, 1, 1)
    pi, shares = (nodes + 1) / 2, shares / shares.sum()
    log = np.zeros((len(pi), len(mean), len(mean)))
    for n in range(len(x)):
        log += np.log(pi[:, None, None] * a[:, n][:, None] + (1 - pi)[:, None, None] * a[:, n][None, :])
    mass = np.exp(log) * shares[:, None, None] * w[:, None] * w
    exact = np.log(mass.sum())
    cells = rng.choice(mass.size, size=24_000, p=(mass / mass.sum()).ravel())
    i, j, k = np.unravel_index(cells, mass.shape)
    proposed = {"weights": np.c_[pi[i], 1 - pi[i]][None], "means": np.c_[mean[j], mean[k]][None, :, :, None]}
    return problem, prior, exact, proposed, rng


def test_thirty_rows_by_a_dense_grid(thirty):
    """Draws are moved from nodes of the grid by Metropolis steps, so that they are those of the density itself."""
    problem, prior, exact, proposed, rng = thirty
    target = unconstrained(problem, prior)
    draws = vectors(target, {name: value[:, :600] for name, value in proposed.items()})[0]
    heights = target.many(draws)
    for _ in range(6):
        moved = draws + rng.normal(size=draws.shape) * [0.5, 0.35, 0.35]
        theirs = target.many(moved)
        better = np.log(rng.random(len(draws))) < theirs - heights
        draws[better], heights[better] = moved[better], theirs[better]
    found = bridge_sampling(target, draws[None])
    assert abs(found.log_evidence - exact) < 4 * found.se < 0.1
    fit = eb.fit(
        "gaussian_mixture", problem.data.X, n_components=2, prior=prior, fixed={"covariances": [[[1.0]], [[1.0]]]}
    )
    one = laplace(target, fit.params)
    assert one.free + one.log_copies == pytest.approx(exact, abs=0.35)
    with pytest.raises(eb.InputError, match="at most 4096"):
        exact_posterior(problem, prior)


def test_bounds_of_thirty_rows(thirty):
    problem, prior, exact, _, _ = thirty
    found = eb.log_evidence(
        "gaussian_mixture", problem.data.X, n_components=2, prior=prior, fixed={"covariances": [[[1.0]], [[1.0]]]}
    )
    for row in found.bounds:
        assert row.value < exact + 4 * (row.se or 0)
    values = [row.value for row in found.bounds]
    assert sorted(values) == values  # latents summed out, and every labelling: each is nearer
