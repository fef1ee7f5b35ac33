"""The density on free coordinates: it integrates to the evidence, and renaming components is a linear map."""

import numpy as np
import pytest
import xarray as xr
from cases import CASES, FIVE_TRIALS, blobs, posed
from scipy import integrate

import emvsbayes as eb
from emvsbayes.evidence.enumeration import exact_posterior
from emvsbayes.evidence.unconstrained import tree_vectors, unconstrained, vectors
from emvsbayes.problem import pose

RENAMED = [
    f"{name}-{kind}"
    for name, kind in (
        ("coins", "three-coins-map"),
        ("coins", "fixed-probs-map"),
        ("coins", "labelled-map"),
        ("coins", "by-component"),
        ("bernoulli_mixture", "three-components-map"),
        ("kmeans", "three-components-map"),
        *((f"gaussian_mixture-{c}", "three-components-map") for c in ("full", "tied", "diag", "spherical")),
        *((f"gaussian_mixture-{c}", "default") for c in ("EII", "EEE", "VVI", "VVV")),
    )
]


@pytest.mark.parametrize("name", RENAMED)
def test_renaming_is_linear_and_changes_nothing(name):
    problem, prior = posed(name)
    target = unconstrained(problem, prior)
    rng = np.random.default_rng(0)
    maps = target.renamings(rng)
    assert len(maps) == target.copies
    np.testing.assert_array_equal(maps[0], np.eye(target.size))
    v = rng.normal(size=target.size)
    for matrix in maps:
        assert abs(np.linalg.det(matrix)) == pytest.approx(1)
        assert target(matrix @ v) == pytest.approx(target(v), rel=1e-9)
    assert len({np.round(m, 9).tobytes() for m in maps}) == len(maps)


def test_labels_and_held_fields_and_priors_tell_components_apart():
    known = unconstrained(*posed("coins-labelled-map"))
    assert known.copies == 1
    assert unconstrained(*posed("coins-by-component")).copies == 1
    assert unconstrained(*posed("coins-three-coins-map")).copies == 6


def test_more_renamings_than_asked_for_are_drawn():
    target = unconstrained(pose("coins", FIVE_TRIALS, n_components=5))
    maps = target.renamings(np.random.default_rng(0), most=40)
    assert target.copies == 120
    assert len({m.tobytes() for m in maps}) == 40
    np.testing.assert_array_equal(maps[0], np.eye(9))


def test_the_density_integrates_to_the_evidence():
    """Two coins of fixed weights: adaptive quadrature over both logits, beside the sum over allocations."""
    problem = pose("coins", FIVE_TRIALS, n_components=2, settings={"weights": "fixed"})
    target, exact = unconstrained(problem), exact_posterior(problem)
    total, _ = integrate.dblquad(lambda b, a: np.exp(target(np.array([a, b]))), -9, 9, -9, 9, epsabs=1e-10)
    assert np.log(total) == pytest.approx(exact.log_evidence, abs=1e-4)


def test_free_weights_integrate_too():
    """Of one coin held at ½ and ⅘ each, the weight's log-ratio alone."""
    problem = pose("coins", FIVE_TRIALS, n_components=2, fixed={"probs": [0.5, 0.8]})
    target, exact = unconstrained(problem), exact_posterior(problem)
    total, _ = integrate.quad(lambda v: np.exp(target(np.array([v]))), -30, 30, epsabs=1e-12)
    assert np.log(total) == pytest.approx(exact.log_evidence, abs=1e-7)


def test_draws_become_coordinates_and_back():
    problem = pose("gaussian_mixture", blobs(), n_components=2)
    target = unconstrained(problem)
    params = problem.random_params(5)
    draws = {name: np.array(getattr(params, name))[None, None] for name in ("weights", "means", "covariances")}
    np.testing.assert_allclose(vectors(target, draws)[0, 0], problem.family.to_vector(params))


@pytest.mark.parametrize(
    ("draws", "said"),
    [
        ({"weights": np.full((1, 1, 2), 0.5)}, "hold no probs"),
        ({"weights": np.full((1, 1, 2), 0.5), "probs": np.full((1, 2), 0.5)}, "must have shape"),
        ({"weights": np.full((1, 1, 2), 0.5), "probs": np.array([[[1.0, 0.5]]])}, "draw 0 of chain 0"),
    ],
)
def test_draws_of_another_model_are_refused(draws, said):
    with pytest.raises(eb.InputError, match=said):
        vectors(unconstrained(pose("coins", FIVE_TRIALS, n_components=2)), draws)


def test_what_has_no_evidence_is_refused():
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    with pytest.raises(eb.InputError, match="prior is None"):
        unconstrained(problem, None)
    with pytest.raises(eb.InputError, match="every field is held"):
        unconstrained(pose("coins", FIVE_TRIALS, n_components=2, fixed={"weights": [0.5, 0.5], "probs": [0.4, 0.6]}))
    with pytest.raises(eb.InputError, match="improper"):
        unconstrained(pose("gaussian_mixture", blobs(), n_components=2), {"weights": {"concentration": 1}})
    medoids = pose("kmeans", blobs(), n_components=2, settings={"method": "medoids"})
    with pytest.raises(eb.InputError, match="no evidence"):
        unconstrained(medoids)
    assert set(CASES) >= set(RENAMED)


def test_draws_without_chains_are_refused():
    flat = xr.Dataset(
        {"weights": (("draw", "k"), np.full((9, 2), 0.5)), "probs": (("draw", "k"), np.full((9, 2), 0.5))}
    )
    with pytest.raises(eb.InputError, match="weights has no dimension chain"):
        tree_vectors(
            unconstrained(pose("coins", FIVE_TRIALS, n_components=2)), xr.DataTree.from_dict({"posterior": flat})
        )
