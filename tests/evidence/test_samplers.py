"""PyMC's SMC and ADVI on the two coins, whose evidence is a sum of 2⁵ terms."""

import numpy as np
import pymc as pm
import pytest
from cases import FIVE_TRIALS, blobs

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
    assert found.spread == pytest.approx(np.log(2))


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
def test_smc_of_two_gaussians_of_few_rows():
    """Particles start as draws of the inverse-Wishart prior, from the twin itself."""
    problem = pose("gaussian_mixture", blobs(n=8), n_components=2)
    exact, prior = exact_posterior(problem).log_evidence, problem.prior("default")
    found = smc_evidence(problem, prior, runs=3)
    assert abs(found.log_evidence - exact) < min(1.0, 4 * found.se)


MATRIX = [[2.0, 0.4], [0.4, 1.0]]


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore:Numba will use object mode")
@pytest.mark.parametrize(
    ("covariance", "scale"),
    [("full", MATRIX), ("tied", MATRIX), ("EEE", MATRIX), ("EEI", [2.0, 1.0]), ("VVI", [2.0, 1.0]), ("EII", 1.5)],
)
def test_the_prior_of_covariances_is_drawn_as_it_is_written(covariance, scale):
    """Means of draws beside Ψ / (ν - D - 1), or ψ / (ν - 2) of variances."""
    prior = {"means": {"location": [0, 0], "strength": 1}, "covariances": {"dof": 12, "scale": scale}}
    problem = pose("gaussian_mixture", blobs(n=9), n_components=2, settings={"covariance": covariance})
    proper = problem.family.proper_prior(problem.prior(prior))
    model = problem.twin.build(problem.family, problem.data, proper, problem.random_params(0))
    draws = pm.draw(model["covariances"], draws=2000, random_seed=1)
    expected = np.array(scale) / 9 if covariance in ("full", "tied", "EEE") else np.eye(2) * np.array(scale) / 10
    spread = draws.std(axis=0) / np.sqrt(2000)
    assert (np.abs(draws.mean(axis=0) - expected) <= 4.5 * spread).all()


@pytest.mark.sampling
def test_the_table_has_them_all():
    found = evidence_problem(coins(), smc=True, advi=True)
    assert all(found.row(name).value is not None for name in ("smc", "advi_meanfield", "advi_fullrank"))
    assert abs(found.gap("smc")) < 0.1
    assert found.gap("advi_fullrank") > 0
