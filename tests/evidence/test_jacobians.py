"""ln |∂θ / ∂ free coordinates| of every family beside the determinant of a matrix of finite differences."""

import numpy as np
import pytest
from cases import CASES, posed, random_params, starting

import emvsbayes as eb
from emvsbayes.core.gradients import derivatives
from emvsbayes.core.scalars import scalars

ALIKE = ("many-tosses", "extreme-weights", "five-columns", "units", "offset")  # as other cases, for this question
NO_PRIOR = [f"gaussian_mixture-{name}-" for name in ("VEI", "EVI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV")]
WITH_PRIOR = [
    name
    for name, case in CASES.items()
    if case.prior is not None and not any(part in name for part in (*ALIKE, *NO_PRIOR))
]


def natural(params, family):
    """The numbers that the prior is a density on: the last weight and what repeats left out."""
    listed = scalars(params, family, ())
    k = family.n_components
    return np.array([s.of(params) for s in listed if not (s.field == "weights" and s.index == (k - 1,))])


@pytest.mark.parametrize("name", WITH_PRIOR)
def test_the_jacobian_is_that_of_finite_differences(name):
    family, like = posed(name)[0].family, starting(name)
    params = random_params(name, np.random.default_rng(4))
    at = family.to_vector(params)
    if not at.size:
        assert family.log_jacobian(params) == 0
        return
    slopes = derivatives(lambda v: natural(family.from_vector(v, like), family), at, np.full(at.size, 1e-2))
    assert slopes.shape == (at.size, at.size)
    assert family.log_jacobian(params) == pytest.approx(np.linalg.slogdet(slopes).logabsdet, abs=1e-6)


def test_a_structure_without_a_prior_has_no_jacobian():
    params = random_params("gaussian_mixture-VEI-ml", np.random.default_rng(0))
    with pytest.raises(eb.InputError, match="no conjugate prior"):
        posed("gaussian_mixture-VEI-ml")[0].family.log_jacobian(params)
