"""Which priors may be sampled: any proper one; and what a flat group is told."""

from __future__ import annotations

import pytest
from cases import COVARIANCES, FIVE_TRIALS, blobs

import emvsbayes as eb
from emvsbayes.bayes import sampling
from emvsbayes.problem import pose
from emvsbayes.studies import compare

X = blobs(n=20)
MEANS = {"location": [0.0, 0.0], "strength": 1.0}


def sentence(caught):
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_flat_group_that_leaves_the_posterior_improper_is_refused(covariance):
    settings = {"covariance": covariance}
    spread = {"dof": 4.0, "scale": 1.0}
    for prior, group in (
        ({"weights": {"concentration": 1.0}}, "means"),
        ({"means": MEANS}, "covariances"),
        ({"covariances": spread}, "means"),
        ({}, "means"),
    ):
        for call in (eb.sample, lambda *a, **k: compare(*a, sampling=False, **k)):
            with pytest.raises(eb.InputError) as caught:
                call("gaussian_mixture", X, n_components=2, settings=settings, prior=prior)
            message = sentence(caught)
            assert f"flat prior on {group}" in message
            assert "improper" in message
            assert f"give a prior for {group}, or hold it" in message


def test_a_flat_group_that_is_held_is_no_matter():
    problem = pose("gaussian_mixture", X, n_components=2, fixed={"means": [[0, 0], [2, 2]]})
    proper = problem.family.proper_prior(problem.prior({"covariances": {"dof": 4.0, "scale": 1.0}}))
    assert proper.means is None
    assert proper.weights.concentration == 1
    problem = pose("coins", FIVE_TRIALS, n_components=2)
    proper = problem.family.proper_prior(problem.prior({}))
    assert (proper.probs.a, proper.probs.b, proper.weights.concentration) == (1, 1, 1)


@pytest.mark.parametrize(
    ("family", "data", "prior", "named"),
    [
        ("coins", FIVE_TRIALS, {"probs": {"a": 0.5, "b": 2}}, "probs.a"),
        ("coins", FIVE_TRIALS, {"probs": {"a": 2, "b": [2, 0.9]}}, "probs.b"),
        ("coins", FIVE_TRIALS, {"weights": {"concentration": 0.5}}, "weights.concentration"),
        (
            "gaussian_mixture",
            X,
            {"means": MEANS, "covariances": {"dof": 4, "scale": 1.0}, "weights": {"concentration": [0.5, 1]}},
            "weights.concentration",
        ),
    ],
)
def test_parameters_below_one_are_refused_by_map_and_accepted_by_sampling(family, data, prior, named):
    with pytest.raises(eb.InputError) as caught:
        eb.fit(family, data, n_components=2, prior=prior)
    message = sentence(caught)
    assert named in message
    assert "at least 1" in message
    problem = pose(family, data, n_components=2)
    assert problem.family.proper_prior(problem.prior(prior)) is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prior": None}, ["needs a prior"]),
        ({"draws": 3}, ["draws", ">= 4", "3"]),
        ({"draws": 10.0}, ["draws", "10.0"]),
        ({"tune": 0}, ["tune", ">= 1"]),
        ({"chains": 0}, ["chains", ">= 1"]),
        ({"fixed": {"weights": [0.5, 0.5], "probs": [0.4, 0.7]}}, ["every field is held fixed"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": "one"}, ["seed", "one"]),
        ({"seed": 1.5}, ["seed", "1.5"]),
    ],
)
def test_impossible_requests_are_refused_before_anything_is_compiled(options, words, monkeypatch):
    monkeypatch.setattr(sampling, "_draw", lambda *args, **more: pytest.fail("drew"))
    with pytest.raises(eb.InputError) as caught:
        eb.sample("coins", FIVE_TRIALS, n_components=2, **options)
    for word in words:
        assert word in sentence(caught)
