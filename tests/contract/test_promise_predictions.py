"""Every family with a density says what it predicts, what its data are held against, and replicates them."""

import numpy as np
import pytest
from cases import CASES, posed, random_params, those_that

from emvsbayes.core.alignment import permute
from emvsbayes.families import FAMILIES
from emvsbayes.posterior.checks import replicated

KINDS = {
    "coins": ["probability"],
    "gaussian_mixture": ["density", "density"],
    "bernoulli_mixture": ["mean"],
    "linear_evidence": ["mean"],
    "kmeans": ["density", "density"],
}
METHODS = ("views", "profile", "discrepancies")
NAMES = [name for i, name in enumerate(those_that("density")) if i % 9 == 0]


def test_every_family_has_its_row_and_medoids_have_none():
    assert set(KINDS) == set(FAMILIES)
    for name, twin in FAMILIES.items():
        family = twin.family(n_components=1 if not twin.components else 2)
        assert ("density" in family.capabilities) is all(hasattr(family, method) for method in METHODS), name
    medoids = FAMILIES["kmeans"].family(n_components=2, method="medoids")
    assert "density" not in medoids.capabilities
    assert not any(hasattr(medoids, method) for method in METHODS)


@pytest.mark.parametrize("name", KINDS)
def test_the_kinds_of_views_are_pinned(name):
    case = next(n for n, c in CASES.items() if c.family == name and np.ndim(getattr(posed(n)[0].data, "X", 0)) != 1)
    problem = posed(case)[0]
    views = problem.family.views(problem.data, 20)
    columns = len(problem.data.columns)
    assert [v.kind for v in views] == KINDS[name][: columns if KINDS[name][0] == "density" else None]


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_finite_and_keeps_its_value_when_components_are_renamed(name):
    problem, family = posed(name)[0], posed(name)[0].family
    params = random_params(name, np.random.default_rng(3))
    order = np.random.default_rng(4).permutation(family.n_components)
    free = dict(family.component_axes)
    for view in family.views(problem.data, 25):
        values = family.profile(params, problem.data, view)
        assert values.shape == (len(view.at),)
        assert np.isfinite(values).all()
        assert len(view.labels) == view.at.shape[1]
        np.testing.assert_allclose(
            family.profile(permute(params, order, free), problem.data, view), values, rtol=1e-10, atol=1e-300
        )
        if view.kind != "mean":
            assert (values >= 0).all()
        if view.kind == "probability":
            assert values.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", NAMES)
def test_replicates_are_held_against_by_the_same_statistics(name):
    problem, family = posed(name)[0], posed(name)[0].family
    params, rng = random_params(name, np.random.default_rng(5)), np.random.default_rng(6)
    data, shared = replicated(family, params, problem.data, rng)
    assert data.matrix().shape == problem.data.matrix().shape
    assert data.columns == problem.data.columns
    ours, theirs = (family.discrepancies(params, d, shared) for d in (problem.data, data))
    assert ours
    assert set(theirs) >= set(ours)
    assert np.isfinite([*ours.values(), *theirs.values()]).all()
    again, _ = replicated(family, params, problem.data, np.random.default_rng(6))
    np.testing.assert_array_equal(again.matrix(), data.matrix())
