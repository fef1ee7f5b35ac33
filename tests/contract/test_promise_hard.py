"""Promises 1 and 2 under a hard E-step: the split holds, the bound never falls, and KL stays open."""

from itertools import pairwise

import numpy as np
import pytest
from cases import CASES, posed, starting

from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.esteps import Hard
from emvsbayes.core.latents.categorical import Categorical
from emvsbayes.core.schedules import Batch
from emvsbayes.core.trace import Status

MIXTURES = [name for name, case in CASES.items() if "components" in posed(name)[0].family.capabilities]
HARD = [name for name in MIXTURES if "density" in posed(name)[0].family.capabilities]


def hard(name, passes=15):
    problem, prior = posed(name)
    stop = Stop(tol=0.0, max_passes=passes)
    return run_em(problem.family, problem.data, starting(name), prior=prior, schedule=Batch(Hard()), stop=stop)


@pytest.mark.parametrize("name", HARD)
def test_the_bound_never_falls_and_kl_stays_open(name):
    found = hard(name)
    assert found.status is not Status.DECREASED
    steps = [step for step in found.trace if np.isfinite(step.log_likelihood)]
    if found.status is Status.SINGULAR:  # a component with one row of its own: the last pass is singular to rounding
        steps = steps[:-2]
    for step in steps:
        assert abs(step.residual) < 1e-10
        assert step.kl >= -1e-12 * max(1, abs(step.log_likelihood))
    objective = [step.objective for step in steps]
    assert min(((b - a) / (1 + abs(a)) for a, b in pairwise(objective)), default=0) > -1e-12
    present = posed(name)[0].data.row_weights > 0
    assert set(np.unique(found.q.responsibilities[present])) <= {0.0, 1.0}


@pytest.mark.parametrize("name", HARD)
def test_the_hard_e_step_is_the_best_one_hot_q(name):
    """No other assignment of any single row has a higher bound at the same parameters."""
    problem, params = posed(name)[0], starting(name)
    family, data = problem.family, problem.data
    exact = family.e_step(params, data)
    q = exact.hardened()
    assert q.kl(exact, data.row_weights) == pytest.approx(-data.row_weights @ exact.log_r.max(axis=1), rel=1e-12)

    def bound(q):
        return family.expected_log_joint(params, family.expect(q, data, params)) + q.entropy(data.row_weights)

    best, rng = bound(q), np.random.default_rng(0)
    for row in rng.choice(data.n_rows, size=5):
        for k in range(family.n_components):
            if np.isfinite(exact.log_r[row, k]):
                moved = q.log_r.copy()
                moved[row] = np.where(np.arange(family.n_components) == k, 0.0, -np.inf)
                assert bound(Categorical(moved)) <= best + 1e-9 * (1 + abs(best))


def test_a_row_without_posterior_stays_without():
    q = Categorical(np.array([[np.nan, np.nan], [0.0, -np.inf]])).hardened()
    assert np.isnan(q.log_r[0]).all()
    assert q.log_r[1].tolist() == [0.0, -np.inf]


def test_ties_go_to_the_first():
    assert Categorical(np.log([[0.5, 0.5]])).hardened().responsibilities.tolist() == [[1.0, 0.0]]
