"""The data and EM on its way: component moments at chosen passes, for the figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emvsbayes.comparison.record import MARKS, Band, Picture, Snapshot
from emvsbayes.core.alignment import Permutation, permute
from emvsbayes.core.em import Stop, run_em

PASSES = (0, 1, 2, 5, 20)


def make_picture(
    problem: Any,
    start: Any,
    schedule: Any,
    last: int,
    labels: Any,
    permutation: Permutation,
    panels: Sequence[int] = PASSES,
) -> Picture:
    """Snapshots of the ML climb from `start` at the passes of `panels` and the last; `labels` (N,) colour the rows."""
    family, data = problem.family, problem.data
    points, columns = family.points(data)
    points, columns = points[:, :2], columns[:2]
    rows = np.arange(len(points))
    if len(rows) > MARKS:
        rows = np.sort(np.random.default_rng(0).choice(rows, size=MARKS, replace=False))
    snapshots = []
    for passes in [p for p in panels if p < last] + [last]:
        stop = Stop(tol=0.0, max_passes=passes)
        run = run_em(family, data, start, schedule=schedule, stop=stop, record=False)
        if "components" not in family.capabilities:
            snapshots.append(Snapshot(passes, [], [], [], _band(family, run.params, data)))
            continue
        params = permute(run.params, permutation, family.component_axes)
        centers, covariances = family.component_moments(params, data)
        snapshots.append(
            Snapshot(passes, params.weights.tolist(), centers[:, :2].tolist(), covariances[:, :2, :2].tolist())
        )
    return Picture(list(columns), points[rows].tolist(), labels[rows].tolist(), len(points), snapshots)


def _band(family: Any, params: Any, data: Any) -> Band | None:
    """The predictive mean with its 95 % band, where the data have one input to draw it against."""
    found = family.band(params, data)
    return None if found is None else Band(*(values.tolist() for values in found))
