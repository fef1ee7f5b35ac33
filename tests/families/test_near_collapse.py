"""Promise 1 on the way into a collapse, and for starts far from the data: where rounding is at its worst."""

from itertools import pairwise

import numpy as np
import pytest

import emvsbayes as eb
from emvsbayes.core.em import run_em
from emvsbayes.core.starts import METHODS
from emvsbayes.core.trace import Status
from emvsbayes.families.gaussian_mixture import structures
from emvsbayes.problem import pose

CLOUD = np.random.default_rng(0).normal(size=(40, 2))
ROUNDED = np.round(np.r_[CLOUD, 5 + CLOUD[:10]], 1)  # rounded rows tie and fall on lines: components collapse on them
ALLOWED = 1e-6  # the promise holds while every relative eigenvalue exceeds this


def climbs(offset, covariance):
    problem = pose("gaussian_mixture", ROUNDED + offset, n_components=8, settings={"covariance": covariance})
    for seed in range(9):
        start = problem.family.init(problem.data, np.random.default_rng(seed), METHODS[seed % 3])
        yield problem, start


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("covariance", ["full", "diag", "spherical"])
def test_decomposition_until_the_collapse(offset, covariance):
    thinnest = 1.0
    for problem, params in climbs(offset, covariance):
        family, data, objective = problem.family, problem.data, []
        for _ in range(60):
            q = family.e_step(params, data)
            stats = family.expect(q, data, params)
            moved = family.m_step(stats, params)
            relative = structures.relative_eigenvalues(covariance, moved.covariances, data.covariance).min()
            if relative < ALLOWED:
                break
            thinnest = min(thinnest, relative)
            log_likelihood = family.log_likelihood(moved, data)
            elbo = family.expected_log_joint(moved, stats) + q.entropy(data.row_weights)
            kl = q.kl(family.e_step(moved, data), data.row_weights)
            assert abs(elbo + kl - log_likelihood) < 1e-10 * max(1, abs(log_likelihood))
            objective.append(log_likelihood)
            params = moved
        assert min((b - a for a, b in pairwise(objective)), default=0.0) > -1e-9
    assert thinnest < 1e-2


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_recorded_and_silent_runs_end_alike_at_a_collapse(covariance):
    statuses = set()
    for problem, start in climbs(1e3, covariance):
        one, other = (run_em(problem.family, problem.data, start, record=record) for record in (True, False))
        assert (one.status, one.passes) == (other.status, other.passes)
        assert one.objective == pytest.approx(other.objective, rel=1e-10)  # two code paths
        assert [event.rows for event in one.events] == [event.rows for event in other.events]
        statuses.add(one.status)
    assert Status.SINGULAR in statuses
    assert statuses <= {Status.SINGULAR, Status.CONVERGED}


@pytest.mark.parametrize("distance", [1e2, 1e3, 1e4, 1e6, 1e8])
def test_a_start_far_from_the_data(distance):
    """Bug: with moments about the start, 1e4 deviations away ends as DECREASED and 1e8 away as SINGULAR.

    With one component the first M-step is exact wherever it starts.
    """
    fit = eb.fit("gaussian_mixture", CLOUD + distance, n_components=1, start={"means": [[0, 0]]})
    assert fit.status is Status.CONVERGED
    np.testing.assert_allclose(fit.params.covariances[0], np.cov(CLOUD.T, ddof=0), rtol=1e-6, atol=1e-6)
    assert fit.trace.largest_residual < 1e-10
