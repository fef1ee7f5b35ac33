"""Known components: complete-data, supervised and semi-supervised fits are one mechanism."""

import numpy as np
import pytest
from cases import COVARIANCES, FIVE_TRIALS, blobs, posed

import emvsbayes as eb
from emvsbayes.core.trace import Status

X, Z = blobs(n=60, d=2, k=2), np.arange(60) % 2


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("weighted", [False, True])
def test_all_known_is_the_complete_data_mle(covariance, weighted):
    w = np.random.default_rng(0).uniform(0.1, 3, size=60) if weighted else np.ones(60)
    fit = eb.fit(
        "gaussian_mixture",
        X,
        n_components=2,
        labels=Z,
        settings={"covariance": covariance},
        sample_weight=w if weighted else None,
    )
    assert fit.status is Status.CONVERGED
    assert all(r.optimum == 0 for r in fit.restarts)
    scatter, total = [], []
    for k in range(2):
        rows, mass = X[k == Z], w[k == Z]
        np.testing.assert_allclose(fit.params.means[k], np.average(rows, axis=0, weights=mass), rtol=1e-10)
        assert fit.params.weights[k] == pytest.approx(mass.sum() / w.sum())
        scatter.append(np.cov(rows.T, aweights=mass, ddof=0) * mass.sum())
        total.append(mass.sum())
    scatter, total = np.array(scatter), np.array(total)
    expected = {
        "full": scatter / total[:, None, None],
        "tied": scatter.sum(axis=0) / total.sum(),
        "diag": np.diagonal(scatter, axis1=1, axis2=2) / total[:, None],
        "spherical": np.trace(scatter, axis1=1, axis2=2) / total / 2,
    }[covariance]
    np.testing.assert_allclose(fit.params.covariances, expected, rtol=1e-9)
    assert np.array_equal(fit.responsibilities, np.eye(2)[Z])


def test_known_rows_stay_known():
    labels = np.where(np.arange(60) % 7 == 0, 1 - Z, -1)  # deliberately the wrong ones
    fit = eb.fit("gaussian_mixture", X, n_components=2, labels=labels)
    known = labels >= 0
    assert np.array_equal(fit.responsibilities[known], np.eye(2)[labels[known]])
    unknown = fit.responsibilities[~known]
    assert ((unknown > 0) & (unknown < 1)).any()


def test_semi_supervised_likelihood_counts_the_joint_of_known_rows():
    problem = posed("coins-plain-ml")[0]
    data, k = problem.data, 2
    labels = np.where(np.arange(data.n_rows) % 3 == 0, 0, -1)
    params = problem.family.init(data, np.random.default_rng(0), "kmeans")
    table = {"heads": data.heads, "tosses": data.tosses}
    fit = eb.fit("coins", table, n_components=k, labels=labels, start=params, stop={"max_passes": 0})
    from scipy import stats

    joint = np.log(params.weights) + stats.binom.logpmf(data.heads[:, None], data.tosses[:, None], params.probs)
    expected = np.where(labels == 0, joint[:, 0], np.logaddexp.reduce(joint, axis=1)).sum()
    assert fit.log_likelihood == pytest.approx(expected, rel=1e-12)


def test_labels_name_the_components():
    """With a few known rows the labels are no longer exchangeable: every start ends in the same order."""
    labels = np.full(60, -1)
    labels[:6] = Z[:6]
    for seed in range(5):
        fit = eb.fit("gaussian_mixture", X, n_components=2, labels=labels, seed=seed, n_starts=6)
        assert np.linalg.norm(fit.params.means[0] - X[Z == 0].mean(axis=0)) < np.linalg.norm(
            fit.params.means[1] - X[Z == 0].mean(axis=0)
        )


def test_no_row_known_is_no_label():
    one, other = (eb.fit("coins", FIVE_TRIALS, n_components=2, labels=labels) for labels in (None, [-1] * 5))
    assert one.to_json() == other.to_json()


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ([0, 1, 2, 0, 1], "2"),
        ([0, 1, 0.5, 0, 1], "whole"),
        ([0, 1, -2, 0, 1], "whole"),
        ([0, 1], r"\(5,\)"),
        (["A", "B", "A", "B", "A"], "labels"),
        ([0, 1, np.nan, 0, 1], "labels"),
        ([[0, 1, 0, 0, 1]], "labels"),
    ],
)
def test_impossible_labels(labels, named):
    with pytest.raises(eb.InputError, match=named):
        eb.fit("coins", FIVE_TRIALS, n_components=2, labels=labels)
