"""What becomes of soft K-means as its variance shrinks: EM tends to K-means (Bishop 2006, section 9.3.2).

    r_nk = exp(-|x_n - μ_k|² / 2σ²) / Σ_j exp(-|x_n - μ_j|² / 2σ²)  →  one-hot at the nearest centre,   σ² → 0

so that the KL of the one-hot q from the posterior, which K-means never closes, tends to 0 by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emvsbayes.core.checks import Array
from emvsbayes.core.em import Stop, run_em
from emvsbayes.families.kmeans.em import KMeans
from emvsbayes.families.kmeans.records import KMeansData, KMeansParams


def shrink(
    family: KMeans, centers: Array, data: KMeansData, variances: Sequence[float], stop: Stop | None = None
) -> list[dict[str, float]]:
    """One row for each σ² of `variances`: K-means beside soft K-means started at its centres.

    Parameters
    ----------
    family : KMeans
        Of method batch; its own variance is not used.
    centers : (K, D)
        A K-means solution.
    variances : sequence of float
        A ladder towards 0.

    Returns
    -------
    list of dict
        variance; at the K-means centres, averages over rows by weight: kl (of the one-hot q from the posterior, nats),
        entropy (of the posterior, nats), largest (responsibility); of soft EM run from these centres: distance (largest
        Euclidean distance of a centre from where it started), distortion (J of its centres, hard), passes.
    """
    hard, total, rows = KMeansParams(np.asarray(centers, dtype=np.float64)), float(data.row_weights.sum()), []
    for variance in variances:
        soft = replace(family, method="batch", variance=float(variance))
        posterior = soft.e_step(hard, data)
        run = run_em(soft, data, hard, stop=stop, record=False)
        rows.append(
            {
                "variance": float(variance),
                "kl": posterior.hardened().kl(posterior, data.row_weights) / total,
                "entropy": posterior.entropy(data.row_weights) / total,
                "largest": float(data.row_weights @ posterior.responsibilities.max(axis=1) / total),
                "distance": float(np.sqrt(((run.params.centers - hard.centers) ** 2).sum(axis=1)).max()),
                "distortion": soft.distortion(run.params, data),
                "passes": run.passes,
            }
        )
    return rows
