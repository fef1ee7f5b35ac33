"""Starts far from the data: statistics that have lost digits are measured again, and only those."""

import numpy as np
import pytest
from cases import blobs

from emvsbayes.core.chunked import Chunked
from emvsbayes.core.em import run_em
from emvsbayes.core.schedules import Batch
from emvsbayes.core.stopping import Stop
from emvsbayes.problem import pose

ONE = Stop(tol=0, max_passes=1)


def statistics(family, X, start):
    problem = pose(family, X, n_components=2, settings=None if family == "kmeans" else {"covariance": "full"})
    params = problem.family.complete_start(start, problem.data)
    q = problem.family.e_step(params, problem.data)
    return problem, params, problem.family.expect(q, problem.data, params)


@pytest.mark.parametrize("away", [0.0, 8.0, 9.99, 10.01, 12.0, 1e3])
def test_ten_standard_deviations_are_far(away):
    """Both components at one place, `away` Mahalanobis units from the mean along a direction of small variance."""
    X = blobs() @ np.array([[1.0, 0.99], [0.0, 0.05]])
    covariance = np.cov(X.T, ddof=0)
    values, vectors = np.linalg.eigh(covariance)
    centre = X.mean(axis=0) + away * np.sqrt(values[0]) * vectors[:, 0]
    _, _, stats = statistics("gaussian_mixture", X, {"means": [centre, centre + 1e-9], "weights": [0.5, 0.5]})
    assert stats.distant == (away > 10)


@pytest.mark.parametrize(("away", "distant"), [(1.0, False), (100.0, True)])
@pytest.mark.parametrize("schedule", [Batch(), Chunked(20)])
@pytest.mark.parametrize("family", ["gaussian_mixture", "kmeans"])
def test_only_a_distant_start_is_swept_twice(family, schedule, away, distant):
    """The number of E-steps, and digits: about the start a distance of 1e8 would leave none."""
    field = "means" if family == "gaussian_mixture" else "centers"
    start = {field: np.array([[-2.0, 0.0], [3.0, 3.0]]) + away}
    problem, params, stats = statistics(family, blobs(), start)
    assert stats.distant == distant
    calls, kind = [], type(problem.family)

    def counted(self, *given):
        calls.append(1)
        return kind.accumulate(self, *given)

    counting = type("Counting", (kind,), {"accumulate": counted})
    copied = counting(**{name: getattr(problem.family, name) for name in problem.family.__dataclass_fields__})
    run_em(copied, problem.data, params, schedule=schedule, stop=ONE, record=False)
    chunks = 1 if isinstance(schedule, Batch) else -(-problem.data.n_rows // 20)
    assert len(calls) == chunks * (2 + distant)


def test_no_digits_are_lost_to_a_distant_start():
    X = blobs()
    problem = pose("gaussian_mixture", X, n_components=1)
    start = problem.family.complete_start({"means": [[1e8, -1e8]], "covariances": [1e17 * np.eye(2)]}, problem.data)
    found = run_em(problem.family, problem.data, start, stop=ONE, record=False).params
    np.testing.assert_allclose(found.covariances[0], np.cov(X.T, ddof=0), rtol=1e-12)
