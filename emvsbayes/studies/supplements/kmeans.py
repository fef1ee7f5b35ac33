"""What K-means adds to its page: the half-steps with J, and the way from soft EM to K-means as the variance shrinks."""

from __future__ import annotations

from typing import Any

import numpy as np

from emvsbayes.comparison.record import MARKS, Plot, Series, Sheet, Supplement
from emvsbayes.core.checks import Array, Integers
from emvsbayes.core.em import Stop, run_em
from emvsbayes.core.scalars import thinned
from emvsbayes.families.kmeans.shrink import shrink
from emvsbayes.fitting import fit, schedule_of

PANELS, LINES = 12, 24  # half-steps drawn, and printed, before some in the middle are left out
DISSIMILARITIES = ("euclidean", "manhattan", "cosine")
FACTORS = (4.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.001)  # of the held variance

COLUMNS = {
    "variance": "variance",
    "kl": "KL(one-hot ‖ posterior), nats a row",
    "entropy": "entropy of the posterior, nats a row",
    "largest": "mean largest responsibility",
    "distance": "farthest move of a centre under soft EM",
    "distortion": "J at the centres of soft EM",
    "passes": "passes of soft EM",
}


def supplements(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """Two sections: the half-steps, and the table of shrinking variances."""
    return [_half_steps(problem, fits), _shrinking(problem, fits)]


def _half_steps(problem: Any, fits: Any) -> Supplement:
    """Assignments after each E half-step, centres after each M half-step, with J."""
    family, data = problem.family, problem.data
    start = fits.ml.start
    points, columns = family.points(data)
    kept = thinned(len(points), MARKS)
    plots, rows = [], []
    centers, labels = start, None
    for passes in range(fits.ml.passes + 1):
        if passes > 0:
            stop = Stop(tol=0.0, max_passes=passes)
            schedule = schedule_of(problem, "hard")
            centers = run_em(family, data, start, schedule=schedule, stop=stop, record=False).params
            assert labels is not None
            j = _distortion(data, centers, labels)
            rows.append([f"{passes}", "M: centres move to the means of their rows", j, None])
            plots.append(_panel(points[kept], columns, labels[kept], centers, f"pass {passes}, M: J = {j:.4g}"))
        before, labels = labels, family.e_step(centers, data).hardened().responsibilities.argmax(axis=1)
        moved = None if before is None else float((before != labels).sum())
        j = _distortion(data, centers, labels)
        rows.append([f"{passes}", "E: every row to its nearest centre", j, moved])
        plots.append(_panel(points[kept], columns, labels[kept], centers, f"pass {passes}, E: J = {j:.4g}"))
    table, skipped = _ends(rows, LINES)
    if skipped:
        table.insert(LINES - 2, ["⋮"] * 4)
    drawn, hidden = _ends(plots, PANELS)
    left_out = f"{skipped} half-steps in the middle are not printed. " if skipped else ""
    left_out += f"The pictures leave out {hidden} half-steps before the last." if hidden else ""
    falls = (
        "J falls or stays at every half-step" if family.method == "batch" else "Online, J may rise in the first pass"
    )
    return Supplement(
        "K-means, half-step by half-step",
        [
            "K-means is EM with a q that may only be one-hot, weights held at 1/K and one spherical variance held for "
            f"all clusters. {falls}: J is the sum of squared distances of the rows to their centres.",
            f"From the start of the best run; the variance of the model, {family.variance:.4g}, is J/(ND) where "
            "K-means ended, and is then held: no half-step of K-means depends on it, but the log-likelihood and KL do.",
        ],
        sheets=[Sheet("The distortion J", ["pass", "half-step", "J", "rows that changed cluster"], table, left_out)],
        plots=drawn,
    )


def _ends(items: list[Any], most: int) -> tuple[list[Any], int]:
    """At most `most` items, the last two among them, and how many were left out."""
    if len(items) <= most:
        return list(items), 0
    return [*items[: most - 2], *items[-2:]], len(items) - most


def _distortion(data: Any, params: Any, labels: Integers) -> float:
    """J = Σ_n w_n |x_n - μ_(z_n)|²."""
    return float(data.row_weights @ ((data.X - params.centers[labels]) ** 2).sum(axis=1))


def _panel(points: Array, columns: Any, labels: Integers, params: Any, title: str) -> Plot:
    """Rows in the style of their cluster, and the centres."""
    flat = np.zeros(len(points)) if points.shape[1] == 1 else points[:, 1]
    heights = np.zeros(len(params.centers)) if points.shape[1] == 1 else params.centers[:, 1]
    series = []
    for k in range(len(params.centers)):
        mine = labels == k
        series.append(Series("", "points", points[mine, 0].tolist(), flat[mine].tolist(), component=k))
    for k in range(len(params.centers)):
        series.append(Series("", "centers", [float(params.centers[k, 0])], [float(heights[k])], component=k))
    return Plot(title, columns[0], columns[1] if len(columns) > 1 else "", series)


def _shrinking(problem: Any, fits: Any) -> Supplement:
    """Soft EM from the centres of K-means, under smaller and smaller variances."""
    family = problem.family
    variances = [factor * family.variance for factor in FACTORS]
    found = shrink(family, fits.ml.params.centers, problem.data, variances)
    rows: list[list[str | float | None]] = [[row[name] for name in COLUMNS] for row in found]
    return Supplement(
        "What happens as the variance shrinks",
        [
            "Soft EM of the same model keeps the posterior as q. As the variance goes to 0 each posterior gathers on "
            "the nearest centre, KL between the one-hot q and the posterior goes to 0, and soft EM becomes K-means "
            "(Bishop 2006, section 9.3.2).",
        ],
        sheets=[Sheet("Soft EM against K-means", list(COLUMNS.values()), rows)],
    )


def medoids(problem: Any, study: Any, fits: Any, posterior: Any) -> list[Supplement]:
    """K-medoids on the same rows under each dissimilarity: J, and the rows that are the prototypes."""
    data, rows = problem.data, []
    for kind in DISSIMILARITIES:
        found = fit(
            "kmeans",
            data.X,
            n_components=problem.family.n_components,
            settings={"method": "medoids", "dissimilarity": kind},
            labels=data.labels,
            sample_weight=data.row_weights,
            record=False,
            seed=study.seed,
        )
        j, starts = -found.run.objective, sum(r.optimum == 0 for r in found.restarts)
        prototypes = ", ".join(str(row) for row in sorted(found.params.medoids.tolist()))
        rows.append([kind, j, prototypes, f"{starts} of {len(found.restarts)}", str(found.passes)])
    return [
        Supplement(
            "K-medoids: J only",
            [
                "K-medoids (euclidean, manhattan, cosine) has prototypes that are rows of the data, and minimises J, "
                "the sum of the dissimilarities of the rows from their prototypes. No normalised density belongs to "
                "it, hence there is no likelihood, no twin to sample and no KL; a J of one dissimilarity says nothing "
                "about that of another, nor about the squared distances of K-means.",
            ],
            sheets=[
                Sheet(
                    "K-medoids (euclidean, manhattan, cosine): J only; no density, hence no twin and no KL",
                    ["dissimilarity", "J", "medoids (rows, from 0)", "starts that reached it", "passes"],
                    rows,
                )
            ],
        )
    ]
