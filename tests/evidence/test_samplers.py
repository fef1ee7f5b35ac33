"""PyMC's SMC and ADVI on the two coins, whose evidence is a sum of 2⁵ terms."""

import numpy as np
import pytest
from cases import FIVE_TRIALS

from emvsbayes.bayes.advi import advi_elbo
from emvsbayes.bayes.smc import SMC, smc_evidence
from emvsbayes.evidence.bridge import bridge_sampling
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.table import evidence_problem
from emvsbayes.evidence.unconstrained import tree_vectors, unconstrained
from emvsbayes.problem import pose


def coins():
    return pose("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"})


def test_the_mean_of_runs_is_taken_of_evidences():
    found = SMC((np.log(2.0), np.log(4.0)), None)
    assert found.log_evidence == pytest.approx(np.log(3.0))
    assert found.se == pytest.approx(1 / 3)


@pytest.mark.sampling
def test_smc_is_near_the_exact_evidence_and_its_particles_are_draws():
    problem = coins()
    exact, prior = exact_posterior(problem), problem.prior("default")
    found = smc_evidence(problem, prior, draws=4000, runs=4, seed=1)
    assert found.log_evidence == pytest.approx(exact.log_evidence, abs=0.02)
    assert found.se < 0.02
    target = unconstrained(problem)
    bridge = bridge_sampling(target, tree_vectors(target, found.posterior))
    assert bridge.log_evidence == pytest.approx(exact.log_evidence, abs=0.02)
    means = found.posterior["posterior"]["probs"].values.mean(axis=(0, 1))
    np.testing.assert_allclose(means, exact.means.probs, atol=0.01)


@pytest.mark.sampling
def test_advi_stays_below_the_evidence():
    problem = coins()
    exact, prior = exact_posterior(problem).log_evidence, problem.prior("default")
    mean_field = advi_elbo(problem, prior)
    full_rank = advi_elbo(problem, prior, full_rank=True)
    for found in (mean_field, full_rank):
        assert exact - 1.5 < found.elbo < exact + 4 * found.se
    assert np.count_nonzero(mean_field.covariance) == 2
    assert full_rank.elbo > mean_field.elbo - 0.1


@pytest.mark.sampling
def test_the_table_has_them_all():
    found = evidence_problem(coins(), smc=True, advi=True)
    assert all(found.row(name).value is not None for name in ("smc", "advi_meanfield", "advi_fullrank"))
    assert abs(found.gap("smc")) < 0.1
    assert found.gap("advi_fullrank") > 0
