"""The data and EM on its way: component moments at chosen passes, for the figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.comparison.record import MARKS, Picture, Snapshot
from emvsbayes.core.alignment import Permutation, permute
from emvsbayes.core.em import Stop, run_em

PASSES = (0, 1, 2, 5, 20)


def make_picture(problem: Any, start: Any, prior: Any, last: int, labels: Any, permutation: Permutation) -> Picture:
    """Snapshots of the climb from `start` at passes 0, 1, 2, 5, 20 and the last; `labels` (N,) colour the rows."""
    family, data = problem.family, problem.data
    points, columns = family.points(data)
    points, columns = points[:, :2], columns[:2]
    rows = np.arange(len(points))
    if len(rows) > MARKS:
        rows = np.sort(np.random.default_rng(0).choice(rows, size=MARKS, replace=False))
    snapshots = []
    for passes in [p for p in PASSES if p < last] + [last]:
        run = run_em(family, data, start, prior=prior, stop=Stop(tol=0.0, max_passes=passes), record=False)
        params = permute(run.params, permutation, family.component_axes)
        centers, covariances = family.component_moments(params, data)
        snapshots.append(
            Snapshot(passes, params.weights.tolist(), centers[:, :2].tolist(), covariances[:, :2, :2].tolist())
        )
    return Picture(list(columns), points[rows].tolist(), labels[rows].tolist(), len(points), snapshots)
