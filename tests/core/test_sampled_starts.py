"""Which optima of a sample go on over all rows: those that are worse than the best by no more than chance."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import emvsbayes as eb
from emvsbayes.core.sampled_starts import FAR, hopeless
from emvsbayes.problem import pose


def corners(aspect, n=4000):
    """Four round clusters at the corners of a rectangle: two components split it along one side or the other."""
    rng = np.random.default_rng(4)
    at = np.array([[0, 0], [0, 10], [10 * aspect, 0], [10 * aspect, 10]])
    return rng.normal(size=(n, 2)) + at[np.arange(n) % 4]


def halves(aspect, along):
    """Starting means on either side of the middle."""
    middle = np.array([5.0 * aspect, 5.0])
    step = np.array([5.0 * aspect, 0.0] if along == 0 else [0.0, 5.0])
    return {"means": [middle - step, middle + step]}


def two_optima(X, aspect):
    call = {"n_components": 2, "settings": {"covariance": "diag"}, "record": False}
    return [eb.fit("gaussian_mixture", X, start=halves(aspect, along), **call) for along in (0, 1)]


def rowwise(fit, X):
    """ln p(x_n | θ), from SciPy."""
    p = fit.params
    densities = [multivariate_normal(m, np.diag(v)).pdf(X) for m, v in zip(p.means, p.covariances, strict=True)]
    return np.log(np.dot(p.weights, densities))


@pytest.mark.parametrize("aspect", [1.0, 1.005, 1.02, 1.3])
def test_the_difference_is_held_against_its_standard_error(aspect):
    """Vuong's ratio from the rows themselves; sums over random parts estimate its denominator to a tenth or so."""
    X = np.random.default_rng(0).permutation(corners(aspect))
    fits = two_optima(X, aspect)
    d = rowwise(fits[0], X) - rowwise(fits[1], X)
    assert abs(d.sum() - (fits[0].log_likelihood - fits[1].log_likelihood)) < 1e-6
    ratio = d.sum() / (np.sqrt(len(X)) * d.std(ddof=1))
    assert not 0.6 * FAR < abs(ratio) < 1.6 * FAR, "too near to say"
    problem = pose("gaussian_mixture", X, n_components=2, settings={"covariance": "diag"})
    one, other = (fit.run for fit in fits)
    assert hopeless(problem.family, problem.data, one, other) == (ratio > FAR)
    assert hopeless(problem.family, problem.data, other, one) == (-ratio > FAR)


@pytest.mark.parametrize(("aspect", "kept"), [(1.0, 2), (1.3, 1)])
def test_what_is_worse_by_chance_goes_on(aspect, kept):
    X = corners(aspect)
    fit = eb.fit(
        "gaussian_mixture", lambda: iter([X]), n_components=2, settings={"covariance": "diag"}, n_starts="20:2", seed=1
    )
    assert fit.chunks.optima >= 2
    assert fit.chunks.kept == kept
    assert sum(not restart.given_up for restart in fit.restarts) == kept
    best = max(found.log_likelihood for found in two_optima(X, aspect))
    assert fit.log_likelihood == pytest.approx(best, rel=1e-9)
    assert ("given up as worse" in fit.summary()) == (fit.chunks.optima > kept)


def test_of_few_rows_nothing_is_said():
    X = corners(1.3, n=80)
    one, other = (fit.run for fit in two_optima(X, 1.3))
    problem = pose("gaussian_mixture", X, n_components=2, settings={"covariance": "diag"})
    assert one.log_likelihood > other.log_likelihood + 5
    assert not hopeless(problem.family, problem.data, one, other)
