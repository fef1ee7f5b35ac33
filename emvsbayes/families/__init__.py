"""The reader's shelf: one folder per model, and the list of them.

A new family is one folder and one line below; contract tests, command line, comparison and report pick it up.
"""

from __future__ import annotations

from emvsbayes.core.twin import Twin
from emvsbayes.families import bernoulli_mixture, coins, gaussian_mixture, kmeans, linear_evidence

FAMILIES: dict[str, Twin] = {
    "coins": coins.TWIN,
    "gaussian_mixture": gaussian_mixture.TWIN,
    "bernoulli_mixture": bernoulli_mixture.TWIN,
    "kmeans": kmeans.TWIN,
    "linear_evidence": linear_evidence.TWIN,
}
